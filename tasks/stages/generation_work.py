"""What is to become jobs next: a batch of files, cut; scouts first, and as many as have a place."""

from __future__ import annotations

from tasks.stages.asking import asked_now
from tasks.stages.chunking import Cutting, Work, all_chunks, next_work
from tasks.stages.generation import Generation
from tasks.stages.scouts import begin_scouting, is_scouting, scouts_to_come, worth_it
from tasks.stages.search_jobs import in_turn, within_limits
from tasks.statuses import TaskStatus


def work_of(generation: Generation) -> tuple[Work, str]:
    """The next batch, and, if there is none for that, what is used up, in words."""
    by_queue = not is_scouting(generation.scouting)
    return _with_secondaries(generation, _scouts_first(generation, _work(generation, by_queue)))


def whole_work_of(generation: Generation) -> tuple[Work, str]:
    """All that would become of the files that are ready, as if nothing had to wait; and, if that
    is nothing, what is used up, in words.
    """
    cutting = _cutting(generation, True, None)
    return _with_secondaries(generation, Work([], all_chunks(cutting, generation.datasets)))


def _work(generation: Generation, by_queue: bool) -> Work:
    act, spec, datasets = generation.act, generation.spec, generation.datasets
    cutting = _cutting(generation, by_queue, _wanted(generation))
    if spec.search is not None:
        return within_limits(act, spec.search, next_work(cutting, in_turn(datasets)))
    return next_work(cutting, datasets)


def _cutting(generation: Generation, by_queue: bool, wanted: int | None) -> Cutting:
    spec = generation.spec
    asked = asked_now(generation.scouting, spec)
    return Cutting(
        generation.act, generation.task, spec, asked, generation.ranking, by_queue, wanted
    )


def _wanted(generation: Generation) -> int | None:
    """How many jobs to cut: as many as there are places (None: a whole batch), and one to see
    whether any are left. A task that is fresh shows what it has: it may be worth scouts.
    """
    places = generation.places()
    is_fresh = generation.task.status in (TaskStatus.READY, TaskStatus.PENDING)
    may_scout = is_fresh and generation.scouting is None and not generation.spec.skip_scouts
    if places is None or may_scout:
        return None
    return max(1, sum(places.values()))


def _scouts_first(generation: Generation, work: Work) -> Work:
    """The work without what has to wait for the scouts."""
    task = generation.task
    if generation.scouting is None and worth_it(task, generation.spec, len(work.new)):
        generation.scouting = begin_scouting(generation.act.session, task, generation.spec)
        generation.asked.clear()  # Scouts go where others need not.
        work = _work(generation, by_queue=False)
    if not is_scouting(generation.scouting):
        return work
    return Work(work.again, work.new[: scouts_to_come(generation.scouting, task)])


def _with_secondaries(generation: Generation, work: Work) -> tuple[Work, str]:
    """The work for which secondary files are left, and what is used up, in words.

    A stream that is not reusable gives each of its files to one job only.
    """
    most, words = len(work.new), ""
    for stream in (s for s in generation.spec.inputs[1:] if not s.reusable):
        mine = [d for d in generation.datasets if d.stream == stream.stream]
        n_files, per_job = sum(d.n_files for d in mine), stream.n_files_per_job or 1
        left = max(0, n_files // per_job - generation.task.next_sequence_nr)
        if left < most:
            most = left
            words = f"stream {stream.stream} is not reusable and its {n_files} files are used up"
    return Work(work.again, work.new[:most]), words if not most else ""
