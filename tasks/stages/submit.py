"""Submission: check, store as `registered`, answer. The same key gives the same task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from broker.architecture import parse_architecture
from broker.connectivity import parse_connectivity
from culm.core.errors import Conflict, FieldFault, InvalidRequest
from culm.core.names import MAX_NAME
from culm.core.nearest import unknown_name
from culm.wire.task_spec import MAX_JOBS, InputStream, TaskSpec
from culm.wire.views import TaskAccepted
from tasks.catalog.own import find_dataset, list_files, matches
from tasks.lifecycles import TASK as MACHINE
from tasks.output_names import UNMERGED, lfn, output_plans
from tasks.searches.training import training_faults
from tasks.specs import spec_of
from tasks.stages.bulk_submit import Order, document_of, make_user, names_taken, submit_many
from tasks.statuses import TaskStatus
from tasks.store.books import Books
from tasks.store.locks import one_at_a_time
from tasks.store.originals import keep_original
from tasks.store.tables import ENDPOINT, QUEUE, SITE, TASK
from tasks.tables import Sandbox as SandboxRow
from tasks.tables import Task, TaskParameters


def submit(
    books: Books, spec: TaskSpec, user: str, key: str, original: dict[str, Any] | None = None
) -> TaskAccepted:
    """Store a task for `user`; the same user and key give the task that is there already.

    `original` is the task in the words of a client that knows no TaskSpec.

    Raises:
        InvalidRequest: something that the task names is not there or does not fit, each named.
        Conflict: the key was used for another task, or the name is a living task's.
    """
    spec.check()
    _, digest = document_of(spec)
    with books.write() as session:
        one_at_a_time(session, f"submit/{user}")
        known = _known(session, user, key, digest)
        if known is not None:
            return known
        taken = names_taken(session, [spec.name], user)
        if taken:
            raise Conflict(taken[spec.name], hint="choose another --outDS")
        faults = list(faults_of(session, spec, user))
        if faults:
            raise InvalidRequest(f"task {spec.name} cannot be run as asked", faults=faults)
        make_user(session, user)
        (task_id,) = submit_many(session, [Order(spec=spec, key=key)], user)
        if original is not None:
            keep_original(session, task_id, original)
    return TaskAccepted(task_id=task_id, name=spec.name, status=TaskStatus.REGISTERED, created=True)


def _known(session: Session, user: str, key: str, digest: str) -> TaskAccepted | None:
    parameters = TaskParameters.__table__.c  # type: ignore[attr-defined]
    row = session.connection().execute(
        select(TASK.c.id, TASK.c.name, TASK.c.status, parameters.digest)
        .join(TaskParameters.__table__, parameters.task_id == TASK.c.id)  # type: ignore[attr-defined]
        .where(TASK.c.user_name == user, TASK.c.idempotency_key == key)
    ).first()  # fmt: skip
    if row is None:
        return None
    if row.digest != digest:
        raise Conflict(f"idempotency key {key} was used for task {row.id} with other parameters")
    return TaskAccepted(task_id=row.id, name=row.name, status=row.status, created=False)


def faults_of(session: Session, spec: TaskSpec, user: str) -> Iterator[FieldFault]:
    """Everything that a task names and that is not there, or not this user's to use."""
    yield from _name_faults(spec, user)
    yield from _site_faults(session, spec)
    yield from _place_faults(session, spec)
    yield from _form_faults(spec)
    if spec.sandbox is not None and session.get(SandboxRow, spec.sandbox) is None:
        yield FieldFault("sandbox", spec.sandbox, "no such sandbox here: upload it first")
    if spec.build_command is not None and spec.sandbox is None:
        shown = ascii(spec.build_command)[:80]
        yield FieldFault(
            "build_command", shown, "there is nothing to build: no file was sent along"
        )
    coming: set[str] = set()
    if spec.parent_task_id is not None:
        parent = session.get(Task, spec.parent_task_id)
        if parent is None or parent.user_name != user:
            yield FieldFault("parent_task_id", str(spec.parent_task_id), "no such task of yours")
        else:
            plans = output_plans(spec_of(session, parent.id))
            coming = set() if parent.status in MACHINE.final else {p.dataset for p in plans}
    for number, stream in enumerate(spec.inputs):
        yield from _stream_faults(session, f"inputs[{number}]", stream, coming)
    if spec.search is not None:
        yield from training_faults(session, spec.search, coming)


def _name_faults(spec: TaskSpec, user: str) -> Iterator[FieldFault]:
    for plan in output_plans(spec):
        dataset = plan.dataset + UNMERGED * spec.merge_output
        longest = max(dataset, lfn(spec.name, user, 2**62, MAX_JOBS, plan), key=len)
        if len(longest) > MAX_NAME:
            yield FieldFault(
                "outputs" if not plan.is_log else "name", plan.local_name,
                f"its catalogue name {longest[:40]}... would be over {MAX_NAME} characters long",
            )  # fmt: skip


def _site_faults(session: Session, spec: TaskSpec) -> Iterator[FieldFault]:
    wanted = [("site", spec.site)] if spec.site else []
    wanted += [("excluded_sites", name) for name in spec.excluded_sites]
    if not wanted:
        return
    rows = session.connection().execute(
        select(QUEUE.c.name, SITE.c.name).join(SITE, SITE.c.id == QUEUE.c.site_id)
    )
    known = {name for row in rows for name in row}
    for field, name in wanted:
        if name not in known:
            yield FieldFault(field, str(name), unknown_name(str(name), known))


def _place_faults(session: Session, spec: TaskSpec) -> Iterator[FieldFault]:
    for field, name, table in (
        ("destination", spec.destination, ENDPOINT), ("nucleus", spec.nucleus, SITE),
    ):  # fmt: skip
        if name is not None:
            known = session.connection().execute(select(table.c.name)).scalars().all()
            if name not in known:
                yield FieldFault(field, name, unknown_name(name, known))


def _form_faults(spec: TaskSpec) -> Iterator[FieldFault]:
    for read in (
        lambda: parse_architecture(spec.architecture or ""),
        lambda: parse_connectivity(spec.ip_connectivity or "", "ip_connectivity", "none"),
    ):
        try:
            read()
        except InvalidRequest as error:
            yield from error.faults


def _stream_faults(
    session: Session, where: str, stream: InputStream, coming: set[str]
) -> Iterator[FieldFault]:
    datasets = {name.rstrip("/") for name in stream.datasets}
    if datasets & coming:
        return
    empty = True
    for name in sorted(datasets):
        found = find_dataset(session, name)
        if found is None:
            yield FieldFault(f"{where}.datasets", name, "no such dataset (culm dataset list)")
        else:
            files = list_files(session, found.id)
            if any(matches(f.lfn, stream.match, stream.anti_match) for f in files):
                empty = False
            elif found.n_files == 0:
                yield FieldFault(f"{where}.datasets", name, "has no files")
                empty = False
    if empty and datasets and all(find_dataset(session, n) for n in datasets):
        shown = ",".join(stream.match) or "-" + ",".join(stream.anti_match)
        yield FieldFault(
            f"{where}.match", shown, f"matches no file of {', '.join(sorted(datasets))}"
        )
