"""GET /v1/audit: whether the books add up."""

from __future__ import annotations

from fastapi import Request, Response

from culm.wire.views import AuditFinding, AuditReport
from server.identity.access import ADMIN
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.audit import audit as find_faults
from tasks.views.counts import jobs_by_status, tasks_by_status

audit = Noun("audit", "Whether the books add up.")


@audit.get("/v1/audit", Terms(ADMIN, answers=AuditReport))
def audit_books(request: Request) -> Response:
    """Check the invariants over all rows; no findings means that the books add up."""
    with parts_of(request).books.read() as session:
        findings = tuple(
            AuditFinding(invariant=f.invariant, entity=f.entity, message=f.message)
            for f in find_faults(session)
        )
        checked = {
            "tasks": sum(tasks_by_status(session).values()),
            "jobs": sum(jobs_by_status(session).values()),
        }
    return reply(AuditReport(findings=findings, checked=checked))
