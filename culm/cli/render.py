"""What commands print: tables for people, tab-separated lines for pipes, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from culm.wire.views import History

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
"""The option that every reading command has."""

_HARMFUL = (
    *range(0x20),
    *range(0x7F, 0xA0),  # DEL and C1: some terminals take them for escape sequences
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),  # line separators, marks that turn the direction of writing
    *range(0x2066, 0x206A),
    0xFEFF,
)
_SHOWN = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _HARMFUL}


def safe(text: object, keep: str = "") -> str:
    """A text whose control characters, but for those in `keep`, are shown instead of obeyed.

    Names, reasons and payload output come from others: an escape sequence in them could
    rewrite what the terminal shows (security.md, 21).
    """
    shown = {code: form for code, form in _SHOWN.items() if chr(code) not in keep}
    return str(text).translate(shown)


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at this stream."""
    return stream.isatty()


def print_json(value: Any) -> None:
    """Print one JSON value. Only ASCII: whatever names hold is harmless so."""
    from culm.wire.codec import encode

    print(json.dumps(encode(value), indent=2 if is_terminal(sys.stdout) else None))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows: aligned under headings on a terminal, else tab-separated without headings."""
    cells = [["" if cell is None else safe(cell) for cell in row] for row in rows]
    if not is_terminal(sys.stdout):
        for row in cells:
            print_line(*row)
        return
    if not cells:
        say("nothing to show")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    Console().print(table)


def print_line(*cells: object) -> None:
    """Print one line of cells with tabs between."""
    print("\t".join(safe(cell) for cell in cells))


def print_fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one a line; what is empty is left out."""
    shown = [(safe(name), safe(value)) for name, value in pairs if value not in (None, "", (), {})]
    if not is_terminal(sys.stdout):
        for name, value in shown:
            print(f"{name}\t{value}")
        return
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name:<{width}}  {value}")


def say(message: str) -> None:
    """Print a line for the person at the keyboard, on standard error."""
    print(safe(message), file=sys.stderr)


def when(timestamp: str | None) -> str:
    """A time as tables show it: to the second, UTC."""
    return (timestamp or "")[:19].replace("T", " ")


def print_history(history: History, *, as_json: bool) -> None:
    """Print the moves of a status."""
    if as_json:
        print_json(history.entries)
        return
    print_table(
        ("when", "event", "from", "to", "who", "why"),
        (
            (when(e.at), e.event, e.from_status, e.to_status, e.actor, e.reason)
            for e in history.entries
        ),
    )


STYLES = {
    "done": "green",
    "finished": "green",
    "online": "green",
    "ok": "green",
    "running": "cyan",
    "scouting": "cyan",
    "failed": "red",
    "broken": "red",
    "aborted": "red",
    "wrong": "red",
    "exhausted": "yellow",
    "pending": "yellow",
    "warning": "yellow",
    "offline": "yellow",
}
"""Colours of statuses, on terminals."""
