"""A real OpenID provider in a process of its own, and a person with a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.live_server import free_port

HERE = Path(__file__).parent


def rsa_key() -> RSAPrivateKey:
    """A key that a provider may sign with."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key: RSAPrivateKey, kid: str) -> dict[str, Any]:
    """A private key as a provider's configuration wants it."""
    found: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key))
    return found | {"kid": kid, "use": "sig", "alg": "RS256"}


@dataclass
class Provider:
    """A running provider."""

    port: int
    process: subprocess.Popen[str]

    @property
    def issuer(self) -> str:
        """What it calls itself."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def config_url(self) -> str:
        """Its well-known document."""
        return f"{self.issuer}/.well-known/openid-configuration"

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


def start_provider(port: int, keys: list[dict[str, Any]], **environment: str) -> Provider:
    """A provider that listens at a port, with these keys."""
    environment["JWKS"] = json.dumps({"keys": keys})
    process = subprocess.Popen(
        ["node", "provider.mjs", str(port)], cwd=HERE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env=os.environ | environment,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
    return Provider(port, process)


@contextmanager
def a_provider(**environment: str) -> Iterator[Provider]:
    """A provider with a key of its own; the test is skipped where there is no Node.js."""
    install()
    provider = start_provider(free_port(), [jwk(rsa_key(), "first")], **environment)
    try:
        yield provider
    finally:
        provider.stop()


def install() -> None:
    """What the provider needs, beside it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no Node.js: no OpenID provider")
    if not (HERE / "node_modules").is_dir():
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=HERE, check=True)


def confirm(page: str, account: str) -> None:
    """What a person does in a browser: open the page, confirm the code, log in, agree."""
    with httpx.Client(follow_redirects=True, timeout=20) as browser:
        answer = browser.get(page)
        for _ in range(6):
            form = _form(answer.text, account)
            if form is None:
                break
            action, fields = form
            answer = browser.post(str(answer.url.join(action)), data=fields)
        assert "Sign-in Success" in answer.text, answer.text


def _form(page: str, account: str) -> tuple[str, Mapping[str, str]] | None:
    """The form of a page, filled in: where it goes and what it says."""
    action = re.search(r'<form[^>]*action="([^"]+)"', page)
    if action is None:
        return None
    fields = {}
    for tag in re.findall(r"<(?:input|button)[^>]*>", page):
        found = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" in found and found["name"] != "abort":
            fields[found["name"]] = unescape(found.get("value", ""))
    if "login" in fields:
        fields |= {"login": account, "password": "any"}
    return unescape(action[1]), fields
