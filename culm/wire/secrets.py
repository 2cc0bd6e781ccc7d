"""Secrets: small texts and files of a user's, which jobs that ask for them find where they run."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from culm.core import names

MAX_SECRET_BYTES = 1_024_000
"""The most bytes of one value (PanDA's client stops there, too)."""
MAX_SECRETS = 200
MAX_TOTAL_BYTES = 10_000_000
"""The most secrets of a user, and the most bytes of all of them: a job gets them all."""
FILE_PREFIX = "___file___:"
"""Before the name of a secret that is a file's bytes, in Base64, where secrets are texts."""
SECRETS_FILE = "panda_secrets.json"
"""Where a job finds its secrets by name (documentation, 4.1.9 Using secrets)."""
NAME_RULE = f"a secret's name is {names.LFN_RULE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretView:
    """A secret without its value."""

    name: str
    is_file: bool
    size_bytes: int
    modified_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretList:
    """A user's secrets, by name."""

    secrets: tuple[SecretView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """Something that was done with secrets: set, shown, deleted, or given to a job.

    `name` is empty where it was all of them; `job_id` is the job that got them.
    """

    at: str
    event: str
    name: str
    job_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretHistory:
    """What was done with a user's secrets, newest first."""

    uses: tuple[SecretUse, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSecrets:
    """The secrets that a job gets: texts by name; a file's name has a prefix, its bytes are Base64.

    This is what `panda_secrets.json` holds.
    """

    secrets: dict[str, str] = field(
        default_factory=dict, metadata={"multiline": True, "longest": 2 * MAX_SECRET_BYTES}
    )


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret with its value; not for any list, log or error."""

    name: str
    value: bytes = field(repr=False)
    is_file: bool = False


def as_texts(secrets: Mapping[str, Secret]) -> dict[str, str]:
    """Secrets in the form of `panda_secrets.json`, which is that of PanDA's wire, too."""
    return {
        FILE_PREFIX + one.name if one.is_file else one.name: base64.b64encode(one.value).decode()
        if one.is_file
        else one.value.decode()
        for one in secrets.values()
    }


def files_in(texts: Mapping[str, str]) -> dict[str, bytes]:
    """The files among secrets in that form, by name.

    Raises:
        ValueError: one is no Base64.
    """
    return {
        name.removeprefix(FILE_PREFIX): base64.b64decode(text, validate=True)
        for name, text in texts.items()
        if name.startswith(FILE_PREFIX)
    }
