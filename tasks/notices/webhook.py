"""Sending a notice to a webhook: signed, and to no place that it must not reach."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

from tasks.notices.failures import GaveUp, TryAgain
from tasks.notices.outside import Network, connect, request_target

REDIRECTS = 3
WHOLE_SECONDS = 20.0
_MOVED = (301, 302, 307, 308)
_GONE = (404, 405, 410)
SIGNATURE, NOTICE = "Culm-Signature", "Culm-Notice"


def signature(body: bytes, secret: str, unix_seconds: int) -> str:
    """What the header says: the time, and the HMAC-SHA256 of time, dot and body."""
    signed = f"{unix_seconds}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={unix_seconds},v1={digest}"


def send_webhook(
    url: str, document: Mapping[str, Any], secret: str, now: int, allowed: Sequence[Network]
) -> None:
    """Post a document; an answer of 2xx says that it was taken.

    Raises:
        GaveUp: it never will be.
        TryAgain: it was not now.
    """
    body = json.dumps(document).encode()
    headers = {
        "Content-Type": "application/json", "User-Agent": "culm-notice", "Connection": "close",
        SIGNATURE: signature(body, secret, now), NOTICE: str(document["notice_id"]),
    }  # fmt: skip
    for _ in range(REDIRECTS + 1):
        status, place = _post(url, body, headers, allowed)
        if 200 <= status < 300:
            return
        if status in _MOVED and place:
            url = urljoin(url, place)  # and its address is looked at as the first one's was
            continue
        raise (GaveUp if status in _GONE else TryAgain)(f"{url} answers {status}")
    raise GaveUp(f"{url}: more than {REDIRECTS} redirects")


def _post(
    url: str, body: bytes, headers: Mapping[str, str], allowed: Sequence[Network]
) -> tuple[int, str]:
    connection = connect(url, allowed)
    # A host that answers a byte at a time has no longer than this.
    end = threading.Timer(WHOLE_SECONDS, _cut, [connection])
    end.start()
    try:
        connection.request("POST", request_target(url), body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or ""
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise TryAgain(f"{url}: {error or type(error).__name__}") from error
    finally:
        end.cancel()
        connection.close()


def _cut(connection: http.client.HTTPConnection) -> None:
    stream = connection.sock
    if stream is not None:
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)
