"""What a junction writes: new values of the loop's parameters, and whether the loop ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.codec import parse_json
from cwl.plan import PARAMETER, TO_TERMINATE
from cwl.pseudo_tools import RESULTS

TO_CONTINUE = "to_continue"
"""What later versions of PanDA write instead: the opposite."""


def decision(document: bytes, outputs: Iterable[str]) -> dict[str, Any]:
    """The outputs of a junction (as its step names them) that its JSON file holds.

    Parameters are written without their prefix (`xxx` for `param_xxx`), or with it.

    Raises:
        InvalidRequest: it is no JSON object, says nothing about the end, or names a parameter
            that the loop has not; each fault is named.
    """
    value = parse_json(document, RESULTS)
    if not isinstance(value, dict):
        raise _wrong([FieldFault(RESULTS, type(value).__name__, "a JSON object is needed")])
    known = [name for name in outputs if name.startswith(PARAMETER)]
    found: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for key, one in value.items():
        name = key if key in known else PARAMETER + key
        if key in (TO_TERMINATE, TO_CONTINUE):
            if not isinstance(one, bool):
                faults.append(FieldFault(key, repr(one)[:80], "true or false is needed"))
            found[TO_TERMINATE] = one if key == TO_TERMINATE else not one
        elif name in known:
            found[name] = one
        else:
            short = [name.removeprefix(PARAMETER) for name in known]
            faults.append(
                FieldFault(key, repr(one)[:80], unknown_name(key, [*short, TO_TERMINATE]))
            )
    if TO_TERMINATE not in found:
        faults.append(FieldFault(TO_TERMINATE, "missing", "true ends the loop, false goes on"))
    if faults:
        raise _wrong(faults)
    return found


def _wrong(faults: list[FieldFault]) -> InvalidRequest:
    return InvalidRequest("the junction's decision cannot be read", faults=faults)
