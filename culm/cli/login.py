"""`culm login` and `culm logout`: a token from an organisation's identity provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.context import settings_of
from culm.cli.render import Json, print_fields, print_json, safe, say, when
from culm.core.errors import FieldFault, InvalidRequest, NotFound
from culm.core.nearest import unknown_name

if TYPE_CHECKING:
    from culm.client.logins import Login
    from culm.core.settings import Settings
    from culm.wire.organisations import OrganisationView

app = typer.Typer(rich_markup_mode=None)
logout_app = typer.Typer(rich_markup_mode=None)

Vo = Annotated[str, typer.Option("--vo", help="Your organisation, if the server has several.")]


@app.command()
def login(
    ctx: typer.Context,
    vo: Vo = "",
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep the tokens in the system's keyring.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Log in at your organisation's identity provider, with a browser on any machine.

    A page and a code are shown; when you have confirmed the code there, this command ends. From
    then on commands use the login, and renew it by themselves.
    """
    from culm.client.logins import Logins, organisations_of, whose

    settings = settings_of(ctx)
    granted = _granted(settings, _chosen(organisations_of(settings), vo), in_keyring=keyring)
    found = whose(granted)
    path = Logins(settings).keep(granted)
    if as_json:
        print_json(found)
        return
    say(f"logged in at {settings.server_url}; {'the keyring' if keyring else path} has the tokens")
    print_fields([("user", found.user), ("roles", ", ".join(found.roles)),
                  ("organisation", found.vo), ("expires", when(found.expires_at))])  # fmt: skip


def _chosen(found: Sequence[OrganisationView], vo: str) -> OrganisationView:
    """The organisation that was named, or the only one."""
    known = [one.vo for one in found]
    if not known:
        raise NotFound(
            "the server knows no identity provider",
            hint="ask who runs it for a token (--token-file)",
        )
    if not vo and len(known) > 1:
        raise InvalidRequest(
            "which organisation?",
            faults=[FieldFault("--vo", "missing", f"one of {', '.join(known)}")],
        )
    if vo and vo not in known:
        fault = FieldFault("--vo", vo, unknown_name(vo, known))
        raise InvalidRequest("the server does not know this organisation", faults=[fault])
    return next(one for one in found if one.vo == (vo or one.vo))


def _granted(settings: Settings, organisation: OrganisationView, *, in_keyring: bool) -> Login:
    """A login with the tokens that the provider grants, once the person has confirmed it."""
    from culm.client.device_flow import begin, discover, wait_for_person
    from culm.client.logins import Login, with_tokens

    provider = discover(organisation.oidc_config_url)
    code = begin(provider, organisation)
    say(f"open {safe(code.page_with_code)}")
    say(f"and confirm the code {safe(code.user_code)}; waiting …")
    tokens = wait_for_person(provider, organisation, code)
    fresh = Login(server_url=settings.server_url, organisation=organisation,
                  token_endpoint=provider.token_endpoint, in_keyring=in_keyring)  # fmt: skip
    return with_tokens(fresh, tokens)


@logout_app.command()
def logout(ctx: typer.Context) -> None:
    """Forget the login at the server."""
    from culm.client.logins import Logins

    settings = settings_of(ctx)
    if not Logins(settings).forget(settings.server_url):
        raise NotFound(f"there is no login at {settings.server_url}")
    say(f"logged out at {settings.server_url}")
