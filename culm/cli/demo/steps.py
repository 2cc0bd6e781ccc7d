"""The steps of the demo as a person sees them: a spinner on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from culm.cli.render import is_terminal, say

Tell = Callable[[str], None]


@contextmanager
def step(words: str) -> Iterator[Tell]:
    """A step under way; the function adds what it is just doing. Its time is said at the end."""
    started = time.monotonic()
    if is_terminal(sys.stderr):
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status(Text(words)) as status:
            yield lambda more: status.update(Text(f"{words} {more}"))
    else:
        say(words)
        yield lambda more: None
    say(f"  {words}: {time.monotonic() - started:.1f} s")
