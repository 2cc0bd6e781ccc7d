"""The programs that run jobs under PanDA's pilot, and what they fetch. They bear no token."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from typing import Annotated

from fastapi import Path, Request, Response
from starlette.responses import FileResponse

from culm.core.errors import NotFound
from culm.wire.job_spec import JobSpec
from server.identity.access import PUBLIC
from server.panda.pilots import transforms as programs
from server.panda.pilots.job_dicts import ARGUMENTS, FILES, arguments_text
from server.panda.pilots.passes import job_of_pass
from server.panda.pilots.work import JOB_FILES
from server.parts import Parts, parts_of
from server.routing import BYTES, JSON, Noun, Terms
from tasks.stages.guests import held_jobs, spec_of

transforms = Noun("PanDA's transforms", "What PanDA's pilot fetches by name and runs.")
GZIP = "application/gzip"
_SANDBOX = ".tar.gz"
Pass = Annotated[str, Path(max_length=1000, description="What lets a job fetch its files")]
FileName = Annotated[str, Path(max_length=255, description="`<digest>.tar.gz`, `files.tgz`, …")]


@transforms.get(f"{programs.FOLDER}/{{name}}", Terms(PUBLIC, answers=BYTES))
def fetch_transform(request: Request, name: str) -> Response:
    """A program: one file for Python 3.11 or newer, standard library only."""
    if name not in programs.NAMES:
        raise NotFound(f"no transform {name[:80]!a}", hint=f"there are {', '.join(programs.NAMES)}")
    return Response(programs.program(), media_type=BYTES)


@transforms.get(f"{JOB_FILES}/{{pass_text}}/cache/{{name}}", Terms(PUBLIC, answers=BYTES))
def fetch_job_file(request: Request, pass_text: Pass, name: FileName) -> Response:
    """A file of one job, while its pilot holds it: its sandbox, its own files, its arguments."""
    parts = parts_of(request)
    spec = _spec(parts, pass_text)
    if spec.sandbox is not None and name == f"{spec.sandbox.digest}{_SANDBOX}":
        return FileResponse(parts.sandboxes.file(spec.sandbox.digest), media_type=GZIP)
    if name == FILES and spec.files:
        return Response(_packed(spec.files), media_type=GZIP)
    if name == ARGUMENTS:
        return Response(arguments_text(spec), media_type=JSON)
    raise NotFound("no such file")


def _spec(parts: Parts, pass_text: str) -> JobSpec:
    job_id, attempt_nr = job_of_pass(parts.keys, pass_text)
    with parts.books.read() as session:
        held = held_jobs(session, [job_id]).get(job_id)
        if held is None or not held.is_leased or held.attempt_nr != attempt_nr:
            raise NotFound("no such file")
        return spec_of(session, job_id)


def _packed(texts: Mapping[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, text in texts.items():
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()
