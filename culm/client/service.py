"""The server itself: who it takes you for, whether it is ready, whether its books add up."""

from __future__ import annotations

from typing import Any

from culm.client.calls import Calls
from culm.client.transport import Call, path_of
from culm.wire.views import Identity


class ServiceCalls(Calls):
    """The calls about the server."""

    def whoami(self) -> Identity:
        """Who the server takes you for."""
        return self._get(Identity, "whoami")

    def health(self) -> Any:
        """The server's word that it is alive."""
        return self.transport.json(Call(method="GET", path=path_of("health"), read_timeout=5.0))

    def ready(self) -> Any:
        """Whether the server can work, and its checks one by one."""
        return self.transport.json(Call(method="GET", path=path_of("ready"), read_timeout=10.0))

    def audit(self) -> Any:
        """The findings of the audit of the books, and what was looked at (admin)."""
        return self.transport.json(Call(method="GET", path=path_of("audit"), read_timeout=600.0))
