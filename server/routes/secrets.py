"""Secrets: set by a user, listed without values, shown to their owner, given to their jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Query, Request, Response
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from culm.core import names
from culm.wire.secrets import (
    MAX_SECRET_BYTES,
    JobSecrets,
    Secret,
    SecretHistory,
    SecretList,
    SecretView,
    as_texts,
)
from server.identity.access import PERSON, Holder, actor_of, id_in_path
from server.identity.actor import Actor
from server.limits import BodyLimits, whole_body
from server.parts import Parts, parts_of
from server.races import looking_again
from server.replies import reply
from server.routes.parameters import JobId
from server.routing import BYTES, Noun, Terms
from tasks import secrets as kept
from tasks.secrets import JobHolder

secrets = Noun("secrets", "What jobs need and nobody else may see: passwords, tokens, keys.")

Name = Annotated[str, Path(pattern=f"^(?:{names.LFN.pattern})$", description="The secret's name")]
AttemptNr = Annotated[int, Path(ge=1, le=2**31, description="The attempt that the pilot has")]
IsFile = Annotated[bool, Query(alias="file", description="Jobs get it as a file of this name")]
_SECRET = BodyLimits(MAX_SECRET_BYTES)


@secrets.get("/v1/secrets", Terms(PERSON, answers=SecretList))
def list_secrets(request: Request) -> Response:
    """Your secrets, without their values."""
    with parts_of(request).books.read() as session:
        return reply(kept.secrets_of(session, actor_of(request).subject))


@secrets.get("/v1/secret-uses", Terms(PERSON, answers=SecretHistory))
def show_secret_uses(request: Request) -> Response:
    """What was done with your secrets: who set, saw and deleted them, which jobs got them."""
    with parts_of(request).books.read() as session:
        return reply(kept.secret_history(session, actor_of(request).subject))


@secrets.get("/v1/secrets/{name}", Terms(PERSON, answers=BYTES))
def show_secret(request: Request, name: Name) -> Response:
    """The value of one of your secrets; nobody else gets it, administrators neither."""
    parts, owner = parts_of(request), actor_of(request).subject
    with parts.books.write() as session:
        found = kept.show_secret(session, parts.sealing, owner, name)
    return Response(found.value, media_type=BYTES)


@secrets.put("/v1/secrets/{name}", Terms(PERSON, takes=BYTES, answers=SecretView))
async def set_secret(request: Request, name: Name, is_file: IsFile = False) -> Response:
    """Keep a secret; one of the same name is replaced.

    The body is the value itself: text in UTF-8, or with `file=true` any bytes; at most 1 MB.
    """
    value = await whole_body(request, _SECRET)
    secret = Secret(name, value, is_file)
    owner = actor_of(request).subject
    return reply(await run_in_threadpool(_set, parts_of(request), owner, secret))


@secrets.delete("/v1/secrets/{name}", Terms(PERSON, status=204))
def delete_secret(request: Request, name: Name) -> Response:
    """Forget one of your secrets."""
    with parts_of(request).books.write() as session:
        kept.delete_secret(session, actor_of(request).subject, name)
    return Response(status_code=204)


@secrets.delete("/v1/secrets", Terms(PERSON, answers=SecretList))
def delete_secrets(request: Request) -> Response:
    """Forget all of your secrets; the answer is what they were."""
    with parts_of(request).books.write() as session:
        return reply(kept.delete_secrets(session, actor_of(request).subject))


def _holder(actor: Actor, path: Mapping[str, Any]) -> JobHolder | None:
    if actor.pilot_id is None:
        return None
    return JobHolder(actor.pilot_id, id_in_path(path, "job_id"), id_in_path(path, "attempt_nr"))


def _holds(session: Session, actor: Actor, path: Mapping[str, Any]) -> bool:
    holder = _holder(actor, path)
    return holder is not None and kept.owner_of_wanted(session, holder) is not None


RUNNER = Holder("a pilot, for a job that it has now and that asked for secrets", "job", _holds)


@secrets.get("/v1/jobs/{job_id}/attempts/{attempt_nr}/secrets", Terms(RUNNER, answers=JobSecrets))
def give_job_secrets(request: Request, job_id: JobId, attempt_nr: AttemptNr) -> Response:
    """The secrets of a job's owner, for the pilot that has the job at this attempt."""
    parts, holder = parts_of(request), _holder(actor_of(request), request.path_params)
    with parts.books.write() as session:
        owner = kept.owner_of_wanted(session, holder) if holder else None
        given = kept.give_secrets(session, parts.sealing, owner, job_id) if owner else {}
    return reply(JobSecrets(secrets=as_texts(given)))


def _set(parts: Parts, owner: str, secret: Secret) -> SecretView:
    def put() -> SecretView:
        with parts.books.write() as session:
            return kept.set_secret(session, parts.sealing, owner, secret)

    return looking_again(put)
