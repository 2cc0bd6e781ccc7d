"""Workflows of PanDA's client: looked at, then submitted as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from culm.core.ids import new_key
from server.dataset_names import check_may_write
from server.panda.asked import Asked
from server.panda.workflow_bundles import submission_of
from server.panda.workflow_rows import check_words
from server.races import looking_again
from server.share_claims import may_claim
from server.workflows import look_at
from tasks.catalog.own import missing_datasets
from tasks.stages.workflow_submit import Planned, submit_workflow


def checked_words(asked: Asked, params: Mapping[str, Any]) -> str:
    """How each step of the workflow would run; nothing is written.

    Raises:
        InvalidRequest: with everything that is wrong.
        NotAllowed: its name is not the caller's to take.
    """
    bundle = submission_of(asked, params).bundle
    check_may_write(asked.actor, bundle.name, None)
    found = look_at(bundle)
    with asked.parts.books.read() as session:
        missing = missing_datasets(session, found.datasets)
    warnings = [f"{found.datasets[name]}: no dataset {name} yet" for name in sorted(missing)]
    return check_words(found.steps, found.n_steps, (*found.warnings, *warnings))


def submitted_id(asked: Asked, params: Mapping[str, Any]) -> int:
    """The number of the workflow that was submitted; errors as `checked_words` says."""
    submission, actor, books = submission_of(asked, params), asked.actor, asked.parts.books
    check_may_write(actor, submission.bundle.name, None)
    found, key = look_at(submission.bundle), new_key()
    planned = Planned(submission=submission, plan=found.plan, inputs=found.inputs,
                      warnings=found.warnings, may_claim=may_claim(actor))  # fmt: skip
    accepted = looking_again(lambda: submit_workflow(books, planned, actor.subject, key))
    return accepted.workflow_id
