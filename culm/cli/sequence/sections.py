"""A sequence file: step sections in shell and one sequence section in Python, checked before any
of it is run.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType

from culm.core.errors import UserError
from culm.core.nearest import unknown_name

SEQUENCE = "Sequence"
METHODS = ("execute", "result")
FUNCTIONS = ("getPandaJob", "getRunningPandaJobs", "getFrozenPandaJobs")
MODULES = ("time", "os", "sys", "re")
"""Modules that a sequence finds without importing them: the documented examples use time."""
_HEAD = re.compile(r"###\s*(?P<name>[^#].*?)?\s*$")
_PRINT = re.compile(r"^(?P<indent>\s*)print(?:\s+(?P<what>.*))?$")
_HINT = "culm sequence --help"


@dataclass(frozen=True, slots=True)
class StepText:
    """A step's shell commands, and the line of the file where its section begins."""

    name: str
    script: str
    line: int


@dataclass(frozen=True, slots=True)
class Sections:
    """What a file holds: its steps by name, and the sequence as code."""

    steps: Mapping[str, StepText]
    code: CodeType


def read_sections(text: str, path: str) -> Sections:
    """The sections of a sequence file.

    Raises:
        UserError: something is wrong; the message names file, line and word.
    """
    parts = list(_parts(text, path))
    last = parts[-1] if parts else None
    if last is None or last.name != SEQUENCE:
        names = [part.name for part in parts]
        at = next((part.line for part in parts if part.name == SEQUENCE), len(text.splitlines()))
        needed = ("the ### Sequence section must be the last one" if SEQUENCE in names
                  else "there is no ### Sequence section")  # fmt: skip
        raise _fault(path, at, SEQUENCE, needed)
    steps: dict[str, StepText] = {}
    for part in parts[:-1]:
        _check_name(path, part, steps)
        steps[part.name] = part
    return Sections(steps, _code(last, path, steps))


def _parts(text: str, path: str) -> Iterator[StepText]:
    name, line, lines = "", 0, list[str]()
    for number, row in enumerate(text.splitlines(), 1):
        head = _HEAD.fullmatch(row)
        if head is None:
            if not name and row.strip() and not row.lstrip().startswith("#"):
                raise _fault(path, number, row.split()[0], "stands before the first ### section")
            lines.append(row)
            continue
        if name:
            yield StepText(name, "\n".join(lines) + "\n", line)
        name, line, lines = head["name"] or "", number, []
        if not name:
            raise _fault(path, number, "###", "a section needs a name")
    if name:
        yield StepText(name, "\n".join(lines) + "\n", line)


def _check_name(path: str, part: StepText, known: Mapping[str, StepText]) -> None:
    if not part.name.isidentifier() or keyword.iskeyword(part.name):
        needed = "a step's name is one word of letters, digits and _, as Python takes it"
        raise _fault(path, part.line, part.name, needed)
    if part.name in known:
        raise _fault(
            path, part.line, part.name, f"is a step already, in line {known[part.name].line}"
        )
    if part.name in (*FUNCTIONS, *MODULES):
        raise _fault(path, part.line, part.name, "means something else in a sequence")


def _code(part: StepText, path: str, steps: Mapping[str, StepText]) -> CodeType:
    """The sequence, compiled, with the lines of the file."""
    source = "\n" * part.line + part.script
    tree = _tree(source, path)
    for node in ast.walk(tree):
        _check_call(node, path, steps)
    known = {*steps, *FUNCTIONS, *MODULES, *dir(builtins), "__name__", "__file__", *_made(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known:
            candidates = [*steps, *FUNCTIONS, *_made(tree)]
            raise _fault(path, node.lineno, node.id, unknown_name(node.id, candidates))
    return compile(tree, path, "exec")


def _tree(source: str, path: str) -> ast.Module:
    """The sequence's syntax tree; `print x` of Python 2, as in the documentation, is taken."""
    lines = source.splitlines()
    while True:
        try:
            return ast.parse("\n".join(lines) + "\n", path)
        except SyntaxError as error:
            number = error.lineno or 1
            row = lines[number - 1] if number <= len(lines) else ""
            old = _PRINT.fullmatch(row) if "print" in (error.msg or "") else None
            if old is None:
                word = (row.strip().split() or ["(end)"])[0]
                raise _fault(path, number, word, error.msg or "no Python") from error
            lines[number - 1] = f"{old['indent']}print({old['what'] or ''})"
        except ValueError as error:
            raise _fault(path, 1, "(text)", str(error)) from error


def _check_call(node: ast.AST, path: str, steps: Mapping[str, StepText]) -> None:
    """A step has two methods: a slip of the pen is seen before the first step runs."""
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        return
    if node.value.id in steps and node.attr not in (*METHODS, "name"):
        word = f"{node.value.id}.{node.attr}"
        raise _fault(path, node.lineno, word, unknown_name(node.attr, METHODS))


def _made(tree: ast.AST) -> Iterable[str]:
    """Every name that the sequence itself gives a meaning, anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name


def _fault(path: str, line: int, word: str, needed: str) -> UserError:
    return UserError(f"{path}:{line}: {word}: {needed}", hint=_HINT)
