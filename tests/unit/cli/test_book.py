"""The lines of `culm book`: calls with literals, and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from culm.cli.book.language import Order, parse, run
from culm.cli.book.session import completions, session
from culm.cli.book.verbs import Book
from culm.client import Client
from culm.client.prun import changes_of
from culm.core.errors import InvalidRequest, UserError

VERBS = Book(Client("http://127.0.0.1:9", "t"), yes=False).verbs


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("show()", Order("show", (), {})),
        ("show", Order("show")),
        ("  help(show) ", Order("help", ("show",), {})),
        ("show('fin', days=7, limit=100)", Order("show", ("fin",), {"days": 7, "limit": 100})),
        ("kill([1, 2])", Order("kill", ([1, 2],), {})),
        ("retry(3, newOpts={'nFilesPerJob': None})",
         Order("retry", (3,), {"newOpts": {"nFilesPerJob": None}})),
        ("show(-1)", Order("show", (-1,), {})),
    ],
)  # fmt: skip
def test_line_is_a_call_with_literals(line: str, order: Order) -> None:
    assert parse(line, VERBS) == order


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("shwo()", "shwo: unknown; did you mean show?"),
        ("show(", "at character 5: '(' was never closed"),
        ("show(open('/etc/passwd'))", "open('/etc/passwd'): a number, text in quotes"),
        ("__import__('os').system('true')", "is no call of a verb"),
        ("show(*[1])", "*[1]: a number"),
        ("show(**{'days': 1})", "** is not taken"),
        ("[show(1)]", "is no call of a verb"),
        ("show(days := 3)", "a number, text in quotes"),
        ("show(1" + "+1" * 4999 + ")", "characters"),
        ("show(" + "(" * 300 + "1" + ")" * 300 + ")", "show("),
    ],
)
def test_other_lines_are_refused(line: str, words: str) -> None:
    with pytest.raises(UserError) as wrong:
        parse(line, VERBS)
    assert words in str(wrong.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show(dyas=3)", "show(dyas=…): unknown; did you mean days?"),
        ("why([1, 2])", "2 ids, one is needed here"),
        ("kill()", "kill: missing a required argument: 'some'"),
        ("show(limit=0)", "limit=0: a number above zero is needed"),
        ("show(format='jsn', jeditaskid=[])", "[]: a task id or a list of them"),
        ("show('runn')", "unknown; did you mean run?"),
        ("retry(5, newOpts=3)", "newOpts=3: a map of options"),
        ("help(shwo)", "a number, text in quotes"),
    ],
)
def test_wrong_arguments_are_named(line: str, words: str) -> None:
    with pytest.raises(Exception, match=r".") as wrong:
        run(parse(line, VERBS), VERBS)
    assert words in str(wrong.value)


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(parse("help()", VERBS), VERBS) == 0
    said = capsys.readouterr().out
    assert all(f"{name}(" in said for name in VERBS)
    run(parse("help(show)", VERBS), VERBS)
    assert "taskname   only names that match" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("sho", "sho", ["show(", "showl(", "show_workflow("]),
        ("da", "show(da", ["days="]),
        ("'f", "show('f", ["'fin'"]),
        ("ki", "help(ki", ["kill", "killJob", "kill_workflow"]),
        ("zz", "zz", []),
    ],
)
def test_words_are_completed(text: str, line: str, found: list[str]) -> None:
    assert completions(text, VERBS, line) == found


def test_session_takes_lines_to_the_end_of_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["show()", " ", "kill(1)"])

    def given(_prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    done: list[str] = []
    monkeypatch.setattr("builtins.input", given)
    monkeypatch.setattr("culm.cli.book.session.is_terminal", lambda _stream: True)
    history = tmp_path / "new" / "book_history"
    assert session(VERBS, lambda line: done.append(line) or len(done), history) == 2
    assert done == ["show()", "kill(1)"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"nFilesPerJob": 10, "excludedSite": "ABC,XYZ"},
         {"n_files_per_job": 10, "excluded_sites": ["ABC", "XYZ"]}),
        ({"nFilesPerJob": None, "excludedSite": None},
         {"n_files_per_job": None, "excluded_sites": None}),
        ({"memory": "4GB", "nCore": 8, "walltime": "2h"},
         {"memory_mb": 4000, "core_count": 8, "walltime_seconds": 7200}),
    ],
)  # fmt: skip
def test_new_options_of_a_retry(options: dict[str, Any], changes: dict[str, Any]) -> None:
    assert changes_of(options) == changes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nFilePerJob": 3}, "unknown; did you mean nFilesPerJob?"),
        ({"workDir": "x"}, "--workDir: given - cannot be changed"),
        ({"memory": "much"}, "--memory"),
    ],
)
def test_new_options_that_mean_nothing_are_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        changes_of(options)
    assert words in str(wrong.value)
