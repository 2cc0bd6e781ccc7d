"""Checkpoints: what evaluation jobs save while they run, kept for the try after them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from culm.core.errors import NotFound
from server.storage import Draft, check_adler32, present, received, settle
from tasks.store.books import Books
from tasks.views.checkpoints import (
    Holder,
    Kept,
    NewCheckpoint,
    checkpoint_of,
    keep_checkpoint,
    task_held,
    wanted_checkpoints,
)

CLEAN_SECONDS = 3600.0
YOUNG_SECONDS = 3600.0
"""A file this young may be one that is just about to be noted."""


@dataclass(frozen=True, slots=True)
class CheckpointStore:
    """The files of one folder, one folder a task, and what the books say of them."""

    folder: Path
    books: Books

    async def put(
        self, holder: Holder, blocks: AsyncIterable[bytes], announced: str | None
    ) -> Draft:
        """Keep the newest state of a point; what was there before goes.

        Raises:
            NotFound: the job is not the pilot's any more.
            ChecksumMismatch: the bytes are not those that were announced.
        """
        async with received(self.folder, blocks) as draft:
            check_adler32(draft, announced)
            await run_in_threadpool(self._keep, holder, draft)
            return draft

    def file(self, file_id: int) -> Path:
        """The newest state of a point.

        Raises:
            NotFound: there is none.
        """
        with self.books.read() as session:
            kept = checkpoint_of(session, file_id)
        if kept is None:
            raise NotFound(f"no checkpoint of point {file_id}")
        return present(self._path(kept), "checkpoint")

    def drop_old(self, books: Books) -> None:
        """Remove what no later try can ask for."""
        folders = [path for path in self.folder.iterdir() if path.name.isdecimal()]
        with books.read() as session:
            wanted = wanted_checkpoints(session, [int(path.name) for path in folders])
        young = time.time() - YOUNG_SECONDS
        for folder in folders:
            for path in folder.iterdir():
                unwanted = Kept(int(folder.name), path.name) not in wanted
                with suppress(FileNotFoundError):  # another server cleans up, too
                    if unwanted and path.stat().st_mtime < young:
                        path.unlink()
            with suppress(OSError):
                folder.rmdir()  # only an empty one goes

    def _path(self, kept: Kept) -> Path:
        return self.folder / str(kept.task_id) / kept.name

    def _keep(self, holder: Holder, draft: Draft) -> None:
        with self.books.read() as session:
            task_id = task_held(session, holder)
            before = checkpoint_of(session, holder.file_id)
        if task_id is None:
            raise _not_yours(holder)
        # Named by its bytes and its job: nothing is overwritten, a late writer harms nobody.
        name = f"{holder.file_id}.{holder.job_id}.{draft.sha256[:32]}"
        path = self._path(Kept(task_id, name))
        # The file first: a row without its file would promise what is not there.
        settle(draft, path)
        with self.books.write() as session:
            new = NewCheckpoint(name, draft.size_bytes, draft.adler32)
            kept = keep_checkpoint(session, holder, new)
        if not kept:
            raise _not_yours(holder)
        if before is not None and before.name != name:
            self._path(before).unlink(missing_ok=True)


def _not_yours(holder: Holder) -> NotFound:
    return NotFound(f"job {holder.job_id} is not yours any more")
