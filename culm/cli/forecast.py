"""What `--check` shows: the jobs that a task would become, where they would go, and when."""

from __future__ import annotations

from culm.cli.render import print_fields, print_json, print_table, say
from culm.client.submission import Prepared
from culm.core.units import format_duration
from culm.wire.codec import encode
from culm.wire.forecast import Forecast, JobsForecast, QueueForecast, Span

NEVER = "never"


def show_forecast(found: Forecast, prepared: Prepared, *, as_json: bool) -> int:
    """Print a forecast; gives the exit code: 1 where no queue would ever take the jobs."""
    code = int(found.verdict == NEVER)
    if as_json:
        print_json(encode(found))
        return code
    jobs = found.jobs
    print_fields([
        ("task", found.name), ("verdict", f"{found.verdict}: {found.summary}"),
        ("jobs", _counted(jobs)), ("files a job", _span(jobs.files)),
        ("input a job, MB", _span(jobs.input_mb)),
        ("events a job", _span(jobs.events) if jobs.events else ""),
        ("a job asks for", _needs(jobs)), ("first start in", _time(found.wait_seconds)),
        ("a job runs for", _time(found.run_seconds)), ("all done in", _time(found.end_seconds)),
        ("files sent along", len(prepared.chosen.files) if prepared.chosen else ""),
    ])  # fmt: skip
    for change in found.changes:
        print_fields([("would help", change)])
    print()
    print_table(("rank", "queue", "says", "jobs", "start in", "run", "weight", "because"),
                map(_row, found.queues))  # fmt: skip
    say("nothing was submitted")
    return code


def _counted(jobs: JobsForecast) -> str:
    extra = [(jobs.n_scouts, "of them scouts, first"), (jobs.n_builds, "builds beside them"),
             (jobs.n_merges, "merges beside them")]  # fmt: skip
    return ", ".join([str(jobs.n_jobs), *(f"{n} {words}" for n, words in extra if n)])


def _span(span: Span) -> str:
    if not span.most:
        return ""
    if span.least == span.most:
        return f"{span.most:.6g}"
    return f"{span.least:.6g} to {span.most:.6g}, {span.mean:.6g} on average"


def _needs(jobs: JobsForecast) -> str:
    cores = f"{jobs.core_count} core" + "s" * (jobs.core_count != 1)
    return (f"{cores}, {jobs.memory_mb} MB memory, {jobs.disk_mb} MB disk, at most "
            f"{format_duration(jobs.walltime_seconds)}")  # fmt: skip


def _row(queue: QueueForecast) -> tuple[object, ...]:
    weight = "" if queue.weight is None else f"{queue.weight:.4g}"
    return (queue.rank, queue.queue, queue.verdict, queue.n_jobs or "", _time(queue.wait_seconds),
            _time(queue.run_seconds), weight, queue.reason)  # fmt: skip


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return "now" if seconds < 1 else format_duration(seconds)
