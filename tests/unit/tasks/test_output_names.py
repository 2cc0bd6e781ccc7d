"""Names of outputs: datasets, and files that no two attempts share."""

from __future__ import annotations

from culm.wire.task_spec import TaskSpec
from tasks.output_names import OutputPlan, final_name, lfn, output_plans


def a_spec(*outputs: str, name: str = "user.alice.t") -> TaskSpec:
    return TaskSpec(name=name, command="true", outputs=outputs)


def test_each_output_has_a_dataset_and_the_log_comes_last() -> None:
    assert output_plans(a_spec("a.root", "log*.txt", name="user.alice.t/")) == [
        OutputPlan("user.alice.t_a.root", "a.root"),
        OutputPlan("user.alice.t_logXYZ.txt.tgz", "log*.txt"),
        OutputPlan("user.alice.t.log", "log.tgz", is_log=True),
    ]


def test_pattern_becomes_one_tarball() -> None:
    assert [final_name(n) for n in ("x.txt", "x*.txt", "x[0-9]?.txt")] == [
        "x.txt",
        "xXYZ.txt.tgz",
        "xXYZXYZ.txt.tgz",
    ]


def test_names_carry_user_task_and_serial() -> None:
    plan, log = output_plans(a_spec("a.root"))
    assert lfn("user.alice.t/", "alice", 10000001, 42, plan) == (
        "user.alice.10000001._000042.a.root"
    )
    assert lfn("user.alice.t/", "alice", 10000001, 42, log) == (
        "user.alice.t.log.10000001.000042.log.tgz"
    )


def test_serials_over_a_million_stay_apart() -> None:
    plan = output_plans(a_spec("a"))[0]
    names = {lfn("t", "alice", 1, n, plan) for n in (99_999, 999_999, 1_000_000, 9_999_999)}
    assert len(names) == 4
