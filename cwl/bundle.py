"""The bundle: the documents that were submitted, by name, and nothing beside them."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urldefrag, urlsplit

ROOT = "file:///culm-bundle/"
"""Where documents see themselves. No such folder is ever read: names stand for their texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Texts by their path below the submitted directory (`sub/tool.cwl`).

    `cwl` names the workflow (a fragment may follow: `file.cwl#main`), `yaml` its inputs; without
    one there are no inputs.
    """

    files: Mapping[str, str]
    cwl: str
    yaml: str = ""

    @property
    def main_url(self) -> str:
        """The URL of the workflow."""
        path, fragment = urldefrag(self.cwl)
        return url_of(path) + (f"#{fragment}" if fragment else "")


def url_of(name: str) -> str:
    """The URL of a file of the bundle."""
    return ROOT + quote(posixpath.normpath(name))


def name_of(url: str) -> str | None:
    """The name in the bundle that a URL means; None if it points out of the bundle."""
    parts = urlsplit(urldefrag(url)[0])
    if parts.scheme != "file" or parts.netloc or parts.query:
        return None
    path = posixpath.normpath(unquote(parts.path))
    root = urlsplit(ROOT).path
    return path[len(root) :] if path.startswith(root) else None


def resolved(base_url: str, reference: str) -> str:
    """The URL that a reference in a document means; `..` may lead out of the bundle."""
    if urlsplit(reference).scheme:
        return reference
    path, _, fragment = reference.partition("#")
    base = urldefrag(base_url)[0]
    if not path:
        return f"{base}#{fragment}"
    folder = unquote(urlsplit(base).path).rpartition("/")[0]
    whole = posixpath.normpath(posixpath.join(folder, unquote(path)))
    return "file://" + quote(whole) + (f"#{fragment}" if fragment else "")
