"""A small real HTTP server that speaks the contract of the client's side, from memory."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from culm.core.errors import (
    Conflict,
    CulmError,
    FieldFault,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    WrongStatus,
)
from culm.wire.codec import decode, encode
from culm.wire.task_spec import TaskSpec
from culm.wire.views import CommandAnswer, FileView, History, HistoryEntry, TaskView
from culm.wire.workflow_runs import WorkflowSubmission
from culm.wire.workflows import WorkflowBundle

NOW = "2026-01-02T03:04:05Z"
A_WORKFLOW = {
    "workflow_id": 12, "name": "user.alice.w", "user": "alice", "status": "failed", "final": True,
    "reason": "w.cwl:3 a#1: task 10000001 failed", "version": 9, "round": 2, "created_at": NOW,
    "modified_at": NOW, "step_counts": {"done": 1, "failed": 1}, "outputs": {"outDS": "user.x"},
}  # fmt: skip
A_STEP = {
    "step_id": 1, "instance": "000_a_1", "path": "a#1", "step": "a", "kind": "prun",
    "place": "w.cwl:3", "status": "failed", "reason": "task 10000001 failed", "created_at": NOW,
    "task_id": 10000001, "task_status": "failed", "parents": [], "decision": {},
}  # fmt: skip
A_WHY = {
    "noun": "task", "status": "pending", "verdict": "never", "summary": "no queue \x1b[31mtakes it",
    "details": ["it is looked at again"], "changes": ["ask for less"], "cycle": 2,
    "brokered_at": NOW,
    "rules": [{"rule": "memory", "n_queues": 2, "passes": False, "queue": "A", "reason": "small"}],
    "queues": [{"queue": "A", "verdict": "never", "rule": "memory", "reason": "small"},
               {"queue": "B", "verdict": "taken", "weight": 0.5}],
    "nuclei": [{"nucleus": "CERN", "verdict": "not yet", "rule": "downtime", "reason": "down"}],
}  # fmt: skip


def token_of(user: str, *roles: str) -> str:
    """Something that reads like a token; nobody checks its signature here."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'sub': user, 'roles': list(roles or ['user'])})}.x"


@dataclass
class World:
    """What the server holds. Tests read and change it."""

    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    jobs: dict[int, dict[str, Any]] = field(default_factory=dict)
    specs: dict[int, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    sandboxes: dict[str, bytes] = field(default_factory=dict)
    datasets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    shares: dict[str, Any] = field(default_factory=lambda: {
        "shares": [{"name": "default", "weight": 100}], "rules": []})  # fmt: skip
    thresholds: dict[str, Any] = field(default_factory=lambda: {"NQUEUECAP": 100})
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    resource_types: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    commands: list[tuple[int, str]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    """What each further long poll of a task does to it."""
    spoil: list[str] = field(default_factory=list)
    """What goes wrong with the next requests: 503, cut, flip, hang up."""
    refuses: list[tuple[str, str, str]] = field(default_factory=list)
    """Faults (field, value, needed) that every submission has."""
    ranges: bool = True
    """Whether parts of files can be asked for."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Members that a newer server would add to a task."""

    def a_task(self, task_id: int, **changes: Any) -> dict[str, Any]:
        view = TaskView(
            task_id=task_id, name=f"user.alice.t{task_id}", user="alice", status="running",
            final=False, reason="", version=1, created_at=NOW, modified_at=NOW, n_files=4,
        )  # fmt: skip
        self.tasks[task_id] = encode(view) | changes
        return self.tasks[task_id]

    def a_job(self, job_id: int, task_id: int, **changes: Any) -> None:
        self.jobs[job_id] = {
            "job_id": job_id, "task_id": task_id, "attempt_nr": 1, "status": "finished",
            "final": True, "queue": "LOCAL", "created_at": NOW, "modified_at": NOW,
        } | changes  # fmt: skip

    def file_view(self, name: str, lfn: str) -> dict[str, Any]:
        body = self.datasets[name][lfn]
        adler32 = f"{zlib.adler32(body):08x}"
        return encode(FileView(lfn=lfn, size_bytes=len(body), adler32=adler32, urls=()))

    def dataset_view(self, name: str) -> dict[str, Any]:
        files = self.datasets[name]
        return {"name": name, "owner": "alice", "open": True, "n_files": len(files),
                "size_bytes": sum(map(len, files.values())), "created_at": NOW}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    """Answers from the world of its server."""

    protocol_version = "HTTP/1.1"

    @property
    def world(self) -> World:
        return self.server.world  # type: ignore[attr-defined]

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        self.query = dict(parse_qsl(parts.query))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.world.requests.append((self.command, self.path))
        spoiled = self.world.spoil.pop(0) if self.world.spoil else ""
        if spoiled == "hang up":
            self.close_connection = True
            return
        if spoiled == "503":
            self.send(503, b'{"detail": "starting"}', "application/problem+json")
            return
        self.flip, self.cut = spoiled == "flip", spoiled == "cut"
        try:
            self.route([unquote(part) for part in parts.path.split("/")[2:]])
        except CulmError as error:
            body = json.dumps(error.as_problem()).encode()
            self.send(error.http_status, body, "application/problem+json")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any  # noqa: N815

    def log_message(self, *args: Any) -> None:
        pass

    def send(self, status: int, body: bytes, kind: str = "application/json", **extra: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in extra.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if self.cut_now() else body)

    def cut_now(self) -> bool:
        cut = getattr(self, "cut", False)
        if cut:
            self.close_connection = True
        return cut

    def value(self, value: Any, status: int = 200) -> None:
        self.send(status, json.dumps(encode(value)).encode())

    def user(self) -> str:
        _, _, token = self.headers.get("Authorization", "").partition(" ")
        if not token:
            raise NotAuthenticated("no token")
        padded = token.split(".")[1] + "=="
        return str(json.loads(base64.urlsafe_b64decode(padded))["sub"])

    def route(self, words: list[str]) -> None:
        if words == ["health"]:
            self.value({"status": "ok"})
            return
        self.user()
        handler: Callable[..., None] = getattr(self, f"on_{words[0].replace('-', '_')}")
        handler(*words[1:])

    def on_whoami(self) -> None:
        self.value({"user": self.user(), "roles": ["user"], "expires_at": NOW})

    def on_ready(self) -> None:
        self.value({"status": "ready", "checks": {}})

    def on_tasks(self, task_id: str = "", what: str = "") -> None:
        if not task_id:
            self.submit() if self.command == "POST" else self.list_tasks()
            return
        task = self.world.tasks.get(int(task_id))
        if task is None:
            raise NotFound(f"task {task_id}: no such task")
        if what == "commands":
            self.take_command(task)
        elif what == "jobs":
            found = [j for j in self.world.jobs.values() if j["task_id"] == int(task_id)]
            self.value({"jobs": found})
        elif what == "history":
            entry = HistoryEntry(at=NOW, event="X", from_status="a", to_status="b", actor="alice",
                                 reason="because \x1b[31mred")  # fmt: skip
            self.value(History(entries=(entry,)))
        elif what == "decision":
            ranking = [{"queue": "A", "weight": 2}]
            rejections = [{"queue": "B", "rule": "memory"}]
            self.value({"task_id": int(task_id), "at": NOW} | {
                "ranking": ranking, "rejections": rejections,
            })  # fmt: skip
        elif what == "why":
            self.value(A_WHY | {"id": int(task_id), "task_id": int(task_id)} | (
                {} if self.query.get("queues") == "true" else {"queues": []}))  # fmt: skip
        elif what == "resources":
            self.value({"task_id": int(task_id), "scouting": "scouted", "n_jobs": 5, "resources": [
                {"name": "memory", "unit": "MB", "asked": 2000, "used": 301.25, "next": 500},
                {"name": "CPU efficiency", "unit": "", "used": 0.5},
            ]})  # fmt: skip
        elif what == "parameters":
            self.value(self.world.specs[int(task_id)])
        else:
            if self.query.get("seen") == str(task["version"]) and self.world.steps:
                task.update(self.world.steps.pop(0), version=task["version"] + 1)
            elif "wait" in self.query and "seen" in self.query:
                time.sleep(min(float(self.query["wait"]), 0.3))
            self.value(task | self.world.extra)

    def submit(self) -> None:
        key = self.headers["Idempotency-Key"]
        spec = decode(TaskSpec, json.loads(self.body)).check()
        if self.world.refuses:
            faults = [FieldFault(*fault) for fault in self.world.refuses]
            raise InvalidRequest(f"task {spec.name} cannot be run as asked", faults=faults)
        known = key in self.world.keys
        task_id = self.world.keys.setdefault(key, 10_000_001 + len(self.world.keys))
        if not known:
            self.world.a_task(task_id, name=spec.name)
            self.world.specs[task_id] = json.loads(self.body)
        self.value({"task_id": task_id, "name": spec.name, "status": "registered",
                    "created": not known}, 200 if known else 201)  # fmt: skip

    def list_tasks(self) -> None:
        before = int(self.query.get("before", 2**62))
        newest = sorted((t for t in self.world.tasks if t < before), reverse=True)
        page = newest[: int(self.query["limit"])]
        more = {"next": page[-1]} if len(newest) > len(page) else {}
        self.value({"tasks": [self.world.tasks[t] for t in page], **more})

    def take_command(self, task: dict[str, Any]) -> None:
        command = json.loads(self.body)["command"]
        if task["user"] != self.user():
            raise NotAllowed(f"task {task['task_id']} is not yours")
        if task["final"]:
            raise WrongStatus(f"task {task['task_id']} is {task['status']}")
        self.world.commands.append((task["task_id"], command))
        self.value(CommandAnswer(task_id=task["task_id"], code=0, message=f"{command} accepted"))

    def on_jobs(self, job_id: str, what: str = "") -> None:
        job = self.world.jobs.get(int(job_id))
        if job is None:
            raise NotFound(f"job {job_id}: no such job")
        if what == "commands":
            self.value({"task_id": job["task_id"], "code": 0, "message": "killed"})
        elif what == "history":
            self.value({"entries": []})
        elif what == "why":
            self.value(A_WHY | {"noun": "job", "id": int(job_id), "task_id": job["task_id"]})
        else:
            self.value(job)

    def on_sandboxes(self, digest: str) -> None:
        if self.command == "PUT":
            created = digest not in self.world.sandboxes
            self.world.sandboxes[digest] = self.body
            self.send(201 if created else 200, b"")
        elif digest in self.world.sandboxes:
            self.send(200, b"")
        else:
            raise NotFound("no such sandbox")

    def on_datasets(self, name: str = "", files: str = "", lfn: str = "") -> None:
        if self.command == "POST":
            message = json.loads(self.body)
            there = self.world.datasets.setdefault(message["name"], {})
            there.update({f["lfn"]: b"x" * f["size_bytes"] for f in message.get("files", ())})
            self.value(self.world.dataset_view(message["name"]), 201)
        elif not name:
            names = sorted(self.world.datasets)
            self.value({"datasets": [self.world.dataset_view(each) for each in names]})
        elif name not in self.world.datasets:
            raise NotFound(f"dataset {name}: no such dataset")
        elif not files:
            self.value(self.world.dataset_view(name))
        elif not lfn:
            lfns = sorted(self.world.datasets[name])
            self.value({"files": [self.world.file_view(name, each) for each in lfns]})
        elif self.command == "PUT":
            self.take_file(name, lfn)
        else:
            self.give_file(name, lfn)

    def take_file(self, name: str, lfn: str) -> None:
        there = self.world.datasets[name].get(lfn)
        if there is not None and there != self.body:
            raise Conflict(f"{lfn} is there with other bytes")
        self.world.datasets[name][lfn] = self.body
        view = self.world.file_view(name, lfn)
        if view["adler32"] != self.headers["X-Adler32"]:
            raise CulmError("the client's checksum is wrong")
        self.value(view | ({"adler32": "00000000"} if self.flip else {}), 201)

    def give_file(self, name: str, lfn: str) -> None:
        body = self.world.datasets[name].get(lfn)
        if body is None:
            raise NotFound(f"{lfn}: no such file")
        shown = bytes([body[0] ^ 1]) + body[1:] if self.flip else body
        adler32 = self.world.file_view(name, lfn)["adler32"]
        kind, etag = "application/octet-stream", f'"{adler32}"'
        begin = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        if int(begin) and self.world.ranges and self.headers["If-Range"] == etag:
            self.send(206, shown[int(begin) :], kind, X_Adler32=adler32, ETag=etag)
        else:
            self.send(200, shown, kind, X_Adler32=adler32, ETag=etag)

    def on_queues(self, name: str = "", what: str = "") -> None:
        queues = self.world.queues
        if self.command == "PUT":
            queues[name] = {"name": name, "status": "online"} | json.loads(self.body)
        elif what:
            queues[name]["status"] = json.loads(self.body)["status"]
        elif name and name not in queues:
            raise NotFound(f"queue {name}: no such queue")
        self.value(queues[name] if name else {"queues": list(queues.values())})

    def on_workflows(self, what: str = "", part: str = "") -> None:
        if not what:
            self.submit_workflow() if self.command == "POST" else self.value(
                {"workflows": [A_WORKFLOW]})  # fmt: skip
            return
        if what.isdecimal():
            self.of_workflow(int(what), part)
            return
        bundle = decode(WorkflowBundle, json.loads(self.body))
        if self.world.refuses:
            faults = [FieldFault(*fault) for fault in self.world.refuses]
            raise InvalidRequest(f"the workflow cannot run like this ({what})", faults=faults)
        step = {"id": "001_b_0", "name": "b", "type": "prun", "place": f"{bundle.cwl}:7",
                "path": "l#0/b", "parents": ["000_a"], "when": "$(inputs.x)", "loop": True,
                "inputs": {"--exec": "echo \x1b[31m", "--nJobs": 2, "--noInput": True},
                "outputs": [f"{bundle.name}_001_b_0_{name}" for name in sorted(bundle.files)],
        }  # fmt: skip
        self.value({"name": bundle.name, "n_steps": 3, "steps": [step], "warnings": ["odd"]})

    def of_workflow(self, number: int, part: str) -> None:
        if number != 12:
            raise NotFound(f"no workflow {number}")
        if part == "commands":
            order = json.loads(self.body)
            if order["command"] == "resume":
                raise WrongStatus("workflow 12 is failed: resume needs one of paused")
            self.value({"workflow_id": 12, "message": f"{order['command']} accepted"})
        elif part == "steps":
            self.value({"steps": [A_STEP]})
        elif part == "graph":
            node = {"path": "a\x1b[31m", "kind": "prun", "place": "w.cwl:3",
                    "is_scattered": False, "is_loop": True, "has_condition": False,
                    "counts": {"failed": 1}}  # fmt: skip
            self.value({"nodes": [node], "edges": []})
        elif part == "history":
            entry = HistoryEntry(at=NOW, event="started", from_status="registered",
                                 to_status="running", actor="alice", reason="")  # fmt: skip
            self.value(History(entries=(entry,)))
        else:
            self.value(A_WORKFLOW)

    def submit_workflow(self) -> None:
        given = decode(WorkflowSubmission, json.loads(self.body))
        assert given.sandbox in self.world.sandboxes
        self.value({"workflow_id": 12, "name": given.bundle.name, "status": "registered",
                    "created": True, "warnings": ["odd"]}, 201)  # fmt: skip

    def on_grid(self) -> None:
        if self.command == "GET":
            entries = {name: {"site": "S", "settings": queue["settings"]}
                       for name, queue in self.world.queues.items()}  # fmt: skip
            store = {"site": "S", "url": "file:///s", "free_gb": 12.5, "is_tape": True}
            link = {"source": "S", "destination": "T", "closeness": 3, "is_blocked": True}
            self.value({"sites": {"S": {"is_nucleus": True}}, "endpoints": {"STORE": store},
                        "queues": entries, "links": [link]})  # fmt: skip
            return
        upload = json.loads(self.body)
        found = upload["document"]["queues"]
        if not upload["dry_run"]:
            self.world.queues |= {
                name: {"name": name, "status": "online", "settings": {}} | queue
                for name, queue in found.items()
            }
        self.value({"queues_added": list(found), "dry_run": upload["dry_run"],
                    "warnings": ["x\x1b[31m"]})  # fmt: skip

    def on_shares(self, name: str = "") -> None:
        nodes = self.world.shares["shares"]
        if name and name not in [node["name"] for node in nodes]:
            raise NotFound(f"share {name}: unknown")
        if self.command == "PUT" and name:
            next(n for n in nodes if n["name"] == name).update(json.loads(self.body))
        elif self.command == "PUT":
            self.world.shares.update(json.loads(self.body))
            nodes = self.world.shares["shares"]
        numbers = {"depth": 0, "target": 0.5, "due": 0.5, "used": 0.25, "used_hs06": 10.0,
                   "queued_hs06": 0.0, "n_running": 1, "n_queued": 2}  # fmt: skip
        self.value({"shares": [node | numbers for node in nodes], "counted_at": NOW})

    def on_share_rules(self) -> None:
        if self.command == "PUT":
            self.world.shares["rules"] = json.loads(self.body)["rules"]
        self.value({"rules": self.world.shares["rules"]})

    def on_configuration(self, name: str = "") -> None:
        held = self.world.thresholds
        if name and name not in held:
            raise NotFound(f"threshold {name}: unknown")
        changes = []
        if self.command == "PUT":
            changes = [
                {"at": NOW, "user": self.user(), "new_value": json.loads(self.body)["value"]}
            ]
            held[name] = int(json.loads(self.body)["value"])
        elif self.command == "DELETE":
            held[name] = 100
        shown = [
            {"name": n, "app": "jedi", "component": "jobthrottle", "value": v, "default": 100,
             "type": "int", "unit": "jobs", "description": "a\x1b[2Jb"} for n, v in held.items()
        ]  # fmt: skip
        one = next((t for t in shown if t["name"] == name), None)
        self.value({"threshold": one, "changes": changes} if name else {"thresholds": shown})

    def on_workers(self) -> None:
        wanted = {"queue": "Q", "resource_type": "MCORE", "n_workers": 3, "at": NOW}
        self.value({"workers": [wanted]})

    def on_retry_rules(self, rule_id: str = "") -> None:
        rules = self.world.rules
        if self.command == "POST":
            rule_id = str(len(rules) + 1)
        if self.command in ("POST", "PUT"):
            rules[rule_id] = {"rule_id": int(rule_id)} | json.loads(self.body)
        elif rule_id and rule_id not in rules:
            raise NotFound(f"no retry rule {rule_id}")
        found = rules[rule_id] if rule_id else {"rules": list(rules.values())}
        if self.command == "DELETE":
            del rules[rule_id]
        self.value(found)

    def on_resource_types(self, name: str = "") -> None:
        types = self.world.resource_types
        if self.command in ("POST", "PUT"):
            wanted = json.loads(self.body)
            name = name or wanted["name"]
            types[name] = wanted
        elif name and name not in types:
            raise NotFound(f"resource type {name}: unknown")
        found = types[name] if name else {"types": list(types.values())}
        if self.command == "DELETE":
            del types[name]
        self.value(found)

    def on_pilots(self) -> None:
        self.value({"pilots": []})


class Server(ThreadingHTTPServer):
    """Threads that do not hold up the end of a test; clients may leave when they like."""

    daemon_threads = True
    world: World

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def culm_server() -> Iterator[tuple[str, World]]:
    """The URL of a server that runs for the length of a test, and its world."""
    server = Server(("127.0.0.1", 0), Handler)
    world = server.world = World()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", world
    finally:
        server.shutdown()
        server.server_close()
