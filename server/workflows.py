"""Looking at workflows: in processes of their own, a few at a time."""

from __future__ import annotations

import threading

from culm.core.errors import Busy
from culm.wire.workflows import WorkflowBundle
from cwl.service import Checked, check

AT_ONCE = 2
"""So many workflows are looked at side by side: each takes a core and some hundred megabytes."""

_places = threading.BoundedSemaphore(AT_ONCE)


def look_at(bundle: WorkflowBundle) -> Checked:
    """The plan of a bundle, and its steps as they would run.

    Raises:
        InvalidRequest: with every fault.
        Busy: others' workflows are being looked at.
    """
    if not _places.acquire(blocking=False):
        raise Busy(f"{AT_ONCE} workflows are being looked at already", hint="try again in a minute")
    try:
        return check(bundle)
    finally:
        _places.release()
