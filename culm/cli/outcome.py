"""What many small acts come to: one line each, one exit code for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from culm.cli.errors import PARTLY_DONE
from culm.cli.render import print_json, print_line, say
from culm.core.errors import CallerError, CulmError, NotAuthenticated
from culm.wire.views import TaskView

SUCCEEDED = frozenset({"done"})
PARTLY = frozenset({"finished"})


@dataclass(frozen=True, slots=True)
class Act:
    """What one act on one thing came to."""

    target: str
    message: str
    error: CulmError | None = None


def act_on(targets: Sequence[int | str], act: Callable[[Any], str]) -> list[Act]:
    """What an act on each of these came to; it goes on after those that refuse.

    Raises:
        CulmError: none can be done, for lack of a server or of a token.
    """
    done = []
    for target in targets:
        try:
            done.append(Act(str(target), act(target)))
        except (CallerError, NotAuthenticated):
            raise
        except CulmError as error:
            done.append(Act(str(target), error.message, error))
    return done


def report(acts: Sequence[Act], *, as_json: bool) -> int:
    """Print what each act came to; the exit code for all.

    Raises:
        CulmError: there was one act, and it was refused.
    """
    if len(acts) == 1 and acts[0].error:
        raise acts[0].error
    if as_json:
        print_json([_row(act) for act in acts])
    for act in acts:
        if act.error:
            say(f"culm: {act.target}: {act.message} ({act.error.code})")
        elif not as_json:
            print_line(act.target, act.message)
    return exit_code(acts)


def exit_code(acts: Sequence[Act]) -> int:
    """0 if all were done, 7 if some, else that of the first that was refused."""
    refused = [act.error for act in acts if act.error]
    if not refused:
        return 0
    return refused[0].exit_code if len(refused) == len(acts) else PARTLY_DONE


def exit_code_of_tasks(tasks: Sequence[TaskView]) -> int:
    """0 if all tasks are done, 1 if none got anywhere, else 7."""
    return exit_code_of(task.status for task in tasks)


def exit_code_of(ends: Iterable[str]) -> int:
    """The same for the statuses in which tasks or workflows ended."""
    statuses = set(ends)
    if statuses <= SUCCEEDED:
        return 0
    return PARTLY_DONE if statuses & (SUCCEEDED | PARTLY) else 1


def _row(act: Act) -> dict[str, object]:
    row: dict[str, object] = {"id": act.target, "ok": act.error is None, "message": act.message}
    return row | ({"code": act.error.code} if act.error else {})
