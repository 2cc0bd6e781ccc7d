"""Every threshold that an operator may change at run time: typed, with default and words.

The definitions are the fields of dataclasses (`culm.core.thresholds`), grouped by the
application and component that documentation and table name. To add a group, add its line.
"""

from __future__ import annotations

import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from broker.filling import Filling
from broker.streaming import Streaming
from broker.thresholds import Thresholds
from broker.throttle import Caps
from broker.withholding import Withholding
from culm.core.errors import FieldFault, InvalidRequest, NotFound
from culm.core.nearest import unknown_name
from tasks.black_holes import BlackHoles
from tasks.thresholds import Brokerage, Builds, Merges, Scouting, Timeouts

T = TypeVar("T")
LARGEST = 1e15
Value = bool | int | float | str | None

GROUPS: tuple[tuple[str, str, type[Any]], ...] = (
    ("jedi", "jobthrottle", Caps),
    ("jedi", "queue_filler", Filling),
    ("jedi", "task_withholder", Withholding),
    ("jedi", "dbproxy", Scouting),
    ("jedi", "jobgen", Builds),
    ("jedi", "jobgen", Merges),
    ("pandaserver", "ups", Streaming),
    ("pandaserver", "watcher", Timeouts),
    ("pandaserver", "watcher", BlackHoles),
    ("jedi", "jobbroker", Thresholds),
    ("jedi", "jobbroker", Brokerage),
)
"""(application, component, dataclass of thresholds)."""

_PLACEHOLDER = re.compile(r"<(\w+)>$")
_SUFFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NEEDED = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A threshold. `key` may end in a placeholder: each name in its place has its own value.

    `many`: the field holds all of these values, by the names in the placeholder's place.
    """

    app: str
    component: str
    key: str
    field: str
    type: str
    default: Value
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: Callable[[], Iterable[str]] | None = None
    many: bool = False

    @property
    def placeholder(self) -> str:
        """The word in the key's angle brackets; empty without them."""
        found = _PLACEHOLDER.search(self.key)
        return found[1] if found else ""

    def takes(self, key: str) -> bool:
        """Whether this is the definition of a key."""
        if not self.placeholder:
            return key == self.key
        stem = self.key.partition("<")[0]
        rest = key.removeprefix(stem)
        return key == self.key or (rest != key and _SUFFIX.fullmatch(rest) is not None)

    def value_of(self, text: str) -> Value:
        """The value that a text stands for.

        Raises:
            InvalidRequest: it is of another type or out of bounds; what would be right is said.
        """
        value: Value
        try:
            value = _READERS[self.type](text)
        except ValueError:
            value = None
        if value is None or not self._in_bounds(value):
            fault = FieldFault(self.key, ascii(text)[:80], self.needed)
            raise InvalidRequest(f"{self.key} cannot have this value", faults=[fault])
        return value

    def chosen(self, text: str) -> Value:
        """The same for a value that is being set: it must be one of the choices too.

        What was set once and is none any more (a plugin that is gone) is read all the same.

        Raises:
            InvalidRequest: as `value_of`, or it is no choice; the nearest is named.
        """
        value = self.value_of(text)
        known = None if self.choices is None else sorted(self.choices())
        if known is not None and value not in known:
            fault = FieldFault(self.key, ascii(text)[:80], unknown_name(text, filter(None, known)))
            raise InvalidRequest(f"{self.key} cannot have this value", faults=[fault])
        return value

    def _in_bounds(self, value: bool | float | str) -> bool:
        if isinstance(value, (bool, str)):
            return True
        low = -LARGEST if self.minimum is None else self.minimum
        return low <= value <= (LARGEST if self.maximum is None else self.maximum)

    @property
    def needed(self) -> str:
        """What a value must be, in words."""
        parts = [_NEEDED[self.type]]
        if self.type in ("int", "float"):
            parts += [f"at least {self.minimum:g}"] if self.minimum is not None else []
            parts += [f"at most {self.maximum:g}"] if self.maximum is not None else []
        return ", ".join(parts) + (f" ({self.unit})" if self.unit else "")


def _bool(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.strip().lower())


_READERS: Mapping[str, Any] = {"int": int, "float": float, "bool": _bool, "str": str}


def definitions_of(app: str, component: str, kind: type[Any]) -> Iterator[Definition]:
    """The definitions that a dataclass of thresholds holds, one a field."""
    hints = get_type_hints(kind)
    for field in fields(kind):
        rules = field.metadata
        many = field.default_factory is dict
        if field.default is MISSING and not many:
            raise TypeError(f"{kind.__name__}.{field.name} has no default")
        yield Definition(
            app=app, component=component, key=rules.get("name", field.name.upper()),
            field=field.name, type=_type_name(hints[field.name]),
            default=None if field.default is MISSING else field.default, many=many,
            unit=rules.get("unit", ""), description=rules.get("description", ""),
            minimum=rules.get("minimum", 0), maximum=rules.get("maximum"),
            choices=rules.get("choices"),
        )  # fmt: skip


def _type_name(hint: Any) -> str:
    if get_origin(hint) is Mapping or get_origin(hint) is dict:
        hint = get_args(hint)[1]
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(inner for inner in get_args(hint) if inner is not type(None))
    if hint not in (bool, int, float, str):
        raise TypeError(f"a threshold is bool, int, float or str, not {hint}")
    return str(hint.__name__)


@cache
def definitions() -> tuple[Definition, ...]:
    """All of them, in order of application, component and key.

    Raises:
        TypeError: two of them bear one key.
    """
    found = [each for group in GROUPS for each in definitions_of(*group)]
    twice = sorted(key for key, n in Counter(each.key for each in found).items() if n > 1)
    if twice:
        raise TypeError(f"two thresholds bear one name: {', '.join(twice)}")
    return tuple(sorted(found, key=lambda each: (each.app, each.component, each.key)))


def find(name: str) -> tuple[Definition, str]:
    """The definition and the key that a name stands for: `KEY` or `app.component.KEY`.

    Raises:
        NotFound: there is none; the nearest is named.
    """
    for each in definitions():
        key = name.removeprefix(f"{each.app}.{each.component}.")
        if key == each.key:
            return each, key
    for each in definitions():
        key = name.removeprefix(f"{each.app}.{each.component}.")
        if each.takes(key):
            return each, key
    raise NotFound(f"threshold {name}: {unknown_name(name, [d.key for d in definitions()])}",
                   hint="culm set --list")  # fmt: skip


class Values:
    """What holds now: the values that operators set, over the defaults."""

    def __init__(self, texts: Mapping[tuple[str, str], str]) -> None:
        """Take the texts by (key, organisation); an empty organisation stands for all."""
        self._texts = texts

    def get(self, name: str, vo: str = "") -> Value:
        """The value under a name: the organisation's own, that for all, that of the placeholder
        itself, the default.

        Raises:
            NotFound: there is no such threshold.
        """
        definition, key = find(name)
        return self._value(definition, key, vo)

    def of(self, kind: type[T], vo: str = "", **placeholders: str) -> T:
        """A dataclass of thresholds, filled: `values.of(Scouting, activity="user")`."""
        found: dict[str, Any] = {}
        for each in definitions_by_class()[kind]:
            if each.many:
                found[each.field] = self._values_by_word(each, vo)
                continue
            word = placeholders.get(each.placeholder, "")
            key = each.key.replace(f"<{each.placeholder}>", word) if word else each.key
            found[each.field] = self._value(each, key, vo)
        return kind(**found)

    def _values_by_word(self, definition: Definition, vo: str) -> dict[str, Value]:
        stem = definition.key.partition("<")[0]
        keys = {key for key, whose in self._texts if whose in (vo, "") and find(key)[0].key
                == definition.key and key != definition.key}  # fmt: skip
        return {key.removeprefix(stem): self._value(definition, key, vo) for key in sorted(keys)}

    def _value(self, definition: Definition, key: str, vo: str) -> Value:
        for known in dict.fromkeys((key, definition.key)):
            for whose in dict.fromkeys((vo, "")):
                text = self._texts.get((known, whose))
                if text is not None:
                    return definition.value_of(text)
        return definition.default


@cache
def definitions_by_class() -> dict[type[Any], tuple[Definition, ...]]:
    """The definitions of each dataclass."""
    return {kind: tuple(definitions_of(a, c, kind)) for a, c, kind in GROUPS}
