"""A server that speaks TLS, and who trusts it: the client, the command, a pilot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from culm.cli.main import run
from culm.client import Client
from culm.core.errors import Unreachable
from tasks.store.books import Books
from tests.builders import run_stages
from tests.certificates import Authority
from tests.live_server import LiveServer, live_server
from tests.server_scene import a_token


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder, pair = tmp_path_factory.mktemp("tls"), authority.pair("server")
    options = ["--tls-certificate", str(pair.certificate), "--tls-key", str(pair.key)]
    url = f"sqlite:///{folder}/culm.db"
    with live_server(url, folder, *options, authority=authority.path) as running:
        yield running


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))


def client_of(server: LiveServer, url: str = "") -> Client:
    token = a_token(server.settings, "alice", "user")
    url = url or server.settings.server_url
    return Client(url, token=token, settings=server.settings, patience_seconds=0)


@pytest.mark.usefixtures("trusted")
def test_client_that_trusts_the_authority_speaks_tls(server: LiveServer) -> None:
    assert server.settings.server_url.startswith("https://")
    with client_of(server) as client:
        assert client.whoami().user == "alice"


@pytest.mark.parametrize(("host", "words"), [
    ("127.0.0.1", "its certificate is not trusted: .*unable to get local issuer"),
    ("localhost", "its certificate is not trusted"),
])  # fmt: skip
def test_client_that_does_not_trust_it_sends_no_token(
    server: LiveServer, host: str, words: str
) -> None:
    url = f"https://{host}:{server.port}"
    with client_of(server, url) as client, pytest.raises(Unreachable, match=words) as caught:
        client.whoami()
    assert "SSL_CERT_FILE" in caught.value.hint


@pytest.mark.usefixtures("trusted")
def test_certificate_for_another_name_is_not_trusted(server: LiveServer) -> None:
    url = f"https://localhost:{server.port}"
    with client_of(server, url) as client, pytest.raises(Unreachable, match="localhost"):
        client.whoami()


def test_plain_http_gets_nothing(server: LiveServer) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{server.port}/v1/health")


@pytest.mark.usefixtures("trusted")
def test_task_goes_its_whole_way_over_tls(
    server: LiveServer, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CULM_SERVER_URL", server.settings.server_url)
    monkeypatch.setenv("CULM_DATA_DIR", str(server.settings.data_dir))
    (tmp_path / "run.sh").write_text("echo over TLS > out.txt")
    words = ["prun", "--exec", "sh run.sh", "--outputs", "out.txt", "--workDir", str(tmp_path)]
    assert run([*words, "--outDS", f"user.{_me(server)}.tls"]) == 0
    run_stages(server.books)
    pilot = subprocess.run(
        [sys.executable, "-m", "pilot", "--server", server.settings.server_url, "--queue",
         "LOCAL", "--token-file", str(server.settings.data_dir / "tokens" / "pilot.token"),
         "--work-dir", str(tmp_path / "work"), "--once"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert pilot.returncode == 0, pilot.stderr
    run_stages(server.books)
    assert _status(server.books) == "done"


def _me(server: LiveServer) -> str:
    with Client(settings=server.settings) as client:
        return client.whoami().user


def _status(books: Books) -> str:
    with books.read() as session:
        return str(session.connection().exec_driver_sql("SELECT status FROM task").scalar())


@pytest.mark.usefixtures("trusted")
def test_pandas_client_speaks_tls(
    authority: Authority, server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.path)]
    number = subprocess.run(hashed, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / f"{number}.0").write_bytes(authority.path.read_bytes())
    token = a_token(server.settings, "alice", "user")
    own = {"CULM_SERVER_URL": server.settings.server_url, "CULM_TOKEN": token,
           "SSL_CERT_DIR": str(tmp_path), "HOME": str(tmp_path)}  # fmt: skip
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    printed = subprocess.run([sys.executable, "-m", "culm", "panda-env", "--json"], check=True,
                             capture_output=True, text=True).stdout  # fmt: skip
    ask = "from pandaclient import Client; print(Client.getTaskStatus(10000001), Client.hello())"
    for known, said in ((tmp_path, "no task 10000001 of yours"),
                        (tmp_path / "none", "certificate verify failed")):  # fmt: skip
        variables = json.loads(printed)
        assert variables["X509_CERT_DIR"] == str(tmp_path)
        done = subprocess.run(
            [sys.executable, "-c", ask], env=variables | own | {"X509_CERT_DIR": str(known)},
            capture_output=True, text=True, check=True, cwd=tmp_path,
        )  # fmt: skip
        assert said in done.stdout + done.stderr
