"""What is loaded and what is refused, with file, line, step and the name that was meant."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cwl.bundle import Bundle
from cwl.plan import Kind, LinkMerge, OutputMethod, PickValue, plan_from_json, plan_to_json
from cwl.worker import look_at
from tests.cwl_scene import NAME, a_walk, a_workflow, documents, planned, prun, refused
from tests.cwl_scene import walk_to_the_end as ran

GOOD = ("simple_chain", "sig_bg_comb", "merge_many", "cond", "hpo", "loop", "loop_body",
        "sequential_loop", "scatter_body", "loop_main", "bad/flow")  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_workflows_of_the_documentation_load_and_keep_as_json(name: str) -> None:
    plan = planned(f"{name}.cwl")
    assert plan.lenient
    assert plan_from_json(plan_to_json(plan)) == plan


@pytest.mark.parametrize(
    ("cwl", "words"),
    [
        ("athena.cwl", "athena.cwl:25 second.opt_inDS: top/outDS - "
                       "there is no step top; did you mean first/outDS?"),
        ("multi_loop.cwl", "multi_loop.cwl:12 outputs.outDS: work_end/outDS - "
                           "there is no step work_end; did you mean merge/outDS?"),
        ("bad/typo.cwl", "bad/typo.cwl:10 a: opt_inDs - "
                         "unknown option of prun; did you mean opt_inDS?"),
        ("bad/noexec.cwl", "bad/noexec.cwl:6 a: missing - "
                           "opt_exec is needed: every prun step has it"),
        ("bad/types.cwl", "bad/types.cwl:10 a.opt_inDS: n is int - "
                          "takes string or (string or string[])[], or nothing"),
        ("bad/escape.cwl", "bad/escape.cwl:6 a.run: ../../cwl-conformance/tests/cat1-testcli.cwl - "
         "outside of the bundle: only files below the submitted directory are read"),
        ("bad/http.cwl", "bad/http.cwl:6 a.run: http://169.254.169.254/x.cwl - "
                         "on the network: only files of the bundle are read"),
    ],
)  # fmt: skip
def test_bad_workflow_is_refused_with_its_line_and_what_was_meant(cwl: str, words: str) -> None:
    assert refused(cwl) == [words]


def test_misspelt_input_of_the_yaml_is_named_with_its_line() -> None:
    assert refused("merge_many.cwl", "merge_many.yaml") == [
        "merge_many.yaml:5 background: background - no such input; did you mean backgrounds?"
    ]


def test_output_without_a_step_is_that_of_the_only_one_that_has_it() -> None:
    head = "inputs: []\noutputs: {o: {type: string, outputSource: /outDS}}"
    [out] = planned(a_workflow(prun("a"), head=head)).main.outputs
    assert out.link.sources == ("a/outDS",)
    assert refused(a_workflow(prun("a") + prun("b"), head=head)) == [
        "main.cwl:4 outputs.o: /outDS - which step's? a/outDS, b/outDS"
    ]


LOOP = "  l:\n    run: body.cwl\n    in: []\n    out: []\n    hints: [loop]\n"
PASS = "inputs: {n: int}\noutputs: []"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (prun("a", "opt_inDS: b/outDS") + prun("b", "opt_inDS: a/outDS"),
         "main.cwl:6 a: a → b → a - steps cannot wait for each other: "
         "leave out one of these links"),
        (prun("a") + prun("b", "opt_inDS: a/out"),
         "main.cwl:17 b.opt_inDS: a/out - step a has no output out: unknown; did you mean outDS?"),
        (prun("a") + prun("b", "opt_inDS: dataset"),
         "main.cwl:17 b.opt_inDS: dataset - there is no input dataset; there are a/outDS"),
        (LOOP, "main.cwl:10 l: loop - no junction in body.cwl: nothing would ever end this loop"),
        (prun("a", run="prunn"),
         "main.cwl:7 a.run: prunn - no such file in the bundle: unknown; did you mean prun?"),
        (prun("a", run="/etc/passwd"),
         "main.cwl:7 a.run: /etc/passwd - outside of the bundle: only files below the submitted "
         "directory are read"),
        (prun("a", run="sig_bg_com.cwl"),
         "main.cwl:7 a.run: sig_bg_com.cwl - no such file in the bundle: unknown; "
         "did you mean sig_bg_comb.cwl?"),
        (prun("a", outputs="x --nJob 3"),
         "main.cwl:6 a: cannot run - --nJob is no option of prun; did you mean --nJobs?"),
        (prun("a", outputs="x --nJobs many"),
         "main.cwl:6 a: cannot run - --nJobs many: a whole number is needed"),
        (prun("a", outputs="x --nJobs"), "main.cwl:6 a: cannot run - --nJobs needs a value"),
        (prun("a", outputs="x --inDS d"),
         "main.cwl:6 a: cannot run - --inDS has no place in opt_args: use opt_inDS"),
        (prun("a", outputs="x --outDS d"),
         "main.cwl:6 a: cannot run - --outDS has no place in opt_args: the workflow names it"),
        (prun("a", outputs='x "y'),
         "main.cwl:6 a: cannot run - opt_args is no command line: No closing quotation"),
        (prun("a", outputs="x --nCore 0"),
         "main.cwl:6 a --nCore: 0 - must be from 1 to 4096"),
        (prun("a", outputs="x,y") + prun("b", "opt_inDS: a/outDS"),
         "main.cwl:12 b: cannot run - user.alice.w_000_a has several types of output: name one by "
         "opt_inDsType (x, y)"),
        (prun("a", outputs="abc.dat") + prun("b", "opt_inDS: a/outDS",
                                             "opt_inDsType: {default: ab.dat}"),
         "main.cwl:12 b: cannot run - user.alice.w_000_a has no output ab.dat; "
         "did you mean abc.dat?"),
        (prun("a") + prun("b", "opt_secondaryDSs: [a/outDS]"),
         "main.cwl:12 b: cannot run - opt_secondaryDSs needs a stream for each dataset in "
         "opt_args: --secondaryDSs IN2:1:%{DS1}"),
        (prun("a") + prun("b", "opt_secondaryDSs: [a/outDS]",
                          outputs="o --secondaryDSs IN2:1:%{DS2}"),
         "main.cwl:12 b: cannot run - %{DS2}: opt_secondaryDSs has 1 datasets"),
        (prun("a").rstrip() + "\n    hints: {loop: , DockerRequirement: busybox}\n",
         "main.cwl:12 DockerRequirement: 'busybox' - "
         "a map is needed: {} if there is nothing to say"),
        ("  l:\n    run: loop_body.cwl\n    in: {dataset: {default: x}}\n    out: [outDS]\n"
         "    hints: [{class: loop, maxIterations: 0}]\n",
         "main.cwl:10 l.hints: 0 - maxIterations is a number of at least 1"),
    ],
)  # fmt: skip
def test_wrong_step_is_named_with_its_line(steps: str, words: str) -> None:
    body = a_workflow(prun("x"))
    assert refused(a_workflow(steps), body_cwl=body) == [words]


ODD = [None, 5, "x", [], {}, [None], {"class": "x"}, "$(", "#x", {"run": 5}, ["loop"], [[]], True]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        value.items() if isinstance(value, dict)
        else enumerate(value) if isinstance(value, list) else ()
    )  # fmt: skip
    return [path, *(deeper for key, one in items for deeper in _paths(one, (*path, key)))]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(GOOD), st.randoms(use_true_random=False))
def test_any_odd_document_is_loaded_or_refused_in_words(name: str, chance: Random) -> None:
    files = documents()
    tree = yaml.safe_load(files[f"{name}.cwl"])
    place, odd = chance.choice(_paths(tree)[1:]), chance.choice(ODD)
    holder = tree
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = odd
    files[f"{name}.cwl"] = yaml.safe_dump(tree)
    reply = look_at(Bundle(files=files, cwl=f"{name}.cwl"), NAME)
    assert reply.get("faults") or reply["plan"]


def test_all_faults_are_named_at_once() -> None:
    steps = prun("a", "opt_inDS: nowhere/x", "opt_memry: {default: 3}") + LOOP
    found = refused(a_workflow(steps), body_cwl=a_workflow(prun("x")))
    assert [fault.partition(" - ")[0] for fault in found] == [
        "main.cwl:12 a: opt_memry", "main.cwl:11 a.opt_inDS: nowhere/x", "main.cwl:18 l: loop",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("", "--yaml n: missing - the workflow needs the input n"),
        ("n: many", 'inputs.yaml:1 n: "many" - int is needed (main.cwl:3)'),
        ("- 1", "inputs.yaml:1: CommentedSeq - names of inputs with their values are needed"),
        ("m: 1\n{", "inputs.yaml:2: unreadable - YAML is needed "),
    ],
)
def test_wrong_inputs_are_named_with_their_line(yaml: str, words: str) -> None:
    [found] = refused(a_workflow(prun("a"), head=PASS), yaml)
    assert found.startswith(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "main.cwl:1: unreadable - YAML or JSON is needed"),
        ("- 1", "main.cwl:1: CommentedSeq - a CWL document is needed"),
        ("class: Workflow\ninputs: []\noutputs: []\nsteps: []", "main.cwl: not taken - No cwl"),
        ("cwlVersion: v1.2\nclass: Workflw\ninputs: []\noutputs: []\nsteps: []", "main.cwl:"),
        ("cwlVersion: v7\nclass: Workflow\ninputs: []\noutputs: []\nsteps: []", "main.cwl: not "),
        ("cwlVersion: v1.2\nclass: Workflow\ninputs: {n: nit}\noutputs: []\nsteps: []",
         "main.cwl:3: not taken - Field 'type' references unknown identifier 'nit'"),
        ("cwlVersion: v1.2\nclass: Workflow\ninputs: []\noutputs: []\nsteps: 5", "main.cwl:"),
    ],
)  # fmt: skip
def test_documents_that_are_no_cwl_are_refused_in_words(text: str, words: str) -> None:
    [found, *_] = refused(text)
    assert found.startswith(words)
    assert "culm-bundle" not in found


def test_files_beside_the_bundle_are_not_read_by_import_or_include() -> None:
    for way in ("{$import: ../x.cwl}", "{$import: 'file:///etc/hostname'}",
                "{$include: 'http://127.0.0.1:1/x'}"):  # fmt: skip
        text = f"cwlVersion: v1.2\nclass: Workflow\ninputs: []\noutputs: []\ndoc: {way}\nsteps: []"
        [found, *_] = refused(text)
        assert "only files" in found, found


def test_standard_documents_are_left_as_they_are() -> None:
    text = a_workflow(
        "  a:\n    run: tool.cwl\n    in: {x: n}\n    out: [o]\n    when: $(inputs.x > 1)\n",
        head="inputs: {n: int}\nrequirements: {InlineJavascriptRequirement: {}}\n"
        "outputs: {o: {type: 'string?', outputSource: a/o}}",
    )
    plan = planned(text, tool_cwl=TOOL)
    [step] = plan.main.steps
    assert (plan.lenient, step.kind, step.runs) == (False, Kind.TOOL, "tool.cwl")
    assert step.when == "$(inputs.x > 1)"
    tool = plan.tools["tool.cwl"]
    assert tool.document["class"] == "CommandLineTool"
    # requirements of the workflow around are merged into those of the tool
    assert {r["class"] for r in tool.requirements} == {"InlineJavascriptRequirement"}
    assert (tool.cwl_version, tool.place) == ("v1.0", "tool.cwl:1")


TOOL = """cwlVersion: v1.0
class: CommandLineTool
baseCommand: echo
inputs: {x: {type: int, inputBinding: {}}}
outputs: {o: {type: string, outputBinding: {outputEval: done}}}
"""


def test_tool_alone_is_a_workflow_of_one_step() -> None:
    plan = planned("tool.cwl", tool_cwl=TOOL)
    [step] = plan.main.steps
    assert (step.name, step.kind, step.outputs) == ("tool", Kind.TOOL, ("o",))
    assert plan.main.outputs[0].link.sources == ("tool/o",)
    [start] = a_walk(plan, x=3).advance()
    assert (start.id, start.tool, start.inputs) == ("000_tool", "tool.cwl", {"x": 3})


def test_abstract_operation_is_refused() -> None:
    text = a_workflow("  a:\n    run: {class: Operation, inputs: [], outputs: []}\n"
                      "    in: []\n    out: []\n")  # fmt: skip
    assert refused(text) == [
        "main.cwl:7: Operation - "
        "an abstract step cannot run: give it a tool, prun, phpo or junction"
    ]


def test_wrapper_around_the_dialect_is_read_in_the_dialect() -> None:
    text = a_workflow(
        "  first:\n    run: simple_chain.cwl\n    in: []\n    out: [outDS]\n"
        "  second:\n    run: loop_main.cwl\n    in: {dataset: first/outDS, param_xxx: {default: 1},"
        " param_yyy: {default: 2.5}}\n    out: [outDS]\n    when: $(self.dataset)\n"
    )
    found = ran(a_walk(planned(text)))
    assert list(found) == ["000_top", "001_bottom", "002_core"]
    assert found["002_core"].path == "second/core"


def test_loops_of_cwltool_and_of_cwl_1_3_come_to_the_same() -> None:
    body = ("class: ExpressionTool\n      inputs: {i: int}\n      outputs: {i: int}\n"
            "      expression: '${return {i: inputs.i + 1};}'\n      "
            "requirements: {InlineJavascriptRequirement: {}}")  # fmt: skip
    step = f"  l:\n    run:\n      {body}\n    in: {{i: {{default: 1}}}}\n    out: [i]\n"
    head = ("requirements: {InlineJavascriptRequirement: {}}\ninputs: []\n"
            "outputs: {o: {type: Any, outputSource: l/i}}")  # fmt: skip
    old = a_workflow(
        step + "    requirements:\n      cwltool:Loop:\n        loopWhen: $(inputs.i < 4)\n"
        "        loop: {i: i}\n        outputMethod: all\n",
        head='$namespaces: {cwltool: "http://commonwl.org/cwltool#"}\n' + head,
    )
    new = a_workflow(
        step + "    when: $(inputs.i < 4)\n    loop: {i: i}\n    outputMethod: all_iterations\n",
        head=head,
    ).replace("v1.2", "v1.3.0-dev1")
    loops = []
    for text in (old, new):
        plan = planned(text)
        loop = plan.main.steps[0].loop
        assert loop is not None
        loops.append((loop.continue_when, [(c.name, c.link.sources) for c in loop.carry],
                      loop.output_method))  # fmt: skip
        walk = a_walk(plan)
        found = ran(walk, counting)
        assert list(found) == ["000_l_0", "000_l_1", "000_l_2"]
        assert walk.ending is not None
        assert walk.ending.values == {"o": [2, 3, 4]}
    assert loops == [("$(inputs.i < 4)", [("i", ("i",))], OutputMethod.ALL)] * 2


def counting(start: Any) -> Any:
    from tests.cwl_scene import good

    return good(i=start.inputs["i"] + 1)


def test_links_keep_merges_picks_and_expressions() -> None:
    steps = (
        "  a:\n    run: tool.cwl\n    in:\n      x: {source: [n, m], linkMerge: merge_flattened,"
        " pickValue: first_non_null, valueFrom: $(self + 1), default: 7}\n    out: [o]\n"
    )
    head = (
        "inputs: {n: int?, m: int}\noutputs: []\nrequirements: {InlineJavascriptRequirement: {}, "
        "StepInputExpressionRequirement: {}, MultipleInputFeatureRequirement: {}}"
    )
    plan = planned(a_workflow(steps, head=head), tool_cwl=TOOL)
    link = plan.main.steps[0].inputs[0].link
    assert (link.sources, link.merge, link.pick) == (
        ("n", "m"), LinkMerge.FLATTENED, PickValue.FIRST)  # fmt: skip
    assert (link.value_from, link.default) == ("$(self + 1)", 7)
    [start] = a_walk(plan, m=4).advance()
    assert start.inputs == {"x": 5}


def test_sub_workflow_used_twice_is_in_the_plan_once_and_numbered_twice() -> None:
    steps = "".join(
        f"  {n}:\n    run: simple_chain.cwl\n    in: []\n    out: [outDS]\n" for n in "ab"
    )
    plan = planned(a_workflow(steps))
    assert sorted(plan.workflows) == ["main", "simple_chain.cwl"]
    assert list(ran(a_walk(plan))) == ["000_top", "002_top", "001_bottom", "003_bottom"]


def test_workflow_inside_of_a_step_is_loaded_with_its_own_links() -> None:
    inner = prun("w", "opt_inDS: d").replace("\n", "\n        ").rstrip(" ")
    steps = (
        "  outer:\n    run:\n      class: Workflow\n      inputs: {d: string}\n"
        "      outputs: {o: {type: string, outputSource: w/outDS}}\n      steps:\n"
        f"        {inner}    scatter: d\n    in: {{d: ds}}\n    out: [o]\n"
    )
    head = "inputs: {ds: 'string[]'}\noutputs: {o: {type: 'string[]', outputSource: outer/o}}"
    walk = a_walk(planned(a_workflow(steps, head=head)), ds=["x", "y"])
    found = ran(walk)
    assert [(s.id, s.path, s.place) for s in found.values()] == [
        ("000_w_0", "outer[0]/w", "main.cwl:12"), ("000_w_1", "outer[1]/w", "main.cwl:12"),
    ]  # fmt: skip
    assert walk.ending is not None
    assert walk.ending.values == {"o": ["user.alice.w_000_w_0", "user.alice.w_000_w_1"]}


def test_preview_shows_each_step_as_it_would_run() -> None:
    bundle = Bundle(files=documents(), cwl="cond.cwl", yaml="dummy.yaml")
    reply = look_at(bundle, NAME)
    assert [
        (s["id"], s["place"], s["when"], s["inputs"].get("--inDS")) for s in reply["steps"]
    ] == [
        ("000_top", "cond.cwl:19", "", None),
        ("001_bottom_OK", "cond.cwl:27", "$(inputs.opt_inDS)", "user.alice.w_000_top_seed.txt"),
        ("002_bottom_NG", "cond.cwl:37", "$(!inputs.opt_inDS)", None),
    ]


def test_unused_inputs_and_hints_are_told_as_warnings() -> None:
    files = documents(my_yaml="extra: 1\n")
    reply = look_at(Bundle(files=files, cwl="bad/flow.cwl", yaml="my.yaml"), NAME)
    assert reply["warnings"] == [
        "bad/flow.cwl:1 a: a loop runs a sub-workflow; on a task it is ignored",
        "my.yaml:1 extra: no such input; it is not used",
    ]
