"""The verbs of the book. Each is called with literals of the user's and gives an exit code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from culm.cli.asking import confirm
from culm.cli.book.language import Verb
from culm.cli.book.show import FIN, RUN, Filter, matching, numbers, print_tasks, tasks_of
from culm.cli.outcome import act_on, report
from culm.cli.render import print_line, say
from culm.cli.why import show_why
from culm.client import Client
from culm.client.prun import changes_of
from culm.core.errors import UserError
from culm.core.nearest import unknown_name
from culm.wire.views import CommandRequest, TaskView

ALL = "all"
PATIENCE_SECONDS = 120.0
"""How long the pilot of a job is waited for: it listens at its heartbeats."""


class Book:
    """The verbs over one client. `yes`: nobody is asked before something is destroyed."""

    def __init__(self, client: Client, *, yes: bool) -> None:
        self._client = client
        self._yes = yes

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """The verbs by name, in the order of the help."""
        return {name: getattr(self, name) for name in _NAMES}

    def help(self, verb: str | None = None) -> int:
        """Show all verbs; or, given one of them, what it does."""
        if verb is None:
            for name, function in self.verbs.items():
                print_line(f"{name}{_arguments(function)}", f"  {_first_line(function)}")
            return 0
        if verb not in self.verbs:
            raise UserError(f"{verb}: {unknown_name(verb, self.verbs)}", hint="help()")
        function = self.verbs[verb]
        print_line(f"{verb}{_arguments(function)}")
        for line in inspect.cleandoc(function.__doc__ or "").splitlines():
            print_line(line)
        return 0

    def show(  # noqa: PLR0913, PLR0917 - pbook's filters
        self,
        some: Any = None,
        username: str = "me",
        limit: int = 1000,
        taskname: str | None = None,
        days: float = 14,
        jeditaskid: Any = None,
        sync: bool = False,
        format: str = "standard",
    ) -> int:
        """Print task records, newest first.

        The first argument may be a task id, a list of them, a workflow's id (its tasks are
        shown), 'run' (active tasks only) or 'fin' (ended ones only). Without ids only your own
        tasks of the last 14 days are shown, 1000 at most.

        username   whose ('*': everybody's that you may see)
        taskname   only names that match, with * and ?
        days       submitted within so many days
        limit      at most so many
        jeditaskid the same as ids in the first place
        format     standard, long, json, plain
        sync       taken for pbook's sake: records always come from the books

        show()   show(12345678, format='long')   show('run')   show('fin', days=7, limit=100)
        """
        del sync
        if jeditaskid is not None:
            some = jeditaskid
        if isinstance(some, str) and some.isalpha() and some not in (RUN, FIN):
            raise UserError(f"{some!r}: {unknown_name(some, (RUN, FIN))}", hint="help(show)")
        if some is not None and some not in (RUN, FIN):
            print_tasks(tasks_of(self._client, numbers(some)), format)
            return 0
        _check_numbers(limit=limit, days=days)
        wanted = Filter(
            state=some or "", username=username, taskname=taskname, limit=limit, days=days
        )
        print_tasks(matching(self._client, wanted), format)
        return 0

    def showl(  # noqa: PLR0913, PLR0917 - pbook's filters
        self,
        some: Any = None,
        username: str = "me",
        limit: int = 1000,
        taskname: str | None = None,
        days: float = 14,
        jeditaskid: Any = None,
        sync: bool = False,
    ) -> int:
        """Print task records in the long format; takes what show takes."""
        return self.show(some, username, limit, taskname, days, jeditaskid, sync, "long")

    def kill(self, some: Any) -> int:
        """Kill tasks and all their jobs: a task id, a list of them, or 'all' (your active ones)."""
        return self._each(some, "kill", lambda number: self._client.kill(number).message)

    def finish(self, some: Any, soft: bool = False) -> int:
        """End tasks early and keep what is done: a task id, a list of them, or 'all'.

        With soft=True no new jobs are made, and those that are there come to their end.
        """
        return self._each(
            some, "finish", lambda number: self._client.finish(number, soft=bool(soft)).message
        )

    def retry(self, some: Any, newOpts: Any = None) -> int:  # noqa: N803 - pbook's word
        """Try again what failed in ended tasks: a task id or a list of them.

        newOpts is a map of options and their new values, as prun spells them; None takes an
        option away: retry(12345678, newOpts={'nFilesPerJob': 10, 'excludedSite': None})
        """
        if newOpts is None:
            return self._many(some, lambda number: self._client.retry(number).message)
        if not isinstance(newOpts, dict):
            words = "a map of options is needed, like {'nFilesPerJob': 10}"
            raise UserError(f"newOpts={newOpts!r}: {words}", hint="help(retry)")
        changes = changes_of(newOpts)
        return self._many(some, lambda number: self._client.incexec(number, changes).message)

    def pause(self, some: Any) -> int:
        """Make no more jobs of tasks until they are resumed."""
        return self._many(some, lambda number: self._client.pause(number).message)

    def resume(self, some: Any) -> int:
        """Go on with paused tasks."""
        return self._many(some, lambda number: self._client.resume(number).message)

    def reload_input(self, some: Any) -> int:
        """Look at the input of tasks again, and process what is new or failed."""
        return self._many(some, lambda number: self._client.incexec(number).message)

    def why(self, some: int) -> int:
        """Say what hinders a task, and what would help."""
        number = _one(some)
        show_why(self._client.why(number), every=False, as_json=False)
        return 0

    def getUserJobMetadata(self, taskID: int, output: str = "userJobMetadata.json") -> int:  # noqa: N802, N803 - pbook's words
        """Write the metadata that a task's jobs left into a JSON file, by job id."""
        number = _one(taskID)
        found = {}
        for job in self._client.jobs(number):
            text = self._client.job(job.job_id).user_metadata
            if text is not None:
                found[str(job.job_id)] = json.loads(text)
        with _files_told():
            Path(output).write_text(json.dumps(found, indent=1), encoding="utf-8")
        say(f"metadata of {len(found)} jobs: {output}")
        return 0

    def killJob(self, PandaID: int) -> int:  # noqa: N802, N803 - pbook's words
        """Kill one job; its input is tried again if the rules allow it."""
        number = _one(PandaID)
        confirm("kill a job", [str(number)], yes=self._yes)
        print_line(number, self._client.kill_job(number).message)
        return 0

    def tail(self, PandaID: int, path: str = "payload.stdout", lines: int = 20) -> int:  # noqa: N803
        """Show the end of a file of a running job: its output, if no other is named."""
        return self._ask(PandaID, "tail", path, lines)

    def ls(self, PandaID: int, path: str = ".") -> int:  # noqa: N803
        """List the files of a running job."""
        return self._ask(PandaID, "ls", path)

    def ps(self, PandaID: int) -> int:  # noqa: N803
        """List the processes of a running job."""
        return self._ask(PandaID, "ps")

    def debug(self, PandaID: int, modeOn: bool = True) -> int:  # noqa: N803
        """Have the pilot of a running job listen often, so that tail, ls and ps answer sooner."""
        return self._ask(PandaID, "debug" if modeOn else "debugoff")

    def _ask(self, job: Any, kind: str, path: str = "", lines: int = 20) -> int:
        from culm.cli.job_requests import ask

        request = self._client.ask_job(_one(job), kind, str(path), lines)
        ask(self._client, request, PATIENCE_SECONDS, as_json=False)
        return 0

    def set_secret(self, key: str, value: str, is_file: bool = False) -> int:
        """Keep a secret; with is_file=True the value is a file's path, and its bytes are kept."""
        with _files_told():
            content = Path(value).read_bytes() if is_file else str(value)
        kept = self._client.set_secret(key, content, is_file=bool(is_file))
        say(f"secret {kept.name} is kept ({kept.size_bytes} bytes)")
        return 0

    def list_secrets(self, full: bool = False) -> int:
        """List your secrets; with full=True their values, too (of files, how many bytes)."""
        for view in self._client.secrets():
            shown = "" if not full or view.is_file else self._client.secret(view.name).decode()
            print_line(view.name, f"file, {view.size_bytes} bytes" if view.is_file else shown)
        return 0

    def delete_secret(self, key: str) -> int:
        """Forget a secret."""
        self._client.delete_secret(key)
        say(f"secret {key} is forgotten")
        return 0

    def delete_all_secrets(self) -> int:
        """Forget all of your secrets."""
        names = [view.name for view in self._client.secrets()]
        confirm(f"delete {len(names)} secrets", names, yes=self._yes)
        self._client.delete_secrets()
        say(f"{len(names)} secrets are forgotten")
        return 0

    def show_workflow(self, request_id: int) -> int:
        """Show the status of a workflow, and its steps with their tasks."""
        from culm.cli.workflow import show_one

        number = _one(request_id)
        show_one(self._client, number)
        return 0

    def finish_workflow(self, request_id: int) -> int:
        """End all active tasks of a workflow, and keep what is done."""
        return self._workflow(request_id, "finish")

    def kill_workflow(self, request_id: int) -> int:
        """Kill all active tasks of a workflow."""
        return self._workflow(request_id, "kill")

    def retry_workflow(self, request_id: int) -> int:
        """Try again what failed in a workflow, and go on with the steps after it."""
        return self._workflow(request_id, "retry")

    def pause_workflow(self, request_id: int) -> int:
        """Pause all active tasks of a workflow."""
        return self._workflow(request_id, "pause")

    def resume_workflow(self, request_id: int) -> int:
        """Go on with a paused workflow."""
        return self._workflow(request_id, "resume")

    def _workflow(self, request_id: int, order: str) -> int:
        number = _one(request_id)
        if order in ("kill", "finish"):
            view = self._client.workflow(number)
            line = f"{view.workflow_id} {view.name} ({view.status})"
            confirm(f"{order} a workflow", [line], yes=self._yes)
        answer = self._client.command_workflow(number, CommandRequest(command=order))
        print_line(number, answer.message)
        return 0

    def _each(self, some: Any, order: str, act: Callable[[int], str]) -> int:
        """Do what destroys, after asking."""
        tasks = self._asked_for(some)
        if not tasks:
            say("you have no active task")
            return 0
        lines = [f"{task.task_id} {task.name} ({task.status})" for task in tasks]
        confirm(f"{order} {len(tasks)} task" + "s" * (len(tasks) > 1), lines, yes=self._yes)
        return report(act_on([task.task_id for task in tasks], act), as_json=False)

    def _asked_for(self, some: Any) -> Sequence[TaskView]:
        if some == ALL:
            return [task for task in self._client.tasks() if not task.final]
        return tasks_of(self._client, numbers(some))

    def _many(self, some: Any, act: Callable[[int], str]) -> int:
        return report(act_on(numbers(some), act), as_json=False)


_NAMES = (
    "help", "show", "showl", "kill", "finish", "retry", "pause", "resume", "reload_input", "why",
    "getUserJobMetadata", "killJob", "tail", "ls", "ps", "debug", "show_workflow",
    "finish_workflow", "kill_workflow", "retry_workflow", "pause_workflow", "resume_workflow",
    "set_secret", "list_secrets", "delete_secret", "delete_all_secrets",
)  # fmt: skip


def _one(value: Any) -> int:
    found = numbers(value)
    if len(found) != 1:
        raise UserError(f"{len(found)} ids, one is needed here", hint="help()")
    return found[0]


@contextmanager
def _files_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error


def _check_numbers(**values: Any) -> None:
    for name, value in values.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
            raise UserError(f"{name}={value!r}: a number above zero is needed", hint="help(show)")


def _arguments(function: Verb) -> str:
    parameters = inspect.signature(function).parameters.values()
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    return str(inspect.Signature(plain))


def _first_line(function: Verb) -> str:
    return (function.__doc__ or "").partition("\n")[0].strip()
