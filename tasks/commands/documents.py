"""Files that a command is given: YAML or JSON documents, and lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest


def read_document(path: Path) -> Any:
    """The value of a YAML or JSON document (JSON is YAML).

    Raises:
        InvalidRequest: it cannot be read, or is neither.
    """
    import yaml

    text = "\n".join(read_lines(path))
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        fault = FieldFault(str(path), "not understood", " ".join(str(error).split()))
        raise InvalidRequest(f"{path} is neither YAML nor JSON", faults=[fault]) from error


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
