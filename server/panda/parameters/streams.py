"""Input of PanDA's task parameters: templates with a dataset, as our streams."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from culm.core.errors import FieldFault
from culm.wire.task_spec import InputStream
from server.panda.parameters.faults import fault
from server.panda.parameters.patterns import shell_patterns

_STREAM = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:/[A-Z]+)?\}")
_TAKEN = frozenset({
    "type", "param_type", "value", "dataset", "expand", "consolidate", "include", "exclude",
    "offset", "files", "nFilesPerJob", "reusable", "hidden", "padding",
})  # fmt: skip


def input_streams(
    items: Sequence[Mapping[str, Any]], n_files: int | None, faults: list[FieldFault]
) -> Iterator[InputStream]:
    """The streams of the templates of param_type input; the first is the primary one.

    `n_files` is nFiles of the task: the most of the primary stream that is used.
    """
    for number, item in enumerate(items):
        found = _STREAM.search(str(item.get("value", "")))
        for name in sorted(set(item) - _TAKEN):
            if item[name] not in (None, False):
                faults.append(fault(f"jobParameters.{name}", item[name], "is not taken for input"))
        if found is None:
            faults.append(fault("jobParameters.value", item.get("value"), "${STREAM} is needed"))
            continue
        yield InputStream(
            stream=found[1],
            datasets=_words(item.get("dataset")),
            n_files_per_job=item.get("nFilesPerJob") or None,
            n_files=n_files if number == 0 else None,
            n_skip=item.get("offset") or 0,
            match=_files(item) or _patterns("include", item, faults),
            anti_match=_patterns("exclude", item, faults),
        )


def _files(item: Mapping[str, Any]) -> tuple[str, ...]:
    files = item.get("files") or ()
    names = files if isinstance(files, list) else _words(files)
    # A file in a list may come with the place that it was found at.
    return tuple(str(name).rsplit(":", 1)[-1] for name in names)


def _patterns(key: str, item: Mapping[str, Any], faults: list[FieldFault]) -> tuple[str, ...]:
    found: list[str] = []
    for word in _words(item.get(key)):
        patterns = shell_patterns(word)
        if patterns is None:
            needed = "a pattern with * and ? is taken, like *AOD*, no other expression"
            faults.append(fault(f"jobParameters.{key}", word, needed))
        found += patterns or ()
    return tuple(found)


def _words(text: Any) -> tuple[str, ...]:
    return tuple(word.strip() for word in str(text or "").split(",") if word.strip())
