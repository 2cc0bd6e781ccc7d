"""What PanDA's pilot says of a job, in our words. Pure.

Field names are those of the older calls (`jobId`, `pilotErrorCode`); the newer ones differ
in spelling only and are translated first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from culm.core import names
from culm.core.errors import InvalidRequest
from culm.wire.codec import decode
from culm.wire.error_codes import PilotError, words
from culm.wire.reports import (
    MAX_METADATA,
    MAX_RESULT,
    MAX_TAIL,
    JobMetrics,
    JobReport,
    OutputFile,
    ReportState,
)
from server.panda.asked import Asked, wrong

STATES: Mapping[str, ReportState] = {
    "starting": ReportState.STARTING,
    "running": ReportState.RUNNING,
    "transferring": ReportState.TRANSFERRING,
    # It ended, but the pilot could not bring all of it home yet: more is to come.
    "holding": ReportState.TRANSFERRING,
    "finished": ReportState.FINISHED,
    "failed": ReportState.FAILED,
}
"""What a job may be reported as, and what that is to us."""
_RENAMED = {
    "job_status": "state", "job_output_report": "xml", "site_name": "siteName",
    "max_rss": "maxRSS", "max_pss": "maxPSS", "tot_rbytes": "totRBYTES", "tot_wbytes": "totWBYTES",
}  # fmt: skip
_CODES_OF_OURS = frozenset({
    PilotError.MISSING_OUTPUT_FILE, PilotError.OUTPUT_FILE_TOO_LARGE, PilotError.NO_USER_TARBALL,
    PilotError.SETUP_FAILURE, PilotError.PAYLOAD_EXECUTION_FAILURE, PilotError.IMAGE_NOT_FOUND,
})  # fmt: skip
"""What the program of a job may say of its end: a payload could write the same file."""
_MOST_FILES = 20_000
_LONGEST_DIAG = 4000


def renamed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the newer calls by their older names."""
    return {_RENAMED.get(name) or _camel(name): value for name, value in fields.items()}


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A report, the files it claims, and what in it cannot be read."""

    report: JobReport
    node: str
    fault: str = ""
    said: str = ""


def told_of(asked: Asked) -> Told:
    """What an update says; a file report that cannot be read fails its job.

    Raises:
        InvalidRequest: job, attempt or state are missing or no such things.
    """
    state = asked.text("state")
    if state not in STATES:
        raise wrong("state", state, "one of " + ", ".join(STATES))
    report = JobReport(
        job_id=asked.number("jobId"), attempt_nr=_attempt(asked), report_nr=1,
        state=STATES[state], exit_code=_whole(asked, "transExitCode"),
        pilot_error_code=_whole(asked, "pilotErrorCode") or 0,
        pilot_error_diag=_line(asked, "pilotErrorDiag"), metrics=_metrics(asked),
        output_tail=_line(asked, "pilotLog"),
    )  # fmt: skip
    report = _with_program(report, asked.get("metaData"))
    if report.state not in (ReportState.FINISHED, ReportState.FAILED):
        said = _clean(str(asked.get("stdout") or ""))
        return Told(report=report, node=_line(asked, "node")[:255], said=said)
    files, fault = _files(asked.get("xml"))
    report = _ended(replace(report, outputs=files), fault)
    return Told(report=report, node=_line(asked, "node")[:255], fault=fault)


def _attempt(asked: Asked) -> int:
    number = asked.number("attemptNr")
    if number >= 2**31:
        raise wrong("attemptNr", number, "the number of an attempt")
    return number


def _ended(report: JobReport, fault: str) -> JobReport:
    """A final report in which state and code agree."""
    if fault:
        said = f"the pilot's report of files cannot be read: {fault}"
        return failed_with(report, PilotError.INTERNAL_PILOT_PROBLEM, said)
    if report.state == ReportState.FAILED and not report.pilot_error_code:
        code = PilotError.PAYLOAD_EXECUTION_FAILURE if report.exit_code else PilotError.GENERAL
        return failed_with(report, code, report.pilot_error_diag)
    return report


def failed_with(report: JobReport, code: PilotError, diag: str) -> JobReport:
    """The same report as one of a failure; the first error stays."""
    if report.state == ReportState.FAILED and report.pilot_error_code:
        return report
    said = (diag or words(code))[:_LONGEST_DIAG]
    return replace(report, state=ReportState.FAILED, pilot_error_code=int(code),
                   pilot_error_diag=said)  # fmt: skip


def _with_program(report: JobReport, text: object) -> JobReport:
    """The report with what the job's own program left in `jobReport.json`."""
    said = _object(text).get("culm")
    if not isinstance(said, dict):
        return report
    code, exit_code = said.get("pilot_error_code"), said.get("exit_code")
    tail = said.get("output_tail")
    if isinstance(exit_code, int) and abs(exit_code) < 2**15:
        report = replace(report, exit_code=exit_code)
    if code in _CODES_OF_OURS and report.state == ReportState.FAILED:
        diag = str(said.get("pilot_error_diag") or words(int(code)))[:_LONGEST_DIAG]
        report = replace(report, pilot_error_code=int(code), pilot_error_diag=_clean(diag))
    if isinstance(tail, str) and tail:
        report = replace(report, output_tail=_clean(tail)[-MAX_TAIL:])
    return replace(
        report, metrics=_measured(report.metrics or JobMetrics(), said),
        user_metadata=_small(said.get("user_metadata"), MAX_METADATA),
        result=_small(said.get("result"), MAX_RESULT),
    )  # fmt: skip


def _measured(metrics: JobMetrics, said: Mapping[str, Any]) -> JobMetrics:
    found: dict[str, Any] = {name: value for name in ("wall_seconds", "cpu_seconds")
             if isinstance(value := said.get(name), float) and 0 <= value < 1e9}  # fmt: skip
    rss = said.get("max_rss_mb")
    if not metrics.max_pss_mb and isinstance(rss, float) and 0 <= rss < 1e9:
        found["max_pss_mb"] = rss
    return replace(metrics, **found)


def _small(text: object, most: int) -> str | None:
    """A JSON text that the program passes on."""
    if not isinstance(text, str) or len(text) >= most or "\0" in text:
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return text


def _object(text: object) -> Mapping[str, Any]:
    if isinstance(text, str):
        try:
            text = json.loads(text)
        except (ValueError, RecursionError):
            return {}
    return text if isinstance(text, dict) else {}


def _files(text: object) -> tuple[tuple[OutputFile, ...], str]:
    """The files of a report {lfn: {fsize, adler32, …}}, and what is wrong with it."""
    if text in (None, ""):
        return (), ""
    found = _object(text)
    if not found and text not in ("{}", {}):
        return (), "it is no JSON object of files"
    if len(found) > _MOST_FILES:
        return (), f"it names {len(found)} files"
    files = []
    for lfn, said in found.items():
        try:
            files.append(_file(lfn, said))
        except InvalidRequest as error:
            return (), " ".join(str(fault) for fault in error.faults) or str(error)
    return tuple(files), ""


def _file(lfn: str, said: object) -> OutputFile:
    if not isinstance(said, dict) or not names.LFN.fullmatch(lfn):
        raise InvalidRequest(f"{lfn[:80]!a} is no file with what is known of it")
    checksum = said.get("adler32")
    value = {"lfn": lfn, "size_bytes": said.get("fsize"),
             "adler32": str(checksum).rjust(8, "0").lower()}  # fmt: skip
    return decode(OutputFile, value, lfn)


def _metrics(asked: Asked) -> JobMetrics:
    """What was measured: memory in kB, and seconds of its stages, split by `|`."""
    stages = [_seconds(part) for part in _line(asked, "pilotTiming").split("|")]
    get = dict(enumerate(stages)).get
    memory = _whole(asked, "maxPSS") or _whole(asked, "maxRSS") or 0
    return JobMetrics(
        max_pss_mb=max(0, memory) * 1024 / 1e6,
        cpu_seconds=float(max(0, _whole(asked, "cpuConsumptionTime") or 0)),
        stage_in_seconds=get(1, 0.0), wall_seconds=get(2, 0.0), stage_out_seconds=get(3, 0.0),
        read_mb=max(0, _whole(asked, "totRBYTES") or 0) / 1e6,
        write_mb=max(0, _whole(asked, "totWBYTES") or 0) / 1e6,
        n_events=min(max(0, _whole(asked, "nEvents") or 0), 2**31 - 1),
    )  # fmt: skip


def _seconds(text: str) -> float:
    text = text.strip()
    return min(float(text), 1e9) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) else 0.0


def _whole(asked: Asked, name: str) -> int | None:
    """A number that may be left out, or be "NULL" or worse: then it is as if left out."""
    text = str(asked.get(name) if asked.get(name) is not None else "").strip()
    match = re.fullmatch(r"(-?[0-9]{1,15})(\.[0-9]*)?", text)
    value = int(match[1]) if match else None
    small = name.endswith("Code")
    return None if value is not None and small and not -(2**31) <= value < 2**31 else value


def _line(asked: Asked, name: str) -> str:
    value = asked.get(name)
    return "" if value is None or value == "NULL" else _clean(str(value))[:_LONGEST_DIAG]


def _clean(text: str) -> str:
    return text.replace("\0", " ")
