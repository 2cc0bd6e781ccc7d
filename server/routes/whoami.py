"""GET /v1/whoami: what the token says."""

from __future__ import annotations

from fastapi import Request, Response

from culm.wire.views import Identity
from server.identity.access import AUTHENTICATED, actor_of
from server.replies import reply
from server.routing import Noun, Terms

whoami = Noun("whoami", "Who the token says that you are.")


@whoami.get("/v1/whoami", Terms(AUTHENTICATED, answers=Identity))
async def show_identity(request: Request) -> Response:
    """Your name, your roles, and when the token ends."""
    actor = actor_of(request)
    expires_at = actor.expires_at.isoformat().replace("+00:00", "Z")
    return reply(Identity(user=actor.subject, roles=tuple(sorted(actor.roles)),
                          expires_at=expires_at, vo=actor.vo,
                          working_groups=tuple(sorted(actor.working_groups))))  # fmt: skip
