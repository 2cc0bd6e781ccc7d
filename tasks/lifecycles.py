"""The status machines, as data: (status, event) → status.

Callers report events; `tasks.store.moves` alone writes statuses. Each machine is checked when
it is built: every status can be reached, and the final ones are those that no event leaves but
the reopening commands named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.statuses import DatasetStatus as D
from tasks.statuses import FileStatus as F
from tasks.statuses import JobStatus as J
from tasks.statuses import StepStatus as S
from tasks.statuses import TaskStatus as T
from tasks.statuses import WorkflowStatus as W


class TaskEvent(StrEnum):
    """What can happen to a task."""

    REFINED = "refined"
    INPUT_AWAITED = "input_awaited"
    FED = "fed"
    DESTINATION_CHOSEN = "destination_chosen"
    HINDERED = "hindered"
    SCOUTS_GENERATED = "scouts_generated"
    SCOUTS_PASSED = "scouts_passed"
    SCOUTS_EXHAUSTED = "scouts_exhausted"
    JOBS_GENERATED = "jobs_generated"
    PREPROCESS_NEEDED = "preprocess_needed"
    PREPROCESS_STARTED = "preprocess_started"
    PREPROCESSED = "preprocessed"
    ALL_PROCESSED = "all_processed"
    ALL_SUCCEEDED = "all_succeeded"
    PARTLY_SUCCEEDED = "partly_succeeded"
    NONE_SUCCEEDED = "none_succeeded"
    KILL_REQUESTED = "kill_requested"
    ABORTED = "aborted"
    FINISH_REQUESTED = "finish_requested"
    RETRY_REQUESTED = "retry_requested"
    RETRY_PREPARED = "retry_prepared"
    INCEXEC_REQUESTED = "incexec_requested"
    PARAMETERS_CHANGED = "parameters_changed"
    AVALANCHE_REQUESTED = "avalanche_requested"
    RELEASE_REQUESTED = "release_requested"
    REACTIVATED = "reactivated"
    PAUSE_REQUESTED = "pause_requested"
    RESUMED = "resumed"
    THROTTLED = "throttled"
    UNTHROTTLED = "unthrottled"
    FOUND_HOPELESS = "found_hopeless"
    BROKEN = "broken"


class JobEvent(StrEnum):
    """What can happen to a job."""

    DEFINED = "defined"
    ASSIGNED = "assigned"
    ACTIVATED = "activated"
    DISPATCHED = "dispatched"
    STARTED = "started"
    RAN = "ran"
    REPORTED = "reported"
    MERGE_BEGAN = "merge_began"
    TRANSFER_BEGAN = "transfer_began"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LEASE_EXPIRED = "lease_expired"
    TIMED_OUT = "timed_out"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class DatasetEvent(StrEnum):
    """What can happen to a dataset of a task."""

    CONTENTS_AWAITED = "contents_awaited"
    CONTENTS_LISTED = "contents_listed"
    LOOK_AGAIN = "look_again"
    DESTINATION_CHOSEN = "destination_chosen"
    FIRST_FILE_CAME = "first_file_came"
    FILLED = "filled"
    CLOSED = "closed"
    REOPENED = "reopened"
    FAILED = "failed"
    FOUND_BROKEN = "found_broken"


class FileEvent(StrEnum):
    """What can happen to the master copy of a file."""

    PICKED = "picked"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TO_BE_TRIED_AGAIN = "to_be_tried_again"
    PARTLY_DONE = "partly_done"
    GIVEN_UP = "given_up"
    SERVED = "served"
    RETRIED = "retried"
    REUSED = "reused"
    PREPARED = "prepared"
    MERGE_BEGAN = "merge_began"
    MERGE_UNDONE = "merge_undone"
    FOUND_MISSING = "found_missing"
    FOUND_LOST = "found_lost"
    FOUND_BROKEN = "found_broken"
    FOUND = "found"


class WorkflowEvent(StrEnum):
    """What can happen to a workflow."""

    STARTED = "started"
    ALL_SUCCEEDED = "all_succeeded"
    PARTLY_SUCCEEDED = "partly_succeeded"
    STEP_FAILED = "step_failed"
    KILL_REQUESTED = "kill_requested"
    ABORTED = "aborted"
    FINISH_REQUESTED = "finish_requested"
    RETRY_REQUESTED = "retry_requested"
    PAUSE_REQUESTED = "pause_requested"
    RESUMED = "resumed"


class StepEvent(StrEnum):
    """What can happen to an instance of a step."""

    OUTPUT_CAME = "output_came"
    SUCCEEDED = "succeeded"
    PARTLY_SUCCEEDED = "partly_succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    RETRY_REQUESTED = "retry_requested"
    SUBMITTED = "submitted"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, eq=False)
class Machine:
    """A status machine. `reopening` events alone may leave a final status."""

    noun: str
    initial: frozenset[StrEnum]
    moves: Mapping[tuple[StrEnum, StrEnum], StrEnum]
    reopening: frozenset[StrEnum] = frozenset()
    final: frozenset[StrEnum] = field(init=False)

    def __post_init__(self) -> None:
        left = {status for (status, event) in self.moves if event not in self.reopening}
        known = set(self.initial) | set(self.moves.values()) | {s for s, _ in self.moves}
        object.__setattr__(self, "final", frozenset(known - left))
        missing = set(type(next(iter(self.initial)))) - self._reachable()
        if missing:
            raise ValueError(f"{self.noun}: no way leads to {sorted(missing)}")
        events = {event for _, event in self.moves}
        unused = set(type(next(iter(events)))) - events
        if unused:
            raise ValueError(f"{self.noun}: events that move nothing: {sorted(unused)}")

    def _reachable(self) -> set[StrEnum]:
        seen, todo = set(self.initial), list(self.initial)
        while todo:
            here = todo.pop()
            fresh = {to for (start, _), to in self.moves.items() if start == here} - seen
            seen |= fresh
            todo.extend(fresh)
        return seen

    def target(self, status: StrEnum, event: StrEnum) -> StrEnum | None:
        """Where the event leads from this status; None if the status does not take it."""
        return self.moves.get((status, event))

    def sources(self, event: StrEnum) -> dict[StrEnum, StrEnum]:
        """Every status that takes the event, with the status that it leads to."""
        return {start: to for (start, e), to in self.moves.items() if e == event}


def _table(
    *rows: tuple[Iterable[StrEnum] | StrEnum, StrEnum, StrEnum],
) -> dict[tuple[StrEnum, StrEnum], StrEnum]:
    moves: dict[tuple[StrEnum, StrEnum], StrEnum] = {}
    for starts, event, to in rows:
        for start in [starts] if isinstance(starts, StrEnum) else starts:
            if (start, event) in moves:
                raise ValueError(f"({start}, {event}) stands twice")
            moves[start, event] = to
    return moves


_TE = TaskEvent
_GENERATING = (T.READY, T.SCOUTED, T.RUNNING, T.PENDING)
_ALIVE = (
    T.REGISTERED, T.DEFINED, T.ASSIGNING, T.READY, T.PENDING, T.SCOUTING, T.SCOUTED, T.RUNNING,
    T.PREPARED, T.TOPREPROCESS, T.PREPROCESSING, T.TORETRY, T.TOINCEXEC, T.REREFINE, T.PAUSED,
    T.THROTTLED,
)  # fmt: skip
# What a task is about to do (a retry, new parameters) would be forgotten: it resumes at defined.
_UNPAUSABLE = (T.PAUSED, T.PREPARED, T.REGISTERED, T.TORETRY, T.TOINCEXEC, T.REREFINE)
_PAUSABLE = tuple(s for s in _ALIVE if s not in _UNPAUSABLE)
_STARTED = (T.READY, T.PENDING, T.SCOUTING, T.SCOUTED, T.RUNNING, T.THROTTLED)
_RELEASABLE = (T.DEFINED, T.ASSIGNING, T.READY, T.PENDING, T.RUNNING)
_TO_END = (T.PREPARED, T.FINISHING)

TASK = Machine(
    noun="task",
    initial=frozenset({T.REGISTERED}),
    reopening=frozenset({_TE.RETRY_REQUESTED, _TE.INCEXEC_REQUESTED, _TE.AVALANCHE_REQUESTED}),
    moves=_table(
        ((T.REGISTERED, T.REREFINE), _TE.REFINED, T.DEFINED),
        ((T.DEFINED, T.PENDING), _TE.INPUT_AWAITED, T.PENDING),
        ((T.DEFINED, T.PENDING), _TE.FED, T.ASSIGNING),
        ((T.ASSIGNING,), _TE.DESTINATION_CHOSEN, T.READY),
        ((T.ASSIGNING, T.SCOUTING, *_GENERATING), _TE.HINDERED, T.PENDING),
        (T.READY, _TE.PREPROCESS_NEEDED, T.TOPREPROCESS),
        (T.TOPREPROCESS, _TE.PREPROCESS_STARTED, T.PREPROCESSING),
        (T.PREPROCESSING, _TE.PREPROCESSED, T.READY),
        ((T.READY, T.PENDING), _TE.SCOUTS_GENERATED, T.SCOUTING),
        (T.SCOUTING, _TE.SCOUTS_PASSED, T.SCOUTED),
        (T.SCOUTING, _TE.SCOUTS_EXHAUSTED, T.EXHAUSTED),
        (_GENERATING, _TE.JOBS_GENERATED, T.RUNNING),
        (_STARTED, _TE.ALL_PROCESSED, T.PREPARED),
        (_TO_END, _TE.ALL_SUCCEEDED, T.DONE),
        (_TO_END, _TE.PARTLY_SUCCEEDED, T.FINISHED),
        (T.PREPARED, _TE.NONE_SUCCEEDED, T.FAILED),
        # Told to finish early: the least that it can end as is finished (spec/lifecycle.md).
        (T.FINISHING, _TE.NONE_SUCCEEDED, T.FINISHED),
        ((*_ALIVE, T.FINISHING), _TE.KILL_REQUESTED, T.ABORTING),
        (T.ABORTING, _TE.ABORTED, T.ABORTED),
        # Told again: a soft finish may be made a hard one.
        ((*(s for s in _ALIVE if s != T.PREPARED), T.FINISHING), _TE.FINISH_REQUESTED, T.FINISHING),
        ((T.FINISHED, T.DONE, T.EXHAUSTED, T.ABORTED), _TE.RETRY_REQUESTED, T.TORETRY),
        (T.TORETRY, _TE.RETRY_PREPARED, T.DEFINED),
        ((T.FINISHED, T.DONE, T.EXHAUSTED, T.ABORTED), _TE.INCEXEC_REQUESTED, T.TOINCEXEC),
        (T.TOINCEXEC, _TE.PARAMETERS_CHANGED, T.REREFINE),
        ((T.SCOUTING, T.EXHAUSTED), _TE.AVALANCHE_REQUESTED, T.SCOUTED),
        # The same for a task that has sent none yet: it will make all of its jobs at once.
        (T.SCOUTING, _TE.RELEASE_REQUESTED, T.SCOUTED),
        *(((status,), _TE.RELEASE_REQUESTED, status) for status in _RELEASABLE),
        (_PAUSABLE, _TE.PAUSE_REQUESTED, T.PAUSED),
        # Every stage can be run again, so a resumed task starts at the first and comes to
        # where it was: no status needs to be remembered.
        (T.PAUSED, _TE.RESUMED, T.DEFINED),
        # The same way for what waits: everything about it is looked at again, at once.
        ((T.PENDING, T.THROTTLED), _TE.REACTIVATED, T.DEFINED),
        ((T.READY, T.RUNNING, T.PENDING, T.SCOUTED), _TE.THROTTLED, T.THROTTLED),
        (T.THROTTLED, _TE.UNTHROTTLED, T.READY),
        ((*_ALIVE,), _TE.FOUND_HOPELESS, T.TOBROKEN),
        (T.TOBROKEN, _TE.BROKEN, T.BROKEN),
    ),
)

_JE = JobEvent
_UNSENT = (J.PENDING, J.DEFINED, J.ASSIGNED, J.ACTIVATED)
_WITH_PILOT = (J.SENT, J.STARTING, J.RUNNING)
_SETTLING = (J.HOLDING, J.MERGING, J.TRANSFERRING)

JOB = Machine(
    noun="job",
    initial=frozenset(_UNSENT),
    moves=_table(
        (J.PENDING, _JE.DEFINED, J.DEFINED),
        (J.DEFINED, _JE.ASSIGNED, J.ASSIGNED),
        ((J.DEFINED, J.ASSIGNED), _JE.ACTIVATED, J.ACTIVATED),
        (J.ACTIVATED, _JE.DISPATCHED, J.SENT),
        (J.SENT, _JE.STARTED, J.STARTING),
        ((J.SENT, J.STARTING), _JE.RAN, J.RUNNING),
        (_WITH_PILOT, _JE.REPORTED, J.HOLDING),
        (J.HOLDING, _JE.MERGE_BEGAN, J.MERGING),
        ((J.HOLDING, J.MERGING), _JE.TRANSFER_BEGAN, J.TRANSFERRING),
        (_SETTLING, _JE.SUCCEEDED, J.FINISHED),
        (_SETTLING, _JE.FAILED, J.FAILED),
        # A job that nobody has started is closed; one that ran is a failure.
        (J.SENT, _JE.LEASE_EXPIRED, J.CLOSED),
        ((J.STARTING, J.RUNNING), _JE.LEASE_EXPIRED, J.FAILED),
        ((J.STARTING, J.RUNNING, *_SETTLING), _JE.TIMED_OUT, J.FAILED),
        ((*_UNSENT, J.SENT), _JE.CLOSED, J.CLOSED),
        ((*_UNSENT, *_WITH_PILOT, J.HOLDING, J.MERGING), _JE.CANCELLED, J.CANCELLED),
    ),
)

_DE = DatasetEvent

DATASET = Machine(
    noun="dataset",
    initial=frozenset({D.DEFINED}),
    reopening=frozenset({_DE.REOPENED}),
    moves=_table(
        ((D.DEFINED, D.TOUPDATE, D.PENDING), _DE.CONTENTS_AWAITED, D.PENDING),
        ((D.DEFINED, D.TOUPDATE, D.PENDING, D.READY), _DE.CONTENTS_LISTED, D.READY),
        ((D.READY, D.PENDING), _DE.LOOK_AGAIN, D.TOUPDATE),
        (D.DEFINED, _DE.DESTINATION_CHOSEN, D.READY),
        (D.READY, _DE.FIRST_FILE_CAME, D.RUNNING),
        ((D.READY, D.RUNNING), _DE.FILLED, D.PREPARED),
        ((D.READY, D.RUNNING, D.PREPARED, D.TOUPDATE, D.PENDING, D.DEFINED), _DE.CLOSED, D.DONE),
        ((D.READY, D.RUNNING, D.PREPARED), _DE.FAILED, D.FAILED),
        ((D.DONE, D.FAILED), _DE.REOPENED, D.READY),
        ((D.DEFINED, D.TOUPDATE, D.PENDING, D.READY), _DE.FOUND_BROKEN, D.BROKEN),
    ),
)

_FE = FileEvent
_AT_WORK = (F.PICKED, F.RUNNING)

FILE = Machine(
    noun="file",
    initial=frozenset({F.READY, F.DEFINED}),
    reopening=frozenset({_FE.RETRIED, _FE.REUSED, _FE.FOUND, _FE.FOUND_LOST}),
    moves=_table(
        (F.READY, _FE.PICKED, F.PICKED),
        ((F.PICKED, F.DEFINED), _FE.SENT, F.RUNNING),
        ((*_AT_WORK, F.DEFINED, F.PREPARED, F.MERGING), _FE.SUCCEEDED, F.FINISHED),
        ((*_AT_WORK, F.DEFINED, F.PREPARED, F.MERGING), _FE.FAILED, F.FAILED),
        (_AT_WORK, _FE.TO_BE_TRIED_AGAIN, F.READY),
        (_AT_WORK, _FE.PARTLY_DONE, F.PARTIAL),
        (F.READY, _FE.GIVEN_UP, F.FAILED),
        # A secondary file goes to many jobs; at its task's end it has served.
        (F.READY, _FE.SERVED, F.FINISHED),
        ((F.FAILED, F.PARTIAL), _FE.RETRIED, F.READY),
        (F.FINISHED, _FE.REUSED, F.READY),
        (F.RUNNING, _FE.PREPARED, F.PREPARED),
        (F.PREPARED, _FE.MERGE_BEGAN, F.MERGING),
        (F.MERGING, _FE.MERGE_UNDONE, F.PREPARED),
        (F.READY, _FE.FOUND_MISSING, F.MISSING),
        # An output that is not in storage any more is lost, whoever had finished it.
        ((F.READY, F.FINISHED), _FE.FOUND_LOST, F.LOST),
        (F.READY, _FE.FOUND_BROKEN, F.BROKEN),
        ((F.MISSING, F.LOST, F.BROKEN), _FE.FOUND, F.READY),
    ),
)

_WE = WorkflowEvent
_GOING_ON = (W.REGISTERED, W.RUNNING, W.PAUSED, W.FINISHING)

WORKFLOW = Machine(
    noun="workflow",
    initial=frozenset({W.REGISTERED}),
    reopening=frozenset({_WE.RETRY_REQUESTED}),
    moves=_table(
        (W.REGISTERED, _WE.STARTED, W.RUNNING),
        ((W.REGISTERED, W.RUNNING), _WE.PAUSE_REQUESTED, W.PAUSED),
        (W.PAUSED, _WE.RESUMED, W.RUNNING),
        ((W.RUNNING, W.FINISHING), _WE.ALL_SUCCEEDED, W.DONE),
        ((W.RUNNING, W.FINISHING), _WE.PARTLY_SUCCEEDED, W.FINISHED),
        (W.RUNNING, _WE.STEP_FAILED, W.FAILED),
        # Told to finish early: the least that it can end as is finished, as with tasks.
        (W.FINISHING, _WE.STEP_FAILED, W.FINISHED),
        (_GOING_ON, _WE.FINISH_REQUESTED, W.FINISHING),
        (_GOING_ON, _WE.KILL_REQUESTED, W.ABORTING),
        (W.ABORTING, _WE.ABORTED, W.ABORTED),
        ((W.FINISHED, W.FAILED, W.ABORTED), _WE.RETRY_REQUESTED, W.RUNNING),
    ),
)

_SE = StepEvent
_STEP_AT_WORK = (S.SUBMITTED, S.PRODUCING)
_NOT_DONE = (S.FINISHED, S.FAILED, S.ABORTED, S.UNUSED)

STEP = Machine(
    noun="step",
    initial=frozenset({S.SUBMITTED, S.FAILED}),
    reopening=frozenset({_SE.RETRY_REQUESTED}),
    moves=_table(
        (S.SUBMITTED, _SE.OUTPUT_CAME, S.PRODUCING),
        (_STEP_AT_WORK, _SE.SUCCEEDED, S.DONE),
        (_STEP_AT_WORK, _SE.PARTLY_SUCCEEDED, S.FINISHED),
        ((*_STEP_AT_WORK, S.WAITING), _SE.FAILED, S.FAILED),
        (_STEP_AT_WORK, _SE.ABORTED, S.ABORTED),
        # A step that is done is done again if what it took comes anew.
        ((*_NOT_DONE, S.DONE), _SE.RETRY_REQUESTED, S.WAITING),
        (S.WAITING, _SE.SUBMITTED, S.SUBMITTED),
        (S.WAITING, _SE.LEFT_OUT, S.UNUSED),
    ),
)

MACHINES = (TASK, JOB, DATASET, FILE, WORKFLOW, STEP)
