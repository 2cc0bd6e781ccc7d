"""Documents → cwltool's own objects: parsed, resolved, their types, links and requirements checked.

cwltool is imported here and where its objects are read, when they are called: nobody else pays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from culm.core.errors import FieldFault
from cwl.bundle import Bundle
from cwl.checking import check_documents
from cwl.dialect import is_dialect, rewrite
from cwl.documents import Document, read_documents, workflows_of
from cwl.fetcher import fetcher_of
from cwl.messages import faults_of

_EXTENSIONS = "http://commonwl.org/cwltool"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A process as cwltool sees it, and whether it is in PanDA's dialect.

    `places` maps names (`file#step`, `file#input`) to where they stand, and where the body of a
    step begins to where its name does.
    """

    process: Any
    dialect: bool
    warnings: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)


def load(bundle: Bundle) -> Loaded | list[FieldFault]:
    """What the bundle's workflow is, or everything that is wrong with it."""
    faults: list[FieldFault] = []
    documents = read_documents(bundle, faults)
    faults += check_documents(documents)
    if faults:
        return faults
    # Before cwltool changes the trees.
    dialect, places = is_dialect(documents.values()), _places(documents.values())
    steps = list(_steps(documents.values()))
    trees, notes = {}, list[str]()
    if dialect:
        notes = rewrite(documents, faults)
        trees = {url: document.tree for url, document in documents.items()}
    if faults:
        return faults
    with _warnings() as warnings:
        try:
            process = _load(bundle, trees)
        except (OSError, MemoryError):
            raise  # not the document's fault
        except Exception as error:
            found = faults_of(_known(error), bundle.cwl)
            return [_with_step(fault, steps) for fault in found]
    # What the dialect makes of types is loose on purpose: to warn of it would be noise.
    kept = tuple(dict.fromkeys(notes if dialect else warnings))
    return Loaded(process, dialect, kept, places)


def _load(bundle: Bundle, trees: dict[str, Any]) -> Any:
    from cwltool.context import LoadingContext
    from cwltool.load_tool import default_loader, load_tool
    from cwltool.workflow import default_make_tool

    if any(_EXTENSIONS in text for text in bundle.files.values()):
        _allow_extensions()
    context = LoadingContext()
    context.construct_tool_object = default_make_tool
    context.fetcher_constructor = fetcher_of(bundle)
    context.doc_cache = False
    context.enable_dev = True
    context.loader = default_loader(context.fetcher_constructor, enable_dev=True, doc_cache=False)
    for url, tree in trees.items():
        # As its own `fetch` leaves a document that it has read.
        tree.setdefault("id", url)
        context.loader.idx[url] = tree
    return load_tool(bundle.main_url, context)


@cache
def _allow_extensions() -> None:
    """Let documents use cwltool's own requirements, of which `cwltool:Loop` is one."""
    from importlib.resources import files

    from cwltool.process import use_custom_schema

    for version, name in (("v1.0", ""), ("v1.1", "-v1.1"), ("v1.2", "-v1.2")):
        text = files("cwltool").joinpath(f"extensions{name}.yml").read_text("utf-8")
        use_custom_schema(version, _EXTENSIONS, text)


def _places(documents: Iterable[Document]) -> dict[str, str]:
    found = {}
    for document in documents:
        for view in workflows_of(document):
            prefix = f"{view.ident}/" if view.ident else ""
            for step in view.steps():
                found[document.place(step.node)] = step.place
                found[f"{document.name}#{prefix}{step.name}"] = step.place
            for given in view.inputs:
                found[f"{document.name}#{prefix}{given.name}"] = given.place
    return found


def _steps(documents: Iterable[Document]) -> Iterator[tuple[str, int, str]]:
    """File, line and name of every step."""
    for document in documents:
        for view in workflows_of(document):
            for step in view.steps():
                yield document.name, int(step.place.rpartition(":")[2]), step.name


def _with_step(fault: FieldFault, steps: Iterable[tuple[str, int, str]]) -> FieldFault:
    """The fault with the step named in which it lies."""
    place, _, rest = fault.field.partition(" ")
    file, _, line = place.rpartition(":")
    if not line.isdecimal():
        return fault
    before = [(at, name) for there, at, name in steps if there == file and at <= int(line)]
    if not before:
        return fault
    name = max(before)[1]
    return FieldFault(f"{place} {name}.{rest}" if rest else f"{place} {name}",
                      fault.value, fault.needed)  # fmt: skip


def _known(error: Exception) -> Exception:
    """The error, if it is one of those by which cwltool and its libraries refuse a document.

    Odd documents also make it stumble (a key that is missing, a type that it did not expect):
    that too is a document that cannot be loaded, and no reason to fail for whoever asked.
    """
    stumbles = (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError)
    if isinstance(error, stumbles) and not str(error).strip():
        return ValueError(type(error).__name__)
    return error


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What cwltool and its libraries log as warnings meanwhile; nothing reaches standard error."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if "culm.invalid" not in text:
                found.extend(str(f) for f in faults_of(ValueError(text), ""))

    import cwltool.loghandler  # noqa: F401 - it sets a handler of its own, when it is imported

    loggers = [logging.getLogger(name) for name in ("cwltool", "salad", "cwl_utils", "rdflib")]
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [Keep(logging.WARNING)], False
        logger.setLevel(logging.WARNING)
    try:
        yield found
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
