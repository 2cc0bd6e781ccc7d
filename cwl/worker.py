"""What runs in a child of the nursery: one bundle in, its plan or its faults out."""

from __future__ import annotations

from typing import Any

from culm.core.errors import FieldFault
from culm.wire.codec import encode
from cwl.bundle import Bundle
from cwl.confine import confine
from cwl.contents import content_faults
from cwl.expressions import Question, answers
from cwl.formats import format_faults
from cwl.javascript import run_scripts
from cwl.job_order import job_order
from cwl.loading import load
from cwl.lowering import lower
from cwl.plan import plan_to_json
from cwl.preview import preview
from cwl.searches import with_files
from cwl.walk import Run


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The reply to a request: what `look_at` gives, within limits that hold from now on."""
    confine(request["limits"])
    bundle = Bundle(files=request["files"], cwl=request["cwl"], yaml=request["yaml"])
    try:
        return look_at(bundle, request["name"])
    except MemoryError:
        limit = f"at most {request['limits']['memory_mb']} MB of memory to load"
        return _refusal([FieldFault(bundle.cwl, "too large", limit)])
    except RecursionError:
        return _refusal([FieldFault(bundle.cwl, "nested too deeply", "fewer levels are needed")])


def look_at(bundle: Bundle, name: str) -> dict[str, Any]:
    """The reply to a request: `faults`, or plan, inputs, warnings, and what a `Preview` holds."""
    loaded = load(bundle)
    if isinstance(loaded, list):
        return _refusal(loaded)
    plan = lower(loaded)
    if isinstance(plan, list):
        return _refusal(plan)
    process, plan = loaded.process, with_files(plan, bundle)
    order = job_order(bundle, plan, process.metadata.get("$namespaces") or {})
    if isinstance(order, list):
        return _refusal(order)
    wrong = [
        *format_faults(process, order.values),
        *content_faults(plan.main, order.values, plan.files),
    ]
    if wrong:
        return _refusal(wrong)
    plan = plan.asking(order.requirements)
    found = preview(plan, Run(inputs=order.values, name=name), _answer)
    if isinstance(found, list):
        return _refusal(found)
    return {
        "plan": plan_to_json(plan),
        "inputs": order.values,
        "steps": encode(found.steps),
        "n_steps": found.n_steps,
        "datasets": found.datasets,
        "warnings": [*loaded.warnings, *order.warnings],
    }


def _answer(questions: Any) -> list[Any]:
    asked: list[Question] = list(questions)
    return answers(asked, run_scripts)


def _refusal(faults: list[FieldFault]) -> dict[str, Any]:
    return {"faults": encode(list(dict.fromkeys(faults)))}
