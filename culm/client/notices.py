"""Notices: where you are told that tasks have ended."""

from __future__ import annotations

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.notices import (
    NewNoticeAddress,
    NoticeAddressList,
    NoticeAddressView,
    NoticeKind,
    NoticeList,
    NoticeView,
)


class NoticeCalls(Calls):
    """The calls about notices."""

    def notice_addresses(self) -> tuple[NoticeAddressView, ...]:
        """Where you are told, oldest first."""
        return self._get(NoticeAddressList, "notice-addresses").addresses

    def add_notice_address(self, kind: str, target: str) -> NoticeAddressView:
        """The address with its number: `mail` and an address, or `webhook` and a URL.

        Raises:
            InvalidRequest: nothing can be sent there.
        """
        new = NewNoticeAddress(kind=NoticeKind(kind), target=target)
        return self._post(NoticeAddressView, new, "notice-addresses")

    def remove_notice_address(self, address_id: int) -> NoticeAddressView:
        """What the address was that is gone now."""
        call = Call(method="DELETE", path=path_of("notice-addresses", address_id))
        return read(NoticeAddressView, self.transport.json(call))

    def notices(self) -> tuple[NoticeView, ...]:
        """Your last notices, newest first."""
        return self._get(NoticeList, "notices").notices
