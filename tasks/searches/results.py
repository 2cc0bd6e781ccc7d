"""What jobs of a search report back, read with care: it comes from users' programs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from culm.core.errors import CulmError
from culm.wire.codec import parse_json
from culm.wire.search import VERY_LARGE_LOSS
from culm.wire.search_space import can_be_kept

MAX_PARAMETERS = 1000


class BadResult(Exception):
    """A result that says nothing of use; the words say why."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What was found at a point: its loss, or words for why there is none."""

    loss: float | None
    message: str = ""


def losses(text: str | None, point_nrs: list[int]) -> dict[int, Loss]:
    """What an evaluation job found at each of its points."""
    try:
        found = _points(text)
    except BadResult as error:
        return {number: Loss(None, str(error)) for number in point_nrs}
    by_number = found if isinstance(found, dict) else {}
    return {number: _loss(by_number.get(str(number))) for number in point_nrs}


def _loss(entry: Any) -> Loss:
    if not isinstance(entry, dict) or not ("loss" in entry or "error" in entry):
        return Loss(None, "the job reported no loss")
    if "error" in entry:
        return Loss(None, str(entry["error"])[:2000])
    loss = entry["loss"]
    if isinstance(loss, bool) or not isinstance(loss, (int, float)):
        return Loss(None, f"the loss is {ascii(loss)[:80]}, a number is needed")
    # Compared as it is: a whole number may be too big for a float.
    if not -VERY_LARGE_LOSS < loss < VERY_LARGE_LOSS:
        return Loss(
            None, f"the loss is {ascii(loss)[:80]}, one below {VERY_LARGE_LOSS:g} is needed"
        )
    return Loss(float(loss))


def new_points(text: str | None, most: int) -> list[dict[str, Any]]:
    """The points that a steering program wrote, at most so many.

    Raises:
        BadResult: there are none, or one is no object of parameters.
    """
    found = _points(text)
    if not isinstance(found, list) or not found:
        raise BadResult("the steering program wrote no points")
    for number, point in enumerate(found):
        if not isinstance(point, dict) or not point:
            words = f"point {number} of the steering program is {ascii(point)[:80]}"
            raise BadResult(f"{words}, an object with hyperparameters is needed")
        if len(point) > MAX_PARAMETERS or not can_be_kept(point):
            raise BadResult(
                f"point {number} of the steering program is over {MAX_PARAMETERS} parameters or "
                "holds characters that cannot be kept"
            )
    return found[:most]


def _points(text: str | None) -> Any:
    if text is None:
        raise BadResult("the job reported no result")
    try:
        found = parse_json(text.encode(), "the result")
    except CulmError as error:
        raise BadResult(f"the job's result is not JSON: {error.faults[0].needed}") from error
    if not isinstance(found, dict) or "points" not in found:
        raise BadResult(f"the job's result is {ascii(found)[:80]}, an object with points is needed")
    return found["points"]
