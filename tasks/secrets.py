"""Users' secrets in the books: set, listed, shown to their owner, given to jobs that ask for them.

Each of these leaves a row in `secret_use`. Nothing here logs a value or puts one into an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlmodel import Session

from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest, NotFound, TooLarge
from culm.wire.secrets import (
    MAX_SECRET_BYTES,
    MAX_SECRETS,
    MAX_TOTAL_BYTES,
    NAME_RULE,
    SECRETS_FILE,
    Secret,
    SecretHistory,
    SecretList,
    SecretUse,
    SecretView,
)
from tasks.sealing import Sealed, SealingKeys
from tasks.specs import specs_of
from tasks.store.moves import database_time
from tasks.store.tables import JOB, TASK, core
from tasks.tables import Secret as SecretRow
from tasks.tables import SecretUse as UseRow

_SECRET, _USE = core(SecretRow), core(UseRow)
SHOWN_USES = 1000
_TAKEN = (SECRETS_FILE, "payload.stdout", "payload.stderr")
"""Names of files that a job has anyway."""


def set_secret(session: Session, keys: SealingKeys, owner: str, secret: Secret) -> SecretView:
    """Keep a secret; one of the same name is replaced.

    Raises:
        InvalidRequest: its name or value is not one.
        TooLarge: it, or all of the owner's together, would be too many bytes.
    """
    _check(secret)
    now = database_time(session)
    run = session.connection().execute
    run(delete(_SECRET).where(_SECRET.c.owner == owner, _SECRET.c.name == secret.name))
    _check_room(session, owner, len(secret.value))
    sealed = keys.seal(owner, secret.name, secret.value)
    session.add(SecretRow(
        owner=owner, name=secret.name, is_file=secret.is_file, key_id=sealed.key_id,
        sealed=sealed.sealed, size_bytes=len(secret.value), modified_at=now,
    ))  # fmt: skip
    _note(session, owner, "set", secret.name)
    session.flush()
    return next(view for view in secrets_of(session, owner).secrets if view.name == secret.name)


def secrets_of(session: Session, owner: str) -> SecretList:
    """A user's secrets without their values."""
    c = _SECRET.c
    rows = session.connection().execute(
        select(c.name, c.is_file, c.size_bytes, c.modified_at)
        .where(c.owner == owner).order_by(c.name)
    )  # fmt: skip
    return SecretList(secrets=tuple(
        SecretView(name=row.name, is_file=row.is_file, size_bytes=row.size_bytes,
                   modified_at=row.modified_at.isoformat())
        for row in rows
    ))  # fmt: skip


def show_secret(session: Session, keys: SealingKeys, owner: str, name: str) -> Secret:
    """One secret with its value, for its owner.

    Raises:
        NotFound: there is none of this name.
    """
    found = next(_opened(session, keys, owner, name), None)
    if found is None:
        raise NotFound(f"no secret {name}", hint="see culm secret list")
    _note(session, owner, "shown", name)
    return found


def show_secrets(session: Session, keys: SealingKeys, owner: str) -> dict[str, Secret]:
    """All secrets of a user with their values, for their owner, by name."""
    _note(session, owner, "shown")
    return {secret.name: secret for secret in _opened(session, keys, owner)}


def delete_secret(session: Session, owner: str, name: str) -> None:
    """Forget one secret.

    Raises:
        NotFound: there is none of this name.
    """
    forget = delete(_SECRET).where(_SECRET.c.owner == owner, _SECRET.c.name == name)
    if session.connection().execute(forget).rowcount == 0:
        raise NotFound(f"no secret {name}", hint="see culm secret list")
    _note(session, owner, "deleted", name)


def delete_secrets(session: Session, owner: str) -> SecretList:
    """Forget all secrets of a user; what they were."""
    found = secrets_of(session, owner)
    session.connection().execute(delete(_SECRET).where(_SECRET.c.owner == owner))
    _note(session, owner, "deleted")
    return found


def secret_history(session: Session, owner: str) -> SecretHistory:
    """What was done with a user's secrets, newest first, the last thousand."""
    c = _USE.c
    rows = session.connection().execute(
        select(c.at, c.event, c.name, c.job_id)
        .where(c.owner == owner).order_by(c.id.desc()).limit(SHOWN_USES)
    )  # fmt: skip
    return SecretHistory(uses=tuple(
        SecretUse(at=row.at.isoformat(), event=row.event, name=row.name, job_id=row.job_id)
        for row in rows
    ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobHolder:
    """A pilot, and the attempt of a job that it says it has."""

    pilot_id: int
    job_id: int
    attempt_nr: int


def owner_of_wanted(session: Session, holder: JobHolder) -> str | None:
    """Whose secrets the pilot may have for this job now; None if none.

    It has the job, at this attempt, has not reported its end, and the task asked for secrets.
    """
    row = session.connection().execute(
        select(JOB.c.task_id, TASK.c.user_name).join(TASK, TASK.c.id == JOB.c.task_id).where(
            JOB.c.id == holder.job_id, JOB.c.pilot_id == holder.pilot_id,
            JOB.c.attempt_nr == holder.attempt_nr, JOB.c.reported_state == "",
            JOB.c.lease_expires_at.is_not(None),
        )
    ).first()  # fmt: skip
    if row is None:
        return None
    spec = specs_of(session, [row.task_id]).get(row.task_id)
    return row.user_name if spec is not None and spec.use_secrets else None


def give_secrets(session: Session, keys: SealingKeys, owner: str, job_id: int) -> dict[str, Secret]:
    """All secrets of a job's owner, for the pilot that has it; who may is asked before."""
    _note(session, owner, "given", job_id=job_id)
    return {secret.name: secret for secret in _opened(session, keys, owner)}


def seal_anew(session: Session, keys: SealingKeys) -> int:
    """Seal all secrets with the newest key; how many there are."""
    c, count = _SECRET.c, 0
    rows = session.connection().execute(select(c.owner, c.name, c.key_id, c.sealed)).all()
    for owner, name, key_id, content in rows:
        old = Sealed(key_id, content)
        new = keys.seal(owner, name, keys.unseal(owner, name, old))
        # Only over what was read: its owner may be setting it anew just now.
        count += session.connection().execute(
            update(_SECRET).where(c.owner == owner, c.name == name, c.sealed == content)
            .values(key_id=new.key_id, sealed=new.sealed)
        ).rowcount  # fmt: skip
    return count


def _opened(
    session: Session, keys: SealingKeys, owner: str, name: str | None = None
) -> Iterator[Secret]:
    c = _SECRET.c
    query = select(c.name, c.is_file, c.key_id, c.sealed).where(c.owner == owner).order_by(c.name)
    rows = session.connection().execute(query if name is None else query.where(c.name == name))
    for row in rows.all():
        sealed = Sealed(row.key_id, bytes(row.sealed))
        yield Secret(row.name, keys.unseal(owner, row.name, sealed), row.is_file)


def _check(secret: Secret) -> None:
    # Never the value: errors are printed and kept.
    fault = None
    if not names.LFN.fullmatch(secret.name) or secret.name in _TAKEN:
        fault = FieldFault("name", ascii(secret.name)[:80], NAME_RULE)
    elif not secret.value:
        fault = FieldFault("value", "empty", "say what the secret is")
    elif len(secret.value) > MAX_SECRET_BYTES:
        size = f"{len(secret.value)} bytes"
        raise TooLarge("the secret is too large", faults=[
            FieldFault("value", size, f"at most {MAX_SECRET_BYTES} bytes")])  # fmt: skip
    elif not secret.is_file and not _is_text(secret.value):
        fault = FieldFault("value", "not shown", "text in UTF-8; give other bytes as a file")
    if fault is not None:
        raise InvalidRequest("this secret cannot be kept", faults=[fault])


def _is_text(value: bytes) -> bool:
    try:
        return "\0" not in value.decode()
    except UnicodeDecodeError:
        return False


def _check_room(session: Session, owner: str, size_bytes: int) -> None:
    n_secrets, n_bytes = session.connection().execute(
        select(func.count(), func.coalesce(func.sum(_SECRET.c.size_bytes), 0))
        .where(_SECRET.c.owner == owner)
    ).one()  # fmt: skip
    if n_secrets >= MAX_SECRETS:
        fault = FieldFault("name", f"{n_secrets} secrets", f"at most {MAX_SECRETS}")
    elif n_bytes + size_bytes > MAX_TOTAL_BYTES:
        needed = f"at most {MAX_TOTAL_BYTES} bytes in all secrets together"
        fault = FieldFault("value", f"{n_bytes + size_bytes} bytes", needed)
    else:
        return
    raise TooLarge("there is no room for this secret", faults=[fault], hint="delete some")


def _note(
    session: Session, owner: str, event: str, name: str = "", job_id: int | None = None
) -> None:
    now = database_time(session)
    session.add(UseRow(owner=owner, event=event, name=name, job_id=job_id, at=now))
