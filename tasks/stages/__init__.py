"""One module a stage: plain functions over the books, one transaction each, no Prefect."""

from tasks.stages import (
    assign,
    collect,
    command,
    feed,
    generate,
    merges,
    post_process,
    refine,
    retry,
    scout,
    steer,
    workflow,
)
from tasks.stages.stage import Claim, LeasedWork, Outcome, Stage

_TASKS = (
    refine,
    feed,
    assign,
    generate,
    collect,
    scout,
    merges,
    steer,
    post_process,
    retry,
    command,
)
STAGES: dict[str, LeasedWork] = {
    **{module.STAGE.name: module.STAGE for module in _TASKS},
    workflow.STAGE.name: workflow.STAGE,
}
"""Every stage that an agent runs, by name. Dispatch and reports are driven by pilots instead."""

__all__ = ["STAGES", "Claim", "LeasedWork", "Outcome", "Stage"]
