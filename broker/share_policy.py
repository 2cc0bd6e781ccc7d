"""A queue's fair-share policy: `type=evgensimul:100%`, `priority>500:0`, `group=A*:0` …

Parts are read from left to right, the first that matches decides. Where none matches, a policy
that gives something to somebody gives nothing to all others (PanDA documentation 12.1, zero
share).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from broker.values import Demand
from culm.core.errors import FieldFault, InvalidRequest

_PART = re.compile(
    r"(?:(?P<key>type|group|gshare)=(?P<pattern>[^:]+)|priority(?P<sign>[<>]=?|[=!]=)(?P<limit>-?\d+))"
    r":(?P<share>\d+)%?"
)
_SIGNS: dict[str, Callable[[int, int], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_TYPES = {"evgensimul": "evgen|simul"}
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """One part: whom it is about, and whether it gives them anything."""

    gives: bool
    key: str
    pattern: re.Pattern[str] | None = None
    sign: str = ""
    limit: int = 0

    def matches(self, demand: Demand) -> bool:
        """Whether the demand is one of those."""
        if self.pattern is None:
            return _SIGNS[self.sign](demand.priority, self.limit)
        words = {
            "type": demand.processing_type,
            "group": demand.working_group,
            "gshare": demand.share,
        }
        return self.pattern.fullmatch(words[self.key]) is not None


@lru_cache(maxsize=10_000)
def parse_share_policy(text: str) -> tuple[PolicyPart, ...]:
    """The parts of a fair-share policy, in order. An empty one has none.

    Raises:
        InvalidRequest: a part is of another form, or its pattern is no regular expression.
    """
    if len(text) > _LONGEST:
        raise _fault(text[:50] + "…", f"at most {_LONGEST} characters")
    return tuple(_part(part.strip()) for part in text.split(",") if part.strip())


def gives_nothing(policy: tuple[PolicyPart, ...], demand: Demand) -> bool:
    """Whether the policy has no share for this demand."""
    for part in policy:
        if part.matches(demand):
            return not part.gives
    return any(part.gives for part in policy)


def _part(text: str) -> PolicyPart:
    found = _PART.fullmatch(text)
    if found is None:
        raise _fault(text, "such as type=evgen:100%, group=A*:0, gshare=X:50%, priority>500:0")
    gives = int(found["share"]) > 0
    if found["key"] is None:
        return PolicyPart(gives, "priority", None, found["sign"], int(found["limit"]))
    pattern = _TYPES.get(found["pattern"], found["pattern"])
    pattern = ".*" if pattern == "any" else re.sub(r"(?<!\.)\*", ".*", pattern)
    try:
        return PolicyPart(gives, found["key"], re.compile(pattern))
    except re.error as error:
        raise _fault(text, f"{found['pattern']} is no regular expression: {error}") from error


def _fault(text: str, needed: str) -> InvalidRequest:
    return InvalidRequest(
        f"fair-share policy: {text!r} cannot be read",
        faults=[FieldFault("fair_share_policy", repr(text), needed)],
    )
