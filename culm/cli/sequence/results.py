"""What a step came to, with the attributes that psequencer documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from culm.wire.notices import TaskSummary

_LINES = {
    "JobID": re.compile(r"Summary of JobID\s*:\s*(\d+)"),
    "Site": re.compile(r"Site\s*:\s*(.*?)\s*"),
    "Jobs": re.compile(r"Total Number of Jobs\s*:\s*(\d+)"),
    "Succeeded": re.compile(r"\s*Succeeded\s*:\s*(\d+)"),
    "Partial": re.compile(r"\s*Partial\s*:\s*(\d+)"),
    "Failed": re.compile(r"\s*Failed\s*:\s*(\d+)"),
}
_DATASET = re.compile(r"(In|Out)\s*:\s*(\S+)\s*")
_SUBMITTED = (
    re.compile(r"^task (\d{8,}) \S+ [a-z]+(?: \(was submitted before\))?$", re.MULTILINE),
    re.compile(r"jediTaskID\s*=\s*(\d+)"),
    re.compile(r"^\s*JobID\s*:\s*(\d+)", re.MULTILINE),
)
"""What commands that submit say: ours, PanDA's of today, PanDA's of old."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What is told of a task that has ended."""

    JobID: int
    Site: str = ""
    Jobs: int = 0
    Succeeded: int = 0
    Partial: int = 0
    Failed: int = 0
    In: list[str] = field(default_factory=list)
    Out: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        """0 if some of it went well, 1 if nothing did."""
        return int(self.Succeeded + self.Partial == 0)

    @classmethod
    def of_summary(cls, found: TaskSummary) -> Ended:
        """As the server tells it."""
        return cls(
            found.task_id, ",".join(found.sites), found.n_jobs, found.n_succeeded,
            found.n_partial, found.n_failed, list(found.inputs), list(found.outputs),
        )  # fmt: skip

    @classmethod
    def of_mail(cls, text: str) -> Ended | None:
        """As a notice tells it; None if the text is no notice."""
        found: dict[str, Any] = {"In": [], "Out": []}
        for line in text.splitlines():
            for name, pattern in _LINES.items():
                match = pattern.fullmatch(line.rstrip())
                if match and name not in found:
                    found[name] = match[1] if name == "Site" else int(match[1])
            dataset = _DATASET.fullmatch(line)
            if dataset:
                found[dataset[1]].append(dataset[2])
        return cls(**found) if "JobID" in found else None


class Result:
    """A step's result: `status` and `output`, and of a task that it submitted what came of it.

    Without a task, `JobID` and the others are not there.
    """

    def __init__(self, status: int, output: str, ended: Ended | None = None) -> None:
        self.status = status if status or ended is None else ended.status
        self.output = output
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        """The attributes of the task.

        Raises:
            AttributeError: the step submitted none, or nothing is called like this.
        """
        if name not in Ended.__dataclass_fields__:
            known = ", ".join(("status", "output", *Ended.__dataclass_fields__))
            raise AttributeError(f"a result has no {name}; it has {known}")
        if self._ended is None:
            raise AttributeError(f"a result has {name} only if its step submitted a task")
        return getattr(self._ended, name)

    def __repr__(self) -> str:
        return f"<result: status {self.status}{f', {self._ended}' * bool(self._ended)}>"


def tasks_submitted(said: str) -> Iterator[int]:
    """The ids of the tasks that a step's output says were submitted, in order."""
    found = {match.start(): int(match[1]) for form in _SUBMITTED for match in form.finditer(said)}
    yield from dict.fromkeys(found[at] for at in sorted(found))
