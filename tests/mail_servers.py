"""Real mail servers for tests: aiosmtpd takes mail into a Maildir, Dovecot gives it out."""

from __future__ import annotations

import getpass
import grp
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
from tempfile import TemporaryDirectory
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox

from tests.live_server import free_port

NOBODY = 65534
"""Dovecot reads no mail as root."""
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
def smtp_server() -> Iterator[MailServer]:
    """An SMTP server on loopback; its Maildir is one that Dovecot's processes may read."""
    with TemporaryDirectory(prefix="culm-mail-") as place:
        Path(place).chmod(0o755)
        post = Post(Path(place) / "box")
        for folder in (post.mail_dir, *Path(post.mail_dir).iterdir()):
            Path(folder).chmod(0o777)
        controller = Controller(post, hostname="127.0.0.1", port=free_port())
        controller.start()
        try:
            yield MailServer(controller.port, Path(place) / "box", post)
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
def dovecot(maildir: Path) -> Iterator[Dovecot]:
    """IMAP and POP3 on loopback, one user, no TLS, as whoever runs the tests.

    Its files lie outside pytest's own directory: for root its parts run as users of their own.
    """
    found = Dovecot(free_port(), free_port())
    with TemporaryDirectory(prefix="culm-mail-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        owner = f"{os.getuid() or NOBODY}:{os.getgid() or NOBODY}"
        (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}:{owner}::{folder}::\n")
        (folder / "users").chmod(0o644)
        config = folder / "dovecot.conf"
        config.write_text(_configuration(folder, maildir, found))
        binary = shutil.which("dovecot") or "/usr/sbin/dovecot"
        process = subprocess.Popen([binary, "-F", "-c", config])
        try:
            for port in (found.imap_port, found.pop3_port):
                _wait_for(port, process, folder / "dovecot.log")
            yield found
        finally:
            process.terminate()
            process.wait(timeout=20)


def _configuration(folder: Path, maildir: Path, ports: Dovecot) -> str:
    return f"""
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
{"" if os.getuid() == 0 else _one_user()}
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
    port = {ports.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {ports.pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


def _one_user() -> str:
    user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    return (
        f"default_internal_user = {user}\ndefault_login_user = {user}\n"
        f"default_internal_group = {group}\n"
    )


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
