"""Workflows: documents that are looked at before anything runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from culm.wire.workflows import WorkflowBundle, WorkflowCheck
from server.bodies import JsonBody
from server.dataset_names import check_may_write
from server.identity.access import PERSON, actor_of
from server.limits import MB, BodyLimits
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from server.workflows import look_at
from tasks.catalog.own import missing_datasets

workflows = Noun("workflows", "Chains of tasks, described in CWL.")

DOCUMENTS = BodyLimits(16 * MB)
EXAMPLE = {
    "name": "user.alice.chain",
    "cwl": "chain.cwl",
    "files": {
        "chain.cwl": "cwlVersion: v1.2\nclass: Workflow\ninputs: []\noutputs: []\nsteps:\n"
        "  top:\n    run: prun\n    in: {opt_exec: {default: 'echo > a.txt'},\n"
        "      opt_args: {default: '--outputs a.txt'}}\n    out: [outDS]\n"
    },
}


@workflows.post(
    "/v1/workflows/check",
    Terms(PERSON, takes=WorkflowBundle, answers=WorkflowCheck, example=EXAMPLE),
)
def check_workflow(
    request: Request,
    bundle: Annotated[WorkflowBundle, Depends(JsonBody(WorkflowBundle, DOCUMENTS))],
) -> Response:
    """Say how each step of a workflow would run, or everything that is wrong. Nothing is written.

    Only the documents of the request are read: no other file, nothing of the network.
    """
    check_may_write(actor_of(request), bundle.name, None)
    found = look_at(bundle)
    with parts_of(request).books.read() as session:
        missing = missing_datasets(session, found.datasets)
    warnings = [f"{found.datasets[name]}: no dataset {name} yet" for name in sorted(missing)]
    answer = WorkflowCheck(
        name=bundle.name,
        n_steps=found.n_steps,
        steps=found.steps,
        warnings=(*found.warnings, *warnings),
    )
    return reply(answer)
