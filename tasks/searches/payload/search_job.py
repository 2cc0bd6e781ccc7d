"""Runs one job of a hyperparameter search on a worker node, whatever pilot started it.

Standard library only, one file: it is sent along with the job. `culm_search.json` says what to
do. An evaluation job runs the user's command for each point: it writes the point and the names
of the training files, and reads the loss. A steering job runs the user's steering program, which
reads what was evaluated and writes new points. What came of it is left in `culm_result.json`.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any, NoReturn

DOCUMENT, RESULT, USER_METADATA = "culm_search.json", "culm_result.json", "userJobMetadata.json"
IN_CONTAINER = "/srv/workDir"
MB = 1_000_000
MAX_RESULT_BYTES = 1_000_000
_GRACE_SECONDS = 2.0


class BadEvaluation(Exception):
    """A point was not evaluated: the words say why."""


def main(work: Path) -> int:
    """Do what the document of this directory says; 0 if something came of it."""
    signal.signal(signal.SIGTERM, _leave)
    document = json.loads((work / DOCUMENT).read_text(encoding="utf-8"))
    act = _steer if document["kind"] == "steering" else _evaluate
    try:
        return act(document, work)
    except BadEvaluation as error:
        print(error, file=sys.stderr)
        return 1


def _leave(number: int, _: object) -> NoReturn:
    # As an exception, so that the last state of the files is saved on the way out.
    sys.exit(128 + number)


# Steering


def _steer(document: dict[str, Any], work: Path) -> int:
    (work / document["input"]).write_text(json.dumps(document["evaluated"]), encoding="utf-8")
    output = work / document["output"]
    output.unlink(missing_ok=True)
    code = _run(document["command"], document.get("container"), work)
    if code:
        raise BadEvaluation(f"the steering program failed with exit status {code}")
    points = _json_of(output, "the steering program wrote no points")
    if not isinstance(points, list):
        raise BadEvaluation(f"{output.name} holds {_short(points)}, a list of points is needed")
    if not points:
        raise BadEvaluation("the steering program wrote no points: its list is empty")
    _write_result(work, {"points": points})
    return 0


# Evaluation


def _evaluate(document: dict[str, Any], work: Path) -> int:
    points = document["points"]
    apart = len(points) > 1
    places = {p["point_nr"]: _place(document, work, p) if apart else work for p in points}
    found: dict[str, dict[str, Any]] = {}
    metadata: dict[str, Any] = {}
    for point in points:
        number, place = point["point_nr"], places[point["point_nr"]]
        try:
            loss = _evaluate_one(document, work, place, point)
            if document.get("metrics"):
                _keep_metrics(document, work, place, number)
            found[str(number)] = {"loss": loss}
            metadata[str(number)] = _metadata(document, place)
        except BadEvaluation as error:
            print(f"point {number}: {error}", file=sys.stderr)
            found[str(number)] = {"error": str(error)}
        _write_result(work, {"points": found})
        if apart:
            shutil.rmtree(place, ignore_errors=True)
    good = [number for number in found if "loss" in found[number]]
    if document.get("metrics") and good:
        _pack_metrics(document, work)
    _leave_metadata(document, work, metadata)
    if not good:
        # The last line of an output is what the error of its job quotes.
        print("; ".join(f"point {n}: {found[n]['error']}" for n in found), file=sys.stderr)
    return 0 if good else 1


def _place(document: dict[str, Any], work: Path, point: dict[str, Any]) -> Path:
    """A directory of a point's own: training files are linked, all else is copied."""
    place = work / f"point_{point['point_nr']}"
    training = set(document["training_files"])
    own = {DOCUMENT, RESULT, "payload.stdout", "payload.stderr", Path(__file__).name}
    place.mkdir()
    for path in sorted(work.iterdir()):
        name = path.name
        if name in own or name.startswith(("point_", "culm_checkpoint.")):
            continue
        if name in training:
            os.link(path, place / name)
        elif path.is_dir():
            shutil.copytree(path, place / name, symlinks=True)
        else:
            shutil.copy2(path, place / name)
    return place


def _evaluate_one(
    document: dict[str, Any], work: Path, place: Path, point: dict[str, Any]
) -> float:
    (place / document["output"]).unlink(missing_ok=True)
    (place / document["input"]).write_text(json.dumps(point["parameters"]), encoding="utf-8")
    training = json.dumps(document["training_files"])
    (place / document["training"]).write_text(training, encoding="utf-8")
    saver = _Saver(document.get("checkpoint"), work, place, point["point_nr"])
    saver.load()
    try:
        code = _run(document["command"], document.get("container"), place, saver)
    finally:
        saver.save()
    if code:
        raise BadEvaluation(f"the evaluation failed with exit status {code}")
    return _loss(place / document["output"])


def _loss(path: Path) -> float:
    """The loss in an output: a number, or an object with `loss`, `status` and `message`."""
    found = _json_of(path, f"{path.name} was not written")
    if isinstance(found, dict):
        status = found.get("status", 0)
        if status not in (0, "0"):
            words = f": {found['message']}" if found.get("message") else ""
            raise BadEvaluation(f"{path.name} says status {_short(status)}{words}")
        if "loss" not in found:
            raise BadEvaluation(f"{path.name} holds no loss")
        found = found["loss"]
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise BadEvaluation(f"{path.name}: loss is {_short(found)}, a number is needed")
    try:
        loss = float(found)
    except OverflowError:
        loss = math.inf
    if not math.isfinite(loss):
        raise BadEvaluation(f"{path.name}: loss is {loss}, a finite number is needed")
    return loss


def _json_of(path: Path, missing: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadEvaluation(missing) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BadEvaluation(f"{path.name} is not JSON: {error}") from None


def _short(value: Any) -> str:
    return ascii(value)[:80]


def _write_result(work: Path, result: dict[str, Any]) -> None:
    body = json.dumps(result).encode()
    if len(body) >= MAX_RESULT_BYTES:
        raise BadEvaluation(f"the result has {len(body)} bytes, under {MAX_RESULT_BYTES} may be")
    part = work / (RESULT + ".part")
    part.write_bytes(body)
    part.replace(work / RESULT)


# Metrics and metadata


def _member(document: dict[str, Any], number: int) -> str:
    """The name of one point's metrics: `name_A.000003.metrics.tgz`, `metrics.000003.tgz`."""
    name: str = document["metrics"]
    if document["segment"]:
        return f"{document['segment']}.{number:06d}.{name}"
    stem, dot, suffix = name.partition(".")
    return f"{stem}.{number:06d}{dot}{suffix}"


def _keep_metrics(document: dict[str, Any], work: Path, place: Path, number: int) -> None:
    path = place / document["metrics"]
    if not path.is_file():
        raise BadEvaluation(f"{path.name} was not written")
    folder = work / "culm_metrics"
    folder.mkdir(exist_ok=True)
    path.replace(folder / _member(document, number))


def _pack_metrics(document: dict[str, Any], work: Path) -> None:
    folder = work / "culm_metrics"
    with tarfile.open(work / document["metrics"], "w:gz", compresslevel=1) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, path.name, recursive=False)
    shutil.rmtree(folder, ignore_errors=True)


def _metadata(document: dict[str, Any], place: Path) -> Any:
    name = document.get("metadata")
    if not name:
        return None
    return _json_of(place / name, f"{name} was not written")


def _leave_metadata(document: dict[str, Any], work: Path, metadata: dict[str, Any]) -> None:
    if document.get("metadata") and metadata:
        alone = len(document["points"]) == 1
        found = next(iter(metadata.values())) if alone else metadata
        (work / USER_METADATA).write_text(json.dumps(found), encoding="utf-8")


# Checkpoints


class _Saver:
    """Saves files of a point as one tarball, when they changed; puts them back for a new try."""

    def __init__(self, terms: dict[str, Any] | None, work: Path, place: Path, number: int) -> None:
        self._terms, self._place = terms, place
        self._archive = work / f"culm_checkpoint.{number}.tgz"
        self._seen: dict[str, tuple[int, int]] = {}
        self._due = time.monotonic()

    def seconds_left(self) -> float | None:
        """Seconds until the next look; None: nothing is to be saved."""
        return max(0.0, self._due - time.monotonic()) if self._terms else None

    def load(self) -> None:
        """What the try before this one saved, at its place or as the tarball that is asked for."""
        if not self._terms or not self._archive.is_file():
            return
        if self._terms.get("load_as"):
            shutil.copyfile(self._archive, self._place / self._terms["load_as"])
        else:
            _unpack(self._archive, self._place)
        self._seen = self._state()

    def save_if_due(self) -> None:
        """Save what changed, but not more often than every so many minutes."""
        if self._terms and time.monotonic() >= self._due:
            self.save()
            self._due = time.monotonic() + self._terms["minutes"] * 60

    def save(self) -> None:
        """Save what changed since the last time."""
        state = self._state()
        if not state or state == self._seen or self._terms is None:
            return
        self._seen = state
        part = self._archive.with_suffix(".part")
        try:
            with tarfile.open(part, "w:gz", compresslevel=1) as archive:
                for name in state:
                    archive.add(self._place / name, name, recursive=False)
            size, most = part.stat().st_size, self._terms["max_mb"]
            if size <= most * MB:
                part.replace(self._archive)
            else:
                words = f"checkpoint of {size / MB:.0f} MB not saved: {most} MB are allowed"
                print(words, file=sys.stderr)
        except OSError as error:
            # Files that change as they are read: the next time will do.
            print(f"checkpoint not saved: {error}", file=sys.stderr)
        finally:
            part.unlink(missing_ok=True)

    def _state(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for name in self._terms["paths"] if self._terms else ():
            path = self._place / name
            inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
            for each in sorted(inside):
                if each.is_file() and not each.is_symlink():
                    status = each.stat()
                    key = str(each.relative_to(self._place))
                    found[key] = (status.st_mtime_ns, status.st_size)
        return found


def _unpack(archive: Path, place: Path) -> None:
    with tarfile.open(archive) as members:
        for member in members:
            parts = Path(member.name).parts
            if member.isfile() and not Path(member.name).is_absolute() and ".." not in parts:
                members.extract(member, place)


# The user's command


def _run(command: str, image: str | None, place: Path, saver: _Saver | None = None) -> int:
    words = in_container(command, image, place) if image else ["/bin/sh", "-c", command]
    environment = dict(os.environ, PWD=str(place))
    with subprocess.Popen(words, cwd=place, env=environment, stdin=subprocess.DEVNULL) as process:
        while True:
            try:
                return process.wait(saver.seconds_left() if saver else None)
            except subprocess.TimeoutExpired:
                if saver:
                    saver.save_if_due()
            except SystemExit:
                _end(process)
                raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """The command got SIGTERM too and may be writing its last state."""
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def in_container(command: str, image: str, place: Path) -> list[str]:
    """The words that run a shell command in an image, with the directory at /srv/workDir.

    Raises:
        BadEvaluation: no container engine is on this node.
    """
    for engine in ("apptainer", "singularity"):
        if shutil.which(engine):
            named = "://" in image or Path(image).exists()
            return [engine, "exec", "--pwd", IN_CONTAINER, "--bind", f"{place}:{IN_CONTAINER}",
                    image if named else f"docker://{image}", "/bin/sh", "-c", command]  # fmt: skip
    for engine in ("podman", "docker"):
        if shutil.which(engine):
            return [engine, "run", "--rm", "--volume", f"{place}:{IN_CONTAINER}",
                    "--workdir", IN_CONTAINER, "--entrypoint", "/bin/sh",
                    image.removeprefix("docker://"), "-c", command]  # fmt: skip
    raise BadEvaluation(
        f"no container engine for {image}: none of apptainer, singularity, podman, docker is here"
    )


if __name__ == "__main__":
    sys.exit(main(Path.cwd()))
