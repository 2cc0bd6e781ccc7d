"""Workflows: have one looked at."""

from __future__ import annotations

from pathlib import Path

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.client.workflow_bundle import bundle_of
from culm.core.ids import new_key
from culm.wire.workflows import WorkflowCheck

LOOKING_SECONDS = 180.0
"""Longer than a server looks at a workflow."""


class WorkflowCalls(Calls):
    """The calls about workflows."""

    def check_workflow(
        self, cwl: str, yaml: str = "", *, out_ds: str, directory: Path | str = "."
    ) -> WorkflowCheck:
        """Every step of a workflow as it would run; nothing is written.

        Raises:
            InvalidRequest: with every fault: file, line, step, what was found, what would be right.
        """
        call = Call(
            method="POST",
            path=path_of("workflows", "check"),
            message=bundle_of(out_ds, cwl, yaml, directory),
            key=new_key(),  # to look twice is to look once
            read_timeout=LOOKING_SECONDS,
        )
        return read(WorkflowCheck, self.transport.json(call))
