"""What somebody may wait for."""

from __future__ import annotations

from enum import StrEnum

from sqlmodel import Session


class Topic(StrEnum):
    """A kind of news. A waiter looks at the rows again; the topic itself says nothing more."""

    TASK_REGISTERED = "task_registered"
    TASK_DEFINED = "task_defined"
    TASK_ASSIGNING = "task_assigning"
    TASK_READY = "task_ready"
    TASK_ENDING = "task_ending"
    TASK_CHANGED = "task_changed"
    TASK_TO_RETRY = "task_to_retry"
    COMMAND_GIVEN = "command_given"
    JOB_ACTIVATED = "job_activated"
    MERGE_DUE = "merge_due"
    JOB_REPORTED = "job_reported"
    JOB_ANSWERED = "job_answered"
    KILL_REQUESTED = "kill_requested"
    WORKFLOW_DUE = "workflow_due"
    WORKFLOW_CHANGED = "workflow_changed"


def pending_topics(session: Session) -> set[Topic]:
    """The topics that this transaction will wake when it commits; to be added to."""
    topics: set[Topic] = session.info.setdefault("culm_topics", set())
    return topics
