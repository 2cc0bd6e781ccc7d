"""What a payload could see of the pilot: its start environment, its memory, its token's file."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from culm.core.errors import Misconfigured

log = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Make `/proc/<pid>` of this process unreadable to others of the same user; no core dumps.

    Does not help against root, and where the system knows no such thing.
    """
    try:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        log.warning("this system cannot hide the pilot's memory from payloads")


def forget_environment(prefix: str = "CULM_") -> None:
    """Remove these variables from the environment, and all from where the kernel shows it.

    `/proc/<pid>/environ` shows the memory in which the environment stood at the start; unsetting
    a variable leaves that as it was. So what is kept is copied elsewhere, and that memory is
    overwritten. Call it before any thread is started.
    """
    shown = _variables_in_memory()
    for name, value in list(os.environ.items()):
        if name.startswith(prefix):
            del os.environ[name]
        else:
            os.environ[name] = value
    for address, length in shown:
        ctypes.memset(address, 0, length)


def _variables_in_memory() -> list[tuple[int, int]]:
    """Address and length of each variable of the process's environment, where it stands now."""
    try:
        table = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    except (OSError, ValueError):
        return []
    found: list[tuple[int, int]] = []
    while table and (address := table[len(found)]):
        found.append((int(address), len(ctypes.string_at(address))))
    return found


def read_token(source: str, environment: Mapping[str, str]) -> str:
    """The token in a file, or on standard input for `-`; `CULM_TOKEN` goes before a file.

    Raises:
        Misconfigured: there is none.
    """
    token = environment.get("CULM_TOKEN", "").strip()
    if not token:
        try:
            token = (sys.stdin.read() if source == "-" else Path(source).read_text()).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(
                f"token file {source}: {error}", hint="give the pilot a token with --token-file"
            ) from error
    if not token or not token.isprintable() or " " in token:
        raise Misconfigured(f"token file {source}: holds no token")
    return token
