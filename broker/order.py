"""In which order work of one share and one priority is served.

Short work goes before long work, because a few minutes of waiting are much for a job of minutes
and nothing for one of hours; but only so far before it that nothing starves.
"""

from __future__ import annotations

STRETCH = 10.0
"""How many times its own run time a job may be made to wait before it is as urgent as one that
runs for no time and has just come. 0 is first come, first served; the larger, the nearer to
shortest first.
"""


def due_at(
    submitted_seconds: float, expected_run_seconds: float, stretch: float = STRETCH
) -> float:
    """When a job is due, in seconds of the same clock; the earliest due is served first.

    A job is only ever overtaken by those submitted within `stretch` times its expected run time
    after it, so its wait has an end whatever comes later. What scouts measured, or the task
    declares, is good enough as expected run time; what is not known (zero or less) counts as
    nothing, so that it is soon known.
    """
    return submitted_seconds + stretch * max(0.0, expected_run_seconds)
