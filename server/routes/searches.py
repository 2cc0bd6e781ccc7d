"""Hyperparameter searches, and the checkpoints of their points."""

from __future__ import annotations

from fastapi import Request, Response

from culm.wire.search_views import SearchView
from server.parts import parts_of
from server.replies import reply
from server.routes.parameters import TaskId
from server.routes.tasks import TASK_OWNER
from server.routing import Noun, Terms
from tasks.views.searches import search_view

searches = Noun("searches", "Hyperparameter searches: tasks whose jobs evaluate points.")


@searches.get("/v1/tasks/{task_id}/search", Terms(TASK_OWNER, answers=SearchView))
def show_search(request: Request, task_id: TaskId) -> Response:
    """How far a search is, its best point, and every point with its loss."""
    with parts_of(request).books.read() as session:
        return reply(search_view(session, task_id))
