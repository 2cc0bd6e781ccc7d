"""Running a sequence: the user's own Python, on the user's own machine, with the user's rights."""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
from typing import Any

from culm.cli.render import say
from culm.cli.sequence.sections import Sections
from culm.cli.sequence.steps import Ends, PandaJob, Step
from culm.core.errors import CulmError


def run_sequence(sections: Sections, path: str, ends: Ends, *, verbose: bool) -> int:
    """The exit code of a sequence: 0, what `sys.exit` says, or 1 after an error in it.

    Raises:
        CulmError: the server or the mail server refused; the sequence did not take care of it.
    """
    names = names_of(sections, path, ends, verbose=verbose)
    try:
        # What the file says is the user's own program: it is run as python would run it.
        exec(sections.code, names)  # noqa: S102
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except CulmError:
        raise
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        line = frames[-1].lineno if frames else 0
        say(f"{path}:{line}: {type(error).__name__}: {error}")
        return 1
    return 0


def names_of(sections: Sections, path: str, ends: Ends, *, verbose: bool) -> dict[str, Any]:
    """What a sequence finds by name: its steps, the documented functions, some modules."""

    def jobs(ids: list[int]) -> list[PandaJob]:
        return [PandaJob(task_id, ends) for task_id in ids]

    return {
        "__name__": "__main__", "__file__": path,
        "time": time, "os": os, "sys": sys, "re": re,
        "getPandaJob": lambda task_id: PandaJob(int(task_id), ends),
        "getRunningPandaJobs": lambda: jobs(ends.running()),
        "getFrozenPandaJobs": lambda: jobs(ends.frozen()),
        **{name: Step(text, ends, verbose=verbose) for name, text in sections.steps.items()},
    }  # fmt: skip
