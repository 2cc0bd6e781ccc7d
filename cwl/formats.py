"""Formats of files (CWL 1.2, `File.format`): written out in full, and checked against ontologies.

Only here are the ontologies of `$schemas` at hand: pilots get tools without formats of inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from culm.core.errors import FieldFault
from cwl.expressions import is_expression
from cwl.nodes import short
from cwl.tool_jobs import located


def with_formats(value: Any, namespaces: Mapping[str, Any]) -> Any:
    """A value whose files have their formats as whole URLs."""

    def expand(node: Mapping[str, Any]) -> Mapping[str, Any]:
        prefix, _, rest = str(node.get("format") or "").partition(":")
        return {**node, "format": f"{namespaces[prefix]}{rest}"} if prefix in namespaces else node

    return located(value, expand)


def format_faults(process: Any, values: Mapping[str, Any]) -> Iterator[FieldFault]:
    """What is wrong with the formats of the inputs of a process (cwltool's object)."""
    from cwl_utils.file_formats import check_format
    from schema_salad.exceptions import ValidationException

    for given in process.tool["inputs"]:
        wanted = given.get("format")
        value: Any = values.get(short(given["id"]))
        formats = [wanted] if isinstance(wanted, str) else list(wanted or ())
        if not formats or any(map(is_expression, formats)) or not _is_file(value):
            continue
        try:
            check_format(value, formats, process.formatgraph)
        except ValidationException:
            yield FieldFault(short(given["id"]), _shown(value), f"format {' or '.join(formats)}")


def _is_file(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, Mapping) and first.get("class") == "File"


def _shown(value: Any) -> str:
    files = value if isinstance(value, list) else [value]
    return ", ".join(f"{f.get('basename')}: {f.get('format') or 'no format'}" for f in files)[:200]
