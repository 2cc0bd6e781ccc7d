"""jobParameters: the line of a job, with what the server fills in, read back into its parts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from culm.core.errors import FieldFault
from server.panda.parameters.faults import fault
from server.panda.parameters.lines import Options, read_line

RUN = Options(
    name="runGen",
    valued=frozenset({
        "-j", "-r", "-a", "-l", "-o", "-i", "-p", "--sourceURL", "--inMap", "--writeInputToTxt",
        "--containerImage",
    }),
    unmeant=frozenset({"-j", "-i", "--sourceURL", "--inMap"}),
)  # fmt: skip
"""The transform of prun's jobs. `-i` and `--inMap` say what the templates of input say too."""

HPO = Options(
    name="runHPO",
    valued=frozenset({
        "-o", "-j", "-a", "-p", "-i", "--inSampleFile", "--sourceURL", "--inMap",
        "--checkPointToSave", "--checkPointToLoad", "--checkPointInterval", "--writeInputToTxt",
        "--outMetaFile", "--outMetricsFile", "--segmentID", "--maxLoopCount",
    }),
    unmeant=frozenset({"-j", "-i", "--sourceURL", "--inMap", "--segmentID"}),
)  # fmt: skip
"""The transform of phpo's jobs."""

_PLACES = {
    "SEQNUMBER": "%RNDM", "FIRSTEVENT": "%FIRSTEVENT", "SKIPEVENTS": "%SKIPEVENTS",
    "MAXEVENTS": "%MAXEVENTS", "SEGMENT_NAME": "%SEGMENT_NAME",
}  # fmt: skip
_WITH_BASE = frozenset({"SEQNUMBER", "FIRSTEVENT"})
_PLACE = re.compile(r"\$\{([A-Z_]+)[^}]*\}")
_START, _END = '-p "', '"'
_TEMPLATES = ("input", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """The parts of a job's line: its options, the command, and the templates of its files."""

    options: Mapping[str, str]
    command: str
    inputs: tuple[Mapping[str, Any], ...]
    outputs: tuple[Mapping[str, Any], ...]

    @property
    def output_names(self) -> Mapping[str, str]:
        """Local name → name in the catalogue as the client's template says it."""
        text = self.options.get("-o", "{}")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def job_line(items: Any, options: Options, faults: list[FieldFault]) -> JobLine:
    """The parts of jobParameters; everything in it that is not taken becomes a fault."""
    known = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    if not known:
        faults.append(fault("jobParameters", items, "a list of objects: what the jobs' line holds"))
    command = "".join(_command(known, faults))
    rest = " ".join(_constants(known))
    return JobLine(
        options=read_line(rest, options, faults), command=command,
        inputs=tuple(_of_kind(known, "input")), outputs=tuple(_of_kind(known, "output")),
    )  # fmt: skip


def _of_kind(items: Sequence[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    return (item for item in items if item.get("param_type") == kind)


def _constants(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What the line holds beside the command and its files."""
    inside = False
    for item in items:
        value = str(item.get("value", ""))
        if inside or value == _START:
            inside = value != _END
        elif item.get("param_type") not in _TEMPLATES and not item.get("hidden"):
            yield value


def _command(items: Sequence[Mapping[str, Any]], faults: list[FieldFault]) -> Iterator[str]:
    """The pieces of what stands between `-p "` and `"`, with our placeholders."""
    inside = False
    for item in items:
        value = str(item.get("value", ""))
        if not inside:
            inside = value == _START
        elif value == _END:
            return
        elif item.get("type") == "constant":
            yield unquote(value)
        else:
            yield _PLACE.sub(lambda found, i=item: _place(found, i, faults), value)  # type: ignore[misc]
    faults.append(fault("jobParameters", "no -p", 'the command stands between -p " and "'))


def _place(found: re.Match[str], item: Mapping[str, Any], faults: list[FieldFault]) -> str:
    name = found[1]
    if name not in _PLACES:
        faults.append(fault("jobParameters.value", found[0], f"taken are {', '.join(_PLACES)}"))
        return found[0]
    base = f":{item.get('offset') or 0}" if name in _WITH_BASE else ""
    return _PLACES[name] + base
