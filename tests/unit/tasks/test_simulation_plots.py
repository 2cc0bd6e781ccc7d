"""Plots of simulations, and the library that is not always there."""

from __future__ import annotations

import pytest

from broker.simulation.policies import POLICIES
from culm.core.errors import Misconfigured
from tasks.commands.simulation_plots import check_library, mean_waiting, style
from tests.unit.broker.simulated import a_queue, a_task, a_world, run


def test_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.commands.simulation_plots.find_spec", lambda _: None)
    with pytest.raises(Misconfigured) as error:
        check_library()
    assert error.value.hint == "pip install 'culm[plots]'"


def test_waiting_jobs_are_counted_in_the_mean_over_intervals() -> None:
    world = a_world(a_queue(slots=1))
    trace = run("pull", world, a_task("t1", 100.0, 100.0))
    # The second job waits for the first, 100 s.
    assert mean_waiting(trace, 50.0) == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert mean_waiting(trace, 80.0) == [1.0, 0.25, 0.0]


def test_every_policy_has_a_colour_of_its_own() -> None:
    colours = [style(name)["color"] for name in POLICIES]
    assert len(set(colours)) == len(POLICIES)
