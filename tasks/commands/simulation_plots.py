"""Plots of simulations, as SVG files; matplotlib is an optional extra."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Any

from broker.simulation.engine import SETTLE_SECONDS, Trace
from broker.simulation.results import wait_seconds
from culm.core.errors import Misconfigured, UserError


def check_library() -> None:
    """See that plots can be made.

    Raises:
        Misconfigured: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise Misconfigured("plots need matplotlib", hint="pip install 'culm[plots]'")


def write_plots(folder: Path, traces: Mapping[str, Trace]) -> list[Path]:
    """Three plots of these policies in a folder, which is made: how many jobs waited at most how
    long, how many waited at a time, how far shares were from what they are due.

    Raises:
        UserError: the folder cannot be written.
    """
    plots = {"waits.svg": _waits, "waiting.svg": _waiting, "shares.svg": _shares}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / name, draw, traces) for name, draw in plots.items()]
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


def _write(path: Path, draw: Callable[[Any, Trace], None], traces: Mapping[str, Trace]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for trace in traces.values():
        draw(axes, trace)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path)
    return path


def _waits(axes: Any, trace: Trace) -> None:
    waits = sorted(wait_seconds(job) for job in trace.jobs if job.started_at is not None)
    parts = [(place + 1) / len(trace.jobs) for place in range(len(waits))]
    axes.step([max(1.0, wait) for wait in waits], parts, where="post", label=trace.policy)
    axes.set(xscale="log", xlabel="wait (s), at least 1", ylabel="part of the jobs", ylim=(0, 1))


def _waiting(axes: Any, trace: Trace) -> None:
    # Of what happens at one moment the arrivals are first: a line is never below zero.
    moves = sorted(_moves(trace), key=lambda move: (move[0], -move[1]))
    hours = [when / 3600 for when, _ in moves]
    counts = list(accumulate(change for _, change in moves))
    axes.step(hours, counts, where="post", label=trace.policy)
    axes.set(xlabel="time (h)", ylabel="jobs that wait for their first start")


def _moves(trace: Trace) -> Iterator[tuple[float, int]]:
    for job in trace.jobs:
        yield job.submitted_at, 1
        if job.started_at is not None:
            yield job.started_at, -1


def _shares(axes: Any, trace: Trace) -> None:
    hours = [place * SETTLE_SECONDS / 3600 for place in range(len(trace.deviations))]
    axes.plot(hours, trace.deviations, label=trace.policy, linewidth=0.8)
    axes.set(xlabel="time with more wanted than free (h)",
             ylabel="part of the power in wrong hands", ylim=(0, None))  # fmt: skip
