"""What becomes of the input of a job that did not succeed (documentation, 20). Pure.

Its owner's attempts and the system's own tries are counted apart; rules that operators give
change what the next attempt asks for, or that there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from broker.architecture import parse_architecture
from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.error_codes import KINDS, SERVER_KINDS, PilotError, ServerError
from culm.wire.retry_rules import ErrorSource, NewRetryRule, RetryAction
from tasks.lifecycles import FileEvent
from tasks.memory_steps import next_step

MAX_LOST = 10
"""How often the system may fail a file before it gives up, whatever the user allows."""

FREE_LOSSES = 2
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Tries:
    """What a file has behind it: failures that were its owner's, and the system's."""

    n_failed: int
    n_lost: int
    max_attempts: int


def spends_attempt(pilot_error_code: int, server_error_code: int) -> bool:
    """Whether a failure uses up one of the owner's attempts.

    A lost pilot, preemption or a wall limit never does (reliability.md, I6). A code that is
    not known counts as the payload's.
    """
    if server_error_code:
        kind = SERVER_KINDS.get(server_error_code)
    else:
        kind = KINDS.get(pilot_error_code) if pilot_error_code else None
    return kind is None or kind.spends_attempt


def after_failure(tries: Tries, spends: bool, task_is_ending: bool) -> tuple[FileEvent, Tries]:
    """The event for a file whose job failed, and its tries after that."""
    now = Tries(tries.n_failed + spends, tries.n_lost + (not spends), tries.max_attempts)
    used_up = now.n_failed >= now.max_attempts or now.n_lost >= MAX_LOST
    event = FileEvent.FAILED if used_up or task_is_ending else FileEvent.TO_BE_TRIED_AGAIN
    return event, now


def pause_seconds(n_lost: int) -> float:
    """How long after the last job with a file was made the next one is, at the soonest.

    What the system failed twice goes at once; then the pause doubles from a minute to a quarter
    of an hour. So the tries of a file last about an hour: a storage or a site that is away for
    minutes does not use them up. Who lost a long job has waited already.
    """
    if n_lost <= FREE_LOSSES:
        return 0.0
    return min(FIRST_PAUSE_SECONDS * 2.0 ** (n_lost - FREE_LOSSES - 1), LONGEST_PAUSE_SECONDS)


LONGER = 1.5
"""What the wall time of a job that needed more is multiplied by."""
NEARLY_ALL = 0.9
"""A payload that was killed and used so much of its memory was short of it."""
SHORT_OF_MEMORY = frozenset({PilotError.PAYLOAD_OUT_OF_MEMORY, PilotError.PAYLOAD_EXCEED_MAX_MEM})
_DISPATCHER = frozenset({ServerError.LOST_HEARTBEAT, ServerError.OUTPUT_NOT_VERIFIED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that did not succeed, what it asked for, and its errors. Memory is the whole job's.

    `n_tries` counts the jobs that had its input and failed, this one too; none since a person
    said to retry.
    """

    n_tries: int = 1
    core_count: int = 1
    memory_mb: int = 2000
    walltime_seconds: int = 86_400
    max_pss_mb: float = 0.0
    exit_code: int = 0
    pilot_error_code: int = 0
    pilot_error_diag: str = ""
    server_error_code: int = 0
    server_error_diag: str = ""
    architecture: str = ""
    release: str = ""
    work_queue: str = ""
    """What the job's task asked for, and the share that it counts for; empty: nothing."""

    def errors(self) -> Iterator[tuple[ErrorSource, int, str]]:
        """Each error of it: who booked it, the code, the message."""
        if self.exit_code:
            yield ErrorSource.PAYLOAD, self.exit_code, self.pilot_error_diag
        if self.pilot_error_code:
            yield ErrorSource.PILOT, self.pilot_error_code, self.pilot_error_diag
        if self.server_error_code:
            by_dispatcher = self.server_error_code in _DISPATCHER
            source = ErrorSource.DISPATCHER if by_dispatcher else ErrorSource.TASK_BUFFER
            yield source, self.server_error_code, self.server_error_diag

    @property
    def was_short_of_memory(self) -> bool:
        """Whether more memory would have helped."""
        killed = self.pilot_error_code == PilotError.KILL_SIGNAL
        nearly = self.max_pss_mb >= NEARLY_ALL * self.memory_mb
        return self.pilot_error_code in SHORT_OF_MEMORY or (killed and nearly)


@dataclass(frozen=True, slots=True)
class RetryRule:
    """A rule of the books, its pattern compiled."""

    rule_id: int
    rule: NewRetryRule
    pattern: re.Pattern[str]

    def matches(self, failure: Failure) -> bool:
        """Whether it speaks of this failure."""
        return self._is_for(failure) and any(
            source == self.rule.source
            and self.rule.code in (None, code)
            and self.pattern.search(message) is not None
            for source, code, message in failure.errors()
        )

    def _is_for(self, failure: Failure) -> bool:
        """Whether the failure is in its scope. A platform stands for all hardware under it."""
        platform = re.split("[@#&]", failure.architecture, maxsplit=1)[0]
        scope = (
            (self.rule.architecture, {failure.architecture, platform}),
            (self.rule.release, {failure.release}),
            (self.rule.work_queue, {failure.work_queue}),
        )
        return all(not wanted or wanted in found for wanted, found in scope)

    def __str__(self) -> str:
        limit = "" if self.rule.max_retries is None else f"({self.rule.max_retries})"
        return f"retry rule {self.rule_id}: {self.rule.action}{limit}"


def checked_rule(rule: NewRetryRule, rule_id: int = 0) -> RetryRule:
    """A rule that can be used.

    Raises:
        InvalidRequest: with a fault for each field that is wrong; a pattern that is no regular
            expression is shown with the place of the mistake.
    """
    faults = []
    try:
        pattern = re.compile(rule.pattern)
    except (re.error, RecursionError, OverflowError) as error:
        pattern = re.compile("")
        needed = f"a Python regular expression ({error})"
        faults.append(FieldFault("pattern", ascii(rule.pattern)[:80], needed))
    if rule.code is None and not rule.pattern:
        faults.append(FieldFault("code", "missing", "give a code, a pattern, or both"))
    limits = rule.action == RetryAction.LIMIT_RETRY
    if limits and rule.max_retries is None:
        faults.append(FieldFault("max_retries", "missing", "limit_retry needs a number"))
    if not limits and rule.max_retries is not None:
        faults.append(FieldFault("max_retries", str(rule.max_retries), "only for limit_retry"))
    faults += _scope_faults(rule)
    if faults:
        raise InvalidRequest("this retry rule cannot be used", faults=faults)
    return RetryRule(rule_id, rule, pattern)


def _scope_faults(rule: NewRetryRule) -> Iterator[FieldFault]:
    """A scope that no task can be in would keep a rule silent for ever."""
    try:
        parse_architecture(rule.architecture)
    except InvalidRequest as error:
        yield from error.faults
    if rule.release and not names.RELEASE.fullmatch(rule.release):
        yield FieldFault("release", ascii(rule.release), names.RELEASE_RULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """How the input of a failed job is tried again.

    `hopeless`: the rule by which it is not. Memory and wall time are what the next attempt asks
    for. `would` names the passive rules that matched.
    """

    memory_mb: int
    walltime_seconds: int
    hopeless: str = ""
    reduce_input: bool = False
    because: tuple[str, ...] = field(default=())
    would: tuple[str, ...] = field(default=())


def advise(failure: Failure, rules: Iterable[RetryRule]) -> Advice:
    """What the rules make of a failure; all that match have their say.

    Out of memory raises the memory of itself, and nothing else does: a rule to raise it is
    for naught where memory was not short.
    """
    matching = [rule for rule in rules if rule.matches(failure)]
    active = [rule for rule in matching if rule.rule.active]
    actions = {rule.rule.action for rule in active}
    memory, walltime = failure.memory_mb, failure.walltime_seconds
    if failure.was_short_of_memory:
        memory = more_memory(failure)
    if RetryAction.INCREASE_CPU_TIME in actions:
        walltime = int(walltime * LONGER)
    return Advice(
        memory_mb=memory,
        walltime_seconds=walltime,
        hopeless=next((str(rule) for rule in active if _ends(rule.rule, failure)), ""),
        reduce_input=RetryAction.REDUCE_INPUT in actions,
        because=tuple(map(str, active)),
        would=tuple(str(rule) for rule in matching if not rule.rule.active),
    )


def more_memory(failure: Failure) -> int:
    """The memory of the next attempt: the step above what it had and what it used."""
    known = max(float(failure.memory_mb), failure.max_pss_mb)
    return next_step(known / failure.core_count) * failure.core_count


def _ends(rule: NewRetryRule, failure: Failure) -> bool:
    if failure.n_tries == 0:
        return False  # a person wants it tried again, or it never ran
    if rule.action == RetryAction.NO_RETRY:
        return True
    limit = rule.max_retries
    return rule.action == RetryAction.LIMIT_RETRY and limit is not None and failure.n_tries > limit
