"""One job under PanDA's pilot: its directory is filled, the command runs, outputs get their names.

What the pilot has no field for (the user's metadata, a search's result, the last lines) goes
into `jobReport.json`, which it sends with its final report.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from culm.core.archives import extract, files_below, pack
from culm.core.errors import CulmError
from culm.core.names import is_pattern
from culm.wire.error_codes import PilotError, words
from pilot.transforms.containers import NoImage
from pilot.transforms.fetching import NotFetched, fetch
from pilot.transforms.orders import Orders
from pilot.transforms.outputs import LIB_LIMITS, STDERR, STDOUT, files_of, lib_files
from pilot.transforms.running import run
from pilot.transforms.secret_files import BadSecrets, secrets_in

WORK = "workDir"
REPORT, USER_METADATA = "jobReport.json", "userJobMetadata.json"
MAX_SMALL_BYTES = 1_000_000
TAIL_BYTES = 4000
"""The last lines go with the report of each job: PanDA's pilot sends a form."""


_CODES: dict[type[Exception], PilotError] = {
    BadSecrets: PilotError.SETUP_FAILURE,
    NoImage: PilotError.IMAGE_NOT_FOUND,
}


class Failed(Exception):
    """The job cannot be done: a code, and words."""

    def __init__(self, code: PilotError, diag: str) -> None:
        super().__init__(f"{words(code)}: {diag}")
        self.code = code


@dataclass(slots=True)
class Report:
    """What is told of a job beside what its pilot tells."""

    exit_code: int | None = None
    pilot_error_code: int = 0
    pilot_error_diag: str = ""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    max_rss_mb: float = 0.0
    output_tail: str = ""
    user_metadata: str | None = None
    result: str | None = None


def run_job(orders: Orders, here: Path) -> int:
    """Do what is ordered in a pilot's job directory; the exit status for the pilot."""
    report, work = Report(), here / WORK
    try:
        came = _prepare(orders, here, work)
        with secrets_in(here, work):
            ended = run(orders.command, work, sys.executable, orders.image)
        report.exit_code, report.wall_seconds = ended.exit_code, ended.wall_seconds
        report.cpu_seconds, report.max_rss_mb = ended.cpu_seconds, ended.max_rss_mb
        report.user_metadata = _small(work / USER_METADATA)
        if orders.result_name:
            report.result = _small(work / orders.result_name)
        if ended.exit_code == 0:
            _keep(orders, here, work)
        _tidy(orders, work, came)
    except (Failed, BadSecrets, NoImage) as error:
        failure = error if isinstance(error, Failed) else Failed(_CODES[type(error)], str(error))
        print(failure, file=sys.stderr)
        report.pilot_error_code, report.pilot_error_diag = int(failure.code), str(failure)
    report.output_tail = _tail(here)
    text = json.dumps({"culm": asdict(report)})
    (here / REPORT).write_text(text, encoding="utf-8")
    return _status(report)


def _status(report: Report) -> int:
    if report.pilot_error_code:
        return 1
    code = report.exit_code or 0
    return 128 - code if code < 0 else code


def _prepare(orders: Orders, here: Path, work: Path) -> frozenset[str]:
    """Fill the work directory; the names of what came with a lib file."""
    try:
        work.mkdir()
        if orders.archive:
            _unpack_from(orders, orders.archive, here, work)
        came = frozenset[str]()
        if orders.lib:
            extract(here / orders.lib, work, LIB_LIMITS)
            came = frozenset(name for name, _ in files_below(work))
        for name in (*orders.inputs, *orders.logs):
            _bring(here / name, work / name)
        if orders.files:
            _unpack_from(orders, orders.files, here, work)
    except (NotFetched, CulmError) as error:
        raise Failed(PilotError.NO_USER_TARBALL, str(error)) from error
    except OSError as error:
        raise Failed(PilotError.SETUP_FAILURE, str(error)) from error
    return came


def _unpack_from(orders: Orders, name: str, here: Path, work: Path) -> None:
    packed = here / name
    fetch(f"{orders.source_url}/cache/{name}", packed)
    try:
        extract(packed, work)
    finally:
        packed.unlink()


def _bring(source: Path, target: Path) -> None:
    """Have an input in the work directory; only what cannot be harmed is linked.

    PanDA's pilot links files of the storage: a payload that opens its input to write would
    write there.
    """
    real = source.resolve(strict=True)
    target.unlink(missing_ok=True)
    if os.access(real, os.W_OK):
        shutil.copyfile(real, target)
    else:
        target.symlink_to(real)


def _keep(orders: Orders, here: Path, work: Path) -> None:
    """Put outputs where the pilot looks for them, by their names in the catalogue."""
    if orders.builds:
        _keep_lib(orders, here, work)
    came = {*orders.inputs, *orders.logs}
    found = {name: files_of(name, work, came) for name in orders.outputs}
    missing = [name for name, files in found.items() if not files]
    if missing:
        raise Failed(PilotError.MISSING_OUTPUT_FILE, ", ".join(missing))
    for name, files in found.items():
        target = here / orders.outputs[name]
        if is_pattern(name):
            pack([(path.name, path) for path in files], target, level=1)
        else:
            shutil.copyfile(files[0], target)
    for path in {path for files in found.values() for path in files}:
        path.unlink(missing_ok=True)


def _keep_lib(orders: Orders, here: Path, work: Path) -> None:
    target, most = here / orders.builds, orders.max_lib_bytes
    contents = pack(lib_files(work), target, level=1)
    size = target.stat().st_size
    if contents.n_files > LIB_LIMITS.max_members or contents.size_bytes > LIB_LIMITS.max_bytes:
        raise Failed(PilotError.OUTPUT_FILE_TOO_LARGE, f"the build leaves {contents.n_files} files")
    if most is not None and size > most:
        said = f"the build leaves {size} bytes packed, a lib file holds at most {most}"
        raise Failed(PilotError.OUTPUT_FILE_TOO_LARGE, said)


def _tidy(orders: Orders, work: Path, came: frozenset[str]) -> None:
    """Leave for the log what has no other place: the pilot packs the whole directory."""
    if orders.builds:
        shutil.rmtree(work, ignore_errors=True)
        return
    for name in (*orders.inputs, *came):
        (work / name).unlink(missing_ok=True)


def _small(path: Path) -> str | None:
    """The text of a small JSON file; None where there is none."""
    if path.is_symlink() or not path.is_file():
        return None
    size = path.stat().st_size
    if size >= MAX_SMALL_BYTES:
        said = f"{path.name} has {size} bytes, less than {MAX_SMALL_BYTES} is allowed"
        raise Failed(PilotError.OUTPUT_FILE_TOO_LARGE, said)
    try:
        text = path.read_bytes().decode("utf-8")
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = f"{path.name} is not JSON: {error}"
        raise Failed(PilotError.PAYLOAD_EXECUTION_FAILURE, said) from error
    return text if value is not None else None


def _tail(here: Path) -> str:
    """The last lines that the command printed, as the pilot keeps them."""
    lines = []
    for name in (STDOUT, STDERR):
        path = here / name
        if path.is_file():
            with path.open("rb") as stream:
                stream.seek(max(0, path.stat().st_size - TAIL_BYTES // 2))
                lines.append(stream.read().decode("utf-8", "replace").replace("\0", " "))
    return "\n".join(text for text in lines if text)
