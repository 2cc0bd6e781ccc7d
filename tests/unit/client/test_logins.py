"""Logins on this machine: kept privately, renewed once, forgotten."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import jwt
import keyring
import pytest
from keyring.backend import KeyringBackend

from culm.client.device_flow import DeviceCode, Provider, wait_for_person
from culm.client.logins import Login, Logins, organisations_of
from culm.client.tokens import Token, find_token
from culm.client.transport import Call, Transport
from culm.core.errors import InvalidRequest, NotAuthenticated, Unreachable, WaitTimedOut
from culm.core.settings import Settings, load_settings
from culm.wire.organisations import OrganisationView

SERVER = "https://culm.example.org"
KEY = "k" * 32


def organisation(url: str = "https://iam.example.org") -> OrganisationView:
    return OrganisationView(
        vo="atlas", oidc_config_url=url, client_id="culm", client_secret="", scope="openid"
    )


def id_token(seconds: float, name: str = "alice") -> str:
    return jwt.encode({"sub": name, "exp": time.time() + seconds}, KEY, "HS256")


def a_login(token: str, endpoint: str = "https://iam.example.org/token", **changes: Any) -> Login:
    values = {"server_url": SERVER, "organisation": organisation(), "token_endpoint": endpoint,
              "id_token": token, "refresh_token": "r1"} | changes  # fmt: skip
    return Login(**values)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"server_url": SERVER, "data_dir": tmp_path}, {"HOME": str(tmp_path)})


class Answers(BaseHTTPRequestHandler):
    """Answers with what the server holds for it, one after the other; keeps what it was asked."""

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        server: Any = self.server
        server.asked.append((dict(self.headers), self.rfile.read(length).decode()))
        status, body = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_GET = do_POST = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


class Place:
    """An HTTP server that answers so."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.server: Any = HTTPServer(("127.0.0.1", 0), Answers)
        self.server.answers, self.server.asked = list(answers), []
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def places() -> Iterator[Any]:
    made: list[Place] = []

    def make(*answers: tuple[int, Any]) -> Place:
        made.append(Place(*answers))
        return made[-1]

    yield make
    for place in made:
        place.server.shutdown()
        place.server.server_close()


def test_login_is_kept_for_its_owner_alone(settings: Settings) -> None:
    logins = Logins(settings)
    path = logins.keep(a_login(id_token(3600)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    found = logins.get(SERVER + "/")
    assert found is not None
    assert (found.refresh_token, found.organisation.vo) == ("r1", "atlas")
    assert logins.get("https://other.example.org") is None
    assert logins.forget(SERVER)
    assert not logins.forget(SERVER)


def test_client_uses_a_login_before_the_usual_file_and_after_what_was_said(
    settings: Settings, tmp_path: Path
) -> None:
    token = id_token(3600)
    Logins(settings).keep(a_login(token))
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "user.token").write_text("usual")
    found = find_token(settings, {})
    assert (found.text, found.vo) == (token, "atlas")
    assert find_token(settings, {"CULM_TOKEN": "said"}).text == "said"
    flags = {"server_url": SERVER, "data_dir": tmp_path, "token_file": tmp_path / "t"}
    named = load_settings(flags, {"HOME": str(tmp_path)})
    (tmp_path / "t").write_text("named")
    assert find_token(named, {}).text == "named"


def test_token_that_ends_soon_is_renewed(settings: Settings, places: Any) -> None:
    new = id_token(3600)
    place = places((200, {"id_token": new, "refresh_token": "r2"}))
    logins = Logins(settings)
    logins.keep(a_login(id_token(30), place.url))
    assert logins.fresh(SERVER) == new
    assert "refresh_token=r1" in place.server.asked[0][1]
    assert logins.fresh(SERVER) == new
    kept = logins.get(SERVER)
    assert kept is not None
    assert (kept.refresh_token, len(place.server.asked)) == ("r2", 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((400, {"error": "invalid_grant", "error_description": "grant\x1b[31m gone"}), "grant"),
        ((200, {"access_token": "x"}), "gave no ID token"),
    ],
)
def test_login_that_is_not_renewed_says_to_log_in(
    settings: Settings, places: Any, answer: tuple[int, Any], words: str
) -> None:
    logins = Logins(settings)
    logins.keep(a_login(id_token(-1), places(answer).url))
    with pytest.raises(NotAuthenticated, match=words) as caught:
        logins.fresh(SERVER)
    assert caught.value.hint == "culm login"
    assert "\x1b" not in str(caught.value)


def test_login_without_refresh_token_ends(settings: Settings) -> None:
    logins = Logins(settings)
    logins.keep(a_login(id_token(-1), refresh_token=""))
    with pytest.raises(NotAuthenticated, match="has expired"):
        logins.fresh(SERVER)


def test_provider_that_answers_nonsense_is_unreachable(settings: Settings, places: Any) -> None:
    logins = Logins(settings)
    logins.keep(a_login(id_token(-1), places((500, [])).url))
    with pytest.raises(Unreachable, match="answered 500"):
        logins.fresh(SERVER)


@pytest.mark.parametrize("text", ["{", "[]", '{"server_url": 1}', "\udcff"])
def test_login_that_cannot_be_read_is_said(settings: Settings, text: str) -> None:
    logins = Logins(settings)
    path = logins.keep(a_login(id_token(3600)))
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(NotAuthenticated, match="cannot be read"):
        find_token(settings, {})


def test_refused_token_is_renewed_once_in_a_long_wait(places: Any) -> None:
    place = places((401, {}), (200, {"n": 1}))
    transport = Transport(place.url, Token("old", "the login", "atlas", lambda _: "new"))
    assert transport.json(Call(method="GET", path="/x")) == {"n": 1}
    transport.close()
    assert [asked[0]["Authorization"] for asked in place.server.asked] == [
        "Bearer old", "Bearer new"]  # fmt: skip
    assert place.server.asked[1][0]["Origin"] == "atlas"


def test_token_that_is_refused_again_is_an_error(places: Any) -> None:
    place = places((401, {"code": "CULM-1002", "detail": "taken back"}))
    transport = Transport(place.url, Token("old", "the login", "", lambda _: "new"))
    with pytest.raises(NotAuthenticated, match="taken back"):
        transport.json(Call(method="GET", path="/x"))
    transport.close()
    assert len(place.server.asked) == 2


class InMemory(KeyringBackend):
    """A keyring that forgets when the process ends."""

    priority = 1
    kept: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_keyring_may_have_the_tokens(settings: Settings) -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        logins, token = Logins(settings), id_token(3600)
        path = logins.keep(a_login(token, in_keyring=True))
        assert token not in path.read_text()
        assert "r1" not in path.read_text()
        assert logins.fresh(SERVER) == token
        assert logins.forget(SERVER)
        assert InMemory.kept == {}
    finally:
        keyring.set_keyring(before)


def test_server_without_tls_elsewhere_is_no_place_to_log_in(tmp_path: Path) -> None:
    settings = load_settings({"server_url": "http://culm.example.org", "data_dir": tmp_path},
                             {"HOME": str(tmp_path)})  # fmt: skip
    with pytest.raises(InvalidRequest, match="must not travel in the clear"):
        organisations_of(settings)


CODE = DeviceCode(device_code="d", user_code="u", page="p", page_with_code="p",
                  expires_seconds=60, interval_seconds=5)  # fmt: skip


def waited(place: Place) -> tuple[Any, list[float]]:
    slept: list[float] = []
    found = wait_for_person(Provider("", place.url), organisation(), CODE, slept.append,
                            lambda: sum(slept))  # fmt: skip
    return found, slept


def test_person_is_waited_for_as_patiently_as_the_provider_wants(places: Any) -> None:
    place = places((400, {"error": "authorization_pending"}), (400, {"error": "slow_down"}),
                   (200, {"id_token": "t", "refresh_token": "r"}))  # fmt: skip
    found, slept = waited(place)
    assert (found.id_token, slept) == ("t", [5, 5, 10])


@pytest.mark.parametrize("error", ["expired_token", "authorization_pending"])
def test_code_that_nobody_confirms_ends_the_wait(places: Any, error: str) -> None:
    with pytest.raises(WaitTimedOut, match="nobody confirmed"):
        waited(places((400, {"error": error})))


def test_person_who_refuses_is_believed(places: Any) -> None:
    with pytest.raises(NotAuthenticated, match="access_denied"):
        waited(places((400, {"error": "access_denied"})))
