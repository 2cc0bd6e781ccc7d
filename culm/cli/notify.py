"""`culm notify`: where you are told that your tasks have ended."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.render import Json, print_fields, print_json, print_table, say, when
from culm.wire.notices import NoticeAddressView

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Say where you are told of ends of tasks."
)


@app.command()
def mail(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="Your address: alice@example.org.")],
    as_json: Json = False,
) -> None:
    """Be told by mail, in the form that `culm sequence` and PanDA's psequencer read."""
    _added(client_of(ctx).add_notice_address("mail", address), as_json=as_json)


@app.command()
def webhook(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="The URL that a JSON document is posted to.")],
    as_json: Json = False,
) -> None:
    """Be told by a call of your URL, signed with the secret that is printed."""
    _added(client_of(ctx).add_notice_address("webhook", url), as_json=as_json)


def _added(view: NoticeAddressView, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    print_fields([("address", view.address_id), ("kind", view.kind), ("target", view.target),
                  ("secret", view.secret)])  # fmt: skip


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List your addresses; those of webhooks with their secrets."""
    found = client_of(ctx).notice_addresses()
    if as_json:
        print_json(found)
        return
    print_table(("id", "kind", "target", "secret"),
                ((a.address_id, a.kind, a.target, a.secret) for a in found))  # fmt: skip


@app.command()
def remove(
    ctx: typer.Context,
    address_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The address's number.")],
    as_json: Json = False,
) -> None:
    """Be told there no more."""
    gone = client_of(ctx).remove_notice_address(address_id)
    if as_json:
        print_json(gone)
    say(f"no more notices to {gone.target}")


@app.command()
def log(ctx: typer.Context, as_json: Json = False) -> None:
    """Show your last notices: sent, waiting, or given up and why."""
    found = client_of(ctx).notices()
    if as_json:
        print_json(found)
        return
    print_table(
        ("task", "state", "tries", "made", "kind", "target", "why"),
        ((n.task_id, n.state, n.n_tries, when(n.made_at), n.kind, n.target, n.error)
         for n in found),
    )  # fmt: skip
