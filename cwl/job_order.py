"""The inputs of a run: the YAML file beside the workflow, checked against what it declares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from culm.core.errors import FieldFault
from culm.core.nearest import nearest
from cwl.bundle import Bundle
from cwl.documents import line_of, parse
from cwl.files import with_places
from cwl.formats import with_formats
from cwl.plan import Plan, Workflow
from cwl.value_types import fits, in_words, may_be_null

REQUIREMENTS = "cwl:requirements"
"""What a job order may add to the requirements (CWL 1.1, 2.2)."""


@dataclass(frozen=True, slots=True)
class JobOrder:
    """Inputs by name, what their author should know, and requirements for all tools."""

    values: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    requirements: tuple[dict[str, Any], ...] = ()


def job_order(
    bundle: Bundle, plan: Plan, namespaces: Mapping[str, Any]
) -> JobOrder | list[FieldFault]:
    """The inputs that the bundle's YAML file holds, or everything that is wrong with them.

    `namespaces` are those of the workflow's document, for formats; the file may have its own.
    """
    tree = _tree(bundle)
    if isinstance(tree, list):
        return tree
    values = json.loads(json.dumps(tree, default=str))
    asked = values.get(REQUIREMENTS) or []
    faults = [*_faults(bundle.yaml, tree, values, plan.main), *_wrong_requirements(plan, asked)]
    if faults:
        return faults
    known = {given.name for given in plan.main.inputs}
    unused = [name for name in values if name not in known and not _is_extension(name)]
    warnings = (f"{_place(bundle.yaml, tree, name)} {name}: no such input; it is not used"
                for name in unused)  # fmt: skip
    spaces = {**namespaces, **(values.get("$namespaces") or {})}
    given = {
        n: with_formats(with_places(v, bundle.yaml), spaces)
        for n, v in values.items() if n in known
    }  # fmt: skip
    return JobOrder(given, tuple(warnings), tuple(asked))


def _tree(bundle: Bundle) -> Any:
    from ruamel.yaml.error import YAMLError

    if not bundle.yaml:
        return {}
    text = bundle.files.get(bundle.yaml)
    if text is None:
        return [FieldFault("--yaml", bundle.yaml, "no such file in the bundle")]
    try:
        tree = parse(bundle.yaml, text)
    except (YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        words = str(getattr(error, "problem", None) or error).splitlines()[0][:200]
        return [FieldFault(f"{bundle.yaml}{line}", "unreadable", f"YAML is needed ({words})")]
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        needed = "names of inputs with their values are needed"
        return [FieldFault(f"{bundle.yaml}:1", type(tree).__name__, needed)]
    return tree


def _faults(
    yaml: str, tree: Any, values: Mapping[str, Any], main: Workflow
) -> Iterator[FieldFault]:
    known = {given.name for given in main.inputs}
    strays = [name for name in values if name not in known]
    for given in main.inputs:
        value = values.get(given.name)
        if value is None:
            if given.default is None and not may_be_null(given.type):
                yield _missing(yaml, tree, given.name, strays)
        elif not fits(given.type, value):
            shown = json.dumps(value)[:80]
            yield FieldFault(
                f"{_place(yaml, tree, given.name)} {given.name}",
                shown,
                f"{in_words(given.type)} is needed ({given.place})",
            )


def _wrong_requirements(plan: Plan, asked: Any) -> Iterator[FieldFault]:
    if not isinstance(asked, list) or not all(isinstance(o, dict) and "class" in o for o in asked):
        yield FieldFault(REQUIREMENTS, json.dumps(asked)[:80], "a list of requirements is needed")
    elif asked and any(tool.cwl_version == "v1.0" for tool in plan.tools.values()):
        yield FieldFault(REQUIREMENTS, "v1.0", "documents of CWL v1.1 or later")


def _missing(yaml: str, tree: Any, name: str, strays: list[str]) -> FieldFault:
    near = nearest(name, strays)
    where = f"{yaml or '--yaml'} {name}"
    if near:
        line = f"{_place(yaml, tree, near)} {near}"
        return FieldFault(line, near, f"no such input; did you mean {name}?")
    return FieldFault(where, "missing", f"the workflow needs the input {name}")


def _is_extension(name: str) -> bool:
    return ":" in name or name.startswith("$")


def _place(yaml: str, tree: Any, name: str) -> str:
    return f"{yaml}:{line_of(tree, name)}"
