"""Notices: made when a task ends, sent once, tried again, and to no place that they must not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from culm.core.errors import InvalidRequest, NotFound
from culm.core.settings import Settings
from culm.wire.notices import NewNoticeAddress, NoticeKind
from culm.wire.views import CommandRequest
from tasks.notices.addresses import add_address, list_notices, remove_address
from tasks.notices.failures import GaveUp
from tasks.notices.outside import connect, networks_of
from tasks.notices.sending import forget_notices, send_notices
from tasks.notices.webhook import SIGNATURE, signature
from tasks.stages.command import command
from tasks.store.books import Books
from tests.builders import (
    a_dataset,
    a_pilot,
    a_report,
    a_task,
    get_work,
    report,
    run_stages,
)
from tests.mail_servers import MailServer, smtp_server
from tests.server_scene import settings_in

LOOPBACK = "127.0.0.1/32"


@dataclass
class Hook:
    """A web server that notes what is posted to it."""

    url: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A web server on loopback."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, dict(self.headers), body))
            status, place = found.answers.pop(0) if found.answers else (204, "")
            self.send_response(status)
            if place:
                self.send_header("Location", place)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook?x=1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    """An SMTP server on loopback."""
    with smtp_server() as running:
        yield running


def settings_for(folder: Path, **changes: Any) -> Settings:
    return settings_in(folder, smtp_from="culm@example.org", **changes)


def address(books: Books, settings: Settings, kind: str, target: str, user: str = "alice") -> Any:
    new = NewNoticeAddress(kind=NoticeKind(kind), target=target)
    with books.write() as session:
        return add_address(session, new, user, settings)


def states(books: Books, user: str = "alice") -> list[tuple[str, int, str]]:
    with books.read() as session:
        return [(n.state, n.n_tries, n.error) for n in list_notices(session, user).notices]


def ended(books: Books, **changes: Any) -> int:
    """A task that was aborted."""
    task_id = a_task(books, **changes)
    run_stages(books)
    command(books, task_id, CommandRequest(command="kill"), "alice")
    run_stages(books)
    return task_id


def due_now(books: Books) -> None:
    """Let the time pass until the next try."""
    with books.write() as session:
        session.connection().execute(text("UPDATE notice SET next_try_at = '2020-01-01 00:00:00'"))


def test_mail_says_what_a_task_came_to_once(books: Books, mail: MailServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, smtp_host="127.0.0.1", smtp_port=mail.port)
    address(books, settings, "mail", "alice@example.org")
    data = a_dataset(books, 3)
    task_id = a_task(books, name="user.alice.mailed", inputs=[{"datasets": [data]}],
                     outputs=["o.root"], max_attempts=1)  # fmt: skip
    run_stages(books)
    pilot = a_pilot(books)
    jobs = get_work(books, pilot).jobs
    bad = a_report(jobs[0], "failed", pilot_error_code=1305, exit_code=1)
    report(books, pilot, bad, *(a_report(job) for job in jobs[1:]))
    run_stages(books)
    assert send_notices(books, settings) == "1 notices sent"
    assert send_notices(books, settings) == ""
    (said,) = mail.texts()
    head, _, body = said.partition("\n\n")
    assert f"Subject: PANDA notification for JobID : {task_id} (finished)" in head
    assert "To: alice@example.org" in head
    lines = body.splitlines()
    assert lines[0] == f"Summary of JobID : {task_id}"
    assert lines[5:12] == [
        "Site      : LOCAL", "",
        "Total Number of Jobs : 3", "      Succeeded : 2", "      Partial   : 0",
        "      Failed    : 1", "",
    ]  # fmt: skip
    assert lines[12:15] == [
        f"In  : {data}", "Out : user.alice.mailed_o.root", "Out : user.alice.mailed.log",
    ]  # fmt: skip
    assert states(books) == [("sent", 1, "")]


def test_task_that_ends_again_is_told_again(books: Books, mail: MailServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, smtp_host="127.0.0.1", smtp_port=mail.port)
    address(books, settings, "mail", "alice@example.org")
    task_id = ended(books)
    send_notices(books, settings)
    command(books, task_id, CommandRequest(command="retry"), "alice")
    run_stages(books)
    command(books, task_id, CommandRequest(command="kill"), "alice")
    run_stages(books)
    send_notices(books, settings)
    assert len(mail.texts()) == 2
    ended(books, user="bob", name="user.bob.x")
    send_notices(books, settings)
    assert len(mail.texts()) == 2  # bob wants none


def test_broken_task_is_told_too(books: Books, hook: Hook, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, webhook_networks=LOOPBACK)
    address(books, settings, "webhook", hook.url)
    a_task(books, inputs=[{"datasets": [a_dataset(books, 1)]}])
    with books.write() as session:
        for table in ("replica", "catalog_file", "catalog_dataset"):
            session.connection().execute(text(f"DELETE FROM {table}"))
    run_stages(books)
    send_notices(books, settings)
    (one,) = hook.got
    assert json.loads(one[2])["task"]["status"] == "broken"


def test_two_daemons_send_a_notice_once(books: Books, mail: MailServer, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, smtp_host="127.0.0.1", smtp_port=mail.port)
    address(books, settings, "mail", "alice@example.org")
    ended(books)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: send_notices(books, settings), range(4)))
    assert len(mail.texts()) == 1


def test_mail_that_is_refused_is_tried_again_or_given_up(
    books: Books, mail: MailServer, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, smtp_host="127.0.0.1", smtp_port=mail.port)
    address(books, settings, "mail", "later@example.org")
    address(books, settings, "mail", "nobody@example.org")
    ended(books)
    assert send_notices(books, settings) == "2 not"
    assert sorted(states(books)) == [
        ("given up", 1, "550 there is nobody of this name"),
        ("waiting", 1, "451 the mailbox is busy"),
    ]
    assert send_notices(books, settings) == ""  # not before its time
    for _ in range(11):
        due_now(books)
        send_notices(books, settings)
    assert ("given up", 12, "451 the mailbox is busy") in states(books)
    with books.write() as session:
        session.connection().execute(text("UPDATE notice SET made_at = '2020-01-01 00:00:00'"))
    assert forget_notices(books) == "2 old notices forgotten"


def test_server_that_is_down_is_tried_again(books: Books, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, smtp_host="127.0.0.1", smtp_port=9)
    address(books, settings, "mail", "alice@example.org")
    ended(books)
    send_notices(books, settings)
    ((state, _, why),) = states(books)
    assert state == "waiting"
    assert why.startswith("127.0.0.1:9: ")


def test_webhook_is_signed_with_the_secret_of_its_address(
    books: Books, hook: Hook, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, webhook_networks=LOOPBACK)
    view = address(books, settings, "webhook", hook.url)
    hook.answers = [(500, ""), (307, "/moved"), (204, "")]
    task_id = ended(books)
    send_notices(books, settings)
    assert states(books)[0][:2] == ("waiting", 1)
    due_now(books)
    send_notices(books, settings)
    assert states(books) == [("sent", 2, "")]
    assert [path for path, _, _ in hook.got] == ["/hook?x=1", "/hook?x=1", "/moved"]
    _, headers, body = hook.got[-1]
    assert json.loads(body)["task"]["task_id"] == task_id
    when = int(headers[SIGNATURE].split(",")[0].removeprefix("t="))
    assert headers[SIGNATURE] == signature(body, view.secret, when)
    other = address(books, settings, "webhook", "http://example.org/x")
    assert other.secret != view.secret


def test_webhook_reaches_no_private_address(books: Books, hook: Hook, tmp_path: Path) -> None:
    """Security, 11: looked at on the resolved address, and after redirects."""
    settings = settings_for(tmp_path)
    first = address(books, settings, "webhook", hook.url.replace("127.0.0.1", "localhost"))
    ended(books)
    send_notices(books, settings)
    assert hook.got == []
    ((state, _, why),) = states(books)
    assert state == "given up"
    assert "which this server does not call" in why
    with books.write() as session:
        remove_address(session, first.address_id, "alice", settings)
    allowed = settings_for(tmp_path, webhook_networks=LOOPBACK)
    address(books, allowed, "webhook", hook.url)
    hook.answers = [(302, hook.url.replace("127.0.0.1", "127.0.0.2"))]
    ended(books, name="user.alice.again")
    send_notices(books, allowed)
    assert len(hook.got) == 1
    assert "127.0.0.2 is at 127.0.0.2" in " ".join(why for _, _, why in states(books))


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[fe80::1]",
     "224.0.0.1", "100.64.0.1", "2130706433", "[fd00::1]"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    with pytest.raises(GaveUp, match="does not call"):
        connect(f"http://{host}/", networks_of("192.0.2.0/24"))


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("mail", "alice", "an address like alice@example.org"),
        ("mail", "alice@elsewhere.org", "mail goes to example.org only"),
        ("webhook", "ftp://example.org", "a URL like https"),
        ("webhook", "http://a:b@example.org/", "must not hold a name or password"),
        ("webhook", "http://example.org:x/", "a URL like https"),
    ],
)
def test_addresses_where_nothing_can_be_sent_are_refused(
    books: Books, tmp_path: Path, kind: str, target: str, words: str
) -> None:
    settings = settings_for(tmp_path, smtp_host="mail", smtp_domains="example.org")
    with pytest.raises(InvalidRequest) as wrong:
        address(books, settings, kind, target)
    assert words in str(wrong.value)
    with pytest.raises(InvalidRequest, match="sends no mail"):
        address(books, settings_for(tmp_path), "mail", "alice@example.org")


def test_address_that_is_removed_gets_nothing_more(
    books: Books, hook: Hook, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, webhook_networks=LOOPBACK)
    view = address(books, settings, "webhook", hook.url)
    assert address(books, settings, "webhook", hook.url) == view
    for number in range(9):
        address(books, settings, "webhook", f"http://example.org/{number}")
    with pytest.raises(InvalidRequest, match="too many addresses"):
        address(books, settings, "webhook", "http://example.org/last")
    ended(books)
    with books.write() as session:
        with pytest.raises(NotFound):
            remove_address(session, view.address_id, "bob", settings)
        remove_address(session, view.address_id, "alice", settings)
    assert hook.got == []
    assert len(states(books)) == 9
