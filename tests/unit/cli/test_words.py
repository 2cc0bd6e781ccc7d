"""Ids, safe text, tables, exit codes: the small words of the command line."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.cli import errors as words
from culm.cli.ids import from_stream
from culm.cli.outcome import Act, exit_code, exit_code_of_tasks
from culm.cli.render import print_json, print_table, safe
from culm.core import errors
from culm.wire.views import TaskView


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("10000001\n", [10_000_001]),
        ("1,3\n5-7\n", [1, 3, 5, 6, 7]),
        ("7\tdone\t3/3\tuser.alice.x\n8\trunning\n", [7, 8]),
        ('{"task_id": 9, "name": "x", "status": "registered"}', [9]),
        ('[{"task_id": 1}, {"task_id": 2}]', [1, 2]),
        ('{"tasks": [{"task_id": 4}]}', [4]),
        ('{"job_id": 5, "task_id": 9}', [5]),
        ("[1, 2]", [1, 2]),
    ],
)
def test_ids_are_read_from_what_others_print(text: str, ids: list[int]) -> None:
    assert from_stream(io.StringIO(text)) == ids


@pytest.mark.parametrize(
    "text", ["", "\n", "abc", "{", "[]", '{"a": 1}', "[" * 10**6, "3-1", "0", "-5", "1-999999999"]
)
def test_text_without_ids_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        from_stream(io.StringIO(text))


def test_escape_sequences_are_shown_not_obeyed() -> None:
    assert safe("a\x1b[2Jb\r\n\x9bc\u202ed") == r"a\x1b[2Jb\x0d\x0a\x9bc\u202ed"
    assert safe("line\n\ttab\x07", keep="\n\t") == "line\n\ttab\\x07"
    assert safe("größe 粒子 📈") == "größe 粒子 📈"


@given(st.text())
def test_safe_text_holds_no_control_character(text: str) -> None:
    shown = safe(text)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066" for c in shown)


def test_json_is_one_value_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "\x1b[31m粒"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out) == {"name": "\x1b[31m粒"}


def test_table_off_a_terminal_is_lines_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("a", "b"), [(1, "x\ty\n"), (None, "z")])
    assert capsys.readouterr().out == "1\tx\\x09y\\x0a\n\tz\n"


def a_view(status: str) -> TaskView:
    return TaskView(
        task_id=1, name="x", user="a", status=status, final=True, reason="", version=1,
        created_at="", modified_at="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["done"], 0), (["done", "done"], 0), (["failed"], 1), (["broken", "aborted"], 1),
        (["exhausted"], 1), (["finished"], 7), (["done", "failed"], 7), (["finished", "done"], 7),
    ],
)  # fmt: skip
def test_exit_code_of_tasks(statuses: list[str], code: int) -> None:
    assert exit_code_of_tasks([a_view(status) for status in statuses]) == code


def test_exit_code_of_many_acts() -> None:
    good, bad = Act("1", ""), Act("2", "", errors.NotFound("x"))
    assert [exit_code([good]), exit_code([bad]), exit_code([good, bad])] == [0, 4, 7]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidRequest("x"), 2), (errors.NotAuthenticated("x"), 3),
        (errors.NotAllowed("x"), 3), (errors.NotFound("x"), 4), (errors.WrongStatus("x"), 5),
        (errors.Unreachable("x"), 6), (errors.WaitTimedOut("x"), 124),
        (errors.Misconfigured("x"), 2), (ValueError("x"), 1),
    ],
)  # fmt: skip
def test_error_becomes_words_and_its_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words.tell(error) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("culm: ")
    assert "Traceback" not in shown.err


def test_error_of_a_stranger_cannot_write_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words.tell(errors.NotFound("task \x1b[2J", hint="\x1b]0;x\x07"))
    assert "\x1b" not in capsys.readouterr().err


def test_debug_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("x")
    except ValueError as error:
        words.tell(error, debug=True)
    assert "Traceback" in capsys.readouterr().err
