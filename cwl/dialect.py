"""PanDA's dialect of CWL, read as standard CWL: edits of the trees of its documents, in place.

A bundle is in the dialect if any workflow that `run` reaches uses a pseudo tool or a loop hint.
Then all of its workflows are (a wrapper may say `when: $(self.x)` and call the others). Of a
standard bundle nothing is touched. Lines stay as they are, so errors name the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from culm.core.errors import FieldFault
from cwl.documents import Document, StepView, WorkflowView, line_of, workflows_of
from cwl.plan import MAX_ITERATIONS
from cwl.pseudo_tools import operation, pseudo_tool

LOOP_HINT = "http://culm.invalid/cwl#Loop"
"""The class that the hint `loop` gets: with a URL, cwltool lets it pass."""
_FEATURES = (
    "MultipleInputFeatureRequirement",
    "SubworkflowFeatureRequirement",
    "ScatterFeatureRequirement",
    "StepInputExpressionRequirement",
    "InlineJavascriptRequirement",
)
_VERSION = "v1.2"
_SELF = re.compile(r"(?<![\w.$])self\.")
_OLD = ("v1.0", "v1.1")
_ANY_OUTPUT = ["null", "string", {"type": "array", "items": ["null", "string", {
    "type": "array", "items": ["null", "string"]}]}]  # fmt: skip


def is_dialect(documents: Iterable[Document]) -> bool:
    """Whether these documents, all that `run` reaches, are in PanDA's dialect."""
    return any(
        pseudo_tool(step.run) is not None or loop_hint(step) is not None
        for document in documents
        for view in workflows_of(document)
        for step in view.steps()
    )


def loop_hint(step: StepView) -> Any:
    """The entry `loop` among a step's hints; None if there is none."""
    hints = step.node.get("hints")
    if isinstance(hints, dict):
        return (hints["loop"] or {}) if "loop" in hints else None
    for hint in hints if isinstance(hints, list) else []:
        if _class_of(hint) == "loop":
            return hint
    return None


def rewrite(documents: Mapping[str, Document], faults: list[FieldFault]) -> list[str]:
    """Make standard CWL of documents in the dialect; gives what a user should know of it."""
    notes: list[str] = []
    for document in documents.values():
        views = list(workflows_of(document))
        if not views:
            continue
        if document.tree.get("cwlVersion") in _OLD:
            document.tree["cwlVersion"] = _VERSION  # `when` and Operation came with it
        for view in views:
            notes += _rewrite_workflow(view, faults)
    return notes


def _rewrite_workflow(view: WorkflowView, faults: list[FieldFault]) -> list[str]:
    _require_features(view, faults)
    steps = view.steps()
    notes = [note for step in steps for note in _rewrite_step(step, faults)]
    for output in view.outputs:
        _complete_source(output.node, steps)
        _widen(view.node["outputs"], output.name, output.node)
    return notes


def _rewrite_step(step: StepView, faults: list[FieldFault]) -> list[str]:
    notes: list[str] = []
    when = step.node.get("when")
    if isinstance(when, str):
        step.node["when"] = _SELF.sub("inputs.", when)
    loop, tool = loop_hint(step), pseudo_tool(step.run)
    if loop is not None:
        hints = _standard_hints(step, loop, faults)
        if tool is not None:
            place = step.document.place(step.node, "hints")
            notes.append(
                f"{place} {step.name}: a loop runs a sub-workflow; on a task it is ignored"
            )
            hints = hints[:-1]
        _set(step, "hints", hints)
    if tool is not None:
        names = [given.name for given in step.inputs()]
        _set(step, "run", operation(tool, names, step.outputs))
    return notes


def _standard_hints(step: StepView, loop: Any, faults: list[FieldFault]) -> list[Any]:
    hints = _listed(step.document, step.node["hints"], faults)
    kept = [hint for hint in hints if _class_of(hint) != "loop"]
    limit = loop.get("maxIterations", MAX_ITERATIONS) if isinstance(loop, dict) else MAX_ITERATIONS
    if not isinstance(limit, int) or limit < 1:
        place = f"{step.document.place(step.node, 'hints')} {step.name}.hints"
        faults.append(FieldFault(place, repr(limit), "maxIterations is a number of at least 1"))
    return [*kept, {"class": LOOP_HINT, "maxIterations": limit}]


def _require_features(view: WorkflowView, faults: list[FieldFault]) -> None:
    """Write the features into the workflow that PanDA's users need not name."""
    workflow = view.node
    given = _listed(view.document, workflow.get("requirements"), faults)
    named = {_class_of(entry) for entry in given if isinstance(entry, dict)}
    given += [{"class": name} for name in _FEATURES if name not in named]
    line = line_of(workflow, "requirements") - 1
    workflow["requirements"] = _as_tree(given, workflow, line)


def _listed(document: Document, entries: Any, faults: list[FieldFault]) -> list[Any]:
    """Requirements or hints as a list, from a list or a map by class."""
    if not isinstance(entries, dict):
        return list(entries) if isinstance(entries, list) else []
    for name, body in entries.items():
        if name != "loop" and body is not None and not isinstance(body, dict):
            needed = "a map is needed: {} if there is nothing to say"
            faults.append(FieldFault(f"{document.place(entries, name)} {name}", repr(body), needed))
    return [
        {"class": name, **(body if isinstance(body, dict) else {})}
        for name, body in entries.items()
    ]


def _class_of(entry: Any) -> Any:
    return entry.get("class") if isinstance(entry, dict) else entry


def _complete_source(output: Any, steps: list[StepView]) -> None:
    """`outputSource: /outDS` means the one step that has an output of this name."""
    source = output.get("outputSource") if isinstance(output, dict) else None
    if isinstance(source, str) and source.startswith("/"):
        owners = [step.name for step in steps if source[1:] in step.outputs]
        if len(owners) == 1:
            output["outputSource"] = owners[0] + source


def _widen(outputs: Any, name: str, output: Any) -> None:
    """An output of type string may be null (skipped) or many (scattered), whatever was written."""
    if isinstance(output, dict) and output.get("type") in ("string", "string?", "string[]"):
        output["type"] = _as_tree(_ANY_OUTPUT, output)
    elif isinstance(outputs, dict) and output in ("string", "string?", "string[]"):
        outputs[name] = _as_tree(_ANY_OUTPUT, outputs)


def _set(step: StepView, key: str, value: Any) -> None:
    step.node[key] = _as_tree(value, step.node, line_of(step.node, key) - 1)


def _as_tree(value: Any, near: Any, line: int | None = None) -> Any:
    """Plain values as a tree whose every node bears the line of what it stands in."""
    from schema_salad.sourceline import cmap

    here = near.lc.line if line is None else line
    return cmap(value, lc=[here, 0, here, 0], fn=getattr(near.lc, "filename", ""))
