"""The documents of a bundle as trees that know their lines: what `run` reaches, and views of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag

from culm.core.errors import FieldFault
from culm.core.nearest import unknown_name
from cwl.bundle import Bundle, name_of, resolved, url_of
from cwl.fetcher import refusal
from cwl.pseudo_tools import pseudo_tool


@dataclass(frozen=True, slots=True)
class Document:
    """A CWL file: its name in the bundle, its URL, its tree (ruamel's, with lines)."""

    name: str
    url: str
    tree: Any

    def place(self, node: Any, key: Any = None) -> str:
        """`file:line` of a node, or of one of its keys."""
        return f"{self.name}:{line_of(node, key)}"


@dataclass(frozen=True, slots=True)
class InView:
    """An input of a step (or an output of a workflow), however it was written."""

    name: str
    sources: tuple[str, ...]
    node: Any
    place: str


@dataclass(frozen=True, slots=True)
class StepView:
    """A step, however it was written."""

    name: str
    node: Any
    place: str
    document: Document

    @property
    def run(self) -> Any:
        """What it runs: a reference or a tree."""
        return self.node.get("run")

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs."""
        return [_ident(out) for out in _listed(self.node.get("out")) if _ident(out)]

    def inputs(self) -> list[InView]:
        """Its inputs, in the order of the document."""
        return _parameters(self.document, self.node.get("in"), "source")


@dataclass(frozen=True, slots=True)
class WorkflowView:
    """A workflow in a document: alone there, in `$graph`, or inside of a step."""

    document: Document
    node: Any

    @property
    def inputs(self) -> list[InView]:
        """Its inputs."""
        return _parameters(self.document, self.node.get("inputs"), "")

    @property
    def outputs(self) -> list[InView]:
        """Its outputs, with their sources."""
        return _parameters(self.document, self.node.get("outputs"), "outputSource")

    @property
    def ident(self) -> str:
        """Its own name; empty if it is all of its file."""
        return str(self.node.get("id", "")).rpartition("#")[2]

    def steps(self) -> list[StepView]:
        """Its steps, in the order of the document."""
        return [
            StepView(name, node, self.document.place(self.node.get("steps"), key), self.document)
            for key, name, node in _entries(self.node.get("steps"))
            if isinstance(node, dict)
        ]


def line_of(node: Any, key: Any = None) -> int:
    """The line, from 1, of a node or of one of its keys."""
    position = getattr(node, "lc", None)
    if position is None:
        return 1
    data = position.data or {}
    if key is not None and key in data:
        return int(data[key][0]) + 1
    return int(position.line or 0) + 1


def parse(name: str, text: str) -> Any:
    """The tree of a YAML or JSON text, with lines.

    Raises:
        MarkedYAMLError: it is neither.
    """
    from schema_salad.utils import yaml_no_ts

    stream = io.StringIO(text)
    stream.name = url_of(name)
    return yaml_no_ts().load(stream)


def read_documents(bundle: Bundle, faults: list[FieldFault]) -> dict[str, Document]:
    """The documents that the workflow reaches by `run`, by URL; what cannot be had is a fault."""
    found: dict[str, Document] = {}
    open_urls = [(urldefrag(bundle.main_url)[0], "--cwl", bundle.cwl)]
    while open_urls:
        url, place, reference = open_urls.pop(0)
        if url in found:
            continue
        document = _read(bundle, url, (place, reference), faults)
        if document is None:
            continue
        found[url] = document
        open_urls.extend(_references(document))
    return found


def workflows_of(document: Document) -> Iterator[WorkflowView]:
    """Every workflow that a document holds."""
    trees = [document.tree]
    while trees:
        node = trees.pop(0)
        if not isinstance(node, dict):
            continue
        trees.extend(_listed(node.get("$graph")))
        if node.get("class") == "Workflow":
            view = WorkflowView(document, node)
            yield view
            trees.extend(step.run for step in view.steps() if isinstance(step.run, dict))


def _references(document: Document) -> Iterator[tuple[str, str, str]]:
    """URL, place and text of each `run` that names another file."""
    for view in workflows_of(document):
        for step in view.steps():
            run = step.run
            if isinstance(run, str) and not run.startswith("#") and pseudo_tool(run) is None:
                place = f"{document.place(step.node, 'run')} {step.name}.run"
                yield urldefrag(resolved(document.url, run))[0], place, run


def _read(
    bundle: Bundle, url: str, asked: tuple[str, str], faults: list[FieldFault]
) -> Document | None:
    from ruamel.yaml.comments import CommentedMap
    from ruamel.yaml.error import YAMLError
    from schema_salad.sourceline import add_lc_filename

    (place, reference), name = asked, name_of(url)
    if name is None:
        faults.append(FieldFault(place, reference, refusal(url)))
        return None
    if name not in bundle.files:
        faults.append(FieldFault(place, reference, _no_file(reference, bundle)))
        return None
    try:
        tree = parse(name, bundle.files[name])
    except (YAMLError, RecursionError, ValueError) as error:
        faults.append(_unreadable(name, error))
        return None
    if not isinstance(tree, CommentedMap):
        faults.append(FieldFault(f"{name}:1", type(tree).__name__, "a CWL document is needed"))
        return None
    add_lc_filename(tree, url)
    return Document(name, url, tree)


def _no_file(reference: str, bundle: Bundle) -> str:
    from cwl.pseudo_tools import PSEUDO_TOOLS

    known = [name for name in bundle.files if name.endswith(".cwl")]
    return f"no such file in the bundle: {unknown_name(reference, [*known, *PSEUDO_TOOLS])}"


def _unreadable(name: str, error: Exception) -> FieldFault:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark is not None else ""
    words = str(getattr(error, "problem", None) or error).splitlines()
    return FieldFault(f"{name}{line}", "unreadable", f"YAML or JSON is needed ({words[0][:200]})")


def _parameters(document: Document, node: Any, source_key: str) -> list[InView]:
    return [
        InView(name, _sources(entry, source_key), entry, document.place(node, key))
        for key, name, entry in _entries(node)
    ]


def _sources(entry: Any, key: str) -> tuple[str, ...]:
    if not key:
        return ()
    # Only a step's input may be written as its source alone; an output then gives its type.
    value = entry.get(key) if isinstance(entry, dict) else entry if key == "source" else None
    return tuple(str(source) for source in _listed(value))


def _entries(node: Any) -> Iterator[tuple[Any, str, Any]]:
    """Key, name and node of the entries of a map, or of a list whose entries bear `id`."""
    if isinstance(node, dict):
        for key, entry in node.items():
            yield key, str(key), entry
    elif isinstance(node, list):
        for index, entry in enumerate(node):
            if _ident(entry):
                yield index, _ident(entry), entry


def _ident(entry: Any) -> str:
    """The short name of something that is a name, or bears one."""
    ident = entry.get("id", "") if isinstance(entry, dict) else entry
    return str(ident).rpartition("#")[2].rpartition("/")[2] if ident else ""


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
