"""Workflows: what a client sends to have one looked at, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from culm.core import names

MAX_DOCUMENT = 4 << 20
"""The most characters of a file of a bundle."""
LONGEST_CONTENTS = 64 << 10
"""The most bytes of a file that expressions see (CWL 1.2, `loadContents`)."""
MADE = "culm"
"""The scheme of what steps made: `culm://<dataset>/<task>/<path in its archive>`."""
SUBMITTED = "/culm-bundle/"
"""Where the submitted directory is, in the path of a `file` URL."""
UNSUPPORTED = "this CWL feature is not supported"
"""What the reason of a step holds that needs more of CWL than there is."""
_TEXT = {"multiline": True, "longest": MAX_DOCUMENT}
_NAME = {
    "pattern": names.DATASET,
    "rule": f"the base of dataset names is {names.LFN_RULE}",
    "longest": 150,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowBundle:
    """A workflow to be looked at: `files` are its documents by their path, `cwl` the one to begin
    with (`file.cwl` or `file.cwl#name`), `yaml` that of its inputs, `name` the base of the names of
    its datasets (`--outDS`).
    """

    name: str = field(metadata=_NAME)
    cwl: str
    yaml: str = ""
    files: dict[str, str] = field(default_factory=dict, metadata=_TEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAsRun:
    """A step as it would run: one for each branch of a scatter, and the first iteration of a loop.

    `place` is `file:line`, `path` says where it is in the workflow, `parents` are ids, `inputs` its
    options or inputs, `outputs` the datasets that it writes (or the outputs of a tool). `when` is
    its condition; a step in a `loop` runs again until a junction ends it.
    """

    id: str
    name: str
    type: str
    place: str
    path: str
    parents: tuple[str, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict, metadata=_TEXT)
    outputs: tuple[str, ...] = ()
    when: str = field(default="", metadata=_TEXT)
    loop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCheck:
    """A workflow without faults: its steps, as many as are shown of `n_steps`."""

    name: str
    n_steps: int
    steps: tuple[StepAsRun, ...]
    warnings: tuple[str, ...] = field(default=(), metadata=_TEXT)
