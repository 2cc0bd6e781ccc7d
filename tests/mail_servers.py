"""Real mail servers for tests: aiosmtpd takes mail into a Maildir, Dovecot gives it out."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

from tests.live_server import free_port

USER, PASSWORD = "lelouch", "Qa%hcX45b0_$"


class Post(Mailbox):
    """Takes mail into a Maildir; addresses that begin with `no` or `later` are refused."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.seen: list[EmailMessage] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        del server, session, options
        if address.startswith("no"):
            return "550 there is nobody of this name"
        if address.startswith("later"):
            return "451 the mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"


@dataclass
class MailServer:
    """A running SMTP server and the Maildir that it fills."""

    port: int
    folder: Path
    mails: Post = field(repr=False)

    def texts(self) -> list[str]:
        """The mails that came, as they came."""
        return [path.read_text() for path in sorted((self.folder / "new").iterdir())]


@contextmanager
def smtp_server(folder: Path) -> Iterator[MailServer]:
    """An SMTP server on loopback."""
    post = Post(folder)
    controller = Controller(post, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield MailServer(controller.port, folder, post)
    finally:
        controller.stop()


def dovecot_is_there() -> bool:
    """Whether this machine has Dovecot with IMAP and POP3."""
    return all(Path(f"/usr/lib/dovecot/{name}").exists() for name in ("imap", "pop3"))


@dataclass(frozen=True)
class Dovecot:
    """A running Dovecot over one Maildir."""

    imap_port: int
    pop3_port: int


@contextmanager
def dovecot(folder: Path, maildir: Path) -> Iterator[Dovecot]:
    """IMAP and POP3 on loopback, one user, no TLS, as whoever runs the tests."""
    found = Dovecot(free_port(), free_port())
    owner = getpass.getuser()
    folder.mkdir(mode=0o755)
    (folder / "users").write_text(
        f"{USER}:{{PLAIN}}{PASSWORD}:{os.getuid()}:{os.getgid()}::{folder}::\n"
    )
    config = folder / "dovecot.conf"
    config.write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:{maildir}
first_valid_uid = 0
first_valid_gid = 0
default_internal_user = {owner}
default_internal_group = {_group()}
default_login_user = {owner}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {found.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {found.pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
""")
    process = subprocess.Popen([shutil.which("dovecot") or "/usr/sbin/dovecot", "-F", "-c", config])
    try:
        for port in (found.imap_port, found.pop3_port):
            _wait_for(port, process, folder / "dovecot.log")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=20)


def _group() -> str:
    import grp

    return grp.getgrgid(os.getgid()).gr_name


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
                if stream.recv(1):
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"dovecot did not start:\n{log.read_text() if log.exists() else ''}")
