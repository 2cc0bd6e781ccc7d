"""Copy tools: how bytes come from and go to one kind of storage.

Built in: `file`, `http`, `https`, and whatever fsspec can open. Others join through the
entry-point group `culm.copy_tools`: the name is the URL's scheme, the object a `CopyTool` class.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from culm.core.checksums import chunks
from culm.core.plugins import load_plugin, plugins
from culm.wire.error_codes import PilotError
from pilot.api import ServerApi
from pilot.content import ChecksumDiffers, Content, NotThere, TransferError
from pilot.errors import JobFailed

GROUP = "culm.copy_tools"

Gate = Callable[[], None]
"""Returns if the transfer may go on, raises if its job was stopped."""


class CopyTool(Protocol):
    """Brings files from and to one kind of storage. Raises `TransferError`."""

    def fetch(self, url: str, target: Path, gate: Gate) -> None:
        """Write the bytes at `url` to the new local file `target`."""

    def store(self, source: Path, url: str, content: Content, gate: Gate) -> None:
        """Bring a local file to `url`, verified, in one step, never over other content."""


class LocalTool:
    """`file:` URLs: a disk of this node, or one that it shares with others.

    Inputs are copied, not linked: a payload may write into its files, and a link would let it
    change the copy in storage.
    """

    def fetch(self, url: str, target: Path, gate: Gate) -> None:
        """Copy from storage."""
        try:
            _write(target, chunks(_path(url)), gate)
        except FileNotFoundError as error:
            raise NotThere(f"{url} is not there") from error

    def store(self, source: Path, url: str, content: Content, gate: Gate) -> None:
        """Copy under a temporary name, compare, then link: a reader sees all of it or nothing."""
        final = _path(url)
        final.parent.mkdir(parents=True, exist_ok=True)
        part = final.with_name(f".{final.name[:200]}.{secrets.token_hex(6)}.part")
        try:
            _write(part, chunks(source), gate)
            if Content.of(part) != content:
                raise ChecksumDiffers(f"{url} has not the checksum of the local file")
            gate()
            _publish(part, final, content)
        finally:
            part.unlink(missing_ok=True)


def _publish(part: Path, final: Path, content: Content) -> None:
    try:
        os.link(part, final)
    except FileExistsError:
        if Content.of(final) != content:
            raise TransferError(f"{final} is there already with other content") from None
    except OSError:
        # No hard links on this file system.
        if final.exists():
            raise TransferError(f"{final} is there already") from None
        part.rename(final)


class HttpTool:
    """`http:` and `https:` URLs. The server's own get the pilot's token, no other does."""

    def __init__(self, server: ServerApi) -> None:
        self._server = server

    def fetch(self, url: str, target: Path, gate: Gate) -> None:
        """Stream from storage."""
        from pilot import http_transfer

        http_transfer.fetch(self._server, url, lambda blocks: _write(target, blocks, gate))

    def store(self, source: Path, url: str, content: Content, gate: Gate) -> None:
        """Stream to storage, with the checksum for it to compare."""
        from pilot import http_transfer

        gate()
        http_transfer.store(self._server, url, _gated(chunks(source), gate), content)


class FsspecTool:
    """Every other scheme that fsspec and its plugins know (s3, root, …)."""

    def fetch(self, url: str, target: Path, gate: Gate) -> None:
        """Stream from storage."""
        files, path = self._open(url)
        try:
            with files.open(path, "rb") as stream:
                _write(target, iter(lambda: stream.read(1 << 20), b""), gate)
        except FileNotFoundError as error:
            raise NotThere(f"{url} is not there") from error

    def store(self, source: Path, url: str, content: Content, gate: Gate) -> None:
        """Write under a temporary name, compare the size, then move."""
        files, path = self._open(url)
        if files.exists(path):
            raise TransferError(f"{url} is there already")
        part = f"{path}.{secrets.token_hex(6)}.part"
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            self._fill(files, part, _gated(chunks(source), gate), content)
            gate()
            files.mv(part, path)
        except BaseException:
            with contextlib.suppress(Exception):
                files.rm(part)
            raise

    @staticmethod
    def _fill(files: Any, part: str, blocks: Iterator[bytes], content: Content) -> None:
        with files.open(part, "wb") as stream:
            for block in blocks:
                stream.write(block)
        if files.size(part) != content.size_bytes:
            raise ChecksumDiffers(f"{part} has not the size of the local file")

    @staticmethod
    def _open(url: str) -> tuple[Any, str]:
        import fsspec

        try:
            files, path = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise JobFailed(PilotError.UNKNOWN_COPY_TOOL, f"{url}: {error}") from error
        return files, str(path)


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _gated(blocks: Iterator[bytes], gate: Gate) -> Iterator[bytes]:
    for block in blocks:
        gate()
        yield block


def _write(target: Path, blocks: Iterator[bytes], gate: Gate) -> None:
    with target.open("xb") as copy:
        for block in _gated(blocks, gate):
            copy.write(block)


class CopyTools:
    """The tool for each scheme, loaded when it is first needed."""

    def __init__(self, server: ServerApi) -> None:
        http = HttpTool(server)
        self._tools: dict[str, CopyTool] = {
            "file": LocalTool(),
            "http": http,
            "https": http,
            "": http,
        }

    def tool_for(self, url: str) -> CopyTool:
        """The tool for a URL; a path like `/v1/…` is the server's own."""
        scheme = urlsplit(url).scheme
        tool = self._tools.get(scheme)
        if tool is None:
            tool = self._tools[scheme] = _plugin(scheme)
        return tool


def _plugin(scheme: str) -> CopyTool:
    if scheme in plugins(GROUP):
        tool: CopyTool = load_plugin(GROUP, scheme)()
        return tool
    return FsspecTool()
