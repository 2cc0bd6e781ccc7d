"""Workflows: pchain's and pchain_native's requests, and what goes through PanDA to iDDS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from culm.core.errors import CulmError, NotFound, UserError
from server.identity.access import PERSON, may_see
from server.panda.asked import Asked, wrong
from server.panda.calls import Calls, asked_of
from server.panda.envelope import Said, json_answer, words_of
from server.panda.idds import carry_out
from server.panda.workflow_rows import workflow_details
from server.panda.workflow_submission import checked_words, submitted_id
from server.routing import Noun, Terms
from tasks.views.workflows import workflow_owner

workflows = Noun("panda: workflows", "Chains of tasks as PanDA's client sends them.")
_calls = Calls(workflows, "workflow")
OLD = "/server/panda"
_JSON = "application/json"


@_calls.post("submit_workflow_raw_request")
def submit_workflow_raw_request(asked: Asked) -> Said:
    """Submit a workflow; `data` holds its number as workflow_id."""
    params = asked.mapping("params")
    if params is None:
        raise wrong("params", None, "an object: sandbox, workflowSpecFile, language, outDS")
    number = submitted_id(asked, params)
    return Said(data={"workflow_id": number}, message=f"submitted with workflow_id={number}")


@_calls.get("get_workflow_details")
def get_workflow_details(asked: Asked) -> Said:
    """A workflow with its steps, their parents and progress, and its output."""
    workflow_id = asked.number("workflow_id")
    with asked.parts.books.read() as session:
        if not may_see(asked.actor, workflow_owner(session, workflow_id)):
            raise NotFound(f"no workflow {workflow_id} of yours")
        return Said(data=workflow_details(session, workflow_id))


@workflows.post(f"{OLD}/put_workflow_request", Terms(PERSON, answers=_JSON))
async def put_workflow_request(request: Request) -> Response:
    """Look at a workflow (`check`) or submit it: [true, {"status", "log", "request_id"}]."""
    return await _pair(request, _put)


@workflows.post(f"{OLD}/execute_idds_workflow_command", Terms(PERSON, answers=_JSON))
async def execute_idds_workflow_command(request: Request) -> Response:
    """Command a workflow: get_status, abort, retry, finish, suspend, resume."""
    return await _pair(request, carry_out)


@workflows.post(f"{OLD}/relay_idds_command", Terms(PERSON, answers=_JSON))
async def relay_idds_command(request: Request) -> Response:
    """The same commands, as iDDS' own client names them; others are refused by name."""
    return await _pair(request, carry_out)


@workflows.post(f"{OLD}/putEventPickingRequest", Terms(PERSON, answers="text/plain"))
async def put_event_picking_request(request: Request) -> Response:
    """Refused: no event index is there to pick events by."""
    words = "there is no event index here: name the files of the events in --inputFileList"
    return Response(f"ERROR : {words}", media_type="text/plain")


def _put(asked: Asked) -> dict[str, Any]:
    params = asked.mapping("data")
    if params is None:
        raise wrong("data", None, "JSON: sandbox, workflowSpecFile, language, outDS")
    if not asked.flag("check"):
        number = submitted_id(asked, params)
        words = f"workflow {number} is submitted"
        return {"status": True, "log": words, "request_id": number}
    try:
        return {"status": True, "log": checked_words(asked, params)}
    except UserError as error:
        return {"status": False, "log": _lines(error)}


def _lines(error: CulmError) -> str:
    return "\n".join([error.message, *(f"  {fault}" for fault in error.faults)])


async def _pair(request: Request, act: Callable[[Asked], Any]) -> Response:
    """[true, what came of it], or [false, words]: the form of the older calls."""
    asked = await asked_of(request)
    try:
        return json_answer([True, await run_in_threadpool(act, asked)])
    except UserError as error:
        return json_answer([False, words_of(error)])
