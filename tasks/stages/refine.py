"""Refine: parameters → task, datasets, split rule. Wrong ones: broken, with each fault named."""

from __future__ import annotations

from collections.abc import Iterator

from culm.core.errors import InvalidRequest
from culm.wire.task_spec import TaskSpec
from tasks.lifecycles import TaskEvent
from tasks.output_names import LIB, UNMERGED, output_plans
from tasks.searches.naming import search_datasets
from tasks.specs import spec_of
from tasks.stages.search_rows import add_search
from tasks.stages.select import datasets_of, in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.stages.submit import faults_of
from tasks.statuses import DatasetKind, TaskStatus
from tasks.store.bulk import insert_rows
from tasks.store.ids import take_ids
from tasks.store.moves import Why, move_tasks
from tasks.store.topics import Topic
from tasks.tables import Dataset, Task

SEQUENCE = "seq_number"
"""The name of the pseudo dataset of a task without input."""


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    try:
        spec = spec_of(act.session, act.task_id).check()
        faults = [str(fault) for fault in faults_of(act.session, spec, task.user_name)]
    except InvalidRequest as error:
        faults = [str(error)]
    if faults:
        why = Why(act.actor, "wrong parameters: " + "; ".join(faults))
        move_tasks(act.session, [act.task_id], TaskEvent.FOUND_HOPELESS, why)
        return Outcome(act.task_id, why.reason)
    n_datasets = add_datasets(act, spec)
    if spec.search is not None:
        add_search(act.session, act.task_id, spec.search)
    move_tasks(act.session, [act.task_id], TaskEvent.REFINED, Why(act.actor))
    return Outcome(act.task_id, f"{n_datasets} datasets", n_done=n_datasets)


def add_datasets(act: Act, spec: TaskSpec) -> int:
    """Write the rows of the datasets that a task reads and writes; gives how many are new.

    Of those that are there already (it is refined again) the number of files a job is renewed.
    """
    present = {(d.name, d.kind, d.stream): d for d in datasets_of(act.session, act.task_id)}
    rows = []
    for row in _datasets(spec):
        known = present.get(row[:3])
        if known is None:
            rows.append(row)
        else:
            known.n_files_per_job = row[5]
            act.session.add(known)
    act.session.flush()
    ids = take_ids(act.session, "dataset", len(rows))
    insert_rows(
        act.session, Dataset,
        ("id", "task_id", "name", "kind", "stream", "is_primary", "local_name", "n_files_per_job"),
        [(i, act.task_id, *row) for i, row in zip(ids, rows, strict=True)],
    )  # fmt: skip
    return len(rows)


def _datasets(spec: TaskSpec) -> Iterator[tuple[str, str, str, bool, str, int | None]]:
    """(name, kind, stream, is_primary, local_name, n_files_per_job) of each dataset."""
    if spec.search is not None:
        yield from search_datasets(spec.search)
    elif not spec.inputs:
        yield SEQUENCE, str(DatasetKind.SEQ_NUMBER), "IN", True, "", 1
    for number, stream in enumerate(spec.inputs):
        per_job = spec.n_files_per_job if number == 0 else stream.n_files_per_job or 1
        for name in dict.fromkeys(stream.datasets):
            yield (name.rstrip("/"), str(DatasetKind.INPUT), stream.stream, number == 0, "",
                   per_job)  # fmt: skip
    for plan in output_plans(spec):
        kind = DatasetKind.LOG if plan.is_log else DatasetKind.OUTPUT
        yield plan.dataset, str(kind), "", False, plan.local_name, None
        if spec.merge_output:
            before = DatasetKind.TMPL_LOG if plan.is_log else DatasetKind.TMPL_OUTPUT
            yield f"{plan.dataset}{UNMERGED}", str(before), "", False, plan.local_name, None
    if spec.build_command is not None:
        yield f"{spec.name.rstrip('/')}.lib", str(DatasetKind.LIB), "", False, LIB, None


STAGE = Stage(
    name="refine",
    topics=(Topic.TASK_REGISTERED,),
    candidates=tasks_where(in_status(TaskStatus.REGISTERED, TaskStatus.REREFINE)),
    act=_act,
)
