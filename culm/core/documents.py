"""Documents that people write: YAML or JSON, from a file or a URL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest

LARGEST_BYTES = 32 << 20
_SECONDS = 60.0


def read_document(source: str) -> Any:
    """The value of the document at a path or an http(s) URL.

    Raises:
        InvalidRequest: it cannot be had, is too large, or is neither YAML nor JSON.
    """
    body = _fetched(source) if source.startswith(("http://", "https://")) else _read(source)
    if len(body) > LARGEST_BYTES:
        raise _fault(source, f"{len(body)} bytes", f"at most {LARGEST_BYTES} bytes")
    return parse_document(body, source)


def parse_document(body: bytes, source: str) -> Any:
    """The value of a YAML or JSON document.

    Aliases of YAML are refused: a few lines of them stand for more than any memory holds.

    Raises:
        InvalidRequest: it is neither.
    """
    import yaml

    class Plain(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.YAMLError(f"line {mark.line + 1}: aliases are not taken")
            return super().compose_node(parent, index)

    # JSON has no moments: they stay the texts that they are there.
    Plain.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        text = body.decode("utf-8")
        if text.lstrip().startswith("{"):
            return json.loads(text)
        return yaml.load(text, Loader=Plain)  # noqa: S506 - a safe loader
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        words = " ".join(str(error).split())[:300]
        raise _fault(source, "unreadable", f"a YAML or JSON document ({words})") from error


def _read(source: str) -> bytes:
    try:
        with Path(source).expanduser().open("rb") as file:
            return file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise _fault(source, type(error).__name__, f"a file that can be read ({error})") from error


def _fetched(url: str) -> bytes:
    import httpx

    body = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_SECONDS, follow_redirects=True) as answer:
            answer.raise_for_status()
            for block in answer.iter_bytes():
                body += block
                if len(body) > LARGEST_BYTES:
                    break
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        words = f"a URL that answers with a document ({error})"
        raise _fault(url, type(error).__name__, words) from error
    return bytes(body)


def _fault(source: str, found: str, needed: str) -> InvalidRequest:
    return InvalidRequest(f"{source} is not taken", faults=[FieldFault(source, found, needed)])
