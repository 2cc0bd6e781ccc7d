"""Two requests that make the same thing at the same moment: the second looks again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError

from culm.core.errors import Busy

T = TypeVar("T")
TIMES = 5


def looking_again(act: Callable[[], T]) -> T:
    """What `act` gives; where another transaction made the same row first, `act` is run again.

    For acts that look before they write, in one transaction: the second look finds the row.

    Raises:
        Busy: somebody was first each time.
    """
    for _ in range(TIMES):
        try:
            return act()
        except IntegrityError as error:
            last = error
    raise Busy("others make the same thing now", hint="try again in a moment") from last
