"""Many files up and down at once, with one bar and one exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from culm.cli.errors import needs
from culm.cli.outcome import Act, exit_code
from culm.cli.progress import OnBytes, bytes_shown
from culm.cli.render import print_json, print_line, safe, say
from culm.client import Client
from culm.client.prun import listed
from culm.client.transfer import Source, check_lfn
from culm.core.errors import CulmError, FieldFault, InvalidRequest, NotFound
from culm.wire.views import NewFile

T = TypeVar("T")
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Sending:
    """Files to be put into a dataset, by their bytes or where they are."""

    dataset: str
    paths: tuple[Path, ...]
    n_events: int | None
    in_place: bool


def send_files(client: Client, sending: Sending, *, as_json: bool) -> int:
    """Make the dataset and put the files into it; the exit code, 7 where some could not be."""
    _check(sending.paths)
    if sending.in_place:
        files = [_registered(path, sending.n_events) for path in sending.paths]
        view = client.add_dataset(sending.dataset, files)
        acts = [Act(file.lfn, file.url) for file in files]
    else:
        client.add_dataset(sending.dataset)
        acts = _upload(client, sending)
        view = client.dataset(sending.dataset)
    _tell(acts)
    if as_json:
        print_json(view)
    else:
        print_line(view.name, f"{view.n_files} files")
    return exit_code(acts)


def fetch_files(
    client: Client, dataset: str, directory: Path, match: str | None, *, as_json: bool
) -> int:
    """Fetch a dataset's files; the exit code, 7 where some could not be fetched."""
    patterns = listed(match) or ("*",)
    files = [f for f in client.files(dataset) if any(fnmatchcase(f.lfn, p) for p in patterns)]
    if not files:
        wanted = f"no file that matches {match}" if match else "no file"
        raise NotFound(f"dataset {dataset} has {wanted}", hint=f"culm dataset files {dataset}")
    folder_for("--dir", directory)
    with bytes_shown(f"fetching {dataset}", sum(f.size_bytes for f in files)) as on_bytes:
        acts = _together(
            [f.lfn for f in files],
            lambda lfn: str(client.download(dataset, lfn, directory, on_bytes)),
            str,
        )
    _tell(acts)
    fetched = [act.message for act in acts if not act.error]
    if as_json:
        print_json(fetched)
    else:
        for path in fetched:
            print(safe(path))
    return exit_code(acts)


def _upload(client: Client, sending: Sending) -> list[Act]:
    total = sum(path.stat().st_size for path in sending.paths)

    def send(path: Path, on_bytes: OnBytes) -> str:
        view = client.upload(sending.dataset, path, n_events=sending.n_events, on_bytes=on_bytes)
        return view.adler32

    with bytes_shown(f"sending {sending.dataset}", total) as on_bytes:
        return _together(sending.paths, lambda path: send(path, on_bytes), lambda path: path.name)


def _together(items: Iterable[T], act: Callable[[T], str], name: Callable[[T], str]) -> list[Act]:
    """What the act on each item came to, a few at once, in the items' order."""

    def attempt(item: T) -> Act:
        try:
            return Act(name(item), act(item))
        except CulmError as error:
            return Act(name(item), error.message, error)
        except OSError as error:
            return Act(name(item), str(error), CulmError(str(error)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(attempt, items))


def _check(paths: tuple[Path, ...]) -> None:
    """Pass if all these can be sent: looked at before the first byte goes.

    Raises:
        InvalidRequest: with a fault for each that cannot.
    """
    faults = []
    seen: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            faults.append(FieldFault("FILES", str(path), "no such file, or not a regular one"))
            continue
        try:
            check_lfn(path.name)
        except InvalidRequest as error:
            faults.extend(error.faults)
        if seen.setdefault(path.name, path) != path:
            faults.append(FieldFault("FILES", str(path), f"same name as {seen[path.name]}"))
    if faults:
        raise InvalidRequest("these files cannot be added", faults=faults)


def _registered(path: Path, n_events: int | None) -> NewFile:
    source = Source.of(path, n_events=n_events)
    return NewFile(
        lfn=source.lfn,
        url=path.resolve().as_uri(),
        size_bytes=source.size_bytes,
        adler32=source.adler32,
        n_events=n_events,
    )


def folder_for(option: str, directory: Path) -> Path:
    """The folder, made if it was not there: looked at before the first byte comes.

    Raises:
        InvalidRequest: it cannot be made or written to.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise needs(option, str(directory), f"a folder to write to ({error.strerror})") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise needs(option, str(directory), "a folder to write to")
    return directory


def _tell(acts: list[Act]) -> None:
    for act in acts:
        if act.error:
            faults = "".join(f"; {fault}" for fault in act.error.faults)
            say(f"culm: {act.target}: {act.message}{faults} ({act.error.code})")
