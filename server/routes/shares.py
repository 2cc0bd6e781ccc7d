"""Shares: what part of the computing power each kind of work is to get, and has."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from culm.core import names
from culm.wire.shares import ShareDocument, ShareList, ShareRules, WeightChange
from server.bodies import JsonBody
from server.identity.access import ADMIN, PERSON, actor_of
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.share_changes import set_rules, set_shares, set_weight
from tasks.views.shares import rule_list, share_list, wanted_rules, wanted_shares

log = logging.getLogger(__name__)

shares = Noun("shares", "Global shares: the tree, who has how much, and which tasks count where.")

Name = Annotated[str, Path(pattern=f"^(?:{names.USER.pattern})$", description="The share's name")]
_RULE = {"share": "production", "activity": "managed|test"}
_TREE = [{"name": "production", "weight": 70}, {"name": "default", "weight": 30}]


@shares.get("/v1/shares", Terms(PERSON, answers=ShareList))
def list_shares(request: Request) -> Response:
    """The tree of shares: target, what is due, used and queued."""
    with parts_of(request).books.read() as session:
        return reply(share_list(session))


@shares.put(
    "/v1/shares",
    Terms(ADMIN, takes=ShareDocument, answers=ShareList,
          example={"shares": _TREE, "rules": [_RULE]}),
)  # fmt: skip
def replace_shares(
    request: Request,
    wanted: Annotated[ShareDocument, Depends(JsonBody(ShareDocument))],
) -> Response:
    """Write the whole tree, and the tagging rules if they are given; all or nothing."""
    rules = None if wanted.rules is None else wanted_rules(wanted.rules)
    with parts_of(request).books.write() as session:
        set_shares(session, wanted_shares(wanted.shares), rules)
        view = share_list(session)
    log.info("shares written", extra={"by": actor_of(request).subject})
    return reply(view)


@shares.put(
    "/v1/shares/{name}",
    Terms(ADMIN, takes=WeightChange, answers=ShareList, example={"weight": 20}),
)
def change_weight(
    request: Request,
    name: Name,
    change: Annotated[WeightChange, Depends(JsonBody(WeightChange, SMALL))],
) -> Response:
    """Give a share another weight; its siblings keep their proportions."""
    with parts_of(request).books.write() as session:
        set_weight(session, name, change.weight)
        view = share_list(session)
    log.info("share weighed", extra={"share": name, "weight": change.weight,
                                     "by": actor_of(request).subject})  # fmt: skip
    return reply(view)


@shares.get("/v1/share-rules", Terms(PERSON, answers=ShareRules))
def list_share_rules(request: Request) -> Response:
    """The tagging rules, in the order in which they are tried."""
    with parts_of(request).books.read() as session:
        return reply(rule_list(session))


@shares.put(
    "/v1/share-rules",
    Terms(ADMIN, takes=ShareRules, answers=ShareRules, example={"rules": [
        {"share": "default", "activity": "user"}]}),
)  # fmt: skip
def replace_share_rules(
    request: Request, wanted: Annotated[ShareRules, Depends(JsonBody(ShareRules))]
) -> Response:
    """Write the tagging rules; tasks that are there keep their shares."""
    with parts_of(request).books.write() as session:
        set_rules(session, wanted_rules(wanted.rules))
        view = rule_list(session)
    log.info("share rules written", extra={"by": actor_of(request).subject})
    return reply(view)
