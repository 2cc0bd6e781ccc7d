"""Hardware, containers, releases, events: what the queue publishes against what the task asks for.

A queue that publishes nothing takes all (`ANY`). PanDA documentation 12.1.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from broker.architecture import Architecture
from broker.rules import Refusal, rule
from broker.software import ANY, EXCLUSIVE, Release, Software
from broker.values import Demand, Queue
from broker.view import View


def _publishes(queue: Queue) -> bool:
    return queue.software is not None


@rule(10, applies=_publishes)
def hardware(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Processors and graphics processors; a list with `excl` is for those who ask for it."""
    if queue.software is None:
        return None
    asked = demand.architecture
    if asked.cpu is not None and queue.software.cpu is None:
        return Refusal(f"it does not say which CPUs it has, {asked.cpu.arch} needed")
    if asked.gpu is not None and queue.software.gpu is None:
        return Refusal(f"it has no GPU, {asked.gpu.vendor} needed")
    for what, wanted, offered in _pairs(asked, queue.software):
        if not wanted and EXCLUSIVE in offered:
            return Refusal(f"it is only for tasks that ask for {what} {_listed(offered)}")
        if wanted and not _is_offered(wanted, offered):
            return Refusal(f"its {what} is {_listed(offered)}, {wanted} needed")
    return None


def _pairs(asked: Architecture, software: Software) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    cpu, gpu = asked.cpu, asked.gpu
    if software.cpu is not None:
        yield "CPU", cpu.arch if cpu else "", software.cpu.arch
        yield "CPU vendor", cpu.vendor if cpu else "", software.cpu.vendor
        yield "CPU instruction set", cpu.instr if cpu else "", software.cpu.instr
    if software.gpu is not None:
        yield "GPU vendor", gpu.vendor if gpu else "", software.gpu.vendor
        yield "GPU model", gpu.model if gpu else "", software.gpu.model


def _is_offered(wanted: str, offered: tuple[str, ...]) -> bool:
    names = [name for name in offered if name != EXCLUSIVE]
    return not names or wanted in names or ANY in names or "" in names


def _listed(offered: tuple[str, ...]) -> str:
    return " or ".join(name for name in offered if name != EXCLUSIVE) or "such hardware"


@rule(10, applies=_publishes, concerns=lambda demand, _: bool(demand.container))
def container(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The task's container image can be had there."""
    if queue.software is None or _has_container(demand, queue.software):
        return None
    found = ", ".join(queue.software.containers) or "no containers"
    return Refusal(f"it does not have container {demand.container} (it has {found})")


def _has_container(demand: Demand, software: Software) -> bool:
    if demand.container_by_tag_only:
        return any(
            demand.container == tag.container or demand.container in tag.sources
            for tag in software.tags
        )
    if software.has_any_container:
        return True
    names = [name for name in (demand.container, demand.container_source) if name]
    return any(name.startswith(start) for name in names for start in software.containers)


@rule(
    10,
    applies=_publishes,
    concerns=lambda demand, _: demand.release is not None and not demand.container,
)
def release(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """The release is there: from cvmfs on a platform that fits, or installed under a tag."""
    if demand.release is None or queue.software is None:
        return None
    platform = demand.architecture.sw_platform
    if _has_release(demand.release, platform, queue.software):
        return None
    wanted = f"{demand.release.project} {demand.release.version}"
    return Refusal(f"it does not have release {wanted}" + (f" for {platform}" if platform else ""))


def _has_release(wanted: Release, platform: str, software: Software) -> bool:
    in_cvmfs = ANY in software.cvmfs or wanted.repository in software.cvmfs
    if in_cvmfs and (software.has_any_container or platform in software.platforms):
        return True
    installed = (platform, wanted.project, wanted.version)
    return ANY in software.containers and any(
        installed == (tag.platform, tag.project, tag.version) for tag in software.tags
    )


@rule(18, applies=lambda queue: not (queue.takes_event_service and queue.takes_ordinary_jobs))
def event_service(demand: Demand, queue: Queue, _: View) -> Refusal | None:
    """Event service jobs, or others, are taken there."""
    if demand.is_event_service and not queue.takes_event_service:
        return Refusal("it takes no event service jobs")
    if not demand.is_event_service and not queue.takes_ordinary_jobs:
        return Refusal("it takes event service jobs only")
    return None


@rule(
    18,
    concerns=lambda demand, _: demand.has_dynamic_events,
    applies=lambda queue: not queue.takes_dynamic_events,
)
def dynamic_events(_: Demand, __: Queue, ___: View) -> Refusal | None:
    """The number of events of a job may be chosen for the queue."""
    return Refusal("it takes no dynamic number of events")
