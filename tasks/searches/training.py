"""Whether the training data that a search names is there."""

from __future__ import annotations

from collections.abc import Iterator

from sqlmodel import Session

from culm.core.errors import FieldFault
from culm.core.nearest import unknown_name
from culm.wire.search import SearchSpec
from tasks.catalog.own import find_dataset, list_files


def training_faults(session: Session, search: SearchSpec, coming: set[str]) -> Iterator[FieldFault]:
    """Each training dataset or segment's file that is not there; `coming` are written yet."""
    names = {name.rstrip("/") for name in search.training_datasets}
    files: dict[str, set[str]] = {}
    for name in sorted(names - coming):
        found = find_dataset(session, name)
        if found is None:
            yield FieldFault(
                "search.training_datasets", name, "no such dataset (culm dataset list)"
            )
            return
        files[name] = {entry.lfn for entry in list_files(session, found.id)}
        if not files[name]:
            yield FieldFault("search.training_datasets", name, "has no files")
    if names & coming:
        return
    known = set().union(*files.values())
    for segment in search.segments:
        for lfn in segment.files:
            if lfn not in known:
                where = f"search.segments.{segment.name}.files"
                yield FieldFault(where, lfn, _words(lfn, known))


def _words(lfn: str, known: set[str]) -> str:
    words = unknown_name(lfn, known)
    if "did you mean" in words:
        return f"no such file in the training data; {words.partition('; ')[2]}"
    return "no such file in the training data"
