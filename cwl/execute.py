"""One CWL tool, run where a pilot's job is: shipped as a text, it needs Python and cwltool alone.

It reads `culm_tool.json` in the working directory (`cwl.tool_jobs` writes it) and leaves two files:
what the tool made, as one archive, and the output object, in which files and directories are named
by their path in the archive. It imports nothing of Culm, since a site need not have it.

A tool that fails for good (permanentFail) has done its job: its verdict goes back and nobody tries
again. Only a temporary failure, and what is no verdict of the tool, is a failure of the job.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

JOB = "culm_tool.json"
CONTAINERS, IMAGES = "culm_containers.py", "culm_images.py"
"""What runs containers (`cwl.containers`, `culm.core.images`), there if the tool asks for one."""
ARCHIVE = "cwl_files.tgz"
RESULT = "userJobMetadata.json"
SUBMITTED = "/culm-bundle/"
"""Where the submitted directory is, in the path of a `file` URL: the sandbox is its copy."""
MADE = "culm"
"""The scheme of what other steps made: `culm://<dataset>/<task>/<path in its archive>`."""
_LONGEST_REASON = 2000
_LONGEST_CONTENTS = 64 << 10
"""The most that an expression may see of a file (CWL 1.2, `loadContents`)."""
_MOST_CONTENTS = 512 << 10
"""Of all files: what a job reports has a limit."""
_LOOKED_AT = ("listing", "contents")


def main() -> int:
    """Run the tool that the working directory describes; the exit code of the job."""
    try:
        import cwltool.executors  # noqa: F401 - its absence is a fault of the site
    except ImportError as error:
        print(f"this site cannot run CWL tools: {error}", file=sys.stderr)
        return 1
    here = Path.cwd()
    job = json.loads((here / JOB).read_text("utf-8"))
    made = here / "culm_made"
    result = _run(job, here, made)
    with tarfile.open(here / ARCHIVE, "w:gz", compresslevel=1, dereference=True) as archive:
        for path in sorted(made.iterdir()) if made.is_dir() else ():
            archive.add(path, path.name)
    for name in ("culm_made", "culm_taken", "culm_scratch"):
        shutil.rmtree(here / name, ignore_errors=True)
    (here / RESULT).write_text(json.dumps(result), "utf-8")
    if result["status"] == "temporaryFail":
        print(result["reason"], file=sys.stderr)
        return 1
    return 0


def _run(job: dict[str, Any], here: Path, made: Path) -> dict[str, Any]:
    """The verdict on the tool: `status` as CWL has it, `reason`, `outputs`."""
    from cwltool.errors import UnsupportedRequirement, WorkflowException
    from schema_salad.exceptions import ValidationException

    told = _listen()
    try:
        engine = _engine(job, here)
        tool = _tool(_resolved(job, here), engine)
        in_place, _ = tool.get_requirement("InplaceUpdateRequirement")
        if in_place and in_place["inplaceUpdate"]:
            words = "inplaceUpdate: files of other steps are copies here"
            return {"status": "unsupported", "reason": words, "outputs": {}}
        inputs = _resolved(job["inputs"], here)
        context = _context(here, made, engine)
        outputs, status = _executor(job["looks_beside"])(tool, inputs, context)
    except UnsupportedRequirement as error:
        return {"status": "unsupported", "reason": _words([str(error)]), "outputs": {}}
    except (WorkflowException, ValidationException) as error:
        return {"status": "permanentFail", "reason": _words([str(error)]), "outputs": {}}
    if status != "success" or outputs is None:
        return {"status": status, "reason": _words(told), "outputs": {}}
    contents = _Contents(_MOST_CONTENTS if job["tells_contents"] else 0)
    return {"status": status, "reason": "", "outputs": _relative(outputs, made, contents)}


def _engine(job: dict[str, Any], here: Path) -> Any:
    """What runs the tool's container; None if it asks for none, or only hints at one.

    Raises:
        UnsupportedRequirement: it must have one, and none can be had.
    """
    from cwltool.errors import UnsupportedRequirement

    required, hinted = _asked(job["requirements"]), _asked(job["hints"])
    if required is None and hinted is None:
        return None
    _module(here / IMAGES, "culm.core.images")  # the site need not have Culm
    containers = _module(here / CONTAINERS)
    found = containers.engine_for(required or hinted, os.environ.get("CULM_IMAGES"))
    if not isinstance(found, str):
        containers.end_containers_at_signal(found, here)
        return found
    if required is not None:
        raise UnsupportedRequirement(found)
    print(f"it runs without a container: {found}", file=sys.stderr)
    return None


def _asked(requirements: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in requirements if one["class"] == "DockerRequirement"), None)


def _module(path: Path, name: str = "") -> Any:
    """A module that is one file, and no other of its directory."""
    name = name or path.stem
    spec: Any = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _tool(job: dict[str, Any], engine: Any) -> Any:
    """The resolved tool as an object of cwltool's."""
    from cwltool import process
    from cwltool.command_line_tool import CommandLineTool
    from cwltool.context import LoadingContext
    from cwltool.update import INTERNAL_VERSION, ORIGINAL_CWLVERSION
    from cwltool.workflow import default_make_tool
    from schema_salad.sourceline import cmap

    class ContainedTool(CommandLineTool):
        def make_job_runner(self, runtimeContext: Any) -> Any:  # noqa: N803 - cwltool's
            return engine.runner

    # Else it loads all of the standard's schemas for these three types, which takes a second.
    process.SCHEMA_ANY = {"name": _ANY, "type": "enum", "symbols": [_ANY]}
    process.SCHEMA_FILE, process.SCHEMA_DIR = (_node_type(name) for name in _TEXTS)
    context: Any = LoadingContext()
    context.metadata = {"cwlVersion": INTERNAL_VERSION, ORIGINAL_CWLVERSION: job["cwl_version"]}
    context.requirements, context.hints = cmap(job["requirements"]), cmap(job["hints"])
    context.disable_js_validation = True
    context.relax_path_checks = True
    # What it asks for is merged already, the steps around it included.
    document: Any = cmap({**job["tool"], "requirements": [], "hints": []})
    if engine is not None and engine.runner is not None:
        return ContainedTool(document, context)
    return default_make_tool(document, context)


_ANY = "https://w3id.org/cwl/salad#Any"
_CWL = "https://w3id.org/cwl/cwl#"
_PLACE = ("location", "path", "basename")
_TEXTS = {
    "File": (*_PLACE, "dirname", "nameroot", "nameext", "checksum", "format", "contents"),
    "Directory": _PLACE,
}
"""The fields of files and directories that are text (CWL 1.2, `File`, `Directory`)."""


def _node_type(name: str) -> dict[str, Any]:
    """The type of a file or directory, as the standard's schema has it."""
    url = _CWL + name
    several = {"type": "array", "items": [_CWL + one for one in _TEXTS]}
    types: dict[str, Any] = dict.fromkeys(_TEXTS[name], "string")
    is_file = name == "File"
    types |= {"size": "long", "secondaryFiles": several} if is_file else {"listing": several}
    kind = {"type": "enum", "name": f"{url}/class/{name}_class", "symbols": [url]}
    fields: list[Any] = [{"name": f"{url}/{n}", "type": ["null", t]} for n, t in types.items()]
    fields.append({"name": f"{url}/class", "type": kind})
    return {"name": url, "type": "record", "fields": fields}


def _executor(looks_beside: bool) -> Any:
    """Cwltool's own; a tool looks for secondary files beside its inputs only if it may."""
    from cwltool.executors import SingleJobExecutor

    class Executor(SingleJobExecutor):
        def run_jobs(self, process: Any, order: Any, logger: Any, context: Any) -> None:
            context.toplevel = looks_beside
            super().run_jobs(process, order, logger, context)

    return Executor()


def _context(here: Path, made: Path, engine: Any) -> Any:
    from cwltool.context import RuntimeContext

    scratch = here / "culm_scratch"
    scratch.mkdir()
    context = RuntimeContext()
    context.basedir = str(here)
    context.outdir = str(made)
    context.tmpdir_prefix = context.tmp_outdir_prefix = f"{scratch}/"
    context.use_container = engine is not None
    context.cidfile_dir = str(here)
    for name, value in (engine.flags if engine else {}).items():
        setattr(context, name, value)
    return context


def _resolved(value: Any, here: Path) -> Any:
    """A value whose files and directories are located here."""

    def locate(node: dict[str, Any]) -> dict[str, Any]:
        found = _here(str(node["location"]), here)
        if node["class"] == "Directory":
            # Of one without files, nothing came along.
            Path(unquote(urlsplit(found).path)).mkdir(parents=True, exist_ok=True)
        # A directory that is here is listed anew, as deep as the tool asks; so a file is read.
        return {k: v for k, v in node.items() if k not in _LOOKED_AT} | {"location": found}

    return _changed(value, locate)


def _here(location: str, here: Path) -> str:
    parts = urlsplit(location)
    if parts.scheme == "file" and parts.path.startswith(SUBMITTED):
        return _url(here / unquote(parts.path[len(SUBMITTED) :]))
    if parts.scheme == MADE:
        task, _, path = parts.path.removeprefix("/").partition("/")
        return _url(_unpacked(task, here) / unquote(path))
    return location


def _unpacked(task: str, here: Path) -> Path:
    """The directory with what a task made."""
    target = here / "culm_taken" / task
    if not target.is_dir():
        target.mkdir(parents=True)
        for archive in here.glob(f"*.{task}._*.{ARCHIVE}"):
            with tarfile.open(archive) as packed:
                packed.extractall(target, filter="data")
    return target


class _Contents:
    """Contents of small files for whom they may concern, as long as there is room for them."""

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, path: Path) -> dict[str, str]:
        """The field with the contents of a file, if it is told."""
        size = path.stat().st_size if path.is_file() else self._room
        if size > min(self._room, _LONGEST_CONTENTS) or not self._room:
            return {}
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            return {}
        self._room -= size
        return {"contents": text}


def _relative(value: Any, made: Path, contents: _Contents) -> Any:
    """A value whose files and directories are named by their path in the archive."""

    def locate(node: dict[str, Any]) -> dict[str, Any]:
        path = Path(unquote(urlsplit(str(node["location"])).path))
        inside = path.relative_to(made).as_posix()
        kept = {k: v for k, v in node.items() if k != "path" and ":" not in k}
        return kept | contents.of(path) | {"location": quote(inside)}

    return _changed(value, locate)


def _changed(value: Any, locate: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A copy of a value in which `locate` has changed each file and directory with a place."""
    if isinstance(value, (list, tuple)):
        return [_changed(one, locate) for one in value]
    if not isinstance(value, dict):
        return value
    found = value
    if value.get("class") in ("File", "Directory") and value.get("location"):
        found = locate(value)
    return {name: _changed(one, locate) for name, one in found.items()}


def _url(path: Path) -> str:
    return f"file://{quote(str(path))}"


def _listen() -> list[str]:
    """What cwltool says of failures from now on; it still prints everything."""
    told: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logging.getLogger("cwltool").addHandler(Keep(logging.WARNING))
    return told


def _words(told: list[str]) -> str:
    lines = [" ".join(line.split()) for one in told for line in one.splitlines()]
    return "; ".join(line for line in lines if line)[-_LONGEST_REASON:] or "it failed"


if __name__ == "__main__":
    sys.exit(main())
