"""Files that a job writes anew while it runs (checkpoints): each state is sent off at once.

So what was saved survives the job, its pilot and its node.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from culm.wire.job_spec import JobSpec, SavedFile
from pilot.copy_tools import CopyTools, Gate
from pilot.errors import JobError
from pilot.transfer import bring_out
from pilot.transforms.outputs import is_inside

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Savers:
    """Watches the saved files of one job, in a thread of its own, while a `with` block lasts."""

    def __init__(self, spec: JobSpec, work: Path, tools: CopyTools, gate: Gate) -> None:
        self._work, self._tools, self._gate = work, tools, gate
        self._files = spec.saved
        self._seen = {each.local_name: self._state(each) for each in spec.saved}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._files:
            self._thread = threading.Thread(target=self._watch, name="saver", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._look()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for each in self._files:
            state = self._state(each)
            if state is not None and state != self._seen[each.local_name] and self._send(each):
                self._seen[each.local_name] = state

    def _state(self, each: SavedFile) -> tuple[int, int] | None:
        path = self._work / each.local_name
        if not is_inside(path, self._work):
            return None
        status = path.stat()
        return status.st_mtime_ns, status.st_size

    def _send(self, each: SavedFile) -> bool:
        try:
            bring_out(self._tools, self._work / each.local_name, each.url, self._gate)
        except (JobError, OSError) as error:
            # The job goes on: a state that was not saved costs time, not the result.
            log.warning("%s could not be saved: %s", each.local_name, error)
            return False
        return True
