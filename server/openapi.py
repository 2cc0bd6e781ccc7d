"""The OpenAPI document, with the messages' own schemas, and a page that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.routing import Noun
from server.schemas import components

ABOUT = """\
Tasks become jobs, pilots run them, no input is lost.

Errors are problem documents (RFC 9457) with a stable `code`. A call that creates takes the header
`Idempotency-Key`: the same key gives the same thing again. Lists are pages: `next` is what to ask
for next.
"""
_OURS = frozenset({"422"})
"""FastAPI's own description of validation errors: ours are problem documents."""


def openapi_document(app: FastAPI, nouns: Sequence[Noun]) -> dict[str, Any]:
    """The document; made once."""
    document = get_openapi(
        title="Culm",
        version=app.version,
        description=ABOUT,
        routes=app.routes,
        tags=[{"name": noun.name, "description": noun.about} for noun in nouns],
    )
    kinds = {kind for noun in nouns for kind in noun.kinds}
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    document["components"] = {
        "schemas": components(kinds),
        "securitySchemes": {"token": bearer},
    }
    for operation in _operations(document):
        for status in _OURS:
            operation["responses"].pop(status, None)
        if not operation["x-access"].startswith("anyone"):
            operation["security"] = [{"token": []}]
    return document


def _operations(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (operation for path in document["paths"].values() for operation in path.values())


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
details{border:1px solid #ccc;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code,pre{font:13px/1.4 ui-monospace,monospace}
pre{background:#f5f5f5;padding:.6rem;overflow:auto}b.m{display:inline-block;width:4.5rem}
.a{color:#555;font-size:13px}
"""


def docs_page(document: dict[str, Any]) -> str:
    """The API as one page without scripts: it works offline and under the strictest policy."""
    nouns = "".join(_noun(document, tag) for tag in document["tags"])
    schemas = "".join(
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code></summary>"
        f"<p>{escape(schema.get('description', ''))}</p><pre>{_shown(schema)}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Culm API</title>"
        f"<style>{_STYLE}</style><h1>Culm API {escape(document['info']['version'])}</h1>"
        f"<p>{escape(ABOUT)}</p><p>The same as data: <a href='/openapi.json'>/openapi.json</a></p>"
        f"{nouns}<h2>Messages</h2>{schemas}</html>"
    )


def _noun(document: dict[str, Any], tag: dict[str, str]) -> str:
    rows = "".join(
        _route(method, path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if tag["name"] in operation["tags"]
    )
    return f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p>{rows}"


def _route(method: str, path: str, operation: dict[str, Any]) -> str:
    shown = ("parameters", "requestBody", "responses")
    details = {key: operation[key] for key in shown if key in operation}
    return (
        f"<details><summary><b class='m'>{method.upper()}</b><code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))} <span class='a'>({escape(operation['x-access'])})"
        f"</span></summary><p>{escape(operation.get('description', ''))}</p>"
        f"<pre>{_shown(details)}</pre></details>"
    )


def _shown(value: Any) -> str:
    import json

    return escape(json.dumps(value, indent=2, ensure_ascii=False))
