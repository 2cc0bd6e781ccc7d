"""What would become of a task, found by the stages themselves in a transaction that is taken back.

Refine, feed, assign, the splitter and the broker do what they do to every task; then all of it is
undone. So the answer is what a submission would meet, and the books are as they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil

from sqlmodel import Session

from broker.allotting import allot
from broker.estimates import expected_walltime_seconds
from broker.values import Demand, Queue, Ranking
from culm.core.errors import Conflict, InvalidRequest
from culm.core.ids import new_key
from culm.wire.forecast import Forecast, JobsForecast, QueueForecast, Span
from culm.wire.task_spec import TaskSpec
from tasks.scouting import N_SCOUTS
from tasks.splitting import Chunk, events_of
from tasks.stages import assign, feed, refine
from tasks.stages.bulk_submit import Order, make_user, names_taken, submit_many
from tasks.stages.generation import Generation
from tasks.stages.generation_work import whole_work_of
from tasks.stages.merges import most_jobs_merged
from tasks.stages.rank_queues import Brokered, scene_of
from tasks.stages.run_times import expected_run_seconds
from tasks.stages.scouts import worth_it
from tasks.stages.select import datasets_of
from tasks.stages.stage import Act
from tasks.stages.submit import faults_of
from tasks.statuses import TaskStatus
from tasks.store.books import Books
from tasks.store.moves import database_time
from tasks.tables import Sandbox, Task
from tasks.why.brokerage import of_brokerage
from tasks.why.findings import NEVER, NOT_YET, TAKEN, many
from tasks.why.nuclei import of_nuclei

ACTOR = "forecast"
MB = 1e6
MOST_TRIED = 10_000
"""Jobs without input are alike: of more than these no rows are made."""
UNKNOWN_SECONDS = 1e8
"""A wait of years is how the broker says that it knows no rate."""


def forecast(books: Books, spec: TaskSpec, user: str) -> Forecast:
    """What this task of `user` would become if it were submitted now; nothing is written.

    Its sandbox need not be here.

    Raises:
        InvalidRequest: something that the task names is not there or does not fit, each named.
        Conflict: the name is a living task's.
    """
    spec.check()
    with books.trial() as session:
        task = _tried(session, _sample(spec), user)
        if task.status in (TaskStatus.TOBROKEN, TaskStatus.BROKEN):
            return _hopeless(session, task, spec, task.reason)
        place = of_nuclei(session, task) if task.status != TaskStatus.READY else None
        if place is not None and place.verdict == NEVER:
            return _hopeless(session, task, spec, place.summary)
        return _forecast(session, task, spec)


def _sample(spec: TaskSpec) -> TaskSpec:
    """The task with no more jobs than are looked at, where they are alike: those without input."""
    if spec.inputs or spec.search is not None or _n_without_input(spec) <= MOST_TRIED:
        return spec
    if spec.n_events is not None and spec.n_events_per_job is not None:
        return replace(spec, n_events=MOST_TRIED * spec.n_events_per_job)
    return replace(spec, n_jobs=MOST_TRIED)


def _n_without_input(spec: TaskSpec) -> int:
    """How many jobs a task without input has."""
    if spec.n_events is not None and spec.n_events_per_job is not None:
        return ceil(spec.n_events / spec.n_events_per_job)
    return spec.n_jobs or 1


def _tried(session: Session, spec: TaskSpec, user: str) -> Task:
    """The row of the task after the stages that come before its first jobs."""
    taken = names_taken(session, [spec.name], user)
    if taken:
        raise Conflict(taken[spec.name], hint="choose another --outDS")
    make_user(session, user)
    if spec.sandbox is not None and session.get(Sandbox, spec.sandbox) is None:
        now = database_time(session)
        row = Sandbox(digest=spec.sandbox, size_bytes=0, owner=user, created_at=now, used_at=now)
        session.add(row)
        session.flush()
    faults = list(faults_of(session, spec, user))
    if faults:
        raise InvalidRequest(f"task {spec.name} cannot be run as asked", faults=faults)
    (task_id,) = submit_many(session, [Order(spec=spec, key=new_key())], user)
    for stage in (refine.STAGE, feed.STAGE, assign.STAGE):
        if stage.candidates(session, 1, [task_id]):
            stage.act(Act(session, task_id, ACTOR))
            session.expire_all()
    return session.get_one(Task, task_id, populate_existing=True)


def _forecast(session: Session, task: Task, spec: TaskSpec) -> Forecast:
    act = Act(session, task.id, ACTOR)
    generation = Generation(act, task, spec, datasets_of(session, task.id), None)
    # A search has no points yet: it makes them as it goes on.
    chunks, why = ([], "") if spec.search else _chunks(generation)
    brokered, said = generation.brokered(), of_brokerage(session, task, with_queues=True)
    n_jobs = _n_points_jobs(spec) if spec.search else len(chunks)
    if not spec.inputs and spec.search is None:
        n_jobs = _n_without_input(spec)
    queues = _queues(session, generation, brokered, chunks, n_jobs)
    refused = tuple(
        QueueForecast(queue=q.queue, verdict=q.verdict, rule=q.rule, reason=q.reason)
        for q in said.queues if q.weight is None
    )  # fmt: skip
    jobs = _jobs(session, task, spec, chunks, n_jobs)
    if spec.build_command is not None:
        jobs = replace(jobs, n_builds=sum(q.n_jobs > 0 for q in queues))
    found = Forecast(
        name=spec.name, verdict=said.verdict, jobs=jobs, changes=said.changes, details=said.details,
        summary=said.summary or f"{many(len(queues), 'queue takes', 'queues take')} its jobs",
        queues=(*queues, *refused), wait_seconds=_least(q.wait_seconds for q in queues),
        run_seconds=_least(q.run_seconds for q in queues), end_seconds=_end(queues, jobs.n_scouts),
    )  # fmt: skip
    if n_jobs:
        return found
    reason = why or task.reason or "its input is not there yet"
    return replace(found, verdict=NOT_YET, summary=reason, end_seconds=None)


def _hopeless(session: Session, task: Task, spec: TaskSpec, summary: str) -> Forecast:
    none = _jobs(session, task, spec, [], 0)
    return Forecast(name=spec.name, verdict=NEVER, summary=summary, jobs=none)


def _chunks(generation: Generation) -> tuple[list[Chunk], str]:
    work, used_up = whole_work_of(generation)
    return work.new, used_up


def _n_points_jobs(spec: TaskSpec) -> int:
    """The evaluation jobs of a search in which no point fails."""
    if spec.search is None:
        return 0
    each = ceil(spec.search.max_points / spec.search.n_points_per_job)
    return min(each * len(spec.search.segment_names), spec.search.most_jobs)


def _jobs(
    session: Session, task: Task, spec: TaskSpec, chunks: Sequence[Chunk], n_jobs: int
) -> JobsForecast:
    """The jobs themselves; builds come with the queues."""
    per_merge = most_jobs_merged(session, task, spec)
    counted = spec.n_events_per_job is not None or any(
        file.n_events is not None for chunk in chunks for file in chunk.files
    )
    return JobsForecast(
        n_jobs=n_jobs,
        n_scouts=min(N_SCOUTS, n_jobs) if worth_it(task, spec, n_jobs) else 0,
        n_builds=0,
        n_merges=ceil(n_jobs / per_merge) if spec.merge_output else 0,
        files=_span(len(chunk.files) if spec.inputs else 0 for chunk in chunks),
        input_mb=_span(sum(f.size_bytes for f in chunk.files) / MB for chunk in chunks),
        events=_span(sum(map(events_of, c.files)) for c in chunks) if counted else None,
        core_count=task.core_count, memory_mb=task.memory_mb, disk_mb=task.disk_mb,
        walltime_seconds=task.walltime_seconds,
    )  # fmt: skip


def _span(numbers: Iterable[float]) -> Span:
    found = list(numbers) or [0]
    return Span(least=min(found), mean=sum(found) / len(found), most=max(found))


def _queues(
    session: Session,
    generation: Generation,
    brokered: Brokered,
    chunks: Sequence[Chunk],
    n_jobs: int,
) -> tuple[QueueForecast, ...]:
    """The queues that take the jobs, the best first; jobs go where brokerage would bind them."""
    ranking, seen = brokered.ranking, brokered.seen
    bound = Counter(chunk.queue for chunk in chunks if chunk.queue is not None)
    n_free = n_jobs - bound.total()
    allotted = _allotted(n_free, ranking)
    demand = scene_of(session, generation.task, generation.spec).demand
    asked = expected_run_seconds(session, generation.task)
    by_name = {queue.name: queue for queue in seen.queues}
    places = brokered.places or {}
    found = []
    for rank, ranked in enumerate(ranking.ranked, 1):
        queue, berth = by_name[ranked.queue], (brokered.berths or {}).get(ranked.queue)
        tally = seen.counts.tally(seen.ids[ranked.queue])
        found.append(QueueForecast(
            queue=ranked.queue, verdict=TAKEN, rank=rank, weight=ranked.weight,
            n_jobs=allotted.get(ranked.queue, 0) + bound[ranked.queue],
            places=places.get(ranked.queue), n_slots=max(tally.n_slots, queue.load.n_slots or 0),
            wait_seconds=_known(berth.seconds_to_place) if berth else None,
            run_seconds=_run_seconds(demand, queue, asked),
        ))  # fmt: skip
    return tuple(found)


def _allotted(n_jobs: int, ranking: Ranking) -> dict[str, int]:
    """How many jobs go to each queue; so many that each cannot be placed go in proportion."""
    if not ranking.ranked:
        return {}
    n_placed = min(n_jobs, MOST_TRIED)
    found = dict(allot(n_placed, ranking))
    if n_jobs > n_placed:
        found = {queue: count * n_jobs // n_placed for queue, count in found.items()}
        found[ranking.ranked[0].queue] += n_jobs - sum(found.values())
    return found


def _known(seconds: float) -> float | None:
    return seconds if seconds < UNKNOWN_SECONDS else None


def _run_seconds(demand: Demand, queue: Queue, asked: float) -> float | None:
    """What its events take there; else what it asks for; else what jobs took there lately."""
    if demand.cpu_seconds_per_event > 0:
        return expected_walltime_seconds(demand, queue)
    return asked or queue.load.mean_run_seconds


def _least(numbers: Iterable[float | None]) -> float | None:
    return min((number for number in numbers if number is not None), default=None)


def _end(queues: Sequence[QueueForecast], n_scouts: int) -> float | None:
    """When the last queue is through, if all of them are known; scouts go ahead of the rest."""
    used = [queue for queue in queues if queue.n_jobs]
    ends = []
    for queue in used:
        if queue.wait_seconds is None or queue.run_seconds is None or not queue.n_slots:
            return None
        rounds = ceil(queue.n_jobs / queue.n_slots) + (n_scouts > 0)
        ends.append(queue.wait_seconds + rounds * queue.run_seconds)
    return max(ends, default=None)
