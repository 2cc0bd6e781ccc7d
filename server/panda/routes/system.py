"""Whether the server is there, whom it takes the caller for, and where one logs in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from culm.core.errors import NotFound
from server.identity.access import PUBLIC
from server.panda.asked import Asked
from server.panda.calls import Calls
from server.panda.envelope import Said, json_answer
from server.parts import parts_of
from server.routing import Noun, Terms

system = Noun("panda: system", "What PanDA's programs ask of a server before anything else.")
_calls = Calls(system, "system")


@_calls.get("is_alive", access=PUBLIC)
def is_alive(_asked: Asked) -> Said:
    """Say that the server answers."""
    return Said(message="alive")


@_calls.get("get_attributes")
def get_attributes(asked: Asked) -> Said:
    """What the server knows of you: nobody brings a certificate here, the token says it all."""
    actor = asked.actor
    return Said(data={"environment": {
        "user": actor.subject, "roles": ",".join(sorted(actor.roles)), "vo": actor.vo,
        "working_groups": ",".join(sorted(actor.working_groups)),
        "token_expires_at": actor.expires_at.isoformat(),
    }})  # fmt: skip


@system.get("/auth/{vo}_auth_config.json", Terms(PUBLIC, answers="application/json"))
async def show_auth_config(
    request: Request, vo: Annotated[str, Path(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$")]
) -> Response:
    """What PanDA's client needs to log in at an organisation's identity provider."""
    one = parts_of(request).foreign.organisations.get(vo)
    if one is None:
        hint = 'with a token of this server itself: eval "$(culm panda-env)"'
        raise NotFound(f"no organisation {vo} logs in here", hint=hint)
    return json_answer({
        "vo": one.vo, "audience": one.audience, "client_id": one.client_id,
        "client_secret": one.client_secret, "oidc_config_url": one.oidc_config_url,
    })  # fmt: skip
