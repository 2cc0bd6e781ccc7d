"""Sending what waits to be sent: each notice by one daemon at a time, again if it did not go.

The next try is put off before this one is made. So a daemon that dies while it sends makes a
notice late, not lost; one that dies just after a notice went sends it twice, under the same
Message-ID or number, and that is the only way.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import delete, or_, select, update

from culm.core.errors import NotFound
from culm.core.settings import Settings, load_settings
from culm.wire.notices import NoticeKind
from tasks.notices.failures import GaveUp, TryAgain
from tasks.notices.letter import document, letter
from tasks.notices.mail import send_mail, sender_of
from tasks.notices.outside import networks_of
from tasks.notices.signing import secret_of
from tasks.notices.summary import task_summary
from tasks.notices.webhook import send_webhook
from tasks.store.books import Books
from tasks.store.tables import NOTICE
from tasks.tables.columns import db_now
from tasks.tables.notice import WAITS

log = logging.getLogger(__name__)

A_BATCH, AT_ONCE = 50, 8
KEPT_SECONDS = 30 * 86_400.0
MOST_TRIES = 12
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 7200.0


def send_notices(books: Books, settings: Settings | None = None) -> str:
    """Send what is due; gives a line if there was something."""
    settings = settings or load_settings()
    # One slow host must not hold up everybody else's notices.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        went = list(pool.map(lambda notice: _try(books, notice, settings), _due(books)))
    counts = ((went.count(True), "notices sent"), (went.count(False), "not"))
    return ", ".join(f"{count} {words}" for count, words in counts if count)


def forget_notices(books: Books) -> str:
    """Forget notices that were sent or given up long ago; gives a line if there were any."""
    c = NOTICE.c
    with books.write() as session:
        done = session.connection().execute(
            delete(NOTICE).where(c.made_at < db_now(-KEPT_SECONDS),
                                 or_(c.sent_at.is_not(None), c.given_up_at.is_not(None)))
        )  # fmt: skip
    return f"{done.rowcount} old notices forgotten" if done.rowcount else ""


def _try(books: Books, notice: Any, settings: Settings) -> bool | None:
    """Whether a notice went; None if another daemon has it."""
    if not _taken(books, notice):
        return None
    try:
        _send(books, notice, settings)
    except TryAgain as error:
        last = notice.n_tries + 1 >= MOST_TRIES
        _note(books, notice, error=str(error), **({"given_up_at": db_now()} if last else {}))
    except (GaveUp, NotFound) as error:
        log.warning("a notice is given up", extra={"notice": notice.id, "why": str(error)})
        _note(books, notice, error=str(error), given_up_at=db_now())
    else:
        _note(books, notice, sent_at=db_now(), error="")
        return True
    return False


def pause_seconds(n_tries: int) -> float:
    """How long after so many tries the next one is made."""
    return float(min(FIRST_PAUSE_SECONDS * 2**n_tries, LONGEST_PAUSE_SECONDS))


def _due(books: Books) -> list[Any]:
    with books.read() as session:
        return list(session.connection().execute(
            select(NOTICE).where(WAITS, NOTICE.c.next_try_at <= db_now())
            .order_by(NOTICE.c.next_try_at).limit(A_BATCH)
        ))  # fmt: skip


def _taken(books: Books, notice: Any) -> bool:
    """Whether this try is ours: of two daemons that saw it, one puts the next try off."""
    c = NOTICE.c
    with books.write() as session:
        done = session.connection().execute(
            update(NOTICE).where(c.id == notice.id, c.n_tries == notice.n_tries, WAITS)
            .values(n_tries=c.n_tries + 1, next_try_at=db_now(pause_seconds(notice.n_tries)))
        )  # fmt: skip
        return bool(done.rowcount)


def _note(books: Books, notice: Any, **values: Any) -> None:
    with books.write() as session:
        session.connection().execute(
            update(NOTICE).where(NOTICE.c.id == notice.id).values(**values)
        )


def _send(books: Books, notice: Any, settings: Settings) -> None:
    with books.read() as session:
        summary = task_summary(session, notice.task_id)
    if notice.kind == NoticeKind.MAIL:
        if not settings.smtp_host:
            raise TryAgain("no mail server is set (smtp_host)")
        send_mail(letter(summary, notice.id, sender_of(settings), notice.target), settings)
        return
    secret = secret_of(settings.keys_dir, notice.user_name, notice.address_id, notice.target)
    allowed = networks_of(settings.webhook_networks)
    send_webhook(notice.target, document(summary, notice.id), secret, int(time.time()), allowed)
