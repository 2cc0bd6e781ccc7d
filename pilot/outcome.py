"""What a payload's exit status and last words mean. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

from culm.wire.error_codes import PilotError, words

_SIGNALS = {
    signal.SIGQUIT: PilotError.SIGQUIT,
    signal.SIGSEGV: PilotError.SIGSEGV,
    signal.SIGXCPU: PilotError.SIGXCPU,
    signal.SIGBUS: PilotError.SIGBUS,
}
_LAST_WORDS = (
    ("MemoryError", PilotError.PAYLOAD_OUT_OF_MEMORY),
    ("std::bad_alloc", PilotError.PAYLOAD_OUT_OF_MEMORY),
    ("Cannot allocate memory", PilotError.PAYLOAD_OUT_OF_MEMORY),
)
_SHELL = {126: "command not executable", 127: "command not found"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The error code of a payload that ended by itself, and the words."""

    code: PilotError
    diag: str


def verdict(exit_code: int, last_words: str) -> Verdict:
    """What an exit status means: negative is a signal, 128 + n a signal that a shell saw.

    SIGTERM here is not 1201: that one says that the pilot was told to stop, and costs the user
    no attempt, so a payload must not be able to claim it.
    """
    if exit_code == 0:
        return Verdict(PilotError.NONE, "")
    number = _signal_number(exit_code)
    if number is not None:
        code = _SIGNALS.get(number, PilotError.KILL_SIGNAL)
        return Verdict(code, f"{words(code)}: {number.name} (exit status {exit_code})")
    for text, code in _LAST_WORDS:
        if text in last_words:
            return Verdict(code, f"{words(code)}: exit status {exit_code}, {text} in its output")
    code = PilotError.PAYLOAD_EXECUTION_FAILURE
    shell = f" ({_SHELL[exit_code]})" if exit_code in _SHELL else ""
    return Verdict(code, f"{words(code)}: exit status {exit_code}{shell}{_quote(last_words)}")


def _signal_number(exit_code: int) -> signal.Signals | None:
    number = -exit_code if exit_code < 0 else exit_code - 128
    try:
        return signal.Signals(number)
    except ValueError:
        return signal.SIGKILL if exit_code < 0 else None


def _quote(last_words: str) -> str:
    lines = [line.strip() for line in last_words.splitlines() if line.strip()]
    return f": {lines[-1][:300]}" if lines else ""


def tail(stdout: bytes, stderr: bytes, longest: int) -> str:
    """The last lines of both outputs as text, at most `longest` characters, without NULs.

    Both are cut at a line's start where there is one; standard error comes last.
    """
    out, err = _clean(stdout), _clean(stderr)
    if not err:
        return _last(out, longest)
    kept = _last(err, longest // 2 if out else longest)
    head = _last(out, longest - len(kept) - 1)
    return f"{head.rstrip(chr(10))}\n{kept}" if head else kept


def _clean(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _last(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    cut = text[-longest:] if longest > 0 else ""
    _, newline, rest = cut.partition("\n")
    return rest if newline and rest else cut
