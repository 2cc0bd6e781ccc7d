"""A payload that runs, watched by its slot's own thread: no polling, no further threads."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pilot.attempt import Attempt
from pilot.errors import Stop
from pilot.lease import elapsed
from pilot.limits import Limits, over_limit
from pilot.monitor import Monitor, Rhythm
from pilot.payload import Payload

_FOREVER_SECONDS = 60.0
"""The longest wait for an event: clocks may have jumped meanwhile (suspended nodes)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms on which a payload runs; `sampled` is called after each look at it."""

    limits: Limits
    grace_seconds: float
    sampled: Callable[[Monitor, float], None]
    rhythm: Rhythm


def watch(payload: Payload, attempt: Attempt, terms: Terms, work: Path) -> Stop | None:
    """Wait until a payload's command ends; the order that ended it, or None if it was its own.

    It still has to be finished.
    """
    monitor = Monitor(payload.owner.leader, work, payload.output_bytes, terms.rhythm)
    started = elapsed()
    sample_at = started + terms.rhythm.first_sample_seconds
    with _ears(attempt) as bell:
        while True:
            now = elapsed()
            due = min(
                sample_at - now, started + terms.limits.wall_seconds - now, attempt.lease.left(now)
            )
            if _ended(payload, bell, due):
                return None
            stop = attempt.stop()
            now = elapsed()
            if stop is None and (now >= sample_at or now - started >= terms.limits.wall_seconds):
                stop = over_limit(monitor.sample(now - started), terms.limits)
                sample_at = elapsed() + terms.rhythm.next_sample(now - started)
                terms.sampled(monitor, now - started)
            if stop is not None:
                _end(payload, attempt, stop, terms.grace_seconds)
                return stop


def _ended(payload: Payload, bell: int, seconds: float) -> bool:
    """Whether the payload ended, after waiting for that, for the bell, or for some seconds."""
    wait = min(max(seconds, 0.0), _FOREVER_SECONDS)
    ready = select.poll()
    ready.register(payload.exit_event, select.POLLIN)
    ready.register(bell, select.POLLIN)
    # Rounded up: a wait that ends just before its time would go round and round.
    happened = {handle for handle, _ in ready.poll(int(wait * 1000) + 1)}
    if bell in happened:
        os.read(bell, 4096)
    return payload.exit_event in happened


def _end(payload: Payload, attempt: Attempt, stop: Stop, grace_seconds: float) -> None:
    """End a payload: gently first if its order says so and the lease lasts."""
    if stop.gentle:
        payload.terminate()
        until = elapsed() + grace_seconds
        while payload.alive() and elapsed() < until and not _silenced(attempt):
            select.select([], [], [], 0.02)
    payload.kill()


def _silenced(attempt: Attempt) -> bool:
    stop = attempt.stop()
    return stop is not None and stop.silent


@contextmanager
def _ears(attempt: Attempt) -> Iterator[int]:
    reader, writer = os.pipe()
    attempt.listen(writer)
    try:
        yield reader
    finally:
        attempt.listen(None)
        os.close(writer)
        os.close(reader)
