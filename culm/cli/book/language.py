"""A line of the book: one call of a verb with literal arguments. Nothing is evaluated."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from culm.core.errors import UserError
from culm.core.nearest import unknown_name

Verb = Callable[..., int]
LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class Order:
    """What a line says: the verb's name and what it is given."""

    name: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] | None = None


def parse(line: str, verbs: Mapping[str, Verb]) -> Order:
    """The call that a line means; a verb's name alone is a call without arguments.

    Raises:
        UserError: it is no such call, or there is no such verb; the nearest is named.
    """
    tree = _tree(line)
    name, call = _callee(tree, line)
    if name not in verbs:
        raise UserError(f"{name}: {unknown_name(name, verbs)}", hint="help()")
    if call is None:
        return Order(name)
    arguments = tuple(_value(node, verbs) for node in call.args)
    named = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise UserError("** is not taken: write the arguments out", hint=f"help({name})")
        named[keyword.arg] = _value(keyword.value, verbs)
    return Order(name, arguments, named)


def run(order: Order, verbs: Mapping[str, Verb]) -> int:
    """The exit code of an order.

    Raises:
        UserError: the verb does not take these arguments; the nearest is named.
    """
    verb, named = verbs[order.name], dict(order.named or {})
    signature = inspect.signature(verb)
    for name in named:
        if name not in signature.parameters:
            words = unknown_name(name, signature.parameters)
            raise UserError(f"{order.name}({name}=…): {words}", hint=f"help({order.name})")
    try:
        signature.bind(*order.arguments, **named)
    except TypeError as error:
        raise UserError(f"{order.name}: {error}", hint=f"help({order.name})") from error
    return verb(*order.arguments, **named)


def _tree(line: str) -> ast.expr:
    if len(line) > LONGEST:
        raise UserError(f"a line of {len(line)} characters, {LONGEST} are taken")
    try:
        return ast.parse(line.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = f" at character {error.offset}" if isinstance(error, SyntaxError) else ""
        words = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
        raise UserError(f"{line.strip()!r}{at}: {words}", hint="help()") from error


def _callee(tree: ast.expr, line: str) -> tuple[str, ast.Call | None]:
    if isinstance(tree, ast.Name):
        return tree.id, None
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return tree.func.id, tree
    raise UserError(f"{line.strip()!r} is no call of a verb, like show('run')", hint="help()")


def _value(node: ast.expr, verbs: Mapping[str, Verb]) -> Any:
    """A literal; the bare name of a verb is its name: help(show)."""
    if isinstance(node, ast.Name) and node.id in verbs:
        return node.id
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        words = ast.unparse(node)
        raise UserError(f"{words}: a number, text in quotes, list or dict is needed") from error
