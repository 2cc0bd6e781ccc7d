"""`culm login` at a real OpenID provider (oidc-provider, certified), as a person does it."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live_server import LiveServer, live_server
from tests.oidc.providers import Provider, a_provider, confirm

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SHORT_SECONDS = 20
"""Less than what a token must have left, so each command renews the login."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with a_provider(TOKEN_SECONDS=str(SHORT_SECONDS)) as found:
        yield found


@pytest.fixture(scope="module")
def server(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    auth = folder / "auth"
    auth.mkdir()
    for vo in ("atlas", "cms"):
        config = {"audience": "culm", "client_id": "culm", "oidc_config_url": provider.config_url,
                  "vo": vo}  # fmt: skip
        (auth / f"{vo}_auth_config.json").write_text(json.dumps(config))
    rules = [["atlas/production", {"group": "phys-higgs", "role": "production"}],
             ["atlas", {"group": "atlas", "role": "user"}]]  # fmt: skip
    (auth / "auth_policies.json").write_text(json.dumps({"atlas": rules, "cms": [
        ["cms", {"group": "cms", "role": "user"}]]}))  # fmt: skip
    with live_server(f"sqlite:///{folder}/culm.db", folder) as found:
        yield found


@pytest.fixture
def environment(server: LiveServer, tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")}
    return kept | {"HOME": str(tmp_path), "CULM_SERVER_URL": server.settings.server_url,
                   "CULM_DATA_DIR": str(tmp_path / "data")}  # fmt: skip


@pytest.fixture
def culm(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "culm", *words], capture_output=True, text=True,
            env=environment, cwd=tmp_path, check=False, timeout=60,
        )  # fmt: skip

    return run


def log_in(environment: dict[str, str], account: str, *words: str) -> tuple[int, str, str]:
    """`culm login` with somebody at the browser; exit code, output, errors."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "culm", "login", *words], stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, env=environment,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        page = re.search(r"open (\S+)", process.stderr.readline())
        assert page
        confirm(page[1], account)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


@pytest.mark.slow
def test_login_says_what_is_wrong(environment: dict[str, str], culm: Run) -> None:
    missing, unknown = culm("login"), culm("login", "--vo", "atlsa")
    assert (missing.returncode, "one of atlas, cms" in missing.stderr) == (2, True)
    assert (unknown.returncode, "did you mean atlas" in unknown.stderr) == (2, True)
    code, _, err = log_in(environment, "bob:atlas", "--vo", "cms")
    assert (code, "none of the groups that" in err) == (3, True)
    assert culm("logout").returncode == 4


@pytest.mark.slow
def test_person_logs_in_works_and_stays_logged_in(
    environment: dict[str, str], culm: Run, tmp_path: Path, provider: Provider, server: LiveServer
) -> None:
    code, out, err = log_in(environment, "alice:atlas,atlas/production", "--vo", "atlas")
    assert code == 0, err
    assert "organisation\tatlas" in out
    [path] = (tmp_path / "data" / "logins").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = json.loads(path.read_text())
    who = json.loads(culm("whoami", "--json").stdout)
    assert (who["user"], who["vo"], who["working_groups"]) == ("alice", "atlas", ["phys-higgs"])
    assert json.loads(path.read_text())["id_token"] != first["id_token"]

    # A provider takes a refresh token once: of commands that start together, one renews.
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: culm("task", "list", "--json"), range(4)))
    assert [one.returncode for one in done] == [0] * 4, [one.stderr for one in done]

    task = culm("prun", "--exec", "true", "--noSandbox", "--workingGroup", "phys-higgs",
                "--prodSourceLabel", "managed")  # fmt: skip
    assert task.returncode == 0, task.stderr
    asked = culm("prun", "--exec", "true", "--noSandbox", "--workingGroup", "phys-top")
    assert (asked.returncode, "phys-higgs" in asked.stderr) == (3, True)

    provider.stop()
    shut = culm("whoami")
    assert (shut.returncode, "the identity provider at" in shut.stderr) == (6, True)
    # The server goes on with the keys that it has.
    last = json.loads(path.read_text())["id_token"]
    with server.client(token=last) as client:
        assert client.get("/v1/whoami").json()["user"] == "alice"
    assert culm("logout").returncode == 0
    assert not path.exists()
