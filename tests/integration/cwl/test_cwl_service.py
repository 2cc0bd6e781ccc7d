"""Loading in a process of its own: limits, no files, no network, words at the end."""

from __future__ import annotations

from subprocess import Popen

import pytest

from culm.core.errors import InvalidRequest
from culm.wire.workflows import WorkflowBundle
from cwl import service
from cwl.service import LoadLimits, check
from tests.cwl_scene import a_workflow, documents, prun

NAME = "user.alice.w"
TIGHT = LoadLimits(cpu_seconds=5, seconds=20, memory_mb=1024)


def a_bundle(text: str, **files: str) -> WorkflowBundle:
    return WorkflowBundle(name=NAME, cwl="main.cwl", files=files | {"main.cwl": text})


def refusal(bundle: WorkflowBundle, limits: LoadLimits = TIGHT) -> str:
    with pytest.raises(InvalidRequest) as caught:
        check(bundle, limits)
    return str(caught.value)


def test_good_workflow_comes_back_with_plan_inputs_and_steps() -> None:
    files = documents()
    found = check(WorkflowBundle(name=NAME, cwl="sig_bg_comb.cwl", yaml="sig_bg_comb.yaml",
                                 files=files))  # fmt: skip
    assert found.plan.lenient
    assert sorted(found.inputs) == ["background", "signal"]
    assert [step.id for step in found.steps] == [
        "000_make_signal", "001_make_background_1", "002_premix", "003_generate_some",
        "004_make_background_2", "005_combine"]  # fmt: skip
    assert (found.n_steps, found.warnings) == (6, ())


def test_every_fault_comes_back() -> None:
    text = a_workflow(prun("a", "opt_inDS: b/outDS", "opt_exc: {default: 1}"))
    assert refusal(a_bundle(text)).splitlines()[1:] == [
        "  main.cwl:12 a: opt_exc - unknown option of prun; did you mean opt_exec?",
        "  main.cwl:11 a.opt_inDS: b/outDS - there is no step b; there are a",
    ]


def test_javascript_that_never_ends_is_stopped_and_named() -> None:
    steps = prun("a").replace("    out:", "    when: '${while (true) {}}'\n    out:")
    words = refusal(a_bundle(a_workflow(steps)), LoadLimits())
    assert "main.cwl:6 a: cannot run - when: ${while (true) {}}: it did not end within 5 s" in words


_ALIASES = "\n".join(
    [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9) if n else '1'}]" for n in range(12)]
)


@pytest.mark.parametrize(
    "more", [_ALIASES, "a: " + "[" * 3_000], ids=["aliases of aliases", "deep nesting"]
)
def test_document_that_takes_forever_is_stopped_with_words(more: str) -> None:
    text = f"cwlVersion: v1.2\nclass: Workflow\ninputs: []\noutputs: []\nsteps: []\n{more}\n"
    words = refusal(a_bundle(text), LoadLimits(cpu_seconds=2, seconds=60, memory_mb=1024))
    assert "main.cwl" in words


def test_what_takes_too_long_is_ended_and_the_next_one_is_looked_at() -> None:
    endless = prun("a").replace("    out:", "    when: '${while (true) {}}'\n    out:")
    words = refusal(a_bundle(a_workflow(endless)), LoadLimits(seconds=0.5))
    assert "main.cwl: takes too long - at most 0.5 s to load and look at" in words
    assert check(a_bundle(a_workflow(prun("a")))).n_steps == 1


def _nursery() -> Popen[bytes]:
    process = service._NURSERY._process
    assert process is not None
    return process


def test_process_that_forks_is_replaced_when_it_dies() -> None:
    bundle = a_bundle(a_workflow(prun("a")))
    check(bundle)
    first = _nursery()
    first.kill()
    first.wait()
    assert check(bundle).n_steps == 1
    assert service._NURSERY._process is not first


@pytest.mark.parametrize("name", ["../x.cwl", "/etc/x.cwl", "a/../b.cwl", "..", "a\nb"])
def test_odd_names_of_files_are_refused(name: str) -> None:
    words = refusal(a_bundle(a_workflow(prun("a")), **{name: "x"}))
    assert "a plain path below the directory" in words
