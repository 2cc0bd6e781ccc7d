"""Culm, a workload management system: `from culm import Client`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from culm.client import Client, Prun
    from culm.core.errors import CulmError
    from culm.core.settings import Settings, load_settings
    from culm.wire.task_spec import InputStream, TaskSpec

__version__ = "0.1.0"
__all__ = ["Client", "CulmError", "InputStream", "Prun", "Settings", "TaskSpec", "load_settings"]

# `import culm` stays light: pilots and `culm --help` must not pay for an HTTP library.
_HOMES = {
    "Client": "culm.client",
    "CulmError": "culm.core.errors",
    "InputStream": "culm.wire.task_spec",
    "Prun": "culm.client",
    "Settings": "culm.core.settings",
    "TaskSpec": "culm.wire.task_spec",
    "load_settings": "culm.core.settings",
}


def __getattr__(name: str) -> Any:
    """A public name, imported from its home when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'culm' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, whether imported yet or not."""
    return sorted([*globals(), *__all__])
