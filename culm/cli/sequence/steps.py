"""Steps as a sequence uses them: run in a shell of their own; their tasks waited for."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Protocol

from culm.cli.render import say
from culm.cli.sequence.results import Ended, Result, tasks_submitted
from culm.cli.sequence.sections import StepText

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Ends(Protocol):
    """Tells of tasks that have ended."""

    def of(self, task_id: int, *, blocking: bool) -> Ended | None:
        """What came of a task, when it has ended; None if it has not, and nobody waits."""

    def running(self) -> list[int]:
        """Your tasks that have not ended."""

    def frozen(self) -> list[int]:
        """Your tasks that ended lately."""


class NotExecuted(RuntimeError):
    """A result was asked for of a step that was not executed."""


@dataclass(slots=True)
class _Run:
    status: int
    output: str
    task_ids: tuple[int, ...]


class Step:
    """A step of the file."""

    def __init__(self, text: StepText, ends: Ends, *, verbose: bool) -> None:
        self.name = text.name
        self._text, self._ends, self._verbose = text, ends, verbose
        self._run: _Run | None = None

    def execute(self, env: Mapping[str, object] | None = None) -> None:
        """Run the step's commands now, with these variables; returns when they have ended."""
        script = script_of(self._text, env or {})
        if self._verbose:
            for line in (f"--- {self.name}", *script.splitlines()):
                say(line)
        status, output, errors = _shell(script, show=self._verbose)
        task_ids = tuple(tasks_submitted(f"{errors}\n{output}"))
        self._run = _Run(status, output, task_ids)
        if self._verbose:
            tasks = ", ".join(map(str, task_ids))
            say(f"--- {self.name} ended with {status}" + f", submitted {tasks}" * bool(tasks))

    def result(self, blocking: bool = True) -> Result | None:
        """What came of the last execution, when the tasks that it submitted have ended.

        None if they have not, and `blocking` is False. The attributes are of the last of them.

        Raises:
            NotExecuted: the step was not executed.
        """
        if self._run is None:
            raise NotExecuted(f"{self.name}.result(): {self.name} was not executed before")
        ended = None
        for task_id in self._run.task_ids:
            ended = self._ends.of(task_id, blocking=blocking)
            if ended is None:
                return None
        return Result(self._run.status, self._run.output, ended)


class PandaJob:
    """A task that was submitted outside of the sequence."""

    def __init__(self, task_id: int, ends: Ends) -> None:
        self.JobID = task_id
        self._ends = ends

    def __repr__(self) -> str:
        return f"<job {self.JobID}>"

    def result(self, blocking: bool = True) -> Result | None:
        """What came of it, when it has ended; None if it has not, and `blocking` is False."""
        ended = self._ends.of(self.JobID, blocking=blocking)
        return None if ended is None else Result(0, "", ended)


def script_of(text: StepText, env: Mapping[str, object]) -> str:
    """The script of a step: its variables, then its commands.

    Raises:
        ValueError: a variable's name is none.
    """
    for name in env:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise ValueError(f"{text.name}.execute(env=…): {name!r} is no name of a variable")
    exports = "".join(f"export {name}={_quoted(str(value))}\n" for name, value in env.items())
    return f"#!/bin/bash\n{exports}{text.script}"


def _quoted(value: str) -> str:
    """In single quotes, as documented."""
    return f"'{value}'" if "'" not in value else shlex.quote(value)


def _shell(script: str, *, show: bool) -> tuple[int, str, str]:
    """The exit status of a script, and what it wrote to standard output and error."""
    with tempfile.NamedTemporaryFile("w", prefix="culm-step-", suffix=".sh") as file:
        file.write(script)
        file.flush()
        process = subprocess.Popen(
            ["/bin/bash", file.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip
        errors: list[str] = []
        listener = threading.Thread(target=_take, args=(process.stderr, errors, True))
        listener.start()
        output: list[str] = []
        _take(process.stdout, output, show)
        listener.join()
        return process.wait(), "".join(output), "".join(errors)


def _take(stream: IO[str] | None, lines: list[str], show: bool) -> None:
    for line in stream or ():
        lines.append(line)
        if show:
            sys.stderr.write(line)
