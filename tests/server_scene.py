"""A server for tests: the app over given books, with tokens for whoever is needed."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from culm.core.settings import Settings, load_settings
from server.app import create_app
from server.identity.actor import Role
from server.identity.keys import KeyRing
from server.identity.tokens import Grant, issue_token
from tasks.store.books import Books
from tasks.store.seed import seed


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings whose files all lie below this folder."""
    return load_settings({"data_dir": folder} | changes, {"HOME": str(folder)}, folder)


def a_token(settings: Settings, subject: str, *roles: str, **changes: Any) -> str:
    """A token of this subject, good for an hour."""
    values = {"lifetime": timedelta(hours=1), "queues": ()} | changes
    grant = Grant(subject=subject, roles=frozenset(map(Role, roles)), **values)
    return issue_token(KeyRing.open(settings.keys_dir), grant, datetime.now(UTC))


@dataclass(frozen=True)
class Scene:
    """A running app, and clients of it for persons and pilots."""

    app: FastAPI
    client: TestClient
    settings: Settings
    books: Books

    def person(self, name: str, *roles: str) -> Caller:
        """A client with the token of a person."""
        return self.bearer(a_token(self.settings, name, *(roles or ("user",))))

    def provisioner(self, *queues: str) -> Caller:
        """A client with a provisioning token."""
        queues = queues or ("*",)
        return self.bearer(a_token(self.settings, "provisioner", "pilot", queues=queues))

    def pilot(self, **changes: Any) -> Caller:
        """A client with the token of a pilot that signed on."""
        spec = {"queue": "LOCAL", "host": "node1", "process_id": 1, "version": "test"} | changes
        welcome = self.provisioner().post("/v1/pilots", json=spec)
        assert welcome.status_code == 201, welcome.text
        return self.bearer(welcome.json()["token"])

    def bearer(self, token: str) -> Caller:
        """A client with this token."""
        return Caller(self.client, token)


@dataclass(frozen=True)
class Caller:
    """Calls the app with one token."""

    client: TestClient
    token: str

    def __getattr__(self, method: str) -> Any:
        """`get`, `post`, … of the client, with the token."""

        def call(url: str, **arguments: Any) -> Any:
            headers = {"Authorization": f"Bearer {self.token}"} | arguments.pop("headers", {})
            return getattr(self.client, method)(url, headers=headers, **arguments)

        return call


@contextmanager
def scene_over(books: Books, folder: Path, **changes: Any) -> Iterator[Scene]:
    """The app over these books, with its files below this folder."""
    settings = settings_in(folder, **changes)
    seed(books, settings.storage_dir)
    with books.write() as session:
        session.connection().exec_driver_sql(
            f"UPDATE storage_endpoint SET directory = '{settings.storage_dir}', "
            f"url = '{settings.storage_dir.as_uri()}'"
        )
    app = create_app(settings, books)
    with TestClient(app, raise_server_exceptions=True) as client:
        yield Scene(app, client, settings, books)


def an_archive(**files: str) -> bytes:
    """A gzipped tar archive of these files."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


def sha256(content: bytes) -> str:
    """The digest of these bytes."""
    return hashlib.sha256(content).hexdigest()


def told(answer: Any) -> Any:
    """The JSON value of an answer; a field that is null says no more than one that is left out."""
    return _without_nulls(answer.json())


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value
