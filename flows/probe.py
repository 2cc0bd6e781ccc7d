"""Whether Prefect's server answers, asked quickly: its own client would try for a minute."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

Probe = Callable[[], Awaitable[bool | None]]
"""True: it answers; False: nobody is there, or it is ill; None: no answer in time."""


class HealthProbe:
    """Asks `/health` of an API. Keeps its connection; `close` it."""

    def __init__(self, api_url: str, timeout_seconds: float = 3.0) -> None:
        self.api_url = api_url.rstrip("/")
        self._client = httpx.AsyncClient(timeout=timeout_seconds, trust_env=False)

    async def __call__(self) -> bool | None:
        """Whether it answers now."""
        try:
            answer = await self._client.get(f"{self.api_url}/health")
        except httpx.TimeoutException:
            return None
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    async def close(self) -> None:
        """Give back the connection."""
        await self._client.aclose()
