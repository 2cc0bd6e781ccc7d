"""NAME=VALUE on the command line."""

from __future__ import annotations

import json
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest


def pair(word: str) -> tuple[str, Any]:
    """A name and its value: JSON where it is (8, 1.5, true), else the text itself.

    Raises:
        InvalidRequest: there is no name or no equals sign.
    """
    name, equals, text = word.partition("=")
    if not name or not equals:
        fault = FieldFault("NAME=VALUE", repr(word), "a setting looks like core_count=8")
        raise InvalidRequest("not a setting", faults=[fault])
    try:
        value = json.loads(text)
        # Python reads NaN and 1e400, which are no JSON: the server says what is needed.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return name, text
    return name, value
