"""Retry rules: what is made of errors."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from culm.wire.retry_rules import NewRetryRule, RetryRuleList, RetryRuleView
from server.bodies import JsonBody
from server.identity.access import ADMIN, PERSON, actor_of
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.retry_rule_changes import add_rule, list_rules, remove_rule, set_rule, show_rule

log = logging.getLogger(__name__)

retry_rules = Noun("retry rules", "What is made of errors: no retry, fewer, more memory or time.")

RuleId = Annotated[int, Path(ge=1, le=2**31 - 1, description="The rule's number", examples=[1])]
Rule = Annotated[NewRetryRule, Depends(JsonBody(NewRetryRule, SMALL))]
_EXAMPLE = {"source": "pilot", "code": 1305, "pattern": "no such branch", "action": "no_retry",
            "active": False}  # fmt: skip


@retry_rules.get("/v1/retry-rules", Terms(PERSON, answers=RetryRuleList))
def list_retry_rules(request: Request) -> Response:
    """All rules."""
    with parts_of(request).books.read() as session:
        return reply(list_rules(session))


@retry_rules.get("/v1/retry-rules/{rule_id}", Terms(PERSON, answers=RetryRuleView))
def show_retry_rule(request: Request, rule_id: RuleId) -> Response:
    """One rule."""
    with parts_of(request).books.read() as session:
        return reply(show_rule(session, rule_id))


@retry_rules.post(
    "/v1/retry-rules",
    Terms(ADMIN, takes=NewRetryRule, answers=RetryRuleView, status=201, example=_EXAMPLE),
)
def add_retry_rule(request: Request, rule: Rule) -> Response:
    """Add a rule. A passive one only says in the log what it would do."""
    user = actor_of(request).subject
    with parts_of(request).books.write() as session:
        view = add_rule(session, rule, user)
    log.info("retry rule added", extra={"rule": view.rule_id, "by": user})
    return reply(view, 201)


@retry_rules.put(
    "/v1/retry-rules/{rule_id}",
    Terms(ADMIN, takes=NewRetryRule, answers=RetryRuleView, example=_EXAMPLE),
)
def change_retry_rule(request: Request, rule_id: RuleId, rule: Rule) -> Response:
    """Write a rule anew."""
    user = actor_of(request).subject
    with parts_of(request).books.write() as session:
        view = set_rule(session, rule_id, rule, user)
    log.info("retry rule changed", extra={"rule": rule_id, "by": user})
    return reply(view)


@retry_rules.delete("/v1/retry-rules/{rule_id}", Terms(ADMIN, answers=RetryRuleView))
def remove_retry_rule(request: Request, rule_id: RuleId) -> Response:
    """Remove a rule; the answer is what it was."""
    with parts_of(request).books.write() as session:
        view = remove_rule(session, rule_id)
    log.info("retry rule removed", extra={"rule": rule_id, "by": actor_of(request).subject})
    return reply(view)
