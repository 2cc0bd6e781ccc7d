"""Who may say for whose share a task counts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from culm.core.errors import NotAllowed
from culm.wire.task_spec import TaskSpec
from server.identity.actor import Actor, Role
from server.share_claims import check_may_claim, with_organisation

SPEC = {"name": "user.alice.x", "command": "true", "n_jobs": 1}


def actor(*roles: Role, vo: str = "", groups: frozenset[str] = frozenset()) -> Actor:
    return Actor("alice", frozenset(roles), datetime.now(UTC), "t", (), vo, groups)


HIGGS = actor(Role.PRODUCTION, vo="atlas", groups=frozenset({"phys-higgs"}))


@pytest.mark.parametrize(
    ("who", "claims"),
    [
        (actor(Role.USER), {}),
        (actor(Role.PRODUCTION), {"vo": "any", "working_group": "any"}),
        (actor(Role.ADMIN, vo="atlas"), {"vo": "cms", "working_group": "any"}),
        (HIGGS, {"working_group": "phys-higgs"}),
        (HIGGS, {"vo": "atlas", "working_group": "phys-higgs", "activity": "managed"}),
        (HIGGS, {}),
    ],
)
def test_claim_is_taken(who: Actor, claims: dict[str, str]) -> None:
    check_may_claim(who, TaskSpec(**SPEC, **claims))


@pytest.mark.parametrize(
    ("who", "claims", "words"),
    [
        (actor(Role.USER), {"vo": "atlas"}, "only the production role"),
        (actor(Role.USER, vo="atlas"), {"activity": "managed"}, "only the production role"),
        (HIGGS, {"vo": "cms", "working_group": "phys-higgs"}, "cms is not atlas"),
        (HIGGS, {"working_group": "phys-top"}, "phys-top is not one that you run"),
        (HIGGS, {"activity": "managed"}, "none is not one that you run"),
    ],
)
def test_claim_is_refused(who: Actor, claims: dict[str, str], words: str) -> None:
    with pytest.raises(NotAllowed, match=words):
        check_may_claim(who, TaskSpec(**SPEC, **claims))


def test_task_is_for_the_organisation_that_vouched() -> None:
    assert with_organisation(HIGGS, TaskSpec(**SPEC)).vo == "atlas"
    assert with_organisation(actor(Role.USER), TaskSpec(**SPEC)).vo is None
