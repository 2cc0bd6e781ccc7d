"""The graph of a plan: its steps with sub-workflows unfolded, and who takes from whom. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from culm.wire.workflow_runs import GraphEdge, GraphNode
from cwl.plan import MAIN, Kind, Plan, Step, Workflow

_INDEX = re.compile(r"\[\d+\]|#\d+")

Paths = frozenset[str]


def declared_path(path: str) -> str:
    """The path of the step that an instance is of: branches and iterations left out."""
    return _INDEX.sub("", path)


@dataclass(slots=True)
class Graph:
    """The nodes by path, in an order in which parents come first, and the edges."""

    nodes: dict[str, GraphNode] = field(default_factory=dict)
    edges: dict[tuple[str, str], GraphEdge] = field(default_factory=dict)


def graph_of(plan: Plan) -> Graph:
    """The graph of a plan, without instances."""
    graph = Graph()
    _Scope(plan, plan.workflows[MAIN], "", {}, graph).unfold()
    return graph


@dataclass(slots=True)
class _Scope:
    """A workflow at one place; `given` says for each input which steps its value comes from."""

    plan: Plan
    workflow: Workflow
    prefix: str
    given: Mapping[str, Paths]
    graph: Graph
    is_loop: bool = False
    is_scattered: bool = False
    outputs: dict[str, Paths] = field(default_factory=dict)

    def unfold(self) -> dict[str, Paths]:
        """Add all that is in it; gives for each output which steps it comes from."""
        for step in self.workflow.steps:
            if step.kind is Kind.WORKFLOW:
                self._sub_workflow(step)
            else:
                self._leaf(step)
        return {out.name: self._from(out.link.sources) for out in self.workflow.outputs}

    def _leaf(self, step: Step) -> None:
        path = f"{self.prefix}{step.name}"
        self.graph.nodes[path] = GraphNode(
            path=path, kind=str(step.kind), place=step.place,
            is_scattered=self.is_scattered or step.scatter is not None,
            is_loop=self.is_loop or step.loop is not None, has_condition=bool(step.when),
        )  # fmt: skip
        for given in step.inputs:
            self._join(self._from(given.link.sources), path)
        for name in step.outputs:
            self.outputs[f"{step.name}/{name}"] = frozenset({path})

    def _sub_workflow(self, step: Step) -> None:
        given = {each.name: self._from(each.link.sources) for each in step.inputs}
        inner = _Scope(
            self.plan, self.plan.workflows[step.runs], f"{self.prefix}{step.name}/", given,
            self.graph, is_loop=self.is_loop or step.loop is not None,
            is_scattered=self.is_scattered or step.scatter is not None,
        )  # fmt: skip
        ends = inner.unfold()
        for name in step.outputs:
            self.outputs[f"{step.name}/{name}"] = ends.get(name, frozenset())
        if step.loop is not None:
            inner.carry({c.name: [ends.get(s, frozenset()) for s in c.link.sources]
                         for c in step.loop.carry})  # fmt: skip

    def carry(self, carried: Mapping[str, list[Paths]]) -> None:
        """Add the ways back of a loop around this: from what decides to what takes it.

        What takes a parameter in the text of its command has no link: then the way leads to the
        steps that an iteration begins with.
        """
        takers = [(source, f"{self.prefix}{step.name}") for step in self.workflow.steps
                  for given in step.inputs for source in given.link.sources
                  if any(carried.get(source, ()))]  # fmt: skip
        for source, path in takers:
            for paths in carried[source]:
                self._lead_back(paths, path)
        if not takers:
            deciding = frozenset[str]().union(*(p for some in carried.values() for p in some))
            self._lead_back(deciding, self.prefix.removesuffix("/"))

    def _lead_back(self, paths: Paths, place: str) -> None:
        """Add ways back to a step, or to those that a sub-workflow begins with."""
        inside = f"{place}/"
        led_to = {child for parent, child in self.graph.edges if parent.startswith(inside)}
        entries = [path for path in self.graph.nodes
                   if path.startswith(inside) and path not in led_to]  # fmt: skip
        for path in [place] if place in self.graph.nodes else entries:
            self._join(paths, path, again=True)

    def _join(self, parents: Iterable[str], child: str, *, again: bool = False) -> None:
        for parent in sorted(parents):
            edge = GraphEdge(parent=parent, child=child, again=again)
            self.graph.edges.setdefault((parent, child), edge)

    def _from(self, sources: Iterable[str]) -> Paths:
        found = [self.outputs.get(source, self.given.get(source, frozenset()))
                 for source in sources]  # fmt: skip
        return frozenset().union(*found)
