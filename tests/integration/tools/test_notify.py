"""`culm notify` against a running server."""

from __future__ import annotations

from tests.integration.tools.conftest import Desk
from tests.server_scene import a_token


def test_addresses_are_added_listed_and_removed(desk: Desk) -> None:
    view = desk.gets("notify", "webhook", "https://example.org/hook", "--json")
    assert len(view["secret"]) == 64
    listed = desk.gets("notify", "list", "--json")
    assert [(one["target"], one["secret"]) for one in listed] == [
        ("https://example.org/hook", view["secret"])]  # fmt: skip
    assert desk.gets("notify", "log", "--json") == []
    bob = a_token(desk.server.settings, "bob", "user")
    with desk.server.client(token=bob) as client:
        assert client.get("/v1/notice-addresses").json() == {"addresses": []}
        gone = client.delete(f"/v1/notice-addresses/{view['address_id']}")
        assert gone.status_code == 404
    code, _, err = desk.does("notify", "remove", str(view["address_id"]))
    assert (code, "no more notices to https://example.org/hook" in err) == (0, True)


def test_what_cannot_be_reached_is_refused(desk: Desk) -> None:
    code, _, err = desk.does("notify", "mail", "alice@example.org")
    assert code == 2
    assert "this server sends no mail" in err
    code, _, err = desk.does("notify", "webhook", "example.org")
    assert code == 2
    assert "a URL like https://example.org/hook is needed" in err
    assert desk.does("notify", "remove", "99")[0] == 4
