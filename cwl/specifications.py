"""Tasks of a walk → specifications, as the commands `prun` and `phpo` would make them."""

from __future__ import annotations

from culm.client.hpo import OPTIONS as OPTIONS_OF_HPO
from culm.client.hpo import Hpo, search_specification
from culm.client.prun import OPTIONS as OPTIONS_OF_PRUN
from culm.client.prun import Prun, specification
from culm.core.errors import InvalidRequest
from culm.wire.task_spec import TaskSpec
from cwl.outcomes import Task
from cwl.plan import Kind
from cwl.searches import in_bundle


def specification_of(kind: Kind, task: Task, sandbox: str | None = None) -> TaskSpec:
    """The specification of a task, with the sandbox's digest if it takes one.

    Raises:
        InvalidRequest: with a fault for every option that is wrong, named by its flag.
    """
    try:
        options = (Hpo if kind is Kind.PHPO else Prun)(**task.options)
    except TypeError as error:
        raise InvalidRequest(f"its options make no task: {error}") from error
    if isinstance(options, Hpo):
        return search_specification(options, task.name, in_bundle(task.files), sandbox)
    return specification(options, task.name, None if options.no_sandbox else sandbox)


def flag_of(kind: Kind, option: str) -> str:
    """The flag of one of a task's `options`."""
    flags = OPTIONS_OF_HPO if kind is Kind.PHPO else OPTIONS_OF_PRUN
    return flags[option]
