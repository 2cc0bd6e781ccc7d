"""What our code logs inside a flow run or task run is shown with it in Prefect."""

from __future__ import annotations

import logging

from prefect.context import FlowRunContext, TaskRunContext
from prefect.logging.handlers import APILogHandler

OURS = ("culm", "tasks", "flows", "broker", "cwl")


class RunLogHandler(APILogHandler):
    """Sends lines of runs to Prefect in the background; lines outside of runs are none of its."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line if a run is on; worker threads of a run count as inside it."""
        if TaskRunContext.get() is not None or FlowRunContext.get() is not None:
            super().emit(record)


def attach() -> None:
    """Send our packages' lines from INFO up, once a process however often it is called."""
    for name in OURS:
        logger = logging.getLogger(name)
        if any(isinstance(handler, RunLogHandler) for handler in logger.handlers):
            continue
        logger.addHandler(RunLogHandler())
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
