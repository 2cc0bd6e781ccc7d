"""Every error that Culm raises on purpose: one root, families by who can act on it.

Each kind has a stable code (`CULM-1004`) with a section in docs/reference/errors.md. Errors
carry fields, travel over HTTP as problem details, and come out of the client as the same class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One thing wrong with one field of a request: its name, the value found, what is right."""

    field: str
    value: str
    needed: str

    def __str__(self) -> str:
        return f"{self.field}: {self.value} - {self.needed}"


class CulmError(Exception):
    """The root. `code` is stable, `title` names the kind, the message names this case."""

    code: ClassVar[str] = "CULM-0000"
    title: ClassVar[str] = "Error"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", faults: Sequence[FieldFault] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.faults = tuple(faults)

    def __str__(self) -> str:
        lines = [self.message, *(f"  {fault}" for fault in self.faults)]
        return "\n".join(lines)

    def as_problem(self) -> dict[str, Any]:
        """This error as the members of an RFC 9457 problem document."""
        problem: dict[str, Any] = {
            "type": f"https://culm.invalid/errors/{self.code}",
            "title": self.title,
            "status": self.http_status,
            "code": self.code,
            "detail": self.message,
        }
        if self.hint:
            problem["hint"] = self.hint
        if self.faults:
            problem["errors"] = [asdict(fault) for fault in self.faults]
        return problem


class UserError(CulmError):
    """The person who asked can mend the request."""

    code, title, http_status, exit_code = "CULM-1000", "Bad request", 400, 2


class InvalidRequest(UserError):
    """One or more fields are wrong; `faults` names every one."""

    code, title, http_status = "CULM-1001", "Invalid request", 422


class NotAuthenticated(UserError):
    """No token, or one that is expired, forged, or meant for another service."""

    code, title, http_status, exit_code = "CULM-1002", "Not authenticated", 401, 3


class NotAllowed(UserError):
    """The token is good, but its owner may not do this."""

    code, title, http_status, exit_code = "CULM-1003", "Not allowed", 403, 3


class NotFound(UserError):
    """No such thing, or none that the asker may see."""

    code, title, http_status, exit_code = "CULM-1004", "Not found", 404, 4


class WrongStatus(UserError):
    """The thing exists, but its status does not take this command."""

    code, title, http_status, exit_code = "CULM-1005", "Wrong status", 409, 5


class TooLarge(UserError):
    """A body, a file, or an archive is over its limit."""

    code, title, http_status = "CULM-1006", "Too large", 413


class Conflict(UserError):
    """Something else already bears this name or this idempotency key."""

    code, title, http_status, exit_code = "CULM-1007", "Conflict", 409, 5


class UnsafeArchive(UserError):
    """An archive holds something that may not be unpacked (`..`, a link, a device)."""

    code, title, http_status = "CULM-1008", "Unsafe archive", 422


class CallerError(CulmError):
    """The request was good; the same request later may succeed."""

    code, title, http_status, exit_code = "CULM-2000", "Try again", 503, 6


class Unreachable(CallerError):
    """No answer from the server."""

    code, title = "CULM-2001", "Server unreachable"


class Busy(CallerError):
    """The server takes no more for now."""

    code, title, http_status = "CULM-2002", "Busy", 429


class WaitTimedOut(CallerError):
    """What was waited for did not come in the time given."""

    code, title, http_status, exit_code = "CULM-2003", "Wait timed out", 504, 124


class LeaseLost(CallerError):
    """Another owner holds what this caller worked on; its work was not written."""

    code, title, http_status = "CULM-2004", "Lease lost", 409


class ReportRefused(CallerError):
    """A pilot's report is for an old attempt, another pilot's job, or a job that has ended."""

    code, title, http_status = "CULM-2005", "Report refused", 409


class IssuerDown(CallerError):
    """An identity provider does not answer, so its tokens cannot be checked."""

    code, title = "CULM-2006", "Identity provider unreachable"


class SiteError(CulmError):
    """Something at a site failed; elsewhere it may work."""

    code, title, http_status = "CULM-3000", "Site problem", 502


class StorageFailed(SiteError):
    """A file could not be read from or written to a storage endpoint."""

    code, title = "CULM-3001", "Storage failed"


class ChecksumMismatch(SiteError):
    """The bytes are not the bytes that were announced."""

    code, title, http_status = "CULM-3002", "Checksum mismatch", 422


class OurFault(CulmError):
    """A bug or a broken installation: the operator or a developer must act."""

    code, title = "CULM-9000", "Internal error"


class Misconfigured(OurFault):
    """A setting is unknown, of the wrong type, or does not fit the others."""

    code, title, exit_code = "CULM-9001", "Misconfigured", 2


class Shadowed(OurFault):
    """A stranger's module bears the name of one of our packages."""

    code, title = "CULM-9002", "Package shadowed"


class BooksDiffer(OurFault):
    """The audit found rows that break an invariant."""

    code, title = "CULM-9003", "Books do not add up"


def _kinds(root: type[CulmError]) -> list[type[CulmError]]:
    return [root, *(kind for sub in root.__subclasses__() for kind in _kinds(sub))]


BY_CODE: Mapping[str, type[CulmError]] = {kind.code: kind for kind in reversed(_kinds(CulmError))}


def from_problem(problem: Mapping[str, Any]) -> CulmError:
    """The error that a problem document describes, as the class that bears its code."""
    kind = BY_CODE.get(str(problem.get("code")), CulmError)
    faults = [
        FieldFault(str(f.get("field")), str(f.get("value")), str(f.get("needed")))
        for f in problem.get("errors", [])
    ]
    return kind(
        str(problem.get("detail") or problem.get("title") or "unknown error"),
        hint=str(problem.get("hint", "")),
        faults=faults,
    )
