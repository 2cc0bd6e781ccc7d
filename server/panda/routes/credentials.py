"""Users' secrets under the names and in the form that PanDA's client gives them."""

from __future__ import annotations

import base64
import binascii
import json

from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.secrets import FILE_PREFIX, Secret, as_texts
from server.panda.asked import Asked, wrong
from server.panda.calls import Calls
from server.panda.envelope import Said
from server.races import looking_again
from server.routing import Noun
from tasks.secrets import delete_secret, delete_secrets, set_secret, show_secrets

credentials = Noun("panda: credentials", "What jobs of PanDA's client need and nobody else sees.")
_calls = Calls(credentials, "creds")


@_calls.post("set_user_secrets")
def set_user_secrets(asked: Asked) -> Said:
    """Keep a secret; without `value` forget it, without `key` too forget all."""
    return looking_again(lambda: _set(asked))


@_calls.get("get_user_secrets")
def get_user_secrets(asked: Asked) -> Said:
    """Your secrets with their values: `data` is the text of a JSON object."""
    with asked.parts.books.write() as session:
        found = show_secrets(session, asked.parts.sealing, asked.actor.subject)
    return Said(data=json.dumps(as_texts(found)))


def _set(asked: Asked) -> Said:
    key, owner = asked.get("key"), asked.actor.subject
    name = "" if key is None else asked.text("key").removeprefix(FILE_PREFIX)
    with asked.parts.books.write() as session:
        if not name:
            count = len(delete_secrets(session, owner).secrets)
            return Said(data=f"{count} secrets deleted")
        if asked.fields.get("value") is None:
            return Said(data=_delete(session, owner, name))
        is_file = asked.text("key").startswith(FILE_PREFIX)
        secret = Secret(name, _value(asked, is_file), is_file)
        set_secret(session, asked.parts.sealing, owner, secret)
    return Said(data=f"secret {name} is kept")


def _delete(session: Session, owner: str, name: str) -> str:
    try:
        delete_secret(session, owner, name)
    except NotFound:
        return f"there was no secret {name}"
    return f"secret {name} deleted"


def _value(asked: Asked, is_file: bool) -> bytes:
    value = asked.fields["value"]
    if not isinstance(value, str):
        raise wrong("value", "not shown", "text")
    if not is_file:
        return value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise wrong("value", "not shown", "the file's bytes in Base64") from error
