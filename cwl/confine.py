"""Limits of this process, set before it does what came from outside. Imports nothing of ours.

As a program it sets them and becomes another one: `confine.py '{"memory_mb": 512}' node …`.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from collections.abc import Mapping

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def confine(limits: Mapping[str, int]) -> None:
    """Limit CPU seconds, memory, heap, open files; no file grows, and where the kernel lets
    everybody make namespaces there is no network.

    `memory_mb` counts addresses, `heap_mb` only what can be written (node reserves far more
    addresses than it uses). The limits are soft: they stop documents, not programs.
    """
    seconds = limits.get("cpu_seconds")
    if seconds:
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        most = seconds + 1 if hard == resource.RLIM_INFINITY else min(seconds + 1, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, most), most))
    for name, kind in (("memory_mb", resource.RLIMIT_AS), ("heap_mb", resource.RLIMIT_DATA)):
        hard = resource.getrlimit(kind)[1]
        # Where it is not limited, neither is it by what the parent has set for itself.
        resource.setrlimit(kind, (limits[name] << 20 if name in limits else hard, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _leave_network()


def _leave_network() -> None:
    # Nothing is fetched in any case; without a network nothing could be.
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is not None:
        unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def main(words: list[str]) -> None:
    """Become the program that the words after the limits name."""
    confine(json.loads(words[0]))
    os.execvp(words[1], words[1:])  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    main(sys.argv[1:])
