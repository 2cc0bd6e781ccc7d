"""The graph of a workflow, with the instances of its steps counted by status."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from sqlalchemy import func, select
from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.workflow_runs import WorkflowGraph
from cwl.plan import plan_from_json
from tasks.store.tables import STEP, WORKFLOW_PLAN
from tasks.workflows.graph import declared_path, graph_of


def workflow_graph(session: Session, workflow_id: int) -> WorkflowGraph:
    """The graph of a workflow.

    Raises:
        NotFound: there is no such workflow.
    """
    query = select(WORKFLOW_PLAN.c.plan).where(WORKFLOW_PLAN.c.workflow_id == workflow_id)
    plan = session.connection().execute(query).scalar()
    if plan is None:
        raise NotFound(f"no workflow {workflow_id}")
    graph = graph_of(plan_from_json(plan))
    counts = _counts(session, workflow_id)
    nodes = tuple(replace(node, counts=dict(counts[path])) for path, node in graph.nodes.items())
    return WorkflowGraph(nodes=nodes, edges=tuple(graph.edges.values()))


def _counts(session: Session, workflow_id: int) -> defaultdict[str, Counter[str]]:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    query = (
        select(STEP.c.path, STEP.c.status, func.count())
        .where(STEP.c.workflow_id == workflow_id)
        .group_by(STEP.c.path, STEP.c.status)
    )
    for path, status, count in session.connection().execute(query):
        found[declared_path(path)][status] += count
    return found
