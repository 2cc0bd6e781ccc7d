"""GET /v1/organisations: where one logs in."""

from __future__ import annotations

from fastapi import Request, Response

from culm.wire.organisations import OrganisationList, OrganisationView
from server.identity.access import PUBLIC
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms

organisations = Noun("organisations", "Organisations, and their identity providers.")


@organisations.get("/v1/organisations", Terms(PUBLIC, answers=OrganisationList))
async def list_organisations(request: Request) -> Response:
    """The organisations, and what a client needs to log in at their identity providers."""
    found = parts_of(request).foreign.organisations
    return reply(OrganisationList(organisations=tuple(
        OrganisationView(vo=one.vo, oidc_config_url=one.oidc_config_url, client_id=one.client_id,
                         client_secret=one.client_secret, scope=one.scope)
        for _, one in sorted(found.items())
    )))  # fmt: skip
