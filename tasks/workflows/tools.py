"""Tools of standard CWL: tasks of one job, whose result comes with its report.

A tool's files stay in the dataset of its task, as one archive; the step's values name them there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from culm.core.errors import InvalidRequest
from culm.wire.codec import decode, encode
from culm.wire.task_spec import MAX_FILES_PER_JOB, InputStream, TaskSpec
from cwl.execute import ARCHIVE
from cwl.outcomes import Start
from cwl.plan import Plan
from cwl.tool_jobs import COMMAND, datasets_of, needs_of, tool_job, verdict_of
from tasks.lifecycles import StepEvent
from tasks.workflows.rows import StepRow
from tasks.workflows.words import words_of


def tool_spec(name: str, plan: Plan, start: Start, sandbox: str | None) -> TaskSpec:
    """The specification of a task that runs a tool of a plan once.

    Raises:
        InvalidRequest: its needs or its name do not make a task.
    """
    tool, datasets = plan.tools[start.tool], tuple(datasets_of(start.inputs))
    job = tool_job(plan, tool, start.inputs)
    spec = TaskSpec(
        name=name, command=COMMAND, outputs=(ARCHIVE,), sandbox=sandbox, n_jobs=1,
        inputs=(InputStream(datasets=datasets),) if datasets else (),
        max_files_per_job=MAX_FILES_PER_JOB if datasets else None,
        skip_scouts=True, force_staged=True, tool=job,
    )  # fmt: skip
    return decode(TaskSpec, encode(spec) | needs_of(tool), "the task").check()


def take_results(
    steps: Iterable[StepRow], left: Mapping[int, str], names: Mapping[int, str]
) -> None:
    """Give steps whose tasks succeeded what their tools made, or the tool's own failure."""
    for row in steps:
        task_id = row.task_id or 0
        if row.event is not StepEvent.SUCCEEDED:
            continue
        try:
            found = verdict_of(left.get(task_id, ""), f"{names[task_id]}_{ARCHIVE}", task_id)
        except InvalidRequest as error:
            row.fail(f"task {task_id}: {words_of(error)}")
            continue
        if found.reason:
            row.fail(f"task {task_id}: {found.reason}")
        else:
            row.decision = found.outputs
