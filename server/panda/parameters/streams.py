"""Input of PanDA's task parameters: templates with a dataset, as our streams."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from culm.core.errors import FieldFault
from culm.wire.task_spec import InputStream
from server.panda.parameters.faults import fault

_STREAM = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:/[A-Z]+)?\}")
_LOGS = r"\.log\.tgz(\.\d+)*$"
"""What prun leaves out of every input, unless --useLogAsInput is given."""
_LOGS_AS_PATTERNS = ("*.log.tgz", "*.log.tgz.[0-9]*")
_NO_PATTERN = re.compile(r"[\\^$|+(){}]")
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
            match=_patterns(item, faults),
            anti_match=_exceptions(item, faults),
        )


def _patterns(item: Mapping[str, Any], faults: list[FieldFault]) -> tuple[str, ...]:
    files = item.get("files")
    if files:
        names = files if isinstance(files, list) else _words(files)
        # A file in a list may come with the place that it was found at.
        return tuple(str(name).rsplit(":", 1)[-1] for name in names)
    return tuple(_checked("include", _words(item.get("include")), faults))


def _exceptions(item: Mapping[str, Any], faults: list[FieldFault]) -> tuple[str, ...]:
    found: list[str] = []
    for word in _words(item.get("exclude")):
        found += _LOGS_AS_PATTERNS if word == _LOGS else _checked("exclude", (word,), faults)
    return tuple(found)


def _checked(field: str, words: Sequence[str], faults: list[FieldFault]) -> Iterator[str]:
    for word in words:
        if _NO_PATTERN.search(word):
            needed = "a shell pattern like *AOD* is taken, no regular expression"
            faults.append(fault(f"jobParameters.{field}", word, needed))
        yield word


def _words(text: Any) -> tuple[str, ...]:
    return tuple(word.strip() for word in str(text or "").split(",") if word.strip())
