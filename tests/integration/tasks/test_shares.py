"""Shares in the books: tagging, the tree, counts, the throttle, priorities."""

from __future__ import annotations

from typing import Any

import pytest

from broker.share_rules import Attributes, Rule
from broker.shares import DEFAULT, Share
from culm.core.errors import InvalidRequest, NotFound
from tasks.queue_changes import set_queue
from tasks.share_changes import set_rules, set_shares, set_weight
from tasks.stages.fast_rebrokerage import fast_rebrokerage
from tasks.stages.priorities import age_priorities
from tasks.stages.share_counts import count_shares
from tasks.stages.throttle import throttler
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.store.shares import share_rules, share_tree, share_use
from tasks.views.shares import share_list
from tasks.why.job import why_job
from tasks.why.task import why_task
from tests.builders import (
    a_dataset,
    a_pilot,
    a_report,
    a_task,
    get_work,
    report,
    run_stages,
    task_row,
)
from tests.integration.tasks.scene import (
    PAST,
    adds_up,
    rows,
    run_jobs,
    run_to_the_end,
    sql,
    status,
    tell,
    value,
)

TREE = [
    Share(name="production", weight=70),
    Share(name="mc", weight=100, parent="production"),
    Share(name=DEFAULT, weight=30),
]
RULES = [Rule(share="mc", patterns=Attributes(activity="managed"))]


def a_grid(books: Books) -> None:
    with books.write() as session:
        set_shares(session, TREE, RULES)


def limit(books: Books, **values: object) -> None:
    with books.write() as session:
        for name, number in values.items():
            set_value(session, name, str(number), "root")


def shares_of(books: Books, task_id: int) -> tuple[str, set[Any]]:
    found = rows(books, "SELECT DISTINCT share_name FROM job WHERE task_id = :id", id=task_id)
    return task_row(books, task_id).share_name, {row[0] for row in found}


@pytest.mark.parametrize(
    ("asked", "share", "kind"),
    [
        ({}, "default", "SCORE"),
        ({"activity": "managed"}, "mc", "SCORE"),
        ({"activity": "managed", "core_count": 8, "memory_mb": 16_000}, "mc", "MCORE"),
        ({"core_count": 8, "memory_mb": 32_000}, "default", "MCORE_HIMEM"),
        ({"memory_mb": 4000}, "default", "SCORE_HIMEM"),
    ],
)
def test_task_and_jobs_are_tagged_when_they_are_made(
    books: Books, asked: dict[str, Any], share: str, kind: str
) -> None:
    a_grid(books)
    task_id = a_task(books, n_jobs=2, **asked)
    assert (task_row(books, task_id).share_name, task_row(books, task_id).resource_type) == (
        share, kind)  # fmt: skip
    run_stages(books)
    assert rows(books, "SELECT DISTINCT share_name, resource_type FROM job") == [(share, kind)]


def test_tree_is_replaced_in_one_stroke_or_not_at_all(books: Books) -> None:
    a_grid(books)
    with pytest.raises(InvalidRequest, match="the tagging rules are wrong"), books.write() as some:
        set_shares(some, [Share(name=DEFAULT, weight=1)])  # a rule names mc
    with pytest.raises(InvalidRequest, match="not a tree"), books.write() as some:
        set_shares(some, TREE[1:], [])
    with pytest.raises(InvalidRequest, match="rules are wrong"), books.write() as some:
        set_rules(some, [Rule(share="mc", patterns=Attributes(user="("))])
    with books.read() as session:
        assert share_tree(session).targets == {"production": 0.7, "mc": 0.7, DEFAULT: 0.3}
        assert share_rules(session) == RULES


def test_tasks_of_a_share_that_goes_are_tagged_anew(books: Books) -> None:
    a_grid(books)
    living = a_task(books, n_jobs=1, activity="managed")
    ended = a_task(books, n_jobs=1, activity="managed", priority=1100)
    run_stages(books)
    pilot = a_pilot(books)
    report(books, pilot, a_report(get_work(books, pilot, n_jobs=1).jobs[0]))
    run_stages(books)
    with books.write() as session:
        set_shares(session, [Share(name="all", weight=95), Share(name=DEFAULT, weight=5)],
                   [Rule(share="all")])  # fmt: skip
    assert shares_of(books, living) == ("all", {"all"})
    # What has ended keeps its history; a retry of its task counts for the new share.
    assert shares_of(books, ended) == ("all", {"mc"})


def test_new_weight_leaves_room_among_the_siblings(books: Books) -> None:
    a_grid(books)
    with books.write() as session:
        set_weight(session, "production", 40)
    with books.read() as session:
        assert share_tree(session).targets == pytest.approx(
            {"production": 0.4, "mc": 0.4, DEFAULT: 0.6}
        )
    with pytest.raises(NotFound, match=r"did you mean production\?"), books.write() as session:
        set_weight(session, "prodction", 1)


def test_counts_say_what_each_share_has(books: Books) -> None:
    a_grid(books)
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", {"core_power": 20})
    a_task(books, n_jobs=3, activity="managed", core_count=2)
    a_task(books, n_jobs=2)
    run_stages(books)
    pilot = a_pilot(books)
    jobs = get_work(books, pilot, n_jobs=2).jobs
    report(books, pilot, a_report(jobs[0], "running"))
    assert count_shares(books) == "3 jobs queued, 2 running"
    with books.read() as session:
        use, shown = share_use(session), {s.name: s for s in share_list(session).shares}
    by_share = {"mc": 2, "default": 1}
    running = dict(rows(books, "SELECT share_name, count(*) FROM job WHERE status IN "
                               "('sent', 'running') GROUP BY share_name"))  # fmt: skip
    assert use.n_running == {name: running.get(name, 0) for name in by_share}
    assert use.used_hs06 == {n: running.get(n, 0) * by_share[n] * 20 for n in by_share}
    assert shown["production"].n_queued == 3 - running.get("mc", 0)
    assert shown["mc"].used_hs06 == shown["production"].used_hs06


def test_new_jobs_are_counted_before_the_next_count(books: Books) -> None:
    task_id = a_task(books, n_jobs=3)
    run_stages(books)
    first = rows(books, "SELECT n_queued, queued_hs06 FROM share_statistics")
    count_shares(books)
    assert rows(books, "SELECT n_queued, queued_hs06 FROM share_statistics") == first == [(3, 30.0)]
    run_to_the_end(books)
    assert status(books, task_id) == "done"
    assert count_shares(books) == ""
    assert rows(books, "SELECT * FROM share_statistics") == []


def test_share_with_enough_queued_gets_no_more_until_some_has_run(books: Books) -> None:
    limit(books, NQUEUELIMIT=4, NQUEUE_PER_NRUN=0)
    first, second = a_task(books, n_jobs=5), a_task(books, n_jobs=1)
    other = a_task(books, n_jobs=1, memory_mb=4000)
    run_stages(books)
    assert (status(books, first), status(books, second)) == ("running", "throttled")
    assert status(books, other) == "running"  # another resource type
    assert task_row(books, second).reason == (
        "share default, SCORE: 5 jobs are queued, over 0 x 0 running (and over 4)"
    )
    assert throttler(books) == ""
    run_jobs(books, a_pilot(books))
    count_shares(books)
    assert throttler(books) == "1 of 1 throttled tasks may go on"
    assert throttler(books) == ""
    run_to_the_end(books)
    assert status(books, second) == "done"


def test_throttled_task_goes_on_in_batches_and_can_be_killed(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.stages.chunking.JOBS_A_BATCH", 2)
    limit(books, NQUEUELIMIT=3)
    task_id = a_task(books, n_jobs=9)
    run_stages(books)
    assert (status(books, task_id), value(books, "SELECT count(*) FROM job")) == ("throttled", 4)
    pilot = a_pilot(books)
    for _ in range(4):
        run_jobs(books, pilot)
        count_shares(books)
        throttler(books)
        run_stages(books)
    assert status(books, task_id) == "done"
    doomed = a_task(books, n_jobs=9)
    run_stages(books)
    assert status(books, doomed) == "throttled"
    tell(books, doomed, "kill")
    run_stages(books)
    assert status(books, doomed) == "aborted"


def test_files_of_queued_jobs_are_capped_too(books: Books) -> None:
    limit(books, NFILESCAP=9)
    big = a_task(books, command="cat %IN", inputs=[
        {"datasets": [a_dataset(books, 10)], "n_files_per_job": 10}])  # fmt: skip
    run_stages(books)
    small = a_task(books)
    run_stages(books)
    assert (status(books, big), status(books, small)) == ("running", "throttled")
    assert "10 files wait in queued jobs, over the cap of 9" in task_row(books, small).reason


def test_partitions_take_turns_and_priority_counts_inside(books: Books) -> None:
    a_grid(books)
    for number in range(3):
        a_task(books, priority=1000 + number)
    managed = a_task(books, activity="managed", priority=900)
    run_stages(books, "refine", "feed", "assign")
    said = run_stages(books, "generate")
    assert len(said) >= 4
    first = rows(books, "SELECT task_id, priority FROM job ORDER BY id")
    assert [row[1] for row in first if row[0] != managed] == [1002, 1001, 1000]
    assert managed in [row[0] for row in first[:2]]


def test_priority_falls_with_the_owners_active_jobs(books: Books) -> None:
    # panda-docs 4.1: 1000 - (T + n) / 5
    a_task(books, n_jobs=12)
    run_stages(books)
    a_task(books, user="bob", n_jobs=6)
    mine = a_task(books, n_jobs=1)
    group = a_task(books, n_jobs=6, working_group="higgs")
    managed = a_task(books, n_jobs=7, activity="managed")
    run_stages(books)

    def priorities(where: str, **values: object) -> list[int]:
        found = rows(books, f"SELECT j.priority FROM job j JOIN task t ON t.id = j.task_id "
                            f"WHERE {where} ORDER BY j.id", **values)  # fmt: skip
        return [row[0] for row in found]

    assert priorities("t.user_name = 'bob'") == [1000] * 5 + [999]
    assert priorities("t.id = :id", id=mine) == [1000 - 12 // 5]
    assert priorities("t.id = :id", id=group) == [1000] * 5 + [999]
    assert priorities("t.id = :id", id=managed) == [1000] * 7


def test_waiting_job_rises_above_all_fresh_ones(books: Books) -> None:
    task_id = a_task(books, n_jobs=2)
    run_stages(books)
    sql(books, "UPDATE job SET priority = -5000")
    assert age_priorities(books) == ""  # they are fresh
    sql(books, "UPDATE job SET created_at = :past", past=PAST)
    pilot = a_pilot(books)
    sent = get_work(books, pilot, n_jobs=1).jobs[0].job_id
    assert age_priorities(books) == "1 jobs that wait rose in priority"
    assert age_priorities(books) == ""  # it is at the ceiling
    found = dict(rows(books, "SELECT id, priority FROM job"))
    assert found.pop(sent) == -5000
    assert list(found.values()) == [1101]
    assert adds_up(books)
    assert status(books, task_id) == "running"


def test_pilots_get_jobs_of_the_shares_by_what_they_are_due(books: Books) -> None:
    a_grid(books)
    a_task(books, n_jobs=20, priority=1100)
    managed = a_task(books, n_jobs=20, priority=900, activity="managed")
    run_stages(books)
    count_shares(books)
    pilot = a_pilot(books)

    taken = [job.task_id for job in get_work(books, pilot, n_jobs=10).jobs]
    assert (len(taken), taken.count(managed)) == (10, 7)
    # What was given since the last count counts too.
    more = [job.task_id for job in get_work(books, pilot, n_jobs=10).jobs]
    assert (taken + more).count(managed) == 14


def test_why_counts_the_jobs_that_shares_send_first(books: Books) -> None:
    a_grid(books)
    task_id = a_task(books, n_jobs=20, priority=1100)
    managed = a_task(books, n_jobs=20, priority=900, activity="managed")
    run_stages(books)
    count_shares(books)
    ids = [row[0] for row in rows(books, "SELECT id FROM job WHERE task_id = :t "
                                  "ORDER BY priority DESC, id", t=task_id)]  # fmt: skip
    with books.read() as session:
        said = why_job(session, ids[2]).details[-1]
        line = why_task(session, task_id).details[0]
    pilot = a_pilot(books)
    taken = [job.job_id for job in get_work(books, pilot, n_jobs=40).jobs]
    before = taken.index(ids[2])
    assert said == (f"2 of higher priority or older, and {before - 2} jobs of shares that are "
                    "further below their due stand before it")  # fmt: skip
    assert taken.index(ids[0]) == 1
    assert " 20 wait behind 1 job of shares that are further below their due;" in line
    assert len(taken) == 40
    assert managed != task_id


def test_jobs_of_one_share_are_served_by_priority(books: Books) -> None:
    a_grid(books)
    low, high = a_task(books, n_jobs=3, priority=900), a_task(books, n_jobs=3, priority=1100)
    run_stages(books)
    taken = [job.task_id for job in get_work(books, a_pilot(books), n_jobs=4).jobs]
    assert taken == [high, high, high, low]


def test_node_at_rest_gets_no_jobs_and_others_do(books: Books) -> None:
    a_task(books, n_jobs=2)
    run_stages(books)
    bad, good = a_pilot(books, host="hole"), a_pilot(books, host="fine")
    sql(books, "INSERT INTO rest (queue_id, node, until, reason) "
        "SELECT id, 'hole', '2100-01-01 00:00:00.000000', 'it fails jobs' FROM queue")  # fmt: skip
    answer = get_work(books, bad)
    assert (answer.jobs, answer.sign_off) == ((), False)
    assert len(get_work(books, good).jobs) == 2


def test_crowd_of_a_share_leaves_its_queue_for_others(books: Books) -> None:
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", {})  # a line at declared slots would be meant
    task_id = a_task(books, n_jobs=12)
    run_stages(books)
    with books.write() as session:
        set_queue(session, "OTHER", "OTHER", {})
    count_shares(books)
    assert fast_rebrokerage(books) == ""  # no threshold for this share yet
    limit(books, FAST_REBRO_THRESHOLD_NQUEUE_default=10)
    assert fast_rebrokerage(books) == "12 jobs back to brokerage from 1 crowds"
    run_stages(books)
    found = rows(books, "SELECT q.name, count(*) FROM job j JOIN queue q ON q.id = j.queue_id "
                 "WHERE j.status = 'activated' GROUP BY q.name ORDER BY q.name")  # fmt: skip
    assert found == [("LOCAL", 6), ("OTHER", 6)]
    why = "SELECT DISTINCT server_error_diag FROM job WHERE status = 'closed'"
    assert "12 of the 12 queued jobs of share default wait at queue LOCAL" in value(books, why)
    run_to_the_end(books)
    assert status(books, task_id) in ("running", "done")


def test_crowd_with_nowhere_else_to_go_stays(books: Books) -> None:
    a_task(books, n_jobs=12)
    run_stages(books)
    count_shares(books)
    limit(books, FAST_REBRO_THRESHOLD_NQUEUE_default=10)
    assert fast_rebrokerage(books) == ""


def test_what_one_share_got_alone_counts_when_another_comes(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.stages.serving.KEPT_SECONDS", 0.0)
    a_grid(books)
    first = a_task(books, n_jobs=20)
    run_stages(books)
    count_shares(books)
    pilot = a_pilot(books)
    assert {job.task_id for job in get_work(books, pilot, n_jobs=10).jobs} == {first}
    a_task(books, n_jobs=20, activity="managed")
    run_stages(books)
    taken = [job.task_id for job in get_work(books, pilot, n_jobs=10).jobs]
    assert first not in taken  # it has had more than its 30 % of these twenty
