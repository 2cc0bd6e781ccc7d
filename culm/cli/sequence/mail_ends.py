"""Told by mail: the notices that the server sent, looked for every few minutes."""

from __future__ import annotations

import imaplib
import poplib
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from culm.cli.render import say
from culm.cli.sequence.mailbox import Mailbox, open_mailbox, unreachable
from culm.cli.sequence.panda_cfg import MailAccess
from culm.cli.sequence.results import Ended
from culm.core.errors import Unreachable

_BROKEN = (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto)


class MailEnds:
    """Ends of tasks as notices in a mailbox tell them.

    A task may end more than once: the newest notice of it counts. `running` gives the ids of
    tasks that have not ended; mail says nothing of those.
    """

    def __init__(
        self,
        access: MailAccess,
        scan_days: float,
        running: Callable[[], list[int]],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._access, self._sleep = access, sleep
        self._since = datetime.now(UTC) - timedelta(days=scan_days)
        self._running = running
        self._seen: set[str] = set()
        self._told: dict[int, Ended] = {}
        self._mailbox: Mailbox | None = None

    def of(self, task_id: int, *, blocking: bool) -> Ended | None:
        """What came of a task, when a notice of it has come; None if none has, and nobody waits.

        Raises:
            NotAuthenticated: the mail server does not take the login.
        """
        while task_id not in self._told:
            self._look(patient=blocking)
            if task_id in self._told or not blocking:
                break
            self._sleep(self._access.interval_minutes * 60)
        return self._told.get(task_id)

    def running(self) -> list[int]:
        """Your tasks that have not ended."""
        return self._running()

    def frozen(self) -> list[int]:
        """Tasks of whose end the mailbox tells, the last first."""
        self._look(patient=False)
        return sorted(self._told, reverse=True)

    def close(self) -> None:
        """End the connection that was kept."""
        if self._mailbox is not None:
            self._mailbox.close()
            self._mailbox = None

    def _look(self, *, patient: bool) -> None:
        """Take up what is new; a server that does not answer now may later."""
        try:
            self._take_up()
        except Unreachable as error:
            if not patient:
                raise
            say(f"{error}; looked for again in {self._access.interval_minutes:g} min")

    def _take_up(self) -> None:
        mailbox = self._mailbox or open_mailbox(self._access, self._seen)
        self._mailbox = None
        try:
            for mark, message in mailbox.notices(self._since):
                self._seen.add(mark)
                self._note(message)
        except _BROKEN as error:
            with suppress(Exception):
                mailbox.close()
            raise unreachable(self._access, error) from error
        # POP3 shows what was there when the connection began.
        if self._access.keepalive and self._access.protocol == "imap":
            self._mailbox = mailbox
        else:
            mailbox.close()

    def _note(self, message: EmailMessage) -> None:
        if self._access.sender and self._access.sender not in str(message["From"]):
            return
        body = message.get_body(("plain",))
        ended = Ended.of_mail(body.get_content()) if body is not None else None
        if ended is not None:
            self._told[ended.JobID] = ended
