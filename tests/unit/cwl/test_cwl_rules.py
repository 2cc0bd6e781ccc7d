"""The small rules that plans are made of."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from cwl.bundle import name_of, resolved, url_of
from cwl.conditions import condition
from cwl.expressions import NoValue, Question, Script
from cwl.javascript import run_scripts
from cwl.junctions import decision
from cwl.links import StepFault, gather, nested
from cwl.outcomes import Task
from cwl.plan import Kind, Link, LinkMerge, PickValue
from cwl.tasks import Surroundings, task_of
from cwl.value_types import fits, in_words
from tests.cwl_scene import answer

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="no node on this machine")


@pytest.mark.parametrize(
    ("expression", "inputs", "value"),
    [  # documentation, 4.1.8 "Conditional workflow"
        ("$(inputs.a)", {"a": "ds"}, "ds"),
        ("$(!inputs.a)", {"a": "ds"}, False),
        ("$(!inputs.a)", {}, True),
        ("$(inputs.a && !inputs.b)", {"a": "x", "b": None}, True),
        ("$(inputs.a || inputs.b)", {"a": None, "b": "y"}, "y"),
        ("$(!(inputs.a || inputs.b))", {"a": "", "b": 0}, True),
        ("$( ( inputs.a ) && ( true ) )", {"a": 1}, True),
        ("$(inputs.a || inputs.b && inputs.c)", {"a": 1, "b": 0, "c": 0}, 1),
        ("$(!inputs.a)", {"a": []}, False),  # JavaScript's: a list is true, full or empty
    ],
)
def test_condition_has_the_value_that_javascript_gives(
    expression: str, inputs: dict[str, Any], value: Any
) -> None:
    test = condition(expression)
    assert test is not None
    assert test(inputs) == value


@pytest.mark.parametrize(
    "expression",
    ["$(inputs.a > 1)", "$(inputs.a.b)", "$(inputs.a[0])", "$(f(inputs.a))", "inputs.a", "$()",
     "$(inputs.a inputs.b)", "$((inputs.a)", "$(inputs.a ||)", "${return true;}", "$(!)",
     "$(inputs.a != 1)", "$(inputs.a)$(inputs.b)"],
)  # fmt: skip
def test_other_expressions_are_left_to_javascript(expression: str) -> None:
    assert condition(expression) is None


CONDITIONS = st.recursive(
    st.sampled_from(["inputs.a", "inputs.b", "inputs.c", "true", "false", "null"]),
    lambda inner: st.one_of(
        inner.map(lambda text: f"!{text}"),
        inner.map(lambda text: f"({text})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]} && {two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"{two[0]} || {two[1]}"),
    ),
    max_leaves=6,
)


@needs_node
def test_conditions_agree_with_node() -> None:
    inputs, seen = {"a": "x", "b": None, "c": 0}, dict[str, Any]()

    @given(CONDITIONS)
    def look_at(text: str) -> None:
        test = condition(f"$({text})")
        assert test is not None
        seen[text] = test(inputs)

    look_at()
    scripts = [Script(f"({text})", inputs, None, ()) for text in seen]
    assert list(run_scripts(scripts)) == list(seen.values())


VALUES = {
    "plain": "plain", "$(inputs.n)": 3, "$(inputs.f.basename)": "q", "$(self)": "me",
    "$(inputs['f'].list[1])": 8, "n is $(inputs.n)!": "n is 3!", "$(inputs.nothing)": None,
    "$(inputs.n + 1)": 4, "${return {a: [inputs.n]};}": {"a": [3]}, "$(twice(inputs.n))": 6,
    "$(undefined)": None, "x$(inputs.n + 1)y$(inputs.n * 2)": "x4y6",
}  # fmt: skip


@needs_node
def test_expressions_have_their_values() -> None:
    inputs = {"n": 3, "f": {"basename": "q", "list": [7, 8]}}
    library = ("function twice(x) { return x * 2; }",)
    found = answer([Question(expression, inputs, "me", library) for expression in VALUES])
    assert dict(zip(VALUES, found, strict=True)) == VALUES


ESCAPES = [
    "this.constructor.constructor('return process')().pid",
    "(() => { try { null.x } catch (e) { "
    "return e.constructor.constructor('return process')().pid } })()",
    "(() => { const f = () => f(); try { f() } catch (e) { "
    "return e.constructor.constructor('return process')().pid } })()",
    "process.pid", "require('fs').readdirSync('/')", "globalThis.process.pid",
    "eval('1')", "new Function('return 1')()",
    "import('fs').constructor.constructor('return process')().pid",
]  # fmt: skip


@needs_node
def test_scripts_cannot_leave_their_sandbox() -> None:
    found = answer([Question(f"$({code})", {}, None, ()) for code in ESCAPES])
    assert [value for value in found if not isinstance(value, NoValue)] == []


@needs_node
def test_bad_scripts_spoil_nothing_for_the_others() -> None:
    codes = ["nowhere.x", "]", "(", "import('fs')", "Promise.reject(1) && 5", "1 + 1"]
    found = answer([Question(f"${{return {code};}}", {}, None, ()) for code in codes])
    assert [isinstance(value, NoValue) for value in found] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert found[-1] == 2


def test_javascript_without_its_requirement_is_refused_in_words() -> None:
    [found] = answer([Question("$(inputs.a + 1)", {"a": 1})])
    assert isinstance(found, NoValue)
    assert "InlineJavascriptRequirement" in found.reason


@pytest.mark.parametrize(
    ("link", "values", "expected"),
    [  # CWL 1.2, 4.2.1
        (Link(sources=("a",)), [1], 1),
        (Link(sources=("a",), default=7), [None], 7),
        (Link(default=7), [], 7),
        (Link(sources=("a", "b"), merge=LinkMerge.NESTED), [[1], 2], [[1], 2]),
        (Link(sources=("a", "b"), merge=LinkMerge.FLATTENED), [[1], 2], [1, 2]),
        (Link(sources=("a",), merge=LinkMerge.NESTED), [1], [1]),
        (Link(sources=("a", "b"), pick=PickValue.FIRST), [None, 2], 2),
        (Link(sources=("a", "b"), pick=PickValue.ONLY), [None, 2], 2),
        (Link(sources=("a", "b"), pick=PickValue.ALL), [None, 2], [2]),
        (Link(sources=("a",), pick=PickValue.ALL), [[None, 2, 3]], [2, 3]),
        (Link(sources=("a", "b"), pick=PickValue.FIRST_OR_NULL), [None, None], None),
        (Link(sources=("a", "b"), pick=PickValue.ANY_TRUE), [False, True], True),
        (Link(sources=("a", "b"), pick=PickValue.ANY_TRUE), [False, None], False),
    ],
)  # fmt: skip
def test_links_merge_and_pick(link: Link, values: list[Any], expected: Any) -> None:
    given = dict(zip(link.sources, values, strict=True))
    assert gather(link, given.__getitem__) == expected


@pytest.mark.parametrize(
    ("pick", "values", "words"),
    [(PickValue.FIRST, [None, None], "all of its sources are null"),
     (PickValue.ONLY, [1, 2], "2 of its sources are not null"),
     (PickValue.ONLY, [None, None], "all of its sources are null")],
)  # fmt: skip
def test_nothing_to_pick_is_told(pick: PickValue, values: list[Any], words: str) -> None:
    link = Link(sources=("a", "b"), pick=pick)
    with pytest.raises(StepFault, match=words):
        gather(link, dict(zip("ab", values, strict=True)).__getitem__)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=3))
def test_nested_lists_hold_everything_in_order(lengths: list[int]) -> None:
    total = 1
    for length in lengths:
        total *= length

    def flat(value: Any) -> list[Any]:
        return [x for one in value for x in flat(one)] if isinstance(value, list) else [value]

    found = nested(range(total), lengths)
    assert flat(found) == list(range(total))
    assert len(found) == lengths[0]


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        ("int", [1, -3], [1.5, True, "1", None]), ("float", [1, 1.5], ["1", True]),
        ("string", ["", "x"], [1]), ("boolean", [True], [1, "true"]), ("Any", [1, "x"], [None]),
        ("File", [{"class": "File"}], ["x", {"class": "Directory"}]),
        (["null", "int"], [None, 1], ["x"]),
        ({"type": "array", "items": "int"}, [[], [1]], [1, ["x"]]),
        ({"type": "enum", "symbols": ["x#a", "x#b"]}, ["a"], ["c", 1]),
        ({"type": "record", "fields": [{"name": "x#f", "type": "int"}]}, [{"f": 1}], [{}, 1]),
        ("file.yml#mine", [1, "x"], []),
    ],
)  # fmt: skip
def test_values_fit_their_types(kind: Any, good: list[Any], wrong: list[Any]) -> None:
    assert all(fits(kind, value) for value in good)
    assert not any(fits(kind, value) for value in wrong)
    assert in_words(kind)


def test_scoped_dataset_keeps_its_colon_in_a_stream() -> None:
    inputs = {"opt_exec": "x", "opt_inDS": "p", "opt_secondaryDSs": ["mc:one", "two"],
              "opt_args": "--secondaryDSs IN2:1:%{DS1},IN3:2:%{DS2} --outputs a"}  # fmt: skip
    task = task_of(Kind.PRUN, "user.a.x", inputs, Surroundings(producers={}, parameters={}))
    assert task.options["secondary_dss"] == r"IN2:1:mc\:one,IN3:2:two"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("%{xxx}", "[1, 2]"), ("%{name} %{i}", "a b 4"), ("%IN %{http_code}", "%IN %{http_code}"),
     ("%{DS*}", "s1,s2"), ("%{DS2}", "s2")],
)  # fmt: skip
def test_holes_are_filled(text: str, expected: str) -> None:
    around = Surroundings(producers={}, parameters={"xxx": [1, 2], "name": "a b"}, iteration=4)
    inputs = {"opt_exec": text, "opt_secondaryDSs": ["s1", "s2"], "opt_inDS": "p",
              "opt_args": "--secondaryDSs IN2:1:%{DS1} --outputs '%{name}.txt'"}  # fmt: skip
    task = task_of(Kind.PRUN, "user.a.x", inputs, around)
    assert (task.options["exec"], task.options["outputs"]) == (expected, "a b.txt")


def test_misspelt_parameter_is_named() -> None:
    around = Surroundings(producers={}, parameters={"threshold": 1})
    with pytest.raises(StepFault, match=r"%\{treshold\}: no such .* did you mean %\{threshold\}"):
        task_of(Kind.PRUN, "user.a.x", {"opt_exec": "%{treshold}"}, around)


def test_options_by_inputs_and_panda_only_ones_are_kept() -> None:
    inputs = {"opt_exec": "x", "opt_nJobs": 3, "opt_containerImage": "docker://busybox",
              "opt_useAthenaPackages": True, "opt_args": "--avoidVP --athenaTag=A,1 --nfiles 2",
              "opt_inDS": ["a", None, ["b"]]}  # fmt: skip
    task = task_of(Kind.PRUN, "user.a.x", inputs, Surroundings(producers={}, parameters={}))
    assert task.options == {"n_files": 2, "n_jobs": 3, "exec": "x", "in_ds": "a,b",
                            "container_image": "docker://busybox"}  # fmt: skip
    assert task.others == {"avoidVP": True, "athenaTag": "A,1", "useAthenaPackages": True}


def test_types_go_in_step_with_datasets() -> None:
    two = Task(name="t", options={}, outputs=("a.txt", "log*.gz"))
    one = Task(name="u", options={}, outputs=("b.txt",))
    around = Surroundings(producers={"t": two, "u": one}, parameters={})
    inputs = {"opt_exec": "x", "opt_inDS": ["t", "u", "ext"], "opt_inDsType": ["a.txt", "b.txt"]}
    assert task_of(Kind.PRUN, "v", inputs, around).options["in_ds"] == "t_a.txt,u_b.txt,ext"


OUTPUTS = ("param_xxx", "param_yyy", "to_terminate")


@pytest.mark.parametrize(
    ("document", "expected"),
    [('{"xxx": 3, "to_terminate": false}', {"param_xxx": 3, "to_terminate": False}),
     ('{"param_xxx": [1], "to_terminate": true}', {"param_xxx": [1], "to_terminate": True}),
     ('{"to_continue": true}', {"to_terminate": False})],
)  # fmt: skip
def test_junction_decides(document: str, expected: dict[str, Any]) -> None:
    assert decision(document.encode(), OUTPUTS) == expected


@pytest.mark.parametrize(
    ("document", "words"),
    [("nonsense", "is not valid JSON"), ("[1]", "a JSON object is needed"),
     ("{}", "to_terminate: missing"), ('{"to_terminate": "yes"}', "true or false is needed"),
     ('{"xx": 1, "to_terminate": true}', "xx: 1 - unknown; did you mean xxx?"),
     ('{"xxx": NaN, "to_terminate": true}', "is not valid JSON")],
)  # fmt: skip
def test_junction_that_writes_nonsense_is_told(document: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decision(document.encode(), OUTPUTS)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("base", "reference", "name"),
    [
        ("a.cwl", "b.cwl", "b.cwl"), ("sub/a.cwl", "../b.cwl", "b.cwl"),
        ("a.cwl", "sub/b c.cwl", "sub/b c.cwl"), ("a.cwl", "../b.cwl", None),
        ("sub/a.cwl", "../../b.cwl", None), ("a.cwl", "/etc/passwd", None),
        ("a.cwl", "file:///etc/passwd", None), ("a.cwl", "http://x/b.cwl", None),
        ("a.cwl", "file://host/culm-bundle/b.cwl", None), ("a.cwl", "%2e%2e/b.cwl", None),
        ("a.cwl", "#main", "a.cwl"), ("a.cwl", "b.cwl#part", "b.cwl"),
    ],
)  # fmt: skip
def test_references_lead_to_files_of_the_bundle_or_nowhere(
    base: str, reference: str, name: str | None
) -> None:
    assert name_of(resolved(url_of(base), reference)) == name
