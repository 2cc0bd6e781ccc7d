"""A file that comes as one part of a form, passed on as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest
from server.limits import BodyLimits, blocks

FIELD = b"file"


class Upload:
    """The part `file` of a multipart body; its name is good once all of its bytes came."""

    def __init__(self, request: Request, limits: BodyLimits) -> None:
        self._request = request
        self._limits = limits
        self._name = ""
        self._header, self._value = b"", b""
        self._inside = self._ended = False
        self._waiting = bytearray()

    @property
    def name(self) -> str:
        """The name that the sender gave the file."""
        return self._name

    async def blocks(self) -> AsyncIterator[bytes]:
        """The file's bytes.

        Raises:
            TooLarge, InvalidRequest: as the limits say.
            InvalidRequest: the body is no form with a file of a good name, or ends too early.
        """
        parser = self._parser()
        async for block in blocks(self._request, self._limits):
            try:
                parser.write(block)
            except FormParserError as error:
                raise _no_file(str(error)) from error
            if self._waiting:
                yield bytes(self._waiting)
                self._waiting.clear()
        if not self._ended:
            raise _no_file("its end is missing")
        if not self._name:
            raise _no_file("no part named file")
        _check_name(self._name)

    def _parser(self) -> MultipartParser:
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise _no_file("no multipart/form-data")
        return MultipartParser(boundary, {
            "on_header_field": self._on_field, "on_header_value": self._on_value,
            "on_header_end": self._on_header_end, "on_part_data": self._on_data,
            "on_part_end": self._on_part_end, "on_end": self._on_end,
        })  # fmt: skip

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if options.get(b"name") == FIELD and not self._name:
                self._name = _base(options.get(b"filename", b""))
                self._inside = True
        self._header, self._value = b"", b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._waiting += data[start:end]

    def _on_part_end(self) -> None:
        self._inside = False

    def _on_end(self) -> None:
        self._ended = True


def _check_name(name: str) -> None:
    if not names.LFN.fullmatch(name):
        fault = FieldFault("file", ascii(name)[:80], names.LFN_RULE)
        raise InvalidRequest("the uploaded file has no good name", faults=[fault])


def _base(path: bytes) -> str:
    return path.decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]


def _no_file(why: str) -> InvalidRequest:
    fault = FieldFault("body", why, "a form with the whole file in its part `file`")
    return InvalidRequest("no file came", faults=[fault])
