"""Contents of files for the expressions of workflows (CWL 1.2, `loadContents`).

Those of the user's files came along as texts, those of what tools wrote with their results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from culm.core.errors import FieldFault
from culm.wire.workflows import LONGEST_CONTENTS
from cwl.bundle import name_of
from cwl.links import StepFault
from cwl.plan import Workflow
from cwl.tool_jobs import located

_NEEDED = f"a text of at most {LONGEST_CONTENTS >> 10} KiB in UTF-8, for loadContents"


def with_contents(value: Any, texts: Mapping[str, str]) -> Any:
    """A value whose files have their contents; `texts` are those of the user, by path.

    Raises:
        StepFault: they are not known.
    """

    def read(node: Mapping[str, Any]) -> Mapping[str, Any]:
        if node["class"] != "File" or "contents" in node:
            return node
        text = texts.get(name_of(str(node.get("location"))) or "")
        if text is None or len(text.encode()) > LONGEST_CONTENTS:
            raise StepFault(f"{node.get('basename')}: {_NEEDED} is needed")
        return {**node, "contents": text}

    return located(value, read)


def content_faults(
    workflow: Workflow, values: Mapping[str, Any], texts: Mapping[str, str]
) -> Iterator[FieldFault]:
    """What is wrong with the files of which a workflow's inputs need the contents."""
    for given in workflow.inputs:
        if given.load_contents:
            try:
                value = values.get(given.name)
                with_contents(given.default if value is None else value, texts)
            except StepFault as fault:
                yield FieldFault(given.name, str(fault).partition(":")[0], f"{_NEEDED} is needed")
