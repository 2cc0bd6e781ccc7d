"""Global shares."""

from __future__ import annotations

from collections.abc import Iterable

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.shares import (
    ShareDocument,
    ShareList,
    ShareRule,
    ShareRules,
    WeightChange,
)


class ShareCalls(Calls):
    """The calls about global shares."""

    def shares(self) -> ShareList:
        """The tree, in its order, with target, use and queue of each share."""
        return self._get(ShareList, "shares")

    def set_shares(self, document: ShareDocument) -> ShareList:
        """The tree after it was replaced, with its rules if the document has some (admin)."""
        call = Call(method="PUT", path=path_of("shares"), message=document)
        return read(ShareList, self.transport.json(call))

    def set_share(self, name: str, weight: float) -> ShareList:
        """The tree after a share got another weight; its siblings make room (admin)."""
        message = WeightChange(weight=weight)
        call = Call(method="PUT", path=path_of("shares", name), message=message)
        return read(ShareList, self.transport.json(call))

    def share_rules(self) -> tuple[ShareRule, ...]:
        """The tagging rules in their order."""
        return self._get(ShareRules, "share-rules").rules

    def set_share_rules(self, rules: Iterable[ShareRule]) -> tuple[ShareRule, ...]:
        """The tagging rules after they were replaced (admin)."""
        message = ShareRules(rules=tuple(rules))
        call = Call(method="PUT", path=path_of("share-rules"), message=message)
        return read(ShareRules, self.transport.json(call)).rules
