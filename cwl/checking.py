"""What is wrong with the links and options of documents, in words, before cwltool looks at them.

cwltool finds these too, but its words name URLs and grammar. Here each fault has file, line, step
and the name that was probably meant. Nothing is guessed: a wrong link is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from culm.core.errors import FieldFault
from culm.core.nearest import nearest, unknown_name
from cwl.bundle import resolved
from cwl.dialect import loop_hint
from cwl.documents import Document, InView, StepView, WorkflowView, workflows_of
from cwl.pseudo_tools import PseudoTool, pseudo_tool


def check_documents(documents: Mapping[str, Document]) -> list[FieldFault]:
    """Every fault of links, options, loops and cycles in these documents."""
    return [
        fault
        for document in documents.values()
        for view in workflows_of(document)
        for fault in _check_workflow(view, documents)
    ]


def _check_workflow(view: WorkflowView, documents: Mapping[str, Document]) -> Iterator[FieldFault]:
    steps = view.steps()
    links = _Links.of(view, steps)
    for step in steps:
        tool = pseudo_tool(step.run)
        if tool is not None:
            yield from _check_options(step, tool)
        yield from _check_loop(step, documents)
        for given in step.inputs():
            for source in given.sources:
                yield from links.check(source, given, f"{step.name}.{given.name}", step)
    for output in view.outputs:
        for source in output.sources:
            yield from links.check(source, output, f"outputs.{output.name}", None)
    yield from _check_cycles(steps, links)


def _check_options(step: StepView, tool: PseudoTool) -> Iterator[FieldFault]:
    given = step.inputs()
    for option in given:
        if option.name not in tool.inputs:
            words = _unknown_option(option.name, tool)
            yield FieldFault(f"{option.place} {step.name}", option.name, words)
    for name in sorted(tool.required - {option.name for option in given}):
        words = f"{name} is needed: every {tool.kind} step has it"
        yield FieldFault(f"{step.place} {step.name}", "missing", words)


def _unknown_option(name: str, tool: PseudoTool) -> str:
    near = nearest(name, tool.inputs)
    if near:
        return f"unknown option of {tool.kind}; did you mean {near}?"
    return f"unknown option of {tool.kind}: opt_ and the name of an option of {tool.kind}, or "\
        "opt_args"  # fmt: skip


def _check_loop(step: StepView, documents: Mapping[str, Document]) -> Iterator[FieldFault]:
    run = step.run
    if loop_hint(step) is None or pseudo_tool(run) is not None:
        return  # on a task the hint means nothing; the dialect says so
    place = f"{step.document.place(step.node, 'hints')} {step.name}"
    body = documents.get(resolved(step.document.url, run)) if isinstance(run, str) else None
    views = list(workflows_of(body)) if body is not None else []
    if isinstance(run, dict):
        views = [WorkflowView(step.document, run)]
    if not views:
        return  # another check says why there is none
    kinds = [pseudo_tool(inner.run) for inner in views[0].steps()]
    if not any(kind is not None and kind.kind == "junction" for kind in kinds):
        words = f"no junction in {views[0].document.name}: nothing would ever end this loop"
        yield FieldFault(place, "loop", words)


@dataclass(frozen=True, slots=True)
class _Links:
    """The names that links of a workflow may use (its inputs, and `step/output`), and who takes
    from whom.
    """

    steps: dict[str, StepView]
    inputs: list[str]
    outputs: dict[str, str]
    parents: dict[str, set[str]]
    prefix: str

    @classmethod
    def of(cls, view: WorkflowView, steps: list[StepView]) -> _Links:
        """Those of a workflow."""
        prefix = f"{view.ident}/" if view.ident else ""
        return cls(
            steps={step.name: step for step in steps},
            inputs=[given.name for given in view.inputs],
            outputs={f"{step.name}/{out}": step.name for step in steps for out in step.outputs},
            parents={step.name: _owners(step, prefix) for step in steps},
            prefix=prefix,
        )

    def plain(self, source: str) -> str:
        """A source without what names its workflow (`#main/step/out` → `step/out`)."""
        return _plain(source, self.prefix)

    def check(
        self, source: str, user: InView, what: str, step: StepView | None
    ) -> Iterator[FieldFault]:
        """A fault, if there is nothing that this source could be."""
        plain = self.plain(source)
        if plain in self.outputs or plain in self.inputs:
            return
        if plain.startswith("/") and step is None:
            # PanDA's `/outDS` means the one step that has it.
            fit = [name for name in self.outputs if name.rpartition("/")[2] == plain[1:]]
            if len(fit) == 1:
                return
            words = "which step's? " + (", ".join(fit) or "no step has it")
            yield FieldFault(f"{user.place} {what}", source, words)
            return
        yield FieldFault(f"{user.place} {what}", source, self._words(plain, step))

    def _words(self, source: str, step: StepView | None) -> str:
        owner, _, output = source.rpartition("/")
        if owner in self.steps:
            words = unknown_name(output, self.steps[owner].outputs)
            return f"step {owner} has no output {output}: {words}"
        after = self._after(step.name) if step is not None else set()
        outputs = [name for name, maker in self.outputs.items() if maker not in after]
        known = [*outputs, *self.inputs]
        likely = self._likely(owner, output, after) or nearest(source, known)
        meant = f"; did you mean {likely}?" if likely else ""
        if not owner:
            return f"there is no input {source}{meant or _among(known)}"
        return f"there is no step {owner}{meant or _among(self.steps)}"

    def _likely(self, owner: str, output: str, after: set[str]) -> str:
        """The link that was probably meant: a like name, else the one that nobody uses yet."""
        if not owner:
            return ""
        makers = dict.fromkeys(self.outputs.values())
        fit = [name for name in makers if output in self.steps[name].outputs and name not in after]
        near = nearest(owner, fit)
        used = {parent for parents in self.parents.values() for parent in parents}
        unused = [name for name in fit if name not in used]
        candidates = [near] if near else unused if len(unused) == 1 else fit
        return f"{candidates[0]}/{output}" if len(candidates) == 1 else ""

    def _after(self, name: str) -> set[str]:
        """A step and all that come after it."""
        found, open_names = {name}, [name]
        while open_names:
            parent = open_names.pop()
            new = [n for n, parents in self.parents.items() if parent in parents and n not in found]
            found.update(new)
            open_names += new
        return found


def _owners(step: StepView, prefix: str) -> set[str]:
    """The steps that a step takes from."""
    links = (_plain(source, prefix) for given in step.inputs() for source in given.sources)
    return {link.rpartition("/")[0] for link in links} - {""}


def _plain(source: str, prefix: str) -> str:
    return source.rpartition("#")[2].removeprefix(prefix)


def _check_cycles(steps: list[StepView], links: _Links) -> Iterator[FieldFault]:
    left = {name: owners & links.steps.keys() for name, owners in links.parents.items()}
    while True:
        free = [name for name, owners in left.items() if not owners & left.keys()]
        if not free:
            break
        for name in free:
            del left[name]
    if left:
        circle = _circle(left)
        first = next(step for step in steps if step.name in circle)
        at = circle.index(first.name)
        circle = [*circle[at:], *circle[:at]]
        words = "steps cannot wait for each other: leave out one of these links"
        yield FieldFault(f"{first.place} {first.name}", " → ".join([*circle, circle[0]]), words)


def _circle(left: Mapping[str, set[str]]) -> list[str]:
    """A ring of steps, each of which waits for the one before it."""
    way = [next(iter(left))]
    while True:
        before = next(name for name in sorted(left[way[-1]]) if name in left)
        if before in way:
            return way[way.index(before) :][::-1]
        way.append(before)


def _among(names: Iterable[str]) -> str:
    listed = ", ".join(sorted(names)[:12])
    return f"; there are {listed}" if listed else ""
