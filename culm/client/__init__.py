"""The Python API: `Client` speaks to the server, `Prun` says what to submit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

# httpx brings a command of its own, for which it imports rich: 50 ms that no client needs.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from culm.client.api import Client
    from culm.client.prun_options import Prun

__all__ = ["Client", "Prun"]

# Who wants `Prun` alone must not pay for an HTTP library.
_HOMES = {"Client": "culm.client.api", "Prun": "culm.client.prun_options"}


def __getattr__(name: str) -> Any:
    """A public name, imported from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'culm.client' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
