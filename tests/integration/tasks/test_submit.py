"""Submission: what is refused and in which words; the same key is the same task."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import Conflict, InvalidRequest
from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec
from tasks.stages.submit import submit
from tasks.store.books import Books
from tests.builders import a_dataset, a_spec, a_task, run_stages
from tests.integration.tasks.racers import Racers
from tests.integration.tasks.scene import rows, run_to_the_end, status, tell, value


def faults(books: Books, **changes: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        a_task(books, **changes)
    assert value(books, "SELECT COUNT(*) FROM task WHERE user_name = 'alice' "
                 "AND name NOT LIKE '%parent'") == 0  # fmt: skip
    return [str(fault) for fault in caught.value.faults]


def test_unknown_dataset_is_named(books: Books) -> None:
    found = faults(books, inputs=[{"datasets": ["user.alice.nothing"]}])
    assert found == ["inputs[0].datasets: user.alice.nothing - no such dataset (culm dataset list)"]


def test_empty_dataset_is_named(books: Books) -> None:
    data = a_dataset(books, 0)
    assert faults(books, inputs=[{"datasets": [data]}]) == [
        f"inputs[0].datasets: {data} - has no files"
    ]


def test_pattern_that_matches_nothing_is_named(books: Books) -> None:
    data = a_dataset(books, 2)
    assert faults(books, inputs=[{"datasets": [data], "match": ["*.root"]}]) == [
        f"inputs[0].match: *.root - matches no file of {data}"
    ]
    assert faults(books, inputs=[{"datasets": [data], "anti_match": ["f*"]}]) == [
        f"inputs[0].match: -f* - matches no file of {data}"
    ]


@pytest.mark.parametrize("field", ["site", "excluded_sites"])
def test_unknown_site_is_answered_with_the_nearest(books: Books, field: str) -> None:
    given = "LOCALE" if field == "site" else ["LOCALE"]
    assert faults(books, **{field: given}) == [f"{field}: LOCALE - unknown; did you mean LOCAL?"]


def test_architecture_that_cannot_be_read_is_refused_with_what_is_wrong(books: Books) -> None:
    assert faults(books, architecture="el9#x86_64#arm") == [
        "architecture: 'el9#x86_64#arm' - host_cpu (#) stands there twice"
    ]


def test_sandbox_that_was_not_uploaded_is_named(books: Books) -> None:
    digest = "a" * 64
    assert faults(books, sandbox=digest) == [
        f"sandbox: {digest} - no such sandbox here: upload it first"
    ]


def test_parent_that_is_not_there_or_anothers_is_refused(books: Books) -> None:
    assert faults(books, parent_task_id=12) == ["parent_task_id: 12 - no such task of yours"]
    other = a_task(books, user="bob")
    assert faults(books, parent_task_id=other) == [
        f"parent_task_id: {other} - no such task of yours"
    ]


@pytest.mark.parametrize("length", [200, 255])
def test_output_whose_names_would_be_too_long_is_refused(books: Books, length: int) -> None:
    found = faults(books, name="t" * 60, outputs=["o" * length])
    assert [text.split(": ")[0] for text in found] == ["outputs"]
    assert "characters long" in found[0]


def test_longest_names_run_through(books: Books) -> None:
    task_id = a_task(books, name="user.alice." + "t" * 100, outputs=["o" * 140])
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_all_faults_come_at_once(books: Books) -> None:
    found = faults(books, site="NOWHERE", sandbox="b" * 64, parent_task_id=1,
                   inputs=[{"datasets": ["x", "y"]}])  # fmt: skip
    assert len(found) == 5


def test_same_key_and_content_is_the_same_task(books: Books) -> None:
    spec = a_spec()
    first, again = (submit(books, spec, "alice", "key") for _ in range(2))
    assert (first.created, again.created, again.task_id) == (True, False, first.task_id)
    run_to_the_end(books)
    later = submit(books, spec, "alice", "key")
    assert (later.task_id, later.status) == (first.task_id, "done")
    assert submit(books, spec, "bob", "key").created


def test_same_key_with_other_content_is_a_conflict(books: Books) -> None:
    task_id = a_task(books, key="key")
    with pytest.raises(Conflict, match=f"key was used for task {task_id} with other parameters"):
        a_task(books, key="key", command="false")


def test_name_of_a_living_task_is_taken_until_it_is_gone(books: Books) -> None:
    first = a_task(books, name="user.alice.one")
    with pytest.raises(Conflict, match=rf"task {first} \(registered\) has the name"):
        a_task(books, name="user.alice.one")
    a_task(books, name="user.alice.one", user="bob")
    tell(books, first, "kill")
    run_stages(books)
    assert a_task(books, name="user.alice.one") > first


def test_two_processes_with_the_same_key_at_once_make_one_task(
    books: Books, racers: Racers
) -> None:
    for number in range(5):
        document = {"name": f"user.alice.race{number}", "command": "true"}
        answers = racers.race(books.url, "submit", document=document, key=f"race{number}")
        assert len({task_id for task_id, _ in answers}) == 1
        assert sorted(created for _, created in answers) == [False, True]


def test_two_processes_with_the_same_name_at_once_make_one_task(
    books: Books, racers: Racers
) -> None:
    for number in range(5):
        document = {"name": f"user.alice.race{number}", "command": "true"}
        answers = racers.race(books.url, "submit", document=document, key="")
        assert sorted(str(answer) for answer in answers)[-1].startswith("Conflict")
    assert value(books, "SELECT COUNT(*) FROM task") == 5


def test_task_whose_dataset_went_away_is_broken_with_words(books: Books) -> None:
    data = a_dataset(books, 1)
    task_id = a_task(books, inputs=[{"datasets": [data]}])
    with books.write() as session:
        for statement in ("DELETE FROM catalog_file", "DELETE FROM catalog_dataset"):
            session.connection().exec_driver_sql(statement)
    run_stages(books)
    assert status(books, task_id) == "broken"
    reason = value(books, "SELECT reason FROM task")
    assert reason == (
        f"wrong parameters: inputs[0].datasets: {data} - no such dataset (culm dataset list)"
    )


def test_parameters_are_kept_as_submitted(books: Books) -> None:
    spec = decode(TaskSpec, {"name": "user.alice.kept", "command": "true", "n_jobs": 2})
    submit(books, spec, "alice", "k")
    from tasks.specs import spec_of

    with books.read() as session:
        assert spec_of(session, rows(books, "SELECT id FROM task")[0][0]) == spec
