"""Mail as it lies on a server, read by IMAP or POP3 and never deleted or marked."""

from __future__ import annotations

import email
import email.policy
import imaplib
import poplib
import re
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from typing import Protocol

from culm.cli.sequence.panda_cfg import MailAccess
from culm.core.errors import NotAuthenticated, Unreachable

SUBJECT = "PANDA notification"
SECONDS = 60.0
LARGEST_BYTES = 1 << 20
"""A notice is small; what is larger is something else."""
_FOLDER = re.compile(rb'\((?P<flags>[^)]*)\) (?:"[^"]*"|NIL) (?P<name>.+)')


class Mailbox(Protocol):
    """A connection to a mail server."""

    def notices(self, since: datetime) -> Iterator[tuple[str, EmailMessage]]:
        """The notices since then that were not given before, each with a mark of its own."""

    def close(self) -> None:
        """End the connection."""


def open_mailbox(access: MailAccess, seen: set[str]) -> Mailbox:
    """A connection; `seen` are marks of mails that are not read again.

    Raises:
        NotAuthenticated: the server does not take the login.
        Unreachable: it does not answer.
    """
    try:
        return _Imap(access, seen) if access.protocol == "imap" else _Pop3(access, seen)
    except (OSError, imaplib.IMAP4.abort, EOFError) as error:
        raise unreachable(access, error) from error
    except (imaplib.IMAP4.error, poplib.error_proto) as error:
        words = f"{access.host} does not take the login of {access.user}"
        raise NotAuthenticated(words, hint="mail_user and mail_pass in panda.cfg") from error


def unreachable(access: MailAccess, error: Exception) -> Unreachable:
    """The error of a mail server that does not answer."""
    return Unreachable(f"mail server {access.host}:{access.port}: {error or type(error).__name__}")


class _Imap:
    """All folders are looked through: a mail that was moved, or deleted softly, is found too."""

    def __init__(self, access: MailAccess, seen: set[str]) -> None:
        self._seen = seen
        if access.ssl:
            context = ssl.create_default_context()
            self._server: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                access.host, access.port, ssl_context=context, timeout=SECONDS
            )
        else:
            self._server = imaplib.IMAP4(access.host, access.port, timeout=SECONDS)
        self._server.login(access.user, access.password)

    def notices(self, since: datetime) -> Iterator[tuple[str, EmailMessage]]:
        """The notices since then, in any folder."""
        for folder in self._folders():
            status, _ = self._server.select(folder, readonly=True)
            if status != "OK":
                continue
            valid = self._server.response("UIDVALIDITY")[1][0]
            day = since.strftime("%d-%b-%Y")
            _, found = self._server.uid("SEARCH", "SINCE", day, "SUBJECT", f'"{SUBJECT}"')
            for uid in (found[0] or b"").split():
                mark = f"{folder}/{(valid or b'').decode()}/{uid.decode()}"
                if mark not in self._seen:
                    message = self._message(uid.decode())
                    if message is not None:
                        yield mark, message

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError, imaplib.IMAP4.error):
            self._server.logout()

    def _folders(self) -> Iterator[str]:
        _, rows = self._server.list()
        for row in rows:
            match = _FOLDER.match(row) if isinstance(row, bytes) else None
            if match and rb"\noselect" not in match["flags"].lower():
                name = match["name"].decode("ascii", "replace")
                yield name if name.startswith('"') else f'"{name}"'

    def _message(self, uid: str) -> EmailMessage | None:
        _, parts = self._server.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST_BYTES}>)")
        for part in parts:
            if isinstance(part, tuple):
                return _parsed(part[1])
        return None


class _Pop3:
    """Mails stay on the server: nothing is ever deleted there."""

    def __init__(self, access: MailAccess, seen: set[str]) -> None:
        self._seen = seen
        if access.ssl:
            context = ssl.create_default_context()
            self._server: poplib.POP3 = poplib.POP3_SSL(
                access.host, access.port, timeout=SECONDS, context=context
            )
        else:
            self._server = poplib.POP3(access.host, access.port, timeout=SECONDS)
        self._server.user(access.user)
        self._server.pass_(access.password)

    def notices(self, since: datetime) -> Iterator[tuple[str, EmailMessage]]:
        """The notices since then; mails that are none are marked as seen."""
        for row in self._server.uidl()[1]:
            number, _, mark = row.decode("ascii", "replace").partition(" ")
            if mark in self._seen:
                continue
            head = _parsed(b"\r\n".join(self._server.top(int(number), 0)[1]))
            if SUBJECT.lower() not in str(head["Subject"] or "").lower() or _before(head, since):
                self._seen.add(mark)
                continue
            yield mark, _parsed(b"\r\n".join(self._server.retr(int(number))[1])[:LARGEST_BYTES])

    def close(self) -> None:
        """End the connection."""
        with suppress(OSError, poplib.error_proto):
            self._server.quit()


def _parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def _before(message: EmailMessage, since: datetime) -> bool:
    try:
        sent = parsedate_to_datetime(str(message["Date"]))
    except (TypeError, ValueError):
        return False
    return (sent if sent.tzinfo else sent.replace(tzinfo=UTC)) < since
