"""How programs of a node start: what they log, whose token they bear, how their faults are told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from culm.core.settings import Settings

T = TypeVar("T")


def serve(
    name: str,
    said: Mapping[str, str | None],
    own_settings: Callable[[Settings], T],
    run: Callable[[T, str], int],
) -> int:
    """The exit code of `run`, called with its own settings and the provisioning token.

    `said` are settings that the command line gives. Before `run`, the process forgets what its
    environment says of Culm and hides itself from payloads. An error of ours is said in one line,
    after `name`, and gives its own exit code.
    """
    from culm.core.errors import CulmError
    from culm.core.settings import load_settings
    from pilot.secrecy import forget_environment, hide_process

    try:
        found = load_settings(said)
        settings = own_settings(found)
        token = _token_of(found, said.get("token_file"), os.environ)
        forget_environment()
        hide_process()
        return run(settings, token)
    except CulmError as error:
        sys.stderr.write(f"{name}: {error}\n" + (f"  {error.hint}\n" if error.hint else ""))
        return error.exit_code


def _token_of(found: Settings, token_file: str | None, environment: Mapping[str, str]) -> str:
    """The provisioning token: of the option, the settings, or where `culm db init` puts it.

    Raises:
        Misconfigured: there is none.
    """
    from pilot.secrecy import read_token

    usual = found.data_dir / "tokens" / "pilot.token"
    source = token_file or (usual if found.origin("token_file") == "default" else found.token_file)
    return read_token(str(source), environment)


def log_to_stderr(level: str) -> None:
    """Log this and more to standard error."""
    import logging

    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(name)s %(message)s",
    )
    # Requests of the HTTP library are not ours to tell.
    logging.getLogger("httpx").setLevel(logging.WARNING)
