"""Secrets of a job's owner: PanDA's pilot writes them beside the work directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from culm.core import names
from culm.wire.secrets import SECRETS_FILE, files_in


class BadSecrets(Exception):
    """The file of secrets cannot be read; the words quote nothing of it."""


@contextmanager
def secrets_in(here: Path, work: Path) -> Iterator[None]:
    """`panda_secrets.json`, and a file for each secret that is one, while the block lasts.

    The pilot's own copy goes at once: it would be packed into the log.

    Raises:
        BadSecrets: what the pilot wrote is no such file.
    """
    kept = here / SECRETS_FILE
    if not kept.is_file():
        yield
        return
    text = kept.read_bytes()
    kept.unlink()
    files = {SECRETS_FILE: text} | _files(text)
    try:
        for name, content in files.items():
            _write(work / name, content)
        yield
    finally:
        for name in files:
            (work / name).unlink(missing_ok=True)


def _files(text: bytes) -> dict[str, bytes]:
    try:
        found = files_in(json.loads(text))
    except (ValueError, AttributeError, TypeError):
        raise BadSecrets("the secrets cannot be read") from None
    if not all(names.LFN.fullmatch(name) for name in found):
        raise BadSecrets("a secret is no file")
    return found


def _write(path: Path, content: bytes) -> None:
    # Not through a link that a sandbox brought, and never readable by others.
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
