"""The status machines: what the published graph allows, and nothing else."""

from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lifecycles import (
    DATASET,
    FILE,
    JOB,
    MACHINES,
    TASK,
    FileEvent,
    JobEvent,
    Machine,
    TaskEvent,
)
from tasks.statuses import FileStatus, JobStatus, TaskStatus
from tasks.tables.job import FINAL as FINAL_JOB_WORDS
from tasks.tables.task import FINAL as FINAL_TASK_WORDS

FINAL = {
    "task": {"done", "finished", "failed", "exhausted", "aborted", "broken"},
    "job": {"finished", "failed", "closed", "cancelled"},
    "dataset": {"done", "failed", "broken"},
    "file": {"finished", "failed", "partial", "missing", "lost", "broken"},
    "workflow": {"done", "finished", "failed", "aborted"},
    "step": {"done", "finished", "failed", "aborted", "unused"},
}
ORDER = [
    "pending", "defined", "assigned", "activated", "sent", "starting", "running", "holding",
    "merging", "transferring", "finished", "failed", "closed", "cancelled",
]  # fmt: skip
BEFORE_END = [s for s in TaskStatus if str(s) not in FINAL["task"]]


def _by_noun(machine: Machine) -> str:
    return machine.noun


@pytest.mark.parametrize("machine", MACHINES, ids=_by_noun)
def test_final_statuses_are_the_published_ones(machine: Machine) -> None:
    assert {str(s) for s in machine.final} == FINAL[machine.noun]


@pytest.mark.parametrize(
    ("words", "machine"), [(FINAL_TASK_WORDS, TASK), (FINAL_JOB_WORDS, JOB)], ids=["task", "job"]
)
def test_partial_indexes_name_the_final_statuses(words: str, machine: Machine) -> None:
    listed = {word.strip(" '") for word in words.strip("()").split(",")}
    assert listed == {str(s) for s in machine.final}


@pytest.mark.parametrize("machine", MACHINES, ids=_by_noun)
@given(data=st.data())
def test_no_sequence_of_events_leaves_a_final_status_but_by_reopening(
    machine: Machine, data: st.DataObject
) -> None:
    events = sorted({event for _, event in machine.moves})
    here = data.draw(st.sampled_from(sorted(machine.initial)))
    for event in data.draw(st.lists(st.sampled_from(events), max_size=40)):
        to = machine.target(here, event)
        if to is not None:
            assert here not in machine.final or event in machine.reopening
            here = to


@given(start=st.sampled_from(sorted(JOB.initial)), events=st.lists(st.sampled_from(JobEvent)))
def test_jobs_never_go_back_in_the_published_order(start: StrEnum, events: list[JobEvent]) -> None:
    here = start
    for event in events:
        to = JOB.target(here, event)
        if to is not None:
            assert ORDER.index(str(to)) > ORDER.index(str(here))
            here = to


def test_machine_with_an_unreachable_status_is_refused() -> None:
    with pytest.raises(ValueError, match=r"toy: no way leads to .*running"):
        Machine(
            noun="toy",
            initial=frozenset({JobStatus.PENDING}),
            moves={(JobStatus.PENDING, JobEvent.DEFINED): JobStatus.DEFINED},
        )


def test_machine_with_an_event_that_moves_nothing_is_refused() -> None:
    moves = {key: to for key, to in FILE.moves.items() if key[1] != FileEvent.SERVED}
    with pytest.raises(ValueError, match=r"file: events that move nothing: .*served"):
        Machine(noun="file", initial=FILE.initial, moves=moves, reopening=FILE.reopening)


@pytest.mark.parametrize(
    ("event", "takers"),
    [
        (TaskEvent.RETRY_REQUESTED, {"finished", "done", "exhausted", "aborted"}),
        (TaskEvent.RESUMED, {"paused"}),
        (TaskEvent.RELEASE_REQUESTED,
         {"defined", "assigning", "ready", "pending", "scouting", "running"}),
        (TaskEvent.KILL_REQUESTED,
         {str(s) for s in BEFORE_END} - {"aborting", "tobroken"}),
        (TaskEvent.FINISH_REQUESTED,
         {str(s) for s in BEFORE_END} - {"aborting", "tobroken", "prepared"}),
        # What a task is about to do would be forgotten: resuming starts at `defined`.
        (TaskEvent.PAUSE_REQUESTED,
         {str(s) for s in BEFORE_END} - {"aborting", "finishing", "tobroken", "prepared",
                                         "registered", "paused", "toretry", "toincexec",
                                         "rerefine"}),
    ],
)  # fmt: skip
def test_commands_are_taken_by(event: TaskEvent, takers: set[str]) -> None:
    assert {str(s) for s in TASK.sources(event)} == takers


@pytest.mark.parametrize(
    ("machine", "status", "event", "to"),
    [
        (TASK, TaskStatus.REGISTERED, TaskEvent.REFINED, TaskStatus.DEFINED),
        (TASK, TaskStatus.FAILED, TaskEvent.RETRY_REQUESTED, None),
        (TASK, TaskStatus.BROKEN, TaskEvent.KILL_REQUESTED, None),
        (TASK, TaskStatus.FINISHING, TaskEvent.NONE_SUCCEEDED, TaskStatus.FINISHED),
        (TASK, TaskStatus.PREPARED, TaskEvent.NONE_SUCCEEDED, TaskStatus.FAILED),
        (JOB, JobStatus.SENT, JobEvent.LEASE_EXPIRED, JobStatus.CLOSED),
        (JOB, JobStatus.RUNNING, JobEvent.LEASE_EXPIRED, JobStatus.FAILED),
        (JOB, JobStatus.HOLDING, JobEvent.LEASE_EXPIRED, None),
        (JOB, JobStatus.RUNNING, JobEvent.SUCCEEDED, None),
        (JOB, JobStatus.FINISHED, JobEvent.CANCELLED, None),
        (FILE, FileStatus.FINISHED, FileEvent.RETRIED, None),
        (FILE, FileStatus.FAILED, FileEvent.RETRIED, FileStatus.READY),
    ],
)
def test_event_leads_to(
    machine: Machine, status: StrEnum, event: StrEnum, to: StrEnum | None
) -> None:
    assert machine.target(status, event) == to


def test_every_task_that_waits_can_be_killed_and_then_ends() -> None:
    for status in TASK.sources(TaskEvent.KILL_REQUESTED):
        assert TASK.target(status, TaskEvent.KILL_REQUESTED) == TaskStatus.ABORTING
    assert TASK.target(TaskStatus.ABORTING, TaskEvent.ABORTED) == TaskStatus.ABORTED


def test_closed_datasets_open_again_for_a_retry() -> None:
    assert {str(e) for e in DATASET.reopening} == {"reopened"}
