"""`culm run`: a task as `culm prun` would submit it, tried on this machine alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from culm.cli.context import client_of
from culm.cli.option_groups import GroupedCommand
from culm.cli.options import options_from
from culm.cli.render import Json, print_json, print_line, print_table, say
from culm.client.prun import listed
from culm.client.prun_options import Prun
from culm.core.errors import FieldFault, InvalidRequest

if TYPE_CHECKING:
    from culm.client import Client
    from culm.client.submission import Prepared
    from culm.client.transfer import Source
    from culm.wire.job_spec import JobSpec
    from culm.wire.task_spec import TaskSpec
    from culm.wire.views import TaskView
    from tasks.store.books import Books
    from tasks.trying.course import Run

app = typer.Typer(rich_markup_mode=None)

LOCAL_INPUT = "local.input"
LISTED = 1000
"""Files of a dataset that are looked at for a job, where it is not known how many it takes."""

InFiles = Annotated[
    str | None,
    typer.Option("--inFiles", "--in-files", help="Files of this machine as input, in place of "
                 "--inDS, comma-separated.", rich_help_panel="input"),
]  # fmt: skip
Limit = Annotated[
    int,
    typer.Option("--limit", min=1, max=10_000, help="Run so many of the jobs over the input.",
                 rich_help_panel="run"),
]  # fmt: skip
Folder = Annotated[
    Path | None,
    typer.Option("--runDir", "--run-dir", help="A new directory for input, output and logs.",
                 rich_help_panel="output"),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is tried: the options, the local input, how many jobs, where."""

    options: Prun
    in_files: tuple[str, ...]
    limit: int
    folder: Path | None


@dataclass(frozen=True, slots=True)
class _Trying:
    """A task that is tried: where, its jobs as they run, and a call that shows it after them."""

    folder: Path
    jobs: Iterator[Run]
    status: Callable[[], TaskView]


@app.command(cls=GroupedCommand)
@options_from(Prun, "options")
def run(
    ctx: typer.Context,
    options: Prun,
    in_files: InFiles = None,
    limit: Limit = 1,
    run_dir: Folder = None,
    as_json: Json = False,
) -> None:
    """Try a task here before it is submitted: the options are those of prun.

    The first job (or --limit) runs in a fresh directory as a pilot would run it: the files that
    prun sends, what --bexec builds, placeholders, outputs, the merge. No server is needed but for
    the files of --inDS. Exit code 0: all jobs that ran are well, 1: one failed.
    """
    wish = _Wish(options, listed(in_files), limit, run_dir)
    with _tried(client_of(ctx), wish) as trying:
        ran = list(_told(trying.jobs))
        document = _document(trying.folder, trying.status(), ran)
    if as_json:
        print_json(document)
    else:
        _show(document, ran)
    raise typer.Exit(int(any(one.report.state != "finished" for one in ran) or not ran))


def _fresh(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="culm-run-"))
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        fault = FieldFault("--runDir", str(folder), "is there already: name a new directory")
        raise InvalidRequest("the task cannot be tried like this", faults=[fault]) from error
    return folder.absolute()


@contextmanager
def _tried(client: Client, wish: _Wish) -> Iterator[_Trying]:
    """The task, in a new directory, once its options are found to be right."""
    from culm.client.transfer import Source
    from tasks.trying.course import runs, shown
    from tasks.trying.scene import begin, local_spec, open_books

    options = wish.options
    if wish.in_files:
        options = _with_local_input(options)
    prepared = client.prepare(options, offline=True)
    sources = [Source.of(Path(path)) for path in wish.in_files]
    folder = _fresh(wish.folder)
    spec, size = _with_sandbox(client, local_spec(prepared.spec), prepared, folder)
    with open_books(folder) as books:
        _bring_input(client, books, spec, _Input(sources, wish.limit, folder / "inputs"))
        trial = begin(books, folder, spec, size)
        say(f"trying {spec.name} in {folder}")
        secrets = client.secrets_of_jobs() if spec.use_secrets else {}
        jobs = runs(trial, wish.limit, _Fetch(client, folder / "inputs"), secrets)
        yield _Trying(folder, jobs, lambda: shown(trial))


def _with_local_input(options: Prun) -> Prun:
    if options.in_ds is not None:
        fault = FieldFault("--inFiles", "given", "not together with --inDS")
        raise InvalidRequest("the task cannot be tried like this", faults=[fault])
    return replace(options, in_ds=LOCAL_INPUT)


def _with_sandbox(
    client: Client, spec: TaskSpec, prepared: Prepared, folder: Path
) -> tuple[TaskSpec, int]:
    """The task with its files packed where the runner looks for them, and their size packed."""
    if prepared.chosen is None or not prepared.chosen.files:
        return spec, 0
    with client.packed(prepared.chosen) as packed:
        kept = folder / "sandboxes" / f"{packed.digest}.tgz"
        kept.parent.mkdir()
        kept.write_bytes(packed.path.read_bytes())
        return replace(spec, sandbox=packed.digest), packed.size_bytes


@dataclass(frozen=True, slots=True)
class _Input:
    """Local files, and how many jobs read the server's, which are fetched to `folder`."""

    sources: list[Source]
    limit: int
    folder: Path


def _bring_input(client: Client, books: Books, spec: TaskSpec, given: _Input) -> None:
    """Register the input: local files, or what the server has of the datasets."""
    from tasks.trying.scene import add_files_of_server, add_local_files

    for number, stream in enumerate(spec.inputs):
        for name in dict.fromkeys(each.rstrip("/") for each in stream.datasets):
            if name == LOCAL_INPUT:
                add_local_files(books, name, given.sources)
                continue
            # Where the input is shared out evenly, all of it says how big a job is.
            whole = spec.n_jobs is not None or number > 0 or stream.match or stream.anti_match
            most = None if whole else max(LISTED, given.limit * (spec.n_files_per_job or 1))
            files = client.files(name, None if most is None else most + stream.n_skip)
            add_files_of_server(books, name, files, given.folder)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Brings the input files of a job that are the server's."""

    client: Client
    folder: Path

    def __call__(self, spec: JobSpec) -> None:
        for item in spec.inputs:
            path = Path(unquote(urlsplit(item.urls[0]).path))
            if path.is_relative_to(self.folder) and not path.exists():
                self.client.download(path.parent.name, item.lfn, path.parent)


def _told(found: Iterator[Run]) -> Iterator[Run]:
    for one in found:
        report, seconds = one.report, one.report.metrics.wall_seconds if one.report.metrics else 0
        diag = f": {report.pilot_error_diag}" if report.pilot_error_diag else ""
        say(f"{one.spec.kind} job {one.spec.job_id} {report.state} after {seconds:.1f} s{diag}")
        yield one


def _document(folder: Path, task: Any, ran: list[Run]) -> dict[str, Any]:
    outputs = sorted(path for path in (folder / "outputs").rglob("*") if path.is_file())
    return {
        "directory": str(folder),
        "status": task.status,
        "reason": task.reason,
        "jobs": [
            {"job_id": one.spec.job_id, "kind": one.spec.kind, "command": one.spec.command,
             "state": str(one.report.state), "exit_code": one.report.exit_code,
             "error": one.report.pilot_error_diag, "output_tail": one.report.output_tail,
             "inputs": [item.lfn for item in one.spec.inputs]}
            for one in ran
        ],
        "outputs": [{"path": str(path), "size_bytes": path.stat().st_size} for path in outputs],
    }  # fmt: skip


def _show(document: dict[str, Any], ran: list[Run]) -> None:
    if ran:
        over_input = [one for one in ran if one.spec.kind == "run"] or ran
        last = next((one for one in ran if one.report.exit_code), over_input[-1])
        print_line(f"--- the last lines of {last.spec.kind} job {last.spec.job_id}")
        for line in last.report.output_tail.splitlines():
            print_line(line)
    elif document["reason"]:
        say(f"no job ran: {document['reason']}")
    print_table(("output", "bytes"), ((o["path"], o["size_bytes"]) for o in document["outputs"]))
