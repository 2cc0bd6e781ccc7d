"""The interactive session: a prompt with completion and a history, to the end of input."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from culm.cli.book.language import Verb
from culm.cli.book.show import FORMATS
from culm.cli.render import is_terminal, say

PROMPT = ">>> "
KEPT_LINES = 1000
_WORDS = ("'run'", "'fin'", "'all'", *(f"'{name}'" for name in FORMATS), "True", "False")
SECRET = ("set_secret",)
"""Verbs whose lines are not kept in the history."""


def session(verbs: Mapping[str, Verb], do: Callable[[str], int], history: Path) -> int:
    """Take lines until the input ends (Ctrl-D); gives the exit code of the last one."""
    person = is_terminal(sys.stdin)
    editor = _editor(verbs, history) if person else None
    if person:
        say("help() shows all verbs, help(show) one of them; Ctrl-D ends.")
    code = 0
    try:
        while (line := _line(person)) is not None:
            if line.strip():
                code = do(line)
                _forget(editor, line)
    finally:
        if editor is not None:
            _keep(editor, history)
    return code


def completions(text: str, verbs: Mapping[str, Verb], line: str = "") -> list[str]:
    """What a word may become: verbs with their bracket, a verb's arguments, usual words."""
    name = line.split("(", 1)[0].strip() if "(" in line else ""
    if name not in verbs:
        return [f"{verb}(" for verb in verbs if verb.startswith(text)]
    parameters = inspect.signature(verbs[name]).parameters
    named = [f"{p}=" for p in parameters]
    others = list(verbs) if name == "help" else list(_WORDS)
    return [word for word in [*named, *others] if word.startswith(text)]


def _line(person: bool) -> str | None:
    try:
        return input(PROMPT if person else "")
    except EOFError:
        if person:
            print(file=sys.stderr)
        return None
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return ""


def _editor(verbs: Mapping[str, Verb], history: Path) -> Any:
    """The line editor, if Python has one here."""
    try:
        import readline
    except ImportError:
        return None

    def complete(text: str, state: int) -> str | None:
        found = completions(text, verbs, readline.get_line_buffer())
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n(),[]{}:")
    readline.parse_and_bind("tab: complete")
    with suppress(OSError):
        readline.read_history_file(history)
    return readline


def _forget(editor: Any, line: str) -> None:
    if editor is not None and line.lstrip().startswith(SECRET):
        with suppress(ValueError):
            editor.remove_history_item(editor.get_current_history_length() - 1)


def _keep(editor: Any, history: Path) -> None:
    with suppress(OSError):
        history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(history, os.O_CREAT | os.O_WRONLY, 0o600))
        editor.set_history_length(KEPT_LINES)
        editor.write_history_file(history)
        history.chmod(0o600)
