"""Options in a JSON file (`--loadJson`), by the fields of a dataclass of options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from culm.client.search_files import MAX_FAULTS, Document, Reader, read_document
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name

T = TypeVar("T")
LOAD_JSON = "load_json"
"""The field that names the file."""


def loaded(options: T, read: Reader, given: Collection[str] | None = None) -> T:
    """The options with those of the file that `--loadJson` names; what was given wins.

    `given` names the fields that were given (None: those that are not as they are by default).

    Raises:
        InvalidRequest: as `options_in` says.
    """
    path = getattr(options, LOAD_JSON)
    if path is None:
        return options
    kind = type(options)
    by_default = {f.name: f.default for f in fields(kind)}  # type: ignore[arg-type]
    if given is None:
        given = [name for name, value in by_default.items() if getattr(options, name) != value]
    found = {k: v for k, v in options_in(kind, path, read).items() if k not in given}
    changes: dict[str, Any] = found | {LOAD_JSON: None}
    return replace(options, **changes)  # type: ignore[type-var]


def options_in(kind: type[Any], path: str, read: Reader) -> dict[str, Any]:
    """The options in a file that `--loadJson` names, by the fields of `kind`.

    Raises:
        InvalidRequest: an option is unknown or of the wrong type; its line is named.
    """
    document = read_document("--loadJson", path, read)
    if not isinstance(document.value, dict):
        needed = "an object of options is needed"
        fault = FieldFault(document.at(), ascii(document.value)[:80], needed)
        raise wrong_options(kind, [fault])
    return named(kind, document.value, document)


def named(
    kind: type[Any],
    options: Mapping[str, Any],
    document: Document | None = None,
    *,
    typed: bool = True,
) -> dict[str, Any]:
    """Options by the fields of `kind`; as Python (`max_points`) or PanDA (`maxPoints`) spells them.

    `typed`: their values are looked at, not their names alone.

    Raises:
        InvalidRequest: an option is unknown (the nearest is named) or of the wrong type.
    """
    own = [f for f in fields(kind) if f.metadata["flag"]]
    spelled = {f.metadata["flag"].removeprefix("--"): f.name for f in own}
    known = {f.name: str(f.type) for f in own}
    found: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, value in options.items():
        if len(faults) >= MAX_FAULTS:
            break
        field = spelled.get(name, name)
        where = name if document is None else f"{document.at(name)}: {name}"
        if field not in known:
            words = unknown_name(name, [*known, *spelled])
            faults.append(FieldFault(where, ascii(value)[:80], words))
            continue
        joined = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        needed = _type_fault(known[field], joined) if typed else ""
        if needed:
            faults.append(FieldFault(where, ascii(value)[:80], needed))
        found[field] = joined
    if faults:
        raise wrong_options(kind, faults)
    return found


def wrong_options(kind: type[Any], faults: list[FieldFault]) -> InvalidRequest:
    """The error of options that are none of the command's, which `kind.COMMAND` names."""
    message = f"{kind.COMMAND} cannot take these options"
    return InvalidRequest(message, faults=faults, hint=f"{kind.COMMAND} --help")


_WORDS = {"str": "a string is needed", "int": "a whole number is needed",
          "float": "a number is needed", "bool": "true or false is needed"}  # fmt: skip
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (float, int), "bool": (bool,),
}  # fmt: skip


def _type_fault(hint: str, value: Any) -> str:
    """Words for a value that an option does not take; empty if it does."""
    kind, _, optional = hint.partition(" | ")
    if value is None and optional:
        return ""
    fits = isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
    return "" if fits else _WORDS[kind]
