"""Organisations (VOs) as a client sees them: what it needs to log in at their provider."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationView:
    """An organisation, and the client that its identity provider knows us as.

    `client_secret` is no secret: whoever logs in needs it (documentation, 7.6.3). It is empty for
    a public client.
    """

    vo: str
    oidc_config_url: str
    client_id: str
    client_secret: str
    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationList:
    """The organisations of a server."""

    organisations: tuple[OrganisationView, ...]
