"""Thresholds: seen and changed by administrators."""

from __future__ import annotations

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.configuration import (
    ThresholdChange,
    ThresholdHistory,
    ThresholdList,
    ThresholdView,
)


class ConfigurationCalls(Calls):
    """The calls about thresholds (admin)."""

    def thresholds(self) -> tuple[ThresholdView, ...]:
        """All thresholds, with what holds now."""
        return self._get(ThresholdList, "configuration").thresholds

    def threshold(self, name: str, vo: str = "") -> ThresholdHistory:
        """One threshold by its documented name, with its changes."""
        return self._get(ThresholdHistory, "configuration", name, vo=vo or None)

    def set_threshold(self, name: str, value: object, vo: str = "") -> ThresholdHistory:
        """The threshold after it got this value, for one organisation or for all."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        change = ThresholdChange(value=text, vo=vo)
        call = Call(method="PUT", path=path_of("configuration", name), message=change)
        return read(ThresholdHistory, self.transport.json(call))

    def reset_threshold(self, name: str, vo: str = "") -> ThresholdHistory:
        """The threshold after it got its default back."""
        path, params = path_of("configuration", name), {"vo": vo or None}
        call = Call(method="DELETE", path=path, params=params)
        return read(ThresholdHistory, self.transport.json(call))
