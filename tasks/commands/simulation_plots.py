"""Plots of simulations, as SVG files; matplotlib is an optional extra."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import nan
from pathlib import Path
from typing import Any

from broker.simulation.engine import SETTLE_SECONDS, Trace
from broker.simulation.policies import DEFAULT_POLICY, POLICIES
from broker.simulation.results import wait_seconds
from culm.core.errors import Misconfigured, UserError

N_POINTS = 1000
"""Most points of a line: more are not seen, and make files of many megabytes."""
N_BINS = 300
"""Intervals of time over which means are taken: each start for itself is a wall of ink."""
_TIMES = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h",
          86_400: "1 d", 604_800: "1 week", 2_592_000: "30 d"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plotted:
    """What plots show: traces by policy, perhaps those before a change too, and a title."""

    title: str
    after: Mapping[str, Trace]
    before: Mapping[str, Trace]


def check_library() -> None:
    """See that plots can be made.

    Raises:
        Misconfigured: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise Misconfigured("plots need matplotlib", hint="pip install 'culm[plots]'")


def write_plots(folder: Path, plotted: Plotted) -> list[Path]:
    """Three plots in a folder: how many jobs waited at most how long, how many
    waited at a time, how far shares were from what they are due. What was before is dashed.

    Raises:
        UserError: the folder cannot be written.
    """
    plots = {"waits.svg": _waits, "waiting.svg": _waiting, "shares.svg": _shares}
    try:
        return [_write(folder / name, draw, plotted) for name, draw in plots.items()]
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


def _write(path: Path, draw: Callable[[Any, list[_Line]], None], plotted: Plotted) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(plotted.title, fontsize="medium")
    draw(axes, list(_lines(plotted)))
    axes.grid(visible=True, alpha=0.3)
    # Beside the axes: eleven names over the lines would hide what they name.
    figure.legend(loc="outside right upper")
    figure.savefig(path)
    return path


@dataclass(frozen=True, slots=True)
class _Line:
    trace: Trace
    style: Mapping[str, Any]


def _lines(plotted: Plotted) -> Iterator[_Line]:
    for name, trace in plotted.before.items():
        yield _Line(trace, style(name) | {"label": f"{name}, before", "linestyle": "--"})
    for name, trace in plotted.after.items():
        label = f"{name}, after" if plotted.before else name
        yield _Line(trace, style(name) | {"label": label})


def style(policy: str) -> dict[str, Any]:
    """A policy has its colour whichever others are there; ours is black, and above the rest."""
    if policy == DEFAULT_POLICY:
        return {"color": "black", "linewidth": 2.0, "zorder": 3}
    others = [name for name in POLICIES if name != DEFAULT_POLICY]
    return {"color": f"C{others.index(policy)}", "linewidth": 1.2, "zorder": 2}


def _waits(axes: Any, lines: Sequence[_Line]) -> None:
    longest = 1.0
    for line in lines:
        jobs = line.trace.jobs
        waits = sorted(max(1.0, wait_seconds(j)) for j in jobs if j.started_at is not None)
        places = _thinned(range(len(waits)))
        seconds = [waits[place] for place in places]
        axes.step(seconds, [100 * (place + 1) / len(jobs) for place in places], where="post",
                  **line.style)  # fmt: skip
        longest = max([longest, *waits[-1:]])
    axes.set(xscale="log", xlabel="waited at most (from submission to the first start)",
             ylabel="jobs (%)", ylim=(0, 101), xlim=(0.9, longest * 1.2))  # fmt: skip
    times = {at: words for at, words in _TIMES.items() if at <= longest * 1.2}
    axes.set_xticks(list(times), list(times.values()))
    axes.set_xticks([], minor=True)


def _waiting(axes: Any, lines: Sequence[_Line]) -> None:
    last = max(line.trace.end_seconds for line in lines)
    width = max(1.0, last / N_BINS)
    for line in lines:
        means = mean_waiting(line.trace, width)
        hours = [(place + 0.5) * width / 3600 for place in range(len(means))]
        axes.plot(hours, means, **line.style)
    # Bad policies have a hundred times the line of good ones.
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set(xlabel="time (h)", ylim=(0, None), xlim=(0, None),
             ylabel=f"jobs not started yet (means of {width / 60:.1f} min)")  # fmt: skip


def mean_waiting(trace: Trace, width: float) -> list[float]:
    """How many jobs wait for their first start, in the mean over each interval."""
    waited = [0.0] * (int(trace.end_seconds / width) + 1)
    for job in trace.jobs:
        if job.started_at is None:
            continue
        first, last = int(job.submitted_at / width), int(job.started_at / width)
        waited[first] -= job.submitted_at - first * width
        waited[last] -= (last + 1) * width - job.started_at
        for place in range(first, last + 1):
            waited[place] += width
    return [seconds / width for seconds in waited]


def _shares(axes: Any, lines: Sequence[_Line]) -> None:
    for line in lines:
        hours, parts, last = [], [], 0.0
        for when, part in line.trace.deviations:
            if when - last > 1.5 * SETTLE_SECONDS:
                hours.append(nan)
                parts.append(nan)
            hours.append(when / 3600)
            parts.append(100 * part)
            last = when
        axes.plot(hours, parts, marker=".", markersize=2, **line.style)
    axes.set(xlabel="time (h); gaps: no more was wanted than was free", xlim=(0, None),
             ylabel="computing power in wrong hands (%)", ylim=(0, None))  # fmt: skip


def _thinned(places: range) -> list[int]:
    """At most about `N_POINTS` of them, evenly, with the first and the last."""
    step = max(1, len(places) // N_POINTS)
    return [*places[::step], *places[-1:]]
