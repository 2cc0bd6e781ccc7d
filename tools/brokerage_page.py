"""The page docs/reference/brokerage.md: filters and thresholds as the code has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from broker.presets import PRESETS
from broker.rules import Rule
from broker.thresholds import parameters

_INTRO = """\
[How brokerage works](../explanation/brokerage.md) tells the whole story; here are the parts."""

_FILTERS = """\
In this order; the first that refuses a queue is the reason that is kept. Those that *pass* look
at a state: waiting may help. Numbers are steps of PanDA's list; 23 and 24 come after the weight."""

_THRESHOLDS = """\
Names as in PanDA's configuration where it has the parameter. `<share>` stands for the name of a
share."""


def text() -> str:
    """The page, without its head note."""
    rows = ["# Brokerage", "", _INTRO, "", "## Filters", "", _FILTERS, "", *_filters(), ""]
    rows += ["## Thresholds", "", _THRESHOLDS, "", *_thresholds(), ""]
    return "\n".join(rows)


def _filters() -> Iterator[str]:
    presets = list(PRESETS.values())
    used = {p.name: {rule.name for rule in (*p.filters, *p.after)} for p in presets}
    rules: dict[str, Rule] = {}
    for preset in presets:
        rules |= {rule.name: rule for rule in (*preset.filters, *preset.after)}
    yield f"| no | filter | what it says | passes | {' | '.join(used)} |"
    yield f"|{' --- |' * (4 + len(used))}"
    for rule in sorted(rules.values(), key=lambda rule: rule.number):
        words = " ".join(inspect.cleandoc(rule.refuse.__doc__ or "").split()).rstrip(".")
        cells = ["×" if rule.name in used[p.name] else "" for p in presets]
        passes = "yes" if rule.passes else ""
        yield f"| {rule.number} | `{rule.name}` | {words} | {passes} | {' | '.join(cells)} |"


def _thresholds() -> Iterator[str]:
    yield "| name | default | unit | what it is |"
    yield "| --- | --- | --- | --- |"
    for p in parameters():
        default = "" if p.default is None else f"{p.default:g}"
        yield f"| `{p.name}` | {default} | {p.unit} | {p.description} |"
