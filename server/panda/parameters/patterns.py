"""Patterns of file names: PanDA's client sends regular expressions, ours are a shell's."""

from __future__ import annotations

import re

LOGS = r"\.log\.tgz(\.\d+)*$"
"""What prun leaves out of every input, unless --useLogAsInput is given."""
_LOGS = ("*.log.tgz", "*.log.tgz.[0-9]*")
_TOKEN = re.compile(
    r"(?P<any>\.\*)|(?P<one>\.)|(?P<digit>\\d)|\\(?P<literal>[^A-Za-z0-9])"
    r"|(?P<kind>\[\^?[A-Za-z0-9_.-]+\])|(?P<plain>[A-Za-z0-9_@:=,-])"
)
_AS_GLOB = {"any": "*", "one": "?", "digit": "[0-9]"}


def shell_patterns(expression: str) -> tuple[str, ...] | None:
    r"""Shell patterns for the names in which an expression is found; None if there are none.

    The expression may begin anywhere in the name and end anywhere, as PanDA's server looks for it.
    prun makes one of what its user wrote: `*AOD*.root` comes as `.*AOD.*\.root`.
    """
    if expression == LOGS:
        return _LOGS
    body = expression.removeprefix("^")
    start = "" if body != expression else "*"
    if body.endswith("$") and not body.endswith("\\$"):
        body, end = body[:-1], ""
    else:
        end = "*"
    pieces = []
    place = 0
    while place < len(body):
        found = _TOKEN.match(body, place)
        if found is None:
            return None
        kind = str(found.lastgroup)
        pieces.append(_AS_GLOB.get(kind) or found[kind].replace("[^", "[!"))
        place = found.end()
    return (re.sub(r"\*+", "*", f"{start}{''.join(pieces)}{end}"),)
