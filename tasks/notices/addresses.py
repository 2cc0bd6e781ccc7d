"""Where users want notices."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import delete, func, select
from sqlmodel import Session

from culm.core.errors import FieldFault, InvalidRequest, NotFound
from culm.core.settings import Settings
from culm.wire.notices import (
    NewNoticeAddress,
    NoticeAddressList,
    NoticeAddressView,
    NoticeKind,
    NoticeList,
    NoticeView,
)
from tasks.notices.outside import url_fault
from tasks.notices.signing import secret_of
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import NOTICE, NOTICE_ADDRESS
from tasks.tables import NoticeAddress
from tasks.views.shown import moment, moment_or_none

MOST_ADDRESSES = 10
SHOWN = 200
_MAIL = re.compile(r"[^@\s]+@(?P<domain>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)")


def add_address(
    session: Session, new: NewNoticeAddress, user: str, settings: Settings
) -> NoticeAddressView:
    """The address with its number, made if the user has not got it.

    Raises:
        InvalidRequest: nothing can be sent there, or the user has too many.
    """
    faults = list(_faults(new, settings))
    if faults:
        raise InvalidRequest("no notices can be sent there", faults=faults)
    one_at_a_time(session, f"notices/{user}")
    found = _of(session, user, new)
    if found is None:
        _check_number(session, user)
        row = NoticeAddress(user_name=user, kind=str(new.kind), target=new.target,
                            created_at=database_time(session))  # fmt: skip
        session.add(row)
        session.flush()
        found = _of(session, user, new)
    return _view(found, user, settings)


def list_addresses(session: Session, user: str, settings: Settings) -> NoticeAddressList:
    """A user's addresses."""
    c = NOTICE_ADDRESS.c
    rows = session.connection().execute(
        select(NOTICE_ADDRESS).where(c.user_name == user).order_by(c.id)
    )
    return NoticeAddressList(addresses=tuple(_view(row, user, settings) for row in rows))


def remove_address(
    session: Session, address_id: int, user: str, settings: Settings
) -> NoticeAddressView:
    """What the address was that is gone now; what waits to be sent to it is not sent.

    Raises:
        NotFound: the user has no such address.
    """
    c = NOTICE_ADDRESS.c
    run = session.connection().execute
    row = run(select(NOTICE_ADDRESS).where(c.id == address_id, c.user_name == user)).first()
    if row is None:
        raise NotFound(f"you have no address {address_id}", hint="culm notify list")
    run(delete(NOTICE_ADDRESS).where(c.id == address_id))
    run(delete(NOTICE).where(NOTICE.c.address_id == address_id, NOTICE.c.sent_at.is_(None)))
    return _view(row, user, settings)


def list_notices(session: Session, user: str) -> NoticeList:
    """A user's last notices, newest first."""
    c = NOTICE.c
    rows = session.connection().execute(
        select(NOTICE).where(c.user_name == user).order_by(c.id.desc()).limit(SHOWN)
    )
    return NoticeList(notices=tuple(
        NoticeView(
            notice_id=row.id, task_id=row.task_id, kind=NoticeKind(row.kind), target=row.target,
            state="sent" if row.sent_at else "given up" if row.given_up_at else "waiting",
            n_tries=row.n_tries, made_at=moment(row.made_at), sent_at=moment_or_none(row.sent_at),
            error=row.error,
        )
        for row in rows
    ))  # fmt: skip


def _of(session: Session, user: str, new: NewNoticeAddress) -> object:
    c = NOTICE_ADDRESS.c
    return session.connection().execute(
        select(NOTICE_ADDRESS)
        .where(c.user_name == user, c.kind == str(new.kind), c.target == new.target)
    ).first()  # fmt: skip


def _check_number(session: Session, user: str) -> None:
    count = session.connection().execute(
        select(func.count()).select_from(NOTICE_ADDRESS).where(NOTICE_ADDRESS.c.user_name == user)
    ).scalar_one()  # fmt: skip
    if count >= MOST_ADDRESSES:
        fault = FieldFault("target", f"{count} addresses", f"at most {MOST_ADDRESSES} a user")
        raise InvalidRequest("you have too many addresses", faults=[fault],
                             hint="culm notify remove ID")  # fmt: skip


def _faults(new: NewNoticeAddress, settings: Settings) -> Iterator[FieldFault]:
    if new.kind == NoticeKind.WEBHOOK:
        fault = url_fault(new.target)
        if fault:
            yield FieldFault("target", new.target, fault)
        return
    found = _MAIL.fullmatch(new.target)
    domains = [part.strip().lower() for part in settings.smtp_domains.split(",") if part.strip()]
    if not settings.smtp_host:
        yield FieldFault("kind", "mail", "this server sends no mail: webhook, or set smtp_host")
    elif found is None:
        yield FieldFault("target", new.target, "an address like alice@example.org is needed")
    elif domains and found["domain"].lower() not in domains:
        yield FieldFault("target", new.target, f"mail goes to {', '.join(domains)} only")


def _view(row: object, user: str, settings: Settings) -> NoticeAddressView:
    found = row._mapping  # type: ignore[attr-defined]
    is_webhook = found["kind"] == NoticeKind.WEBHOOK
    return NoticeAddressView(
        address_id=found["id"], kind=NoticeKind(found["kind"]), target=found["target"],
        created_at=moment(found["created_at"]),
        secret=secret_of(settings.keys_dir, user, found["id"], found["target"])
        if is_webhook else None,
    )  # fmt: skip
