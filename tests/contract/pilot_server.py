"""A small HTTP server that speaks the pilots' part of the contract strictly, for tests.

It decodes every message with culm.wire.codec, keeps what it heard, and notes in `violations`
what a real server would refuse. Its faults are switched on by the test.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from culm.core.errors import (
    ChecksumMismatch,
    Conflict,
    CulmError,
    NotAuthenticated,
    NotFound,
    Unreachable,
)
from culm.wire.codec import decode_json, encode
from culm.wire.job_spec import JobSpec, PilotSpec, PilotWelcome, Sandbox, WorkAnswer, WorkRequest
from culm.wire.reports import (
    Instruction,
    JobReport,
    ReportAnswer,
    ReportAnswers,
    ReportBatch,
    ReportState,
)

PROVISIONING = "provisioning-token"
FINAL = {ReportState.FINISHED, ReportState.FAILED}
Key = tuple[int, int]


@dataclass
class Faults:
    """What goes wrong, as long as it is set."""

    cut: bool = False  # every connection is cut without an answer
    cut_answers: int = 0  # so many report calls are taken up, then cut
    refuse_token: bool = False
    corrupt_uploads: bool = False


@dataclass
class PilotServer:
    """Jobs to give, what pilots said, and the storage at /v1/storage/."""

    faults: Faults = field(default_factory=Faults)
    waiting: list[JobSpec] = field(default_factory=list)
    raw_jobs: list[Any] = field(default_factory=list)
    given: dict[Key, JobSpec] = field(default_factory=dict)
    reports: list[JobReport] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    pilots: list[PilotSpec] = field(default_factory=list)
    signed_off: int = 0
    sign_off: bool = False
    instructions: dict[int, Instruction] = field(default_factory=dict)
    sandboxes: dict[str, bytes] = field(default_factory=dict)
    sandbox_downloads: int = 0
    storage: dict[str, bytes] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    token_seconds: int = 3600
    port: int = 0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._answers: dict[str, WorkAnswer] = {}
        self._web: ThreadingHTTPServer | None = None

    def start(self) -> PilotServer:
        """Listen, at the same port as before if there was one."""
        self._web = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._web.daemon_threads = True
        self.port = self._web.server_address[1]
        threading.Thread(target=self._web.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Listen no more."""
        if self._web is not None:
            with self._changed:
                self.faults.cut = True
                self._changed.notify_all()
            self._web.shutdown()
            self._web.server_close()
            self._web = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def add(self, *jobs: JobSpec) -> None:
        """Give these jobs to the next pilot that asks."""
        with self._changed:
            self.waiting.extend(jobs)
            self._changed.notify_all()

    def add_sandbox(self, body: bytes) -> Sandbox:
        """Keep a sandbox."""
        digest = hashlib.sha256(body).hexdigest()
        self.sandboxes[digest] = body
        return Sandbox(digest=digest, url=f"/v1/sandboxes/{digest}", size_bytes=len(body))

    def wait_for(self, condition: Callable[[], Any], seconds: float = 15.0) -> Any:
        """The condition's value once it is true; fails the test after some seconds."""
        with self._changed:
            found = self._changed.wait_for(condition, seconds)
        assert found, f"waited {seconds} s in vain; heard at last {self.reports[-3:]}"
        return found

    def final(self, job_id: int, seconds: float = 15.0) -> JobReport:
        """The final report on a job, once it is there."""
        return self.wait_for(
            lambda: next(
                (r for r in self.reports if r.job_id == job_id and r.state in FINAL), None
            ),
            seconds,
        )

    def states(self, job_id: int) -> list[ReportState]:
        return [r.state for r in self.reports if r.job_id == job_id]

    # The contract, a method a route.

    def post_pilots(self, body: bytes, token: str, key: str) -> Any:
        if token != PROVISIONING or self.faults.refuse_token:
            raise NotAuthenticated("token: not one of ours")
        if not key:
            self.violations.append("sign-on without Idempotency-Key")
        with self._changed:
            self.pilots.append(decode_json(PilotSpec, body))
            self._changed.notify_all()
        number = len(self.pilots)
        return PilotWelcome(
            pilot_id=number,
            token=f"pilot-token-{number}",
            token_expires_in_seconds=self.token_seconds,
            heartbeat_seconds=30,
            lease_seconds=300,
        )

    def post_work(self, body: bytes, token: str) -> Any:
        self._check(token)
        request = decode_json(WorkRequest, body)
        if request.request_key in self._answers:
            return self._answers[request.request_key]
        with self._changed:
            self._changed.wait_for(
                lambda: self.waiting or self.raw_jobs or self.sign_off or self.faults.cut,
                request.wait_seconds,
            )
            jobs = tuple(self.waiting[: request.n_jobs])
            del self.waiting[: len(jobs)]
            self.given |= {(job.job_id, job.attempt_nr): job for job in jobs}
            answer = encode(WorkAnswer(jobs=jobs, sign_off=self.sign_off))
            answer["jobs"] += self.raw_jobs
            self.raw_jobs.clear()
            self._answers[request.request_key] = answer
            self._changed.notify_all()
        return answer

    def post_reports(self, body: bytes, token: str) -> Any:
        self._check(token)
        batch = decode_json(ReportBatch, body)
        with self._changed:
            answers = tuple(self._heard(report) for report in batch.reports)
            self.batches.append(len(batch.reports))
            self._changed.notify_all()
        if self.faults.cut_answers:
            self.faults.cut_answers -= 1
            raise Unreachable("cut")
        return ReportAnswers(answers=answers)

    def _heard(self, report: JobReport) -> ReportAnswer:
        key = (report.job_id, report.attempt_nr)
        earlier = [r for r in self.reports if (r.job_id, r.attempt_nr) == key]
        if any(r.state in FINAL and r != report for r in earlier):
            self.violations.append(f"report after the final one: {report}")
        if earlier and report.report_nr < max(r.report_nr for r in earlier):
            self.violations.append(f"report number fell: {report}")
        if key in self.given and report.state == ReportState.FINISHED:
            self._check_outputs(report)
        self.reports.append(report)
        return ReportAnswer(
            job_id=key[0],
            attempt_nr=key[1],
            reason="the test says so",
            instruction=self.instructions.get(key[0], Instruction.GO_ON),
        )

    def _check_outputs(self, report: JobReport) -> None:
        wanted = sorted(o.lfn for o in self.given[report.job_id, report.attempt_nr].outputs)
        if wanted != sorted(o.lfn for o in report.outputs):
            self.violations.append(f"finished without its outputs: {report}")

    def delete_me(self, token: str) -> None:
        self._check(token)
        with self._changed:
            self.signed_off += 1
            self._changed.notify_all()

    def get(self, path: str, token: str) -> bytes:
        self._check(token)
        if path.startswith("/v1/sandboxes/"):
            self.sandbox_downloads += 1
            body = self.sandboxes.get(path.rpartition("/")[2])
        else:
            body = self.storage.get(path)
        if body is None:
            raise NotFound(f"{path}: no such thing")
        return body

    def put(self, path: str, body: bytes, token: str, adler32: str) -> str:
        self._check(token)
        if self.faults.corrupt_uploads:
            body = body[:-1] + bytes([body[-1] ^ 1])
        found = f"{zlib.adler32(body):08x}"
        if found != adler32:
            raise ChecksumMismatch(f"{path}: adler32 {found}, {adler32} was announced")
        if path.startswith("/v1/jobs/"):  # a checkpoint: the newest one counts
            with self._changed:
                self.storage[path] = body
                self._changed.notify_all()
        elif self.storage.setdefault(path, body) != body:
            raise Conflict(f"{path} is there already")
        return found

    def _check(self, token: str) -> None:
        if not token.startswith("pilot-token-") or self.faults.refuse_token:
            raise NotAuthenticated("token: not one of ours")


def _handler(server: PilotServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self._body()
            token, key = self._token(), self.headers.get("Idempotency-Key", "")
            routes: dict[str, Callable[[], Any]] = {
                "/v1/pilots": lambda: server.post_pilots(body, token, key),
                "/v1/pilots/me/work": lambda: server.post_work(body, token),
                "/v1/pilots/me/reports": lambda: server.post_reports(body, token),
            }
            self._answer(routes.get(self.path, self._nowhere))

        def do_DELETE(self) -> None:
            self._answer(lambda: server.delete_me(self._token()))

        def do_GET(self) -> None:
            self._answer(lambda: server.get(self.path, self._token()))

        def do_PUT(self) -> None:
            body = self._body()
            adler32 = self.headers.get("X-Adler32", "")
            self._answer(lambda: {"adler32": server.put(self.path, body, self._token(), adler32)})

        def _nowhere(self) -> Any:
            server.violations.append(f"no such route: {self.path}")
            raise NotFound(f"no route {self.path}")

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _token(self) -> str:
            return self.headers.get("Authorization", "").removeprefix("Bearer ")

        def _answer(self, act: Callable[[], Any]) -> None:
            if server.faults.cut:
                self.close_connection = True
                return
            try:
                value = act()
            except Unreachable:
                self.close_connection = True
                return
            except CulmError as error:
                self._send(
                    error.http_status,
                    json.dumps(error.as_problem()).encode(),
                    "application/problem+json",
                )
                return
            if server.faults.cut:
                self.close_connection = True
            elif isinstance(value, bytes):
                self._send(200, value, "application/octet-stream")
            else:
                body = b"" if value is None else json.dumps(encode(value)).encode()
                self._send(200 if body else 204, body, "application/json")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
            except OSError:
                self.close_connection = True

    return Handler


def until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """The condition's value once it is true, looked at every few milliseconds."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.01)
    return found
