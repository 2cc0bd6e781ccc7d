"""The options of `prun`: each field of `Prun` is an option of `culm prun` too.

Its metadata holds the spelling that PanDA users know, the words of its help, and its group there
(documentation, 4.1.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

GROUPS = {
    "run": "What to run",
    "input": "Input",
    "output": "Output",
    "merge": "How output is merged",
    "split": "How to split",
    "build": "What is built before",
    "place": "Where and with what",
    "share": "Whose share of the computing power (production role)",
    "files": "Files that are sent along",
}


def option(group: str, flag: str, words: str) -> dict[str, str]:
    """The metadata of a field that is an option."""
    return {"group": group, "flag": flag, "help": words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prun:
    """The options of a submission; lists are comma-separated, as on the command line."""

    exec: str = field(
        metadata=option(
            "run",
            "--exec",
            "What each job runs. Replaced in it: %IN, %IN2 (file names), %OUT, %RNDM:base, "
            "%MAXEVENTS, %SKIPEVENTS, %FIRSTEVENT:base.",
        )
    )
    use_secrets: bool = field(
        default=False,
        metadata=option(
            "run", "--useSecrets", "Give the jobs your secrets, as panda_secrets.json."
        ),
    )
    max_attempt: int = field(
        default=3, metadata=option("run", "--maxAttempt", "How often each input is tried.")
    )
    parent_task_id: int | None = field(
        default=None,
        metadata=option(
            "run", "--parentTaskID", "The task that is producing --inDS: run beside it."
        ),
    )
    priority: int = field(
        default=1000,
        metadata=option(
            "run", "--priority", "From 900 to 1100 (production: from 0); more is sooner."
        ),
    )
    in_ds: str | None = field(
        default=None, metadata=option("input", "--inDS", "Input datasets, comma-separated.")
    )
    secondary_dss: str | None = field(
        default=None,
        metadata=option(
            "input",
            "--secondaryDSs",
            "More input streams, comma-separated: Stream:nFilesPerJob:Dataset[:pattern[:nSkip]]. "
            "A colon in a name is written \\:.",
        ),
    )
    reusable_secondary: str | None = field(
        default=None,
        metadata=option(
            "input",
            "--reusableSecondary",
            "Use only the files of these streams again when they are used up, comma-separated; "
            "each file of the others goes to one job (default: all are used again).",
        ),
    )
    no_input: bool = field(
        default=False, metadata=option("input", "--noInput", "Say that there is no input.")
    )
    match: str | None = field(
        default=None,
        metadata=option("input", "--match", "Take only files whose names match: *AOD*,*r123*."),
    )
    anti_match: str | None = field(
        default=None, metadata=option("input", "--antiMatch", "Leave out files whose names match.")
    )
    n_files: int | None = field(
        default=None, metadata=option("input", "--nFiles", "Use at most so many files.")
    )
    n_skip_files: int = field(
        default=0, metadata=option("input", "--nSkipFiles", "Leave out so many files at the start.")
    )
    force_staged: bool = field(
        default=False,
        metadata=option(
            "input",
            "--forceStaged",
            "Copy input to the job's directory, also where the queue lets jobs read it in place.",
        ),
    )
    out_ds: str | None = field(
        default=None,
        metadata=option(
            "output",
            "--outDS",
            "The name of the task and its output: user.<you>.… (default: random).",
        ),
    )
    outputs: str | None = field(
        default=None,
        metadata=option(
            "output",
            "--outputs",
            "Files that each job writes, comma-separated; those of a wildcard become one tarball.",
        ),
    )
    dest_se: str | None = field(
        default=None,
        metadata=option("output", "--destSE", "The storage endpoint that all output goes to."),
    )
    nucleus: str | None = field(
        default=None, metadata=option("output", "--nucleus", "The site that all output goes to.")
    )
    gather: bool = field(
        default=False,
        metadata=option(
            "output", "--gather", "Gather the output at one nucleus, which brokerage chooses."
        ),
    )
    merge_output: bool = field(
        default=False,
        metadata=option("merge", "--mergeOutput", "Merge the outputs of many jobs into one."),
    )
    merge_script: str | None = field(
        default=None,
        metadata=option(
            "merge",
            "--mergeScript",
            "What merges: 'your_merger.py -o %OUT -i %IN' (default: hadd for .root, cat for "
            "text, else a tarball).",
        ),
    )
    n_files_per_merge_job: int | None = field(
        default=None,
        metadata=option(
            "merge", "--nFilesPerMergeJob", "Merge the outputs of so many jobs (default: 50)."
        ),
    )
    n_gb_per_merge_job: float | None = field(
        default=None,
        metadata=option("merge", "--nGBPerMergeJob", "Merge at most so many GB (default: 5)."),
    )
    n_events_per_merge_job: int | None = field(
        default=None,
        metadata=option("merge", "--nEventsPerMergeJob", "Merge at most so many events."),
    )
    n_jobs: int | None = field(default=None, metadata=option("split", "--nJobs", "How many jobs."))
    n_files_per_job: int | None = field(
        default=None, metadata=option("split", "--nFilesPerJob", "How many input files a job.")
    )
    n_gb_per_job: float | None = field(
        default=None, metadata=option("split", "--nGBPerJob", "At most so many GB of input a job.")
    )
    n_events: int | None = field(
        default=None, metadata=option("split", "--nEvents", "How many events in all.")
    )
    n_events_per_job: int | None = field(
        default=None, metadata=option("split", "--nEventsPerJob", "How many events a job.")
    )
    n_events_per_file: int | None = field(
        default=None,
        metadata=option("split", "--nEventsPerFile", "How many events an input file holds."),
    )
    max_n_files_per_job: int | None = field(
        default=None,
        metadata=option(
            "split", "--maxNFilesPerJob", "At most so many files a job (default: 200)."
        ),
    )
    events_across_files: bool = field(
        default=False,
        metadata=option(
            "split", "--eventsAcrossFiles", "With --nEventsPerJob: reach over the ends of files."
        ),
    )
    skip_scout: bool = field(
        default=False,
        metadata=option("split", "--skipScout", "Make all jobs at once: no scouts go first."),
    )
    bexec: str | None = field(
        default=None,
        metadata=option(
            "build",
            "--bexec",
            "Run this once a queue, before the jobs there: they begin with what it leaves.",
        ),
    )
    no_build: bool = field(
        default=False,
        metadata=option("build", "--noBuild", "Say that nothing is built (so it is anyway)."),
    )
    site: str | None = field(
        default=None, metadata=option("place", "--site", "Run at this queue or site only.")
    )
    excluded_site: str | None = field(
        default=None,
        metadata=option("place", "--excludedSite", "Never run at these, comma-separated."),
    )
    t1_weight: int = field(
        default=0,
        metadata=option("place", "--t1Weight", "-1: run where the output is gathered only."),
    )
    ip_connectivity: str | None = field(
        default=None,
        metadata=option(
            "place", "--ipConnectivity", "Network that jobs need: http, full, full#IPv6."
        ),
    )
    direct_access_only: bool = field(
        default=False,
        metadata=option(
            "input", "--directAccessOnly", "Only queues whose jobs can read input where it is."
        ),
    )
    n_core: int = field(default=1, metadata=option("place", "--nCore", "Cores a job uses."))
    memory: str = field(
        default="2000", metadata=option("place", "--memory", "Memory a job needs: 2000 (MB), 4GB.")
    )
    disk: str = field(
        default="10000", metadata=option("place", "--disk", "Disk a job needs: 10000 (MB), 50GB.")
    )
    walltime: str = field(
        default="1d",
        metadata=option("place", "--walltime", "Time a job needs at most: 3600, 2h, 1d."),
    )
    container_image: str | None = field(
        default=None,
        metadata=option(
            "place",
            "--containerImage",
            "Run everything in this image: docker://alpine, or a path below /cvmfs.",
        ),
    )
    architecture: str | None = field(
        default=None,
        metadata=option(
            "place",
            "--architecture",
            "Platform and hardware that jobs need: [PLATFORM][@BASE][#CPU][&GPU], like "
            "x86_64-el9-gcc13-opt or #x86_64-intel&nvidia.",
        ),
    )
    release: str | None = field(
        default=None,
        metadata=option(
            "place", "--release", "Software that queues must have: PROJECT-VERSION, Athena-21.0.38."
        ),
    )
    vo: str | None = field(
        default=None, metadata=option("share", "--vo", "The organisation that the task is for.")
    )
    working_group: str | None = field(
        default=None,
        metadata=option("share", "--workingGroup", "The working group that the task is for."),
    )
    activity: str | None = field(
        default=None,
        metadata=option("share", "--prodSourceLabel", "What the task is: user, managed, …"),
    )
    processing_type: str | None = field(
        default=None, metadata=option("share", "--processingType", "The kind of processing.")
    )
    campaign: str | None = field(
        default=None, metadata=option("share", "--campaign", "The campaign it belongs to.")
    )
    work_dir: str = field(
        default=".", metadata=option("files", "--workDir", "The directory that is sent along.")
    )
    no_sandbox: bool = field(
        default=False, metadata=option("files", "--noSandbox", "Send no files along.")
    )
    max_file_size: str = field(
        default="10MB",
        metadata=option("files", "--maxFileSize", "Files over this are not sent."),
    )
    ext_file: str | None = field(
        default=None,
        metadata=option("files", "--extFile", "Patterns of files to send even if they are big."),
    )
    exclude_file: str | None = field(
        default=None, metadata=option("files", "--excludeFile", "Patterns of files not to send.")
    )


OPTIONS: Mapping[str, str] = {f.name: f.metadata["flag"] for f in fields(Prun)}
"""The flag of each field."""
