"""Searches (`run: phpo`): the files that their options name are those of the bundle alone."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from culm.client.hpo_options import Hpo
from culm.client.option_files import options_in
from culm.client.search_files import Reader
from culm.core.errors import InvalidRequest
from culm.core.nearest import nearest
from cwl.arguments import Arguments
from cwl.bundle import Bundle
from cwl.links import StepFault
from cwl.plan import Kind, Plan

_OF_WORKFLOW = ("out_ds", "parent_task_id", "work_dir", "load_json")
"""Options that a file may hold for `culm hpo`, and that the workflow or the step itself says."""


def with_files(plan: Plan, bundle: Bundle) -> Plan:
    """The plan, if it has searches or reads files, with what was sent beside its documents."""
    steps = (step for flow in plan.workflows.values() for step in flow.steps)
    if not plan.reads_contents and not any(step.kind is Kind.PHPO for step in steps):
        return plan
    files = {
        name: text
        for name, text in bundle.files.items()
        if name != bundle.yaml and not name.endswith(".cwl")
    }
    return replace(plan, files=files)


def in_bundle(files: Mapping[str, str]) -> Reader:
    """A reader of the files that were sent along, by their paths below the directory."""

    def read(path: str) -> str:
        name = posixpath.normpath(path)
        if name.startswith(("/", "../")) or name == "..":
            raise _absent(path, "must lie below the workflow's directory (--workDir)")
        if name not in files:
            near = nearest(name, files)
            meant = f"; did you mean {near}?" if near else ": no such file where it was submitted"
            raise _absent(path, f"was not sent along{meant}")
        return files[name]

    return read


def _absent(path: str, words: str) -> OSError:
    return FileNotFoundError(errno.ENOENT, words, path)


def options_of_search(found: Arguments, files: Mapping[str, str]) -> dict[str, Any]:
    """The options of a step with those of the file of its `--loadJson`; what the step says wins.

    The file's name becomes one of `others`.

    Raises:
        StepFault: there is no such file, or something in it is wrong: the line is named.
    """
    path = found.options.pop("load_json", None)
    if path is None:
        return found.options
    found.others["loadJson"] = path
    try:
        loaded = options_in(Hpo, path, in_bundle(files))
    except InvalidRequest as error:
        raise StepFault("; ".join(map(str, error.faults))) from error
    kept = {name: value for name, value in loaded.items() if name not in _OF_WORKFLOW}
    return kept | found.options
