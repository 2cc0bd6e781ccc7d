"""Configuration: thresholds that operators change while everything runs."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from culm.wire.configuration import ThresholdChange, ThresholdHistory, ThresholdList
from server.bodies import JsonBody
from server.identity.access import ADMIN, actor_of
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.store.configuration import reset_value, set_value
from tasks.views.configuration import threshold_list, threshold_view

log = logging.getLogger(__name__)

configuration = Noun("configuration", "Thresholds of brokerage, shares, scouting and timeouts.")

Name = Annotated[
    str,
    Path(pattern=r"^[A-Za-z0-9_.<>-]{1,200}$", examples=["SCOUT_RAMCOUNT_RANK"],
         description="The documented name, with or without `app.component.` before it"),
]  # fmt: skip
Organisation = Annotated[
    str, Query(max_length=63, description="The organisation (VO) for which it holds; empty: all")
]


@configuration.get("/v1/configuration", Terms(ADMIN, answers=ThresholdList))
def list_thresholds(request: Request) -> Response:
    """All thresholds: what holds, the default, the words."""
    with parts_of(request).books.read() as session:
        return reply(threshold_list(session))


@configuration.get("/v1/configuration/{name}", Terms(ADMIN, answers=ThresholdHistory))
def show_threshold(request: Request, name: Name, vo: Organisation = "") -> Response:
    """One threshold, and who changed it when."""
    with parts_of(request).books.read() as session:
        return reply(threshold_view(session, name, vo))


@configuration.put(
    "/v1/configuration/{name}",
    Terms(ADMIN, takes=ThresholdChange, answers=ThresholdHistory, example={"value": "80"}),
)
def set_threshold(
    request: Request,
    name: Name,
    change: Annotated[ThresholdChange, Depends(JsonBody(ThresholdChange, SMALL))],
) -> Response:
    """Change a threshold; it holds everywhere within seconds."""
    user = actor_of(request).subject
    with parts_of(request).books.write() as session:
        set_value(session, name, change.value, user, change.vo)
        view = threshold_view(session, name, change.vo)
    log.info("threshold set", extra={"threshold": name, "value": change.value, "by": user})
    return reply(view)


@configuration.delete("/v1/configuration/{name}", Terms(ADMIN, answers=ThresholdHistory))
def reset_threshold(request: Request, name: Name, vo: Organisation = "") -> Response:
    """Give a threshold its default back."""
    user = actor_of(request).subject
    with parts_of(request).books.write() as session:
        reset_value(session, name, user, vo)
        view = threshold_view(session, name, vo)
    log.info("threshold reset", extra={"threshold": name, "by": user})
    return reply(view)
