"""Who may say for which share of the computing power a task counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from culm.core.errors import NotAllowed
from culm.wire.task_spec import TaskSpec
from tasks.tagging import claims_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRights:
    """What one person may say of their tasks: with `may_claim` anything.

    `vo` is the organisation whose provider vouched for them, "" if none did; `groups` are the
    working groups that they run production for there.
    """

    may_claim: bool = False
    vo: str = ""
    groups: tuple[str, ...] = ()

    def check(self, spec: TaskSpec) -> None:
        """Nothing, if the task may have these attributes: tagging rules look at them.

        Raises:
            NotAllowed: they could lead to somebody else's share, and this is no production user;
                or one of an organisation who names another, or a group that is none of theirs.
        """
        claimed = claims_of(spec)
        if not claimed or self.may_claim:
            return
        if not self.groups:
            words = "only the production role may say whose share a task counts for"
            raise NotAllowed(
                f"{', '.join(claimed)}: {words}",
                hint="submit it without, or ask for the production role",
            )
        if spec.vo not in (None, self.vo):
            raise NotAllowed(f"vo: {spec.vo} is not {self.vo}, for which you run production")
        if spec.working_group not in self.groups:
            group = spec.working_group or "none"
            raise NotAllowed(
                f"working_group: {group} is not one that you run production for",
                hint=f"say one of: {', '.join(self.groups)}",
            )

    def with_organisation(self, spec: TaskSpec) -> TaskSpec:
        """The task, for the person's organisation if it does not say one."""
        return replace(spec, vo=self.vo) if self.vo and spec.vo is None else spec


NOTHING = ShareRights()
"""The rights of a plain user."""
