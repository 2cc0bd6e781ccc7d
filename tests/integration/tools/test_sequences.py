"""`culm sequence`: steps that submit tasks, told of their ends by the server and by real mail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from culm.wire.notices import NewNoticeAddress, NoticeKind
from tasks.notices.addresses import add_address
from tasks.notices.sending import send_notices
from tests.integration.tools.conftest import Desk
from tests.integration.tools.grid import grid_at_work
from tests.mail_servers import PASSWORD, USER, dovecot, dovecot_is_there, smtp_server
from tests.server_scene import settings_in

SUBMIT = f"{sys.executable} -m culm prun --noSandbox"
SEQUENCE = f"""
### Good
{SUBMIT} --exec true --nJobs 2 --outDS $NAME.good --outputs o

### Bad
{SUBMIT} --exec false --maxAttempt 1 --outDS $NAME.bad

### Fetch
echo fetched $TASK of $JOBS

### Sequence
Good.execute(env={{'NAME': NAME}})
good = Good.result()
if good.status == 0 and good.Succeeded == 2:
    Bad.execute(env={{'NAME': NAME}})
    bad = Bad.result()
    Fetch.execute(env={{'TASK': good.JobID, 'JOBS': good.Jobs}})
    print(Fetch.result().output, bad.status, bad.Failed, good.Site, good.Out)
    print(getPandaJob(bad.JobID).result().Failed)
    frozen = [job.JobID for job in getFrozenPandaJobs()]
    running = [job.JobID for job in getRunningPandaJobs()]
    print(good.JobID in frozen and bad.JobID in frozen, good.JobID in running)
"""


@pytest.fixture
def written(desk: Desk, request: pytest.FixtureRequest) -> str:
    """A sequence file whose tasks have names of their own; gives their beginning."""
    name = f"user.alice.{request.node.name.replace('[', '.').replace(']', '')}"
    Path("seq.txt").write_text(SEQUENCE.replace("{'NAME': NAME}", f"{{'NAME': {name!r}}}"))
    return name


def check(said: str, name: str) -> None:
    lines = said.splitlines()
    assert lines[0].startswith("fetched 1")
    assert lines[0].endswith(" of 2")
    assert lines[1] == f" 1 1 LOCAL ['{name}.good_o', '{name}.good.log']"
    assert lines[2:] == ["1", "True False"]


def test_server_tells_of_ends(desk: Desk, written: str) -> None:
    with grid_at_work(desk.books):
        code, out, err = desk.does("sequence", "-v", "seq.txt")
    assert code == 0, err
    assert out, err
    check(out, written)
    assert "--- Good\n#!/bin/bash\nexport NAME=" in err
    assert "--- Bad ended with 0, submitted 1" in err


@pytest.mark.skipif(not dovecot_is_there(), reason="needs Debian's dovecot-imapd, dovecot-pop3d")
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_mail_tells_of_ends(
    desk: Desk, written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    """The whole way: task, notice, SMTP, Maildir, IMAP or POP3, sequence."""
    with smtp_server() as smtp, dovecot(smtp.folder) as box:
        settings = settings_in(
            tmp_path, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_from="culm@example.org"
        )
        with desk.books.write() as session:
            new = NewNoticeAddress(kind=NoticeKind.MAIL, target=f"{protocol}@example.org")
            address = add_address(session, new, "alice", settings)
        port = box.imap_port if protocol == "imap" else box.pop3_port
        config = tmp_path / "panda.cfg"
        config.write_text(
            f"[sequencer]\nmail_protocol = {protocol}\nmail_host = 127.0.0.1\nmail_port = {port}\n"
            f"mail_user = {USER}\nmail_pass = {PASSWORD}\nmail_ssl = False\n"
            f"mail_interval = 0.002\nmail_keepalive = {protocol == 'imap'}\n"
        )
        config.chmod(0o644)
        monkeypatch.setenv("PANDA_CONFIG_ROOT", str(tmp_path))
        with grid_at_work(desk.books, lambda: send_notices(desk.books, settings)):
            code, out, err = desk.does("sequence", "seq.txt")
        assert code == 0, err
        check(out, written)
        assert f"others can read {config}" in err
        assert len([*smtp.folder.glob("new/*"), *smtp.folder.glob("cur/*")]) == 2
        config.write_text(config.read_text().replace(PASSWORD, "wrong"))
        Path("last.txt").write_text("### Sequence\ngetPandaJob(1).result()\n")
        code, _, err = desk.does("sequence", "last.txt")
        assert code == 3
        assert f"does not take the login of {USER}" in err
        with desk.books.write() as session:
            session.connection().exec_driver_sql(
                f"DELETE FROM notice_address WHERE id = {address.address_id}"
            )
