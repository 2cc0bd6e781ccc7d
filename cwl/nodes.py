"""Names, lines and values of the nodes that cwltool made of a document."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urldefrag

from cwl.bundle import name_of


def plain(value: Any) -> Any:
    """JSON values out of ruamel's."""
    return json.loads(json.dumps(value, default=str)) if value is not None else None


def place_of(node: Any, file: str) -> str:
    """`file:line` of a node; the file that is given, if the node does not say (copies lose it)."""
    position = getattr(node, "lc", None)
    if position is None:
        return ""
    found = name_of(str(getattr(position, "filename", ""))) or name_of(str(node.get("id", "")))
    return f"{found or file}:{int(position.line or 0) + 1}"


def file_of(url: str, file: str) -> str:
    """`file.cwl` or `file.cwl#name`; of something without a name, the file that it stands in."""
    name, fragment = name_of(url) or file, urldefrag(url)[1]
    return f"{name}#{fragment}" if fragment else name


def ident_of(out: Any) -> str:
    """The full name of an output of a step, however it was written."""
    return str(out["id"] if isinstance(out, dict) else out)


def short(url: str) -> str:
    """The last part of a full name."""
    return url.rpartition("#")[2].rpartition("/")[2]
