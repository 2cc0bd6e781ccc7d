"""Plots of simulations need a library that is not always there."""

from __future__ import annotations

import pytest

from culm.core.errors import Misconfigured
from tasks.commands.simulation_plots import check_library


def test_missing_library_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.commands.simulation_plots.find_spec", lambda _: None)
    with pytest.raises(Misconfigured) as error:
        check_library()
    assert error.value.hint == "pip install 'culm[plots]'"
