"""Retry rules: seen by everybody, changed by administrators."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.codec import decode, encode
from culm.wire.retry_rules import NewRetryRule, RetryRuleList, RetryRuleView


class RetryRuleCalls(Calls):
    """The calls about the rules of the retry module."""

    def retry_rules(self) -> tuple[RetryRuleView, ...]:
        """All rules in order of their numbers."""
        return self._get(RetryRuleList, "retry-rules").rules

    def retry_rule(self, rule_id: int) -> RetryRuleView:
        """One rule."""
        return self._get(RetryRuleView, "retry-rules", rule_id)

    def add_retry_rule(self, rule: NewRetryRule) -> RetryRuleView:
        """The new rule with its number (admin).

        Raises:
            InvalidRequest: it cannot be used; each field that is wrong is named.
        """
        return self._post(RetryRuleView, rule, "retry-rules")

    def set_retry_rule(self, rule_id: int, **changes: Any) -> RetryRuleView:
        """The rule with these fields changed (admin); a code or limit of None is taken away.

        Raises:
            InvalidRequest: it cannot be used like this; each field that is wrong is named.
        """
        known = {field.name for field in fields(NewRetryRule)}
        before = {k: v for k, v in encode(self.retry_rule(rule_id)).items() if k in known}
        rule = decode(NewRetryRule, before | changes, "the rule")
        call = Call(method="PUT", path=path_of("retry-rules", rule_id), message=rule)
        return read(RetryRuleView, self.transport.json(call))

    def remove_retry_rule(self, rule_id: int) -> RetryRuleView:
        """What the rule was that is gone now (admin)."""
        call = Call(method="DELETE", path=path_of("retry-rules", rule_id))
        return read(RetryRuleView, self.transport.json(call))
