"""PanDA's client logs in by itself, at a real OpenID provider, as the server tells it to."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.live_server import live_server
from tests.oidc.providers import a_provider, confirm
from tests.panda_client import BIN, packages


@pytest.mark.slow
def test_client_logs_in_at_the_provider_of_its_organisation(tmp_path: Path) -> None:
    auth = tmp_path / "auth"
    auth.mkdir()
    with a_provider() as provider:
        config = {"audience": "culm", "client_id": "culm", "oidc_config_url": provider.config_url,
                  "vo": "atlas"}  # fmt: skip
        (auth / "atlas_auth_config.json").write_text(json.dumps(config))
        with live_server(f"sqlite:///{tmp_path}/culm.db", tmp_path) as server:
            url = f"{server.settings.server_url}/server/panda"
            environment = os.environ | packages() | {
                "HOME": str(tmp_path), "PANDA_CONFIG_ROOT": str(tmp_path / "pathena"),
                "PANDA_AUTH": "oidc", "PANDA_AUTH_VO": "atlas", "PANDA_BEHIND_REAL_LB": "1",
                "PANDA_URL": url, "PANDA_URL_SSL": url, "PANDACACHE_URL": url,
            }  # fmt: skip
            said = log_in(environment, "alice")
            assert "All set" in said
            assert "PBook user: Alice" in said
            # The token is kept: nobody is asked again, and the server knows whose it is.
            again = subprocess.run(
                [BIN / "python", "-c", "from pandaclient import Client; "
                 "print(Client.get_cert_attributes_internal()[1][1]['environment']['user'])"],
                env=environment, capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
            assert again.stdout == "alice\n"
            nobody = environment | {
                "PANDA_AUTH_VO": "cms",
                "PANDA_CONFIG_ROOT": str(tmp_path / "x"),
            }
            done = subprocess.run(
                [BIN / "pbook", "-c", "show()"], env=nobody, text=True, timeout=60, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            assert done.returncode != 0
            assert "no organisation cms logs in here" in done.stdout


def log_in(environment: dict[str, str], account: str) -> str:
    """What `pbook` says while somebody logs in at the browser."""
    with subprocess.Popen(
        [BIN / "pbook", "-c", "show()"], env=environment, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        heard = []
        for line in process.stdout:
            heard.append(line)
            page = re.search(r"Please go to (\S+) and sign in", line)
            if page:
                confirm(page[1], account)
                break
        rest, _ = process.communicate("y\n", timeout=60)
        return "".join(heard) + rest
