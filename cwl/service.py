"""Loading from outside: a bundle to a checked plan, in a process of its own, within limits."""

from __future__ import annotations

import posixpath
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest, OurFault
from culm.wire.codec import decode
from culm.wire.workflows import StepAsRun, WorkflowBundle
from cwl.children import Nursery
from cwl.plan import Plan, plan_from_json

MAX_FILES = 2000

_NURSERY = Nursery()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """The most that loading a workflow may take: CPU time, time, memory."""

    cpu_seconds: int = 60
    seconds: float = 120.0
    memory_mb: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A workflow without faults: its plan, its inputs, and its steps as they would run.

    `datasets` are those that must be there before, each with the place where it is read.
    """

    plan: Plan
    inputs: Mapping[str, Any]
    steps: tuple[StepAsRun, ...]
    n_steps: int
    datasets: Mapping[str, str]
    warnings: tuple[str, ...]


def check(bundle: WorkflowBundle, limits: LoadLimits | None = None) -> Checked:
    """The plan of a bundle and its steps as they would run; nothing is written.

    Raises:
        InvalidRequest: with every fault: file, line, step, what was found, what would be right.
    """
    _check_names(bundle)
    return found_in(_replied(bundle, limits or LoadLimits()))


def found_in(reply: Mapping[str, Any]) -> Checked:
    """What the reply of a worker says of a workflow.

    Raises:
        InvalidRequest: with every fault.
    """
    faults = reply.get("faults")
    if faults is not None:
        found = [FieldFault(f["field"], f["value"], f["needed"]) for f in faults]
        raise InvalidRequest("the workflow cannot run like this", faults=found)
    return Checked(
        plan=plan_from_json(reply["plan"]),
        inputs=reply["inputs"],
        steps=tuple(decode(StepAsRun, step, "a step") for step in reply["steps"]),
        n_steps=reply["n_steps"],
        datasets=reply["datasets"],
        warnings=tuple(reply["warnings"]),
    )


def _check_names(bundle: WorkflowBundle) -> None:
    odd = [
        name
        for name in bundle.files
        if not name.isprintable()
        or posixpath.normpath(name) != name
        or name.startswith(("/", "../"))
        or name in (".", "..")
    ]
    if odd or len(bundle.files) > MAX_FILES:
        needed = "a plain path below the directory"
        faults = [FieldFault("files", repr(name)[:80], needed) for name in odd[:20]]
        if not odd:
            faults = [FieldFault("files", str(len(bundle.files)), f"at most {MAX_FILES}")]
        raise InvalidRequest("the bundle is not taken", faults=faults)


def _replied(bundle: WorkflowBundle, limits: LoadLimits) -> Any:
    request = {
        "files": bundle.files,
        "cwl": bundle.cwl,
        "yaml": bundle.yaml,
        "name": bundle.name,
        "limits": {"cpu_seconds": limits.cpu_seconds, "memory_mb": limits.memory_mb},
    }
    try:
        ended = _NURSERY.ask(request, limits.seconds)
    except TimeoutError as error:
        raise _too_long(bundle, f"{limits.seconds:g} s") from error
    if ended.code == 0:
        return ended.reply
    if ended.code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _too_long(bundle, f"{limits.cpu_seconds} s of CPU")
    raise OurFault(f"loading {bundle.cwl} broke ({ended.code}): the server's log says where")


def _too_long(bundle: WorkflowBundle, limit: str) -> InvalidRequest:
    fault = FieldFault(bundle.cwl, "takes too long", f"at most {limit} to load and look at")
    return InvalidRequest("the workflow cannot be loaded", faults=[fault])
