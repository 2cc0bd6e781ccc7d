"""Files that a command writes or reads: documents as JSON, and lines of text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from culm.core.errors import InvalidRequest, UserError
from culm.wire.codec import encode


def make_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


def write_document(path: Path, message: Any) -> None:
    """Write a message as JSON; its folder is made.

    Raises:
        UserError: the file cannot be written.
    """
    make_folder(path.parent)
    try:
        path.write_text(json.dumps(encode(message)) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a text file, in UTF-8.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield line.rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise InvalidRequest(f"{path} cannot be read: {reason}") from error
