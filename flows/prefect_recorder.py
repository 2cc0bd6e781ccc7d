"""The recorder that shows each piece of work as a Prefect task run."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from flows.once import Once
from flows.prefect_logs import attach
from flows.recorder import Work

log = logging.getLogger(__name__)
T = TypeVar("T")


@task(task_run_name="{title}", cache_policy=NO_CACHE, persist_result=False)
async def _piece(title: str, once: Once[Any]) -> None:
    await once()


@lru_cache
def _task_of(kind: str) -> Task[[str, Once[Any]], Any]:
    # Never tags at run time: each call would look up their concurrency limits for two seconds.
    return _piece.with_options(name=kind)


class PrefectRecorder:
    """Records inside the flow run that is on in the caller's context."""

    def __init__(self) -> None:
        attach()

    async def record(self, kind: str, title: str, work: Work[T]) -> T:
        """The result of `work`, run inside a Prefect task run of this name.

        A task run costs 3-7 ms and no call of the API: Prefect's events carry it there later.
        """
        once = Once(work)
        try:
            await _task_of(kind)(title, once)
        except Exception as error:
            if not once.done:
                log.debug("%s could not be recorded: %r", title, error)
        return await once()
