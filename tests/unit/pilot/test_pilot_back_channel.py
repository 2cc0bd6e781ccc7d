"""What the back channel shows of a running job, and what it does not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from culm.core.errors import Unreachable
from culm.wire.codec import decode_json
from culm.wire.job_requests import MAX_ANSWER, JobAnswer, JobRequest, RequestKind
from culm.wire.job_spec import JobSpec
from pilot.api import ServerApi
from pilot.attempt import Attempt, Place
from pilot.back_channel import BackChannel


class Server:
    """Takes answers; the first of them not, if it is to fail."""

    def __init__(self) -> None:
        self.answers: dict[str, JobAnswer] = {}
        self.heard = threading.Event()
        self.failures = 0

    def put(self, url: str, blocks: Iterator[bytes], headers: Mapping[str, str]) -> None:
        body = b"".join(blocks)
        assert headers["Content-Type"] == "application/json"
        if self.failures:
            self.failures -= 1
            raise Unreachable("gone")
        self.answers[url] = decode_json(JobAnswer, body, "answer")
        self.heard.set()


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    work = tmp_path / "work"
    work.mkdir()
    (work / "payload.stdout").write_text("".join(f"line {n}\n" for n in range(100)))
    (work / "panda_secrets.json").write_text('{"TOKEN": "planted"}')
    (tmp_path / "outside").write_text("planted")
    found = Attempt(JobSpec(job_id=7, task_id=1, attempt_nr=1, task_name="t", command="true"))
    found.place = Place(work, os.getpid(), frozenset({"panda_secrets.json"}))
    return found


def answer(attempt: Attempt, kind: str, path: str = "", n_lines: int = 3, **more: Any) -> JobAnswer:
    server = Server()
    server.failures = more.get("failures", 0)
    request = JobRequest(request_id=5, kind=RequestKind(kind), path=path, n_lines=n_lines)
    BackChannel(cast(ServerApi, server)).take(attempt, [request])
    assert server.heard.wait(10)
    return server.answers["/v1/jobs/7/requests/5/answer"]


def test_tail_shows_the_last_lines(attempt: Attempt) -> None:
    assert answer(attempt, "tail") == JobAnswer(is_good=True, text="line 97\nline 98\nline 99\n")


def test_tail_of_a_big_file_with_odd_bytes_is_bounded_text(attempt: Attempt) -> None:
    assert attempt.place is not None
    (attempt.place.work / "big").write_bytes(b"\x00\xff\x1b[31m" * 100_000)
    text = answer(attempt, "tail", "big", 2000).text
    assert (len(text) <= MAX_ANSWER, "\x00" in text) == (True, False)


def test_ls_lists_a_directory_and_a_file(attempt: Attempt) -> None:
    lines = answer(attempt, "ls").text.splitlines()
    assert [line.split()[-1] for line in lines] == ["panda_secrets.json", "payload.stdout"]
    assert "790" in answer(attempt_again(attempt), "ls", "payload.stdout").text


def test_ps_lists_the_tree(attempt: Attempt) -> None:
    text = answer(attempt, "ps").text
    assert str(os.getpid()) in text
    assert "COMMAND" in text


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "link", "panda_secrets.json", "./panda_secrets.json",
             "to_secrets", "nothing", "fifo", "sub/../../outside"],
)  # fmt: skip
def test_tail_shows_nothing_from_outside_and_no_secret(attempt: Attempt, path: str) -> None:
    assert attempt.place is not None
    work = attempt.place.work
    (work / "link").symlink_to(work.parent / "outside")
    (work / "to_secrets").symlink_to("panda_secrets.json")
    (work / "sub").mkdir()
    os.mkfifo(work / "fifo")
    found = answer(attempt, "tail", path)
    assert (found.is_good, "planted" in found.text, bool(found.text)) == (False, False, True)


def test_ls_lists_nothing_from_outside(attempt: Attempt) -> None:
    for path in ("..", "/", "/etc"):
        found = answer(attempt_again(attempt), "ls", path)
        assert (found.is_good, "only what is in" in found.text) == (False, True)


def test_debug_makes_heartbeats_more_frequent_and_back(attempt: Attempt) -> None:
    usual = attempt.heartbeat_seconds
    assert "every 5 s" in answer(attempt, "debug").text
    assert attempt.heartbeat_seconds == 5
    answer(attempt_again(attempt), "debugoff")
    assert attempt.heartbeat_seconds == usual


def test_payload_that_does_not_run_yet_is_said(attempt: Attempt) -> None:
    attempt.place = None
    found = answer(attempt, "tail")
    assert (found.is_good, found.text) == (
        False, "its payload does not run: the job is starting",
    )  # fmt: skip


def test_answer_is_sent_again_and_a_repeated_request_answered_once(attempt: Attempt) -> None:
    assert answer(attempt, "tail", failures=1).is_good
    server = Server()
    request = JobRequest(request_id=5, kind=RequestKind.TAIL)
    BackChannel(cast(ServerApi, server)).take(attempt, [request])
    assert not server.heard.is_set()
    assert threading.active_count() < 50


def attempt_again(attempt: Attempt) -> Attempt:
    """The attempt, as if it had been asked nothing."""
    attempt.asked.clear()
    return attempt
