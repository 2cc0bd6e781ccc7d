"""Errors as a person reads them: what, where, why, the next command; and the exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any

from culm.cli.render import safe
from culm.core.errors import CulmError, InvalidRequest, NotAuthenticated, Unreachable

INTERRUPTED = 130
PARTLY_DONE = 7
FAILED = 1
USAGE = 2

_NEXT = {
    Unreachable.code: "culm doctor (or start a server here: culm up)",
    NotAuthenticated.code: "culm whoami (a token is read from CULM_TOKEN or --token-file)",
}
"""What to type next after errors that bear no hint of their own."""


def tell(error: BaseException, *, debug: bool = False) -> int:
    """Print an error on standard error; the exit code that it stands for."""
    if isinstance(error, BrokenPipeError):
        silence_stdout()
        return 0
    if debug:
        traceback.print_exception(error)
    if isinstance(error, CulmError):
        _say(str(error), error.code, error.hint or _NEXT.get(error.code, ""))
        return error.exit_code
    if hasattr(error, "format_message"):
        return _usage(error)
    if type(error).__name__ == "Abort":
        _say("stopped", "", "")
        return INTERRUPTED
    if not debug:
        _say(
            f"internal error: {type(error).__name__}: {error}",
            CulmError.code,
            "the same command with --debug shows where",
        )
    return FAILED


def needs(option: str, value: str, needed: str) -> InvalidRequest:
    """An error about one option of a command."""
    return InvalidRequest(f"{option} {value}: {needed}" if value else f"{option}: {needed}")


def silence_stdout() -> None:
    """Let nothing more go to a reader that has left, not even Python's flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: Any) -> int:
    """A usage error from typer. With no arguments at all the help itself is the message."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "culm"
    _say(error.format_message() + _given(error), "", f"{path} --help")
    return int(error.exit_code)


def _given(error: Any) -> str:
    """The value that did not fit: typer's own words leave it out."""
    faults = getattr(error.__cause__, "errors", None)
    found = faults() if callable(faults) else ()
    return f"; {found[0]['input']!r} was given" if found and "input" in found[0] else ""


def _say(message: str, code: str, following: str) -> None:
    tag = f" ({code})" if code else ""
    first, _, rest = message.partition("\n")
    print(f"culm: {safe(first)}{tag}", file=sys.stderr)
    if rest:
        print(safe(rest, keep="\n"), file=sys.stderr)
    if following:
        print(f"  next: {safe(following)}", file=sys.stderr)
