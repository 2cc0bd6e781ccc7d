"""What jobs of searches report: only what is right is taken, all else is named in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.searches.results import BadResult, Loss, losses, new_points


def said(entry: Any) -> str:
    return json.dumps({"points": {"1": entry}})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (said({"loss": 0.5}), Loss(0.5)),
        (said({"loss": -3}), Loss(-3.0)),
        (said({"error": "exit status 1"}), Loss(None, "exit status 1")),
        (said({"loss": "low"}), Loss(None, "the loss is 'low', a number is needed")),
        (said({"loss": True}), Loss(None, "the loss is True, a number is needed")),
        (said({"loss": None}), Loss(None, "the loss is None, a number is needed")),
        (said({"loss": 1e30}), Loss(None, "the loss is 1e+30, one below 1e+30 is needed")),
        (said({"loss": 10**400}), None),
        (said({}), Loss(None, "the job reported no loss")),
        (said(3), Loss(None, "the job reported no loss")),
        ('{"points": {}}', Loss(None, "the job reported no loss")),
        ('{"points": [1]}', Loss(None, "the job reported no loss")),
        (None, Loss(None, "the job reported no result")),
        ("[1]", Loss(None, "the job's result is [1], an object with points is needed")),
        ("NaN", None),
        ('{"points": {"1": {"loss": NaN}}}', None),
        ("{", None),
    ],
)
def test_losses(text: str | None, found: Loss | None) -> None:
    [loss] = losses(text, [1]).values()
    if found is None:
        assert loss.loss is None
        assert loss.message
    else:
        assert loss == found


def test_points_of_a_round_are_taken_up_to_what_there_is_room_for() -> None:
    text = json.dumps({"points": [{"x": 1}, {"x": 2}, {"x": 3}]})
    assert new_points(text, 2) == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "wrote no points"),
        ({"x": 1}, "wrote no points"),
        ([3], "point 0 of the steering program is 3, an object"),
        ([{"x": 1}, {}], "point 1 of the steering program is {}, an object"),
        ([{"x": "\x00"}], "characters that cannot be kept"),
        ([{f"p{i}": i for i in range(1001)}], "over 1000 parameters"),
    ],
)
def test_nonsense_of_a_steering_program_is_named(points: Any, words: str) -> None:
    with pytest.raises(BadResult, match=words.replace("{", r"\{")):
        new_points(json.dumps({"points": points}), 5)
