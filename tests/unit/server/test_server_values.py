"""Small rules: bindings, paths, schemas, log lines, first start."""

from __future__ import annotations

import logging
import typing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from culm.core.errors import CulmError, InvalidRequest, Misconfigured
from culm.core.settings import load_settings
from culm.core.urls import is_loopback_host
from culm.wire import job_spec, reports, task_spec, views
from server.binding import Binding
from server.first_start import RENEW_BEFORE, prepare_identity
from server.logs import LineFormatter
from server.schemas import components
from server.storage import inside
from tests.certificates import Authority


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
    ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False), ("", False),
])  # fmt: skip
def test_public_addresses_need_tls_or_plain_words(host: str, loopback: bool) -> None:
    assert is_loopback_host(host) is loopback
    binding = Binding(host=host, port=1)
    if loopback:
        assert binding.check() is binding
    else:
        with pytest.raises(Misconfigured, match="can be reached from outside"):
            binding.check()
    assert Binding(host=host, port=1, allow_plain_http=True).check()


def test_half_of_tls_is_refused(tmp_path: Path) -> None:
    pem = tmp_path / "x.pem"
    with pytest.raises(Misconfigured, match="both"):
        Binding(host="127.0.0.1", port=1, key=pem).check()
    with pytest.raises(Misconfigured, match="no file"):
        Binding(host="127.0.0.1", port=1, key=pem, certificate=pem).check()


def test_files_that_are_no_certificate_and_its_key_are_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    one, two = authority.pair("one"), authority.pair("two")
    locked = authority.pair("locked", passphrase="secret")
    text = tmp_path / "text.pem"
    text.write_text("no PEM file")
    for certificate, key in (
        (text, one.key), (one.certificate, text), (one.certificate, two.key),
        (locked.certificate, locked.key),
    ):  # fmt: skip
        with pytest.raises(Misconfigured, match="no certificate and its key") as caught:
            Binding(host="10.0.0.1", port=1, certificate=certificate, key=key).check()
        assert str(certificate) in caught.value.message
        assert str(key) in caught.value.message
    public = Binding(host="10.0.0.1", port=1, certificate=one.certificate, key=one.key)
    assert public.check() is public


@pytest.mark.parametrize("path", ["", ".", "..", "a/../b", "/a", "a//b", "a/", "a/.b", "a/b c",
                                  "a/\x00", "a/b\n", "~/x", "a/" * 9 + "b", "ä"])  # fmt: skip
def test_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest):
        inside(Path("/data"), path)


def test_path_of_plain_names_lies_below() -> None:
    assert inside(Path("/data"), "user.alice.d/f_1.dat") == Path("/data/user.alice.d/f_1.dat")


def messages() -> list[type]:
    modules = (task_spec, views, reports, job_spec)
    found = [thing for module in modules for thing in vars(module).values()
             if isinstance(thing, type) and hasattr(thing, "__dataclass_fields__")
             and thing.__module__ == module.__name__]  # fmt: skip
    assert len(found) > 30
    return found


@pytest.mark.parametrize("kind", messages())
def test_every_message_has_a_schema_with_words(kind: type) -> None:
    schema = components([kind])[kind.__name__]
    assert schema["description"]
    assert set(schema["properties"]) == set(typing.get_type_hints(kind))


def test_log_holds_no_token_and_no_line_break_from_outside() -> None:
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
    record = logging.makeLogRecord({"msg": "asked with %s", "args": (token,), "name": "x"})
    record.path = "/v1/\nERROR forged \x1b[31m" + token
    line = LineFormatter("%(levelname)s %(message)s").format(record)
    assert token not in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert line.count("[token]") == 2


def test_first_start_keeps_what_is_good(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path}, {"HOME": str(tmp_path)}, tmp_path)
    now = datetime.now(UTC)
    first = {name: path.read_text() for name, path in prepare_identity(settings, now).items()}
    assert set(first) == {"user", "admin", "pilot"}
    again = {name: path.read_text() for name, path in prepare_identity(settings, now).items()}
    assert again == first
    (tmp_path / "tokens" / "user.token").write_text("rubbish")
    (tmp_path / "tokens" / "admin.token").chmod(0o644)
    mended = {name: path.read_text() for name, path in prepare_identity(settings, now).items()}
    assert mended["user"] != "rubbish"
    assert mended["admin"] != first["admin"]
    assert mended["pilot"] == first["pilot"]
    late = now + timedelta(days=90) - RENEW_BEFORE
    renewed = {name: path.read_text() for name, path in prepare_identity(settings, late).items()}
    assert renewed["pilot"] != first["pilot"]


def test_damaged_key_is_an_error_with_its_name(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path}, {"HOME": str(tmp_path)}, tmp_path)
    prepare_identity(settings)
    key = next(settings.keys_dir.glob("*.pem"))
    key.write_text("rubbish")
    with pytest.raises(CulmError, match=key.name):
        prepare_identity(settings)
