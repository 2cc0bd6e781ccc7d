"""The Python client against a server that speaks the contract."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from culm import Client
from culm.core import errors
from culm.core.settings import load_settings
from culm.wire.task_spec import TaskSpec
from tests.contract.culm_server import World, culm_server, token_of


@pytest.fixture
def service() -> Iterator[tuple[str, World]]:
    with culm_server() as found:
        yield found


@pytest.fixture
def world(service: tuple[str, World]) -> World:
    return service[1]


@pytest.fixture
def client(service: tuple[str, World], tmp_path: Path) -> Iterator[Client]:
    settings = load_settings({"server_url": service[0], "data_dir": tmp_path / "data"}, {})
    with Client(token=token_of("alice"), settings=settings) as found:
        yield found


def a_spec() -> TaskSpec:
    return TaskSpec(name="user.alice.x", command="true")


def test_same_key_gives_the_same_task(client: Client) -> None:
    first, again = client.submit(a_spec(), "k1"), client.submit(a_spec(), "k1")
    assert (first.created, again.created) == (True, False)
    assert first.task_id == again.task_id


def test_submission_is_repeated_safely_when_the_answer_is_lost(
    client: Client, world: World
) -> None:
    client.whoami()
    world.spoil = ["hang up", "503"]
    accepted = client.submit(a_spec())
    assert [r for r in world.requests if r[0] == "POST"] == [("POST", "/v1/tasks")] * 3
    assert list(world.tasks) == [accepted.task_id]


def test_command_whose_answer_is_lost_is_not_repeated(client: Client, world: World) -> None:
    world.a_task(10_000_001)
    world.spoil = ["hang up"]
    with pytest.raises(errors.Unreachable, match="whether it was done is not known"):
        client.retry(10_000_001)
    assert len(world.requests) == 1


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda c: c.task(5), errors.NotFound),
        (lambda c: c.kill(10_000_001), errors.NotAllowed),
        (lambda c: c.kill(10_000_002), errors.WrongStatus),
        (lambda c: c.submit(TaskSpec(name="user.alice.x", command=" ")), errors.InvalidRequest),
    ],
)
def test_problem_comes_out_as_the_error_of_its_code(
    client: Client, world: World, act, kind: type[errors.CulmError]
) -> None:
    world.a_task(10_000_001, user="bob")
    world.a_task(10_000_002, final=True, status="done")
    with pytest.raises(kind):
        act(client)


def test_no_token_is_said_before_anything_else(service, tmp_path: Path) -> None:
    settings = load_settings({"server_url": service[0], "data_dir": tmp_path}, {})
    with Client(settings=settings) as client, pytest.raises(errors.NotAuthenticated) as caught:
        client.whoami()
    assert str(tmp_path / "tokens" / "user.token") in str(caught.value)


def test_server_that_is_not_there_is_unreachable_soon(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    with Client(url, token="t") as client, pytest.raises(errors.Unreachable, match=url):
        client.whoami()
    assert time.monotonic() - began < 5


def test_something_that_is_no_culm_server_is_named(tmp_path: Path) -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(
            b"HTTP/1.1 404 No\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"
        )
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url, token="t") as client, pytest.raises(errors.Unreachable, match="no Culm"):
            client.task(1)


def test_lists_go_on_over_pages(client: Client, world: World) -> None:
    for number in range(250):
        world.a_task(10_000_001 + number)
    assert [t.task_id for t in client.tasks()] == sorted(world.tasks, reverse=True)
    assert len(list(client.tasks(limit=120))) == 120


def test_members_of_a_newer_server_are_passed_over(client: Client, world: World) -> None:
    world.a_task(10_000_001)
    world.extra = {"colour": "blue"}
    assert client.task(10_000_001).status == "running"


def test_what_a_payload_printed_is_shown_whatever_it_holds(client: Client, world: World) -> None:
    world.a_job(5, 1, output_tail="one\ntwo\x1b[2J\x00", metrics={"wall_seconds": 3})
    job = client.job(5)
    assert (job.output_tail, job.metrics) == ("one\ntwo\x1b[2J\x00", {"wall_seconds": 3.0})


def test_answer_of_another_shape_is_our_fault_not_the_users(client: Client, world: World) -> None:
    world.a_task(10_000_001, n_files="many")
    with pytest.raises(errors.OurFault, match=r"TaskView\.n_files is str, int is needed"):
        client.task(10_000_001)


def test_wait_follows_every_task_to_its_end(client: Client, world: World) -> None:
    for number in (1, 2, 3):
        world.a_task(number, final=number > 1, status="done" if number > 1 else "running")
    world.steps = [{"n_files_finished": 2}, {"status": "done", "final": True}]
    seen = []
    views = client.wait(
        [3, 1, 2], timeout=20, on_change=lambda t: seen.append((t.task_id, t.status))
    )
    assert [v.task_id for v in views] == [3, 1, 2]
    assert {v.status for v in views} == {"done"}
    assert [s for s in seen if s[0] == 1] == [(1, "running"), (1, "running"), (1, "done")]


def test_wait_gives_up_in_time_and_says_for_what(client: Client, world: World) -> None:
    world.a_task(10_000_001)
    with pytest.raises(errors.WaitTimedOut, match="10000001"):
        client.wait([10_000_001], timeout=0.2)


def test_wait_outlives_a_server_that_is_away_for_a_moment(client: Client, world: World) -> None:
    world.a_task(10_000_001)
    world.steps = [{"status": "done", "final": True}]
    world.spoil = ["503", "hang up", "503"]
    assert client.wait([10_000_001], timeout=20)[0].status == "done"


def test_wait_for_a_task_that_is_not_there_fails_at_once(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        client.wait([7], timeout=20)


def test_file_goes_up_and_comes_down_whole(client: Client, world: World, tmp_path: Path) -> None:
    source = tmp_path / "a.bin"
    source.write_bytes(bytes(range(256)) * 9000)
    client.add_dataset("user.alice.d")
    moved: list[int] = []
    stored = client.upload("user.alice.d", source, on_bytes=moved.append)
    assert sum(moved) == stored.size_bytes == 2_304_000
    fetched = client.download("user.alice.d", "a.bin", tmp_path / "out")
    assert fetched.read_bytes() == source.read_bytes()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.bin"]


@pytest.mark.parametrize(
    ("harm", "kind"), [("flip", errors.ChecksumMismatch), ("hang up", errors.Unreachable)]
)
def test_download_that_goes_wrong_leaves_nothing(
    service, world: World, tmp_path: Path, harm: str, kind: type[errors.CulmError]
) -> None:
    world.datasets = {"d": {"a.bin": b"content" * 1000}}
    world.spoil = [harm] * 100
    with (
        Client(service[0], token=token_of("alice"), patience_seconds=0.3) as client,
        pytest.raises(kind),
    ):
        client.download("d", "a.bin", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_download_that_was_cut_goes_on(
    client: Client, world: World, tmp_path: Path, ranges: bool
) -> None:
    body = bytes(range(256)) * 5000
    world.datasets, world.ranges = {"d": {"a.bin": body}}, ranges
    world.spoil = ["cut", "503", "cut", "hang up"]
    moved: list[int] = []
    fetched = client.download("d", "a.bin", tmp_path / "out", on_bytes=moved.append)
    assert fetched.read_bytes() == body
    assert sum(moved) == len(body)
    assert (min(moved) < 0) is not ranges
    assert [path.name for path in fetched.parent.iterdir()] == ["a.bin"]


def test_file_that_changed_while_it_was_fetched_is_fetched_anew(
    client: Client, world: World, tmp_path: Path
) -> None:
    world.datasets = {"d": {"a.bin": b"old" * 1000}}
    world.spoil = ["cut"]

    def change(size_bytes: int) -> None:
        world.datasets["d"]["a.bin"] = b"new" * 1000

    fetched = client.download("d", "a.bin", tmp_path / "out", on_bytes=change)
    assert fetched.read_bytes() == b"new" * 1000


def test_download_that_is_always_cut_at_the_same_place_ends(
    service, world: World, tmp_path: Path
) -> None:
    world.datasets, world.ranges = {"d": {"a.bin": b"content" * 1000}}, False
    world.spoil = ["cut"] * 100
    with (
        Client(service[0], token=token_of("alice"), patience_seconds=0.5) as client,
        pytest.raises(errors.Unreachable),
    ):
        client.download("d", "a.bin", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_upload_that_was_stored_wrong_is_noticed(
    client: Client, world: World, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    world.datasets = {"d": {}}
    world.spoil = ["flip"]
    with pytest.raises(errors.ChecksumMismatch):
        client.upload("d", tmp_path / "a")


def test_file_that_is_there_already_is_kept(client: Client, world: World, tmp_path: Path) -> None:
    world.datasets = {"d": {"a": b"abc"}}
    (tmp_path / "a").write_bytes(b"abc")
    before = (tmp_path / "a").stat()
    client.download("d", "a", tmp_path)
    assert (tmp_path / "a").stat().st_ino == before.st_ino


def test_name_that_would_leave_the_folder_is_refused(client: Client, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequest):
        client.download("d", "../../etc/passwd", tmp_path)


def test_names_are_quoted_in_paths(client: Client, world: World) -> None:
    with pytest.raises(errors.NotFound):
        client.dataset("a/../../v1/queues")
    assert world.requests[-1][1] == "/v1/datasets/a%2F..%2F..%2Fv1%2Fqueues"


def test_same_sandbox_is_sent_once(client: Client, world: World, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "run.sh").write_text("echo")
    for _ in range(2):
        client.prun(exec="sh run.sh", workDir=str(work))
    assert [m for m, p in world.requests if p.startswith("/v1/sandboxes")] == [
        "HEAD",
        "PUT",
        "HEAD",
    ]
    sent = {spec["sandbox"] for spec in world.specs.values()}
    assert sent == set(world.sandboxes)


def test_prun_takes_both_spellings_and_lists(client: Client, world: World) -> None:
    accepted = client.prun(
        exec="cat %IN", in_ds=["a", "b"], nFilesPerJob=2, noSandbox=True, outDS="user.alice.out/"
    )
    spec = world.specs[accepted.task_id]
    assert spec["inputs"][0]["datasets"] == ["a", "b"]
    assert (spec["n_files_per_job"], spec["name"]) == (2, "user.alice.out")
    with pytest.raises(errors.InvalidRequest, match="nFilesPerJob"):
        client.prun(exec="x", nFilesPerJobs=2)


def test_queue_settings_that_are_not_named_stay(client: Client, world: World) -> None:
    client.set_queue("BIG", settings={"max_cores": 8, "max_ram_mb": 1000})
    client.set_queue("BIG", settings={"max_cores": 16, "max_ram_mb": None})
    assert world.queues["BIG"]["settings"] == {"max_cores": 16}
    assert client.set_queue_status("BIG", "offline").status == "offline"


def test_project_file_cannot_send_the_users_token_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "culm.toml").write_text("server_url = 'https://attacker.example'")
    tokens = tmp_path / "data" / "tokens"
    tokens.mkdir(parents=True)
    (tokens / "user.token").write_text("secret")
    settings = load_settings({"data_dir": tmp_path / "data"}, {}, tmp_path)
    monkeypatch.delenv("CULM_TOKEN", raising=False)
    with pytest.raises(errors.NotAuthenticated, match=r"attacker\.example"):
        Client(settings=settings)
