"""Files and directories of a job order: where they are, and what expressions may ask of them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from cwl.bundle import resolved, url_of
from cwl.tool_jobs import located


def with_places(value: Any, document: str) -> Any:
    """A value whose files are URLs, found from the document of the bundle that names them.

    `path` becomes `location`; names are split as expressions see them (CWL 1.2, `File`).
    """
    return located(value, lambda node: _place(node, url_of(document)))


def by_location(value: Any) -> Any:
    """A value whose files are named by `location`, also where their `path` was made a URL."""

    def place(node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "path" not in node or node.get("location"):
            return node
        return {**{k: v for k, v in node.items() if k != "path"}, "location": node["path"]}

    return located(value, place)


def _place(node: Mapping[str, Any], base_url: str) -> Mapping[str, Any]:
    found = {name: value for name, value in node.items() if name != "path"}
    if "path" in node:
        found["location"] = resolved(base_url, quote(str(node["path"])))
    elif node.get("location"):
        found["location"] = resolved(base_url, str(node["location"]))
    where = str(found.get("location") or "")
    if where:
        found.setdefault("basename", posixpath.basename(unquote(urlsplit(where).path).rstrip("/")))
    if node["class"] == "File" and "basename" in found:
        found["nameroot"], found["nameext"] = posixpath.splitext(str(found["basename"]))
    return found
