"""One module a stage: plain functions over the books, one transaction each, no Prefect."""

from tasks.stages import (
    assign,
    collect,
    command,
    feed,
    generate,
    post_process,
    refine,
    retry,
    scout,
    steer,
)
from tasks.stages.stage import Claim, Outcome, Stage

STAGES: dict[str, Stage] = {
    module.STAGE.name: module.STAGE
    for module in (
        refine,
        feed,
        assign,
        generate,
        collect,
        scout,
        steer,
        post_process,
        retry,
        command,
    )
}
"""Every stage that an agent runs, by name. Dispatch and reports are driven by pilots instead."""

__all__ = ["STAGES", "Claim", "Outcome", "Stage"]
