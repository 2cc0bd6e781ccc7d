"""What pchain sends, a sandbox and the names of its documents, as the bundle that we look at."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from culm.client.workflow_bundle import bundle_of
from culm.core import archives
from culm.wire.workflow_runs import WorkflowSubmission
from culm.wire.workflows import WorkflowBundle
from server.panda.asked import Asked, wrong
from server.panda.native_workflows import as_cwl
from tasks.store.cache_files import digest_of

DOCUMENTS = archives.ArchiveLimits(max_members=5000, max_bytes=256 << 20)
LANGUAGES = ("cwl", "yaml")
_NATIVE = "workflow.cwl"


def submission_of(asked: Asked, params: Mapping[str, Any]) -> WorkflowSubmission:
    """The workflow that a request describes, and the digest of the files that its tasks get.

    Raises:
        InvalidRequest: something is missing, not yours, or in a language that is not run here.
    """
    name, language = params.get("outDS"), params.get("language")
    if not isinstance(name, str) or not name:
        raise wrong("outDS", name, "the base of the names: user.<nickname>.…")
    if language not in LANGUAGES:
        needed = "CWL (--cwl), or PanDA's own description (--wfd)"
        raise wrong("language", language, needed)
    digest = _digest(asked, params.get("sandbox"))
    with tempfile.TemporaryDirectory(prefix="culm-chain-") as folder:
        archives.extract(asked.parts.sandboxes.file(digest), Path(folder), DOCUMENTS)
        bundle = _bundle(name, str(language), params, Path(folder))
    return WorkflowSubmission(bundle=bundle, sandbox=digest)


def _digest(asked: Asked, sandbox: Any) -> str:
    with asked.parts.books.read() as session:
        digest = digest_of(session, asked.actor.subject, str(sandbox))
    if digest is None:
        raise wrong("sandbox", sandbox, "a file of yours here: it was not uploaded")
    return digest


def _bundle(name: str, language: str, params: Mapping[str, Any], folder: Path) -> WorkflowBundle:
    main = str(params.get("workflowSpecFile") or "")
    order = str(params.get("workflowInputFile") or "") if language == "cwl" else ""
    path, _, part = main.partition("#")
    for field, file in (("workflowSpecFile", path), ("workflowInputFile", order)):
        if file and not _inside(folder, file):
            raise wrong(field, file, "a file of the directory that is sent along")
    whole = f"{folder / path}#{part}" if part else str(folder / path)
    found = bundle_of(name, whole, str(folder / order) if order else "", folder)
    if language == "cwl":
        return found
    return replace(found, cwl=_NATIVE, files={**found.files, _NATIVE: as_cwl(found.files[main])})


def _inside(folder: Path, name: str) -> bool:
    path = (folder / name).resolve()
    return path.is_relative_to(folder.resolve()) and path.is_file()
