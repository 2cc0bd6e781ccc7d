"""Signals to the pilot, taken up by its main thread without locks."""

from __future__ import annotations

import os
import select
import signal
from typing import Any, Self

from culm.wire.error_codes import PilotError

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGXCPU, signal.SIGHUP)
_CODES = {signal.SIGQUIT: PilotError.SIGQUIT, signal.SIGXCPU: PilotError.SIGXCPU}


class Bell:
    """Wakes the main thread. Ringing takes no lock, so signal handlers may ring, too."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self.signal: signal.Signals | None = None

    def ring(self) -> None:
        """Wake the one who waits, or the next to wait."""
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:
            return  # it is ringing already

    def wait(self, seconds: float) -> None:
        """Return when it rings, or after some seconds."""
        if select.select([self._reader], [], [], seconds)[0]:
            os.read(self._reader, 4096)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in ENDING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: Any) -> None:
        self.signal = signal.Signals(number)
        self.ring()


def code_of(number: signal.Signals) -> PilotError:
    """The code that jobs are reported with when this signal ends the pilot."""
    return _CODES.get(number, PilotError.SIGTERM)
