"""Every route has an access rule, and none opens without the token that it wants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.routing import APIRoute

from server.identity.access import Holder, OwnerOr, Public
from server.nouns import NOUNS
from server.routing import access_of
from tests.server_scene import Scene, a_token

PUBLIC = {
    ("GET", "/v1/health"),
    ("GET", "/v1/ready"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/v1/organisations"),
    ("GET", "/api/v1/system/is_alive"),
    ("GET", "/cache/ddmendpoints.json"),
    ("GET", "/cache/schedconfig/LOCAL.all.json"),
    ("GET", "/cache/schedconfig/LOCAL.json"),
    ("GET", "/trf/user/user.alice.x"),
    ("GET", "/trf/job/a.b.c/cache/user.alice.x"),
    ("GET", "/auth/atlas_auth_config.json"),
}
OF_ALL_PILOTS = ("/api/v1/harvester/get_worker_statistics",
                 "/api/v1/metaconfig/get_resource_types")  # fmt: skip
PANDA_PILOTS = (
    "/server/panda/",
    "/api/v1/pilot/",
    "/api/v1/harvester/",
    "/api/v1/metaconfig/",
    "/api/v1/creds/get_",
)
VALUES = {"task_id": "10000001", "job_id": "1", "name": "user.alice.x", "lfn": "f.dat",
          "digest": "0" * 64, "endpoint_name": "LOCAL", "path": "user.alice.x/f.dat",
          "rule_id": "1", "queue_name": "LOCAL", "pass_text": "a.b.c", "vo": "atlas",
          "workflow_id": "1", "file_id": "1", "attempt_nr": "1", "address_id": "1",
          "request_id": "1"}  # fmt: skip
ROUTES = [route for noun in NOUNS for route in noun.router.routes if isinstance(route, APIRoute)]
CALLS = [(method, route.path.replace(":path", "").format(**VALUES), access_of(route))
         for route in ROUTES for method in sorted(route.methods)]  # fmt: skip
PROTECTED = [(method, path) for method, path, _ in CALLS if (method, path) not in PUBLIC]


def test_app_has_no_route_beside_the_nouns(scene: Scene) -> None:
    served = set(_all_routes(scene.app.routes))
    assert served == {(method, route.path) for route in ROUTES for method in route.methods}


def _all_routes(routes: Any) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods)
        elif hasattr(route, "original_router"):
            yield from _all_routes(route.original_router.routes)
        else:
            yield ("?", repr(route))


def test_every_route_has_an_access_rule() -> None:
    assert [route.path for route in ROUTES if access_of(route) is None] == []


def test_public_routes_are_exactly_these() -> None:
    found = {(method, path) for method, path, access in CALLS if isinstance(access, Public)}
    assert found == PUBLIC


def test_what_names_a_task_or_job_is_its_owners() -> None:
    for route in ROUTES:
        if any(
            name in route.path
            for name in ("{task_id}", "{job_id}", "{digest}", "{path", "{workflow_id}")
        ):
            kinds = (OwnerOr, Holder) if "PUT" not in route.methods else object
            assert isinstance(access_of(route), kinds), route.path


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_route_without_a_good_token_answers_401(scene: Scene, method: str, path: str) -> None:
    old = a_token(scene.settings, "alice", "user", "admin", lifetime=timedelta(seconds=-1))
    bad = a_token(scene.settings, "alice", "user")[:-4] + "AAAA"
    for header in (None, "", "Bearer", "Bearer ", "Bearer x.y.z", f"Bearer {old}", f"Bearer {bad}",
                   f"Basic {bad}", "Bearer é"):  # fmt: skip
        headers = {} if header is None else {"Authorization": header.encode()}
        answer = scene.client.request(method, path, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 401, (header, answer.text)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        if method != "HEAD":
            assert answer.json()["code"] == "CULM-1002"
            assert bad not in answer.text


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_token_of_the_wrong_kind_opens_nothing(scene: Scene, method: str, path: str) -> None:
    provisioner = scene.provisioner()
    answer = getattr(provisioner, method.lower())(path)
    if (method, path) in (("POST", "/v1/pilots"), ("POST", "/v1/workers")):
        assert answer.status_code == 422  # it may, but said nothing
    elif path in ("/v1/whoami", "/v1/workers", *OF_ALL_PILOTS):
        assert answer.status_code == 200
    elif path.startswith(PANDA_PILOTS):
        assert answer.status_code in (200, 403, 422)  # it may, but said nothing, or of no queue
        assert answer.json().get("success") is not True or answer.json()["data"] == []
    else:
        assert answer.status_code in (403, 404), answer.text


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/audit"])
def test_operators_pages_are_not_for_users(scene: Scene, path: str) -> None:
    assert scene.person("alice", "user", "production").get(path).status_code == 403
    assert scene.person("root", "admin").get(path).status_code == 200


def test_user_changes_no_queue(scene: Scene) -> None:
    alice = scene.person("alice")
    settings = {"site": "X", "settings": {}}
    assert alice.put("/v1/queues/LOCAL", json=settings).status_code == 403
    offline = alice.post("/v1/queues/LOCAL/status", json={"status": "offline"})
    assert offline.status_code == 403
    assert alice.get("/v1/queues/LOCAL").json()["status"] == "online"


def test_person_is_no_pilot(scene: Scene) -> None:
    root = scene.person("root", "user", "production", "admin")
    spec = {"queue": "LOCAL", "host": "n", "process_id": 1, "version": "t"}
    assert root.post("/v1/pilots", json=spec).status_code == 403
    assert root.post("/v1/pilots/me/work", json={"request_key": "k"}).status_code == 403
    assert root.post("/v1/pilots/me/reports", json={"reports": []}).status_code == 403


def test_pilot_that_signed_on_provisions_no_other(scene: Scene) -> None:
    spec = {"queue": "LOCAL", "host": "n", "process_id": 1, "version": "t"}
    assert scene.pilot().post("/v1/pilots", json=spec).status_code == 403
    assert scene.pilot().get("/v1/tasks").status_code == 403
    assert scene.pilot().get("/v1/datasets").status_code == 403


def test_token_expires_while_it_is_in_use(scene: Scene) -> None:
    now = datetime.now(UTC)
    token = a_token(scene.settings, "alice", "user", lifetime=timedelta(minutes=5))
    checker = scene.app.state.parts.tokens
    assert checker.actor(token, now).subject == "alice"
    with pytest.raises(Exception, match="has expired"):
        checker.actor(token, now + timedelta(minutes=5))
