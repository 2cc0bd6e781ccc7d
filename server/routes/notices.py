"""Notices: where you are told that your tasks have ended."""

from __future__ import annotations

import logging
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from culm.wire.notices import (
    NewNoticeAddress,
    NoticeAddressList,
    NoticeAddressView,
    NoticeList,
)
from server.bodies import JsonBody
from server.identity.access import PERSON, actor_of
from server.limits import SMALL
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks.notices.addresses import add_address, list_addresses, list_notices, remove_address

log = logging.getLogger(__name__)

notices = Noun("notices", "Messages that your tasks have ended: by mail, or to a webhook.")

AddressId = Annotated[int, Path(ge=1, le=2**62, description="The address's number", examples=[1])]
_EXAMPLE = {"kind": "webhook", "target": "https://example.org/hook"}


@notices.get("/v1/notices", Terms(PERSON, answers=NoticeList))
def list_own_notices(request: Request) -> Response:
    """Your last notices: what was sent, what waits, what was given up and why."""
    with parts_of(request).books.read() as session:
        return reply(list_notices(session, actor_of(request).subject))


@notices.get("/v1/notice-addresses", Terms(PERSON, answers=NoticeAddressList))
def list_notice_addresses(request: Request) -> Response:
    """Your addresses; those of webhooks with the secret that signs what is sent there."""
    parts = parts_of(request)
    with parts.books.read() as session:
        return reply(list_addresses(session, actor_of(request).subject, parts.settings))


@notices.post(
    "/v1/notice-addresses",
    Terms(PERSON, takes=NewNoticeAddress, answers=NoticeAddressView, status=201, example=_EXAMPLE),
)
def add_notice_address(
    request: Request,
    new: Annotated[NewNoticeAddress, Depends(JsonBody(NewNoticeAddress, SMALL))],
) -> Response:
    """Be told there from now on. The same address again is the same one."""
    parts, user = parts_of(request), actor_of(request).subject
    with parts.books.write() as session:
        view = add_address(session, new, user, parts.settings)
    log.info("notice address added", extra={"address": view.address_id, "by": user})
    return reply(view, 201)


@notices.delete("/v1/notice-addresses/{address_id}", Terms(PERSON, answers=NoticeAddressView))
def remove_notice_address(request: Request, address_id: AddressId) -> Response:
    """Be told there no more; what waits to be sent there is not sent."""
    parts, user = parts_of(request), actor_of(request).subject
    with parts.books.write() as session:
        view = remove_address(session, address_id, user, parts.settings)
    log.info("notice address removed", extra={"address": address_id, "by": user})
    return reply(view)
