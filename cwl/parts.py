"""The parts of steps and workflows, out of cwltool's nodes: inputs, links, scatter, loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cwl.files import by_location
from cwl.nodes import file_of, ident_of, place_of, plain, short
from cwl.plan import (
    Input,
    Link,
    LinkMerge,
    Loop,
    NamedLink,
    OutputMethod,
    PickValue,
    Scatter,
    ScatterMethod,
)


def link_names(process: Any, steps: list[Any]) -> dict[str, str]:
    """What the full names of a workflow's inputs and of its steps' outputs are in its links."""
    outputs = {
        ident_of(out): f"{short(step.id)}/{short(ident_of(out))}"
        for step in steps
        for out in step.tool["out"]
    }
    return {given["id"]: short(given["id"]) for given in process.tool["inputs"]} | outputs


def inputs_of(process: Any, file: str, places: Mapping[str, str]) -> tuple[Input, ...]:
    """The inputs of a workflow, or of a tool that stands alone."""
    defined, _ = process.get_requirement("SchemaDefRequirement")
    types = {str(one["name"]): one for one in (defined or {}).get("types") or ()}
    return tuple(_input(given, file, places, types) for given in process.tool["inputs"])


def _input(given: Any, file: str, places: Mapping[str, str], types: Mapping[str, Any]) -> Input:
    return Input(
        name=short(given["id"]),
        type=plain(given["type"]),
        default=by_location(plain(given.get("default"))),
        load_contents=bool((given.get("inputBinding") or given).get("loadContents")),
        secondary=_has_secondary(given, types),
        place=places.get(file_of(given["id"], file), place_of(given, file)),
    )


def named_link(given: Any, key: str, names: Mapping[str, str]) -> NamedLink:
    """An input of a step, or an output of a workflow."""
    return NamedLink(name=short(given["id"]), link=link_of(given, key, names))


def link_of(given: Any, key: str, names: Mapping[str, str]) -> Link:
    """The link that a node describes; `key` holds its sources."""
    sources = given.get(key)
    listed = list(sources) if isinstance(sources, list) else [sources] if sources else []
    merge = given.get("linkMerge")
    pick = given.get("pickValue")
    if merge is None and isinstance(sources, list) and len(listed) > 1:
        merge = LinkMerge.NESTED
    return Link(
        sources=tuple(names.get(source, short(source)) for source in listed),
        merge=LinkMerge(merge) if merge else None,
        pick=PickValue(pick) if pick else None,
        default=by_location(plain(given.get("default"))),
        value_from=given.get("valueFrom"),
        load_contents=bool(given.get("loadContents")),
    )


def scatter_of(tool: Any) -> Scatter | None:
    """What a step is scattered over, if it is."""
    over = tool.get("scatter")
    if over is None or over == []:
        return None
    names = tuple(short(name) for name in (over if isinstance(over, list) else [over]))
    return Scatter(over=names, method=ScatterMethod(tool.get("scatterMethod") or "dotproduct"))


def loop_of(step: Any) -> Loop | None:
    """The loop of a step, if it has one: cwltool's and CWL 1.3's, which it makes the same."""
    carried = step.tool.get("loop")
    if carried is None:
        return None
    method = step.tool.get("outputMethod") or OutputMethod.LAST
    return Loop(
        continue_when=step.tool.get("when") or "",
        # Its sources are the step's own outputs.
        carry=tuple(named_link(entry, "outputSource", {}) for entry in carried),
        output_method=OutputMethod(method),
    )


def scripts_of(step: Any) -> tuple[str, ...] | None:
    """The JavaScript libraries of a step; None if it may use no JavaScript."""
    requirement, _ = step.get_requirement("InlineJavascriptRequirement")
    if requirement is None:
        return None
    return tuple(str(script) for script in requirement.get("expressionLib") or ())


def _has_secondary(node: Any, types: Mapping[str, Any]) -> bool:
    """Whether an input, or a field of a record in its type, has secondary files.

    `types` are those that are named and were not looked at on the way: they may hold themselves.
    """
    if isinstance(node, list):
        return any(_has_secondary(one, types) for one in node)
    if isinstance(node, str) and node in types:
        others = {name: type_ for name, type_ in types.items() if name != node}
        return _has_secondary(types[node], others)
    if not isinstance(node, dict):
        return False
    parts = (node.get(key) for key in ("type", "items", "fields"))
    return bool(node.get("secondaryFiles")) or any(_has_secondary(one, types) for one in parts)


def merged(requirements: list[Any]) -> Iterator[dict[str, Any]]:
    """The last of each class counts (CWL 1.2, 4.1.5)."""
    yield from {entry["class"]: plain(entry) for entry in requirements}.values()
