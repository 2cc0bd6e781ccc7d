"""Prefect as the desk uses it: a shift is one run of its stage's flow."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable

from flows.duty import DUTY, Duty
from flows.recorder import Recorder
from flows.workplace import Workplace

MODULES = ("flows.stages", "flows.daemons", "flows.prefect_recorder", "flows.workflow_run")


class PrefectEngine:
    """Imports Prefect when it is first needed, in a thread: it takes seconds."""

    async def recorder(self) -> Recorder:
        """A recorder of task runs."""
        await asyncio.to_thread(_import_all)
        from flows.prefect_recorder import PrefectRecorder

        return PrefectRecorder()

    async def run(self, name: str, title: str, body: Callable[[], Awaitable[object]]) -> None:
        """Run `body` inside a flow run."""
        from flows.daemons import watchdogs
        from flows.stages import STAGE_FLOWS

        # asyncio gave this coroutine a context of its own: the duty is seen by its flow alone.
        DUTY.set(Duty(title, body))
        await (watchdogs() if name == watchdogs.name else STAGE_FLOWS[name]())

    async def draw(self, place: Workplace, workflow_id: int, name: str) -> None:
        """Keep the flow run that is the picture of a workflow, until the workflow ends."""
        await asyncio.to_thread(_import_all)
        from flows.workflow_run import draw

        await draw(place, workflow_id, name)


def _import_all() -> None:
    for module in MODULES:
        importlib.import_module(module)
