"""The architecture string of a task: `sw_platform<@base_platform><#host_cpu><&host_gpu>`.

host_cpu is `arch<-vendor<-instr>>`, host_gpu is `vendor<-model>` (PanDA documentation 12.1.1).
"""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass

from culm.core.errors import FieldFault, InvalidRequest

FORM = "sw_platform<@base_platform><#arch<-vendor<-instr>>><&vendor<-model>>"
_MARKS = {"@": "base_platform", "#": "host_cpu", "&": "host_gpu"}
_PART = re.compile(r"([@#&])([^@#&]*)")
_MOST_DASHES = {"host_cpu": 2, "host_gpu": 1}
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor that a task asks for; an empty part takes any."""

    arch: str
    vendor: str = ""
    instr: str = ""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The graphics processor that a task asks for; an empty model takes any."""

    vendor: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a task's architecture string says; all empty if it says nothing."""

    sw_platform: str = ""
    base_platform: str = ""
    cpu: Cpu | None = None
    gpu: Gpu | None = None

    def __str__(self) -> str:
        cpu = "-".join(filter(None, astuple(self.cpu))) if self.cpu else ""
        gpu = "-".join(filter(None, astuple(self.gpu))) if self.gpu else ""
        marked = zip(_MARKS, (self.base_platform, cpu, gpu), strict=True)
        return self.sw_platform + "".join(mark + part for mark, part in marked if part)


ANY_ARCHITECTURE = Architecture()


def parse_architecture(text: str) -> Architecture:
    """The parts of an architecture string. An empty string asks for nothing.

    Raises:
        InvalidRequest: a part is there twice or is empty, or there is a space.
    """
    if len(text) > _LONGEST or re.search(r"\s", text):
        raise _fault(text[:_LONGEST], f"at most {_LONGEST} characters, no spaces")
    platform = re.split("[@#&]", text, maxsplit=1)[0]
    parts: dict[str, str] = {}
    for mark, value in _PART.findall(text):
        name = _MARKS[mark]
        if name in parts:
            raise _fault(text, f"{name} ({mark}) stands there twice")
        if not value:
            raise _fault(text, f"{name} is empty: write something after {mark}, or leave it out")
        parts[name] = value
    cpu = _fields(text, "host_cpu", parts)
    gpu = _fields(text, "host_gpu", parts)
    return Architecture(
        platform,
        parts.get("base_platform", ""),
        Cpu(*cpu) if cpu else None,
        Gpu(*gpu) if gpu else None,
    )


def _fields(text: str, name: str, parts: dict[str, str]) -> list[str]:
    if name not in parts:
        return []
    # The last field may hold dashes of its own: a model is `gtx-1080`, never an arch.
    fields = parts[name].split("-", _MOST_DASHES[name])
    if not all(fields):
        raise _fault(text, f"{name} {parts[name]} has an empty part between its dashes")
    return fields


def _fault(text: str, needed: str) -> InvalidRequest:
    return InvalidRequest(
        f"architecture {text!r} cannot be read: {needed}",
        hint=f"the form is {FORM}",
        faults=[FieldFault("architecture", repr(text), needed)],
    )
