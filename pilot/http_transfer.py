"""Files over HTTP: from and to the server's own storage with the token, others without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

import httpx

from culm.core.errors import ChecksumMismatch, CulmError, NotFound, Unreachable
from pilot.api import ServerApi
from pilot.content import ChecksumDiffers, Content, NotThere, TransferError

Sink = Callable[[Iterator[bytes]], None]


def fetch(server: ServerApi, url: str, sink: Sink) -> None:
    """Give the bytes at `url` to `sink`, as they come.

    Raises:
        TransferError: as the storage's answer or silence says.
    """
    source = server.get(url) if server.owns(url) else _strange_get(url)
    with _translated(url), source as blocks:
        sink(blocks)


def store(server: ServerApi, url: str, blocks: Iterator[bytes], content: Content) -> None:
    """Bring bytes to `url`, which must not exist, and compare the checksum that comes back.

    Raises:
        TransferError: as the storage's answer or silence says.
    """
    headers = {
        "Content-Length": str(content.size_bytes),
        "X-Adler32": content.adler32,
        "If-None-Match": "*",
        "Content-Type": "application/octet-stream",
    }
    with _translated(url):
        if server.owns(url):
            answer = server.put(url, blocks, headers)
        else:
            response = _strangers().put(url, content=blocks, headers=headers)
            response.raise_for_status()
            answer = response.headers
    found = answer.get("X-Adler32")
    if found is not None and found != content.adler32:
        raise ChecksumDiffers(f"{url} has adler32 {found}, {content.adler32} was sent")


@cache
def _strangers() -> httpx.Client:
    # No token, no cookies: these are not our server.
    return httpx.Client(follow_redirects=True, timeout=httpx.Timeout(60.0, connect=10.0))


def _strange_get(url: str) -> AbstractContextManager[Iterator[bytes]]:
    @contextmanager
    def blocks() -> Iterator[Iterator[bytes]]:
        with _strangers().stream("GET", url) as response:
            response.raise_for_status()
            yield response.iter_bytes()

    return blocks()


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        raise NotThere(f"{url} is not there") from error
    except ChecksumMismatch as error:
        raise ChecksumDiffers(f"{url}: {error.message}") from error
    except Unreachable as error:
        raise TransferError(f"{url}: {error.message}", again=True) from error
    except CulmError as error:
        raise TransferError(f"{url}: {error.message}") from error
    except httpx.HTTPStatusError as error:
        raise _refused(url, error.response.status_code) from error
    except httpx.HTTPError as error:
        raise TransferError(f"{url}: {error!r}", again=True) from error


def _refused(url: str, status: int) -> TransferError:
    if status in {404, 410}:
        return NotThere(f"{url} is not there")
    return TransferError(f"{url}: HTTP {status}", again=status >= 500 or status == 429)
