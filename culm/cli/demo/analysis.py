"""The demo's analysis: its dataset, its two tasks, and what they found."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from culm.cli.demo import digits
from culm.client import Client, Prun
from culm.core.checksums import adler32_of
from culm.core.errors import NotFound, OurFault
from culm.wire.views import TaskView

PAYLOAD = Path(__file__).parent / "payload"
FOUND, NUMBERS, PICTURE = "found.json", "confusion.json", "confusion.svg"
# The interpreter that runs us: a fresh machine may have no plain `python3`.
PYTHON = shlex.quote(sys.executable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the demo found, and where its files are."""

    accuracy: float
    n_images: int
    n_correct: int
    numbers: Path
    picture: Path


def dataset_name(user: str) -> str:
    """The dataset of the digits; each user has one."""
    return f"user.{user}.digits"


def register(client: Client, name: str, folder: Path, on_file: Callable[[], None]) -> int:
    """Make sure that the digits are in the catalogue; how many files had to be sent."""
    try:
        known = {file.lfn: file.adler32 for file in client.files(name)}
    except NotFound:
        known = {}
        client.add_dataset(name)
    n_sent = 0
    for path in digits.write_files(folder):
        if known.get(path.name) != adler32_of(path):
            client.upload(name, path)
            n_sent += 1
        on_file()
    return n_sent


def classify(dataset: str, output: str) -> Prun:
    """A task of one job a file; each job reads all files and leaves its own out."""
    return Prun(
        exec=f"{PYTHON} classify.py %IN %IN2 %OUT",
        in_ds=dataset,
        secondary_dss=f"IN2:{digits.N_FILES}:{dataset}",
        n_files_per_job=1,
        out_ds=output,
        outputs=FOUND,
        work_dir=str(PAYLOAD),
        memory="500",
        disk="100",
        walltime="10m",
    )


def merge(parent_id: int, parent: str, output: str) -> Prun:
    """A task of one job that waits for its parent's output and draws it."""
    return Prun(
        exec=(f"{PYTHON} merge.py %IN {NUMBERS} && {PYTHON} picture.py {NUMBERS} {PICTURE}"),
        in_ds=f"{parent}_{FOUND}",
        parent_task_id=parent_id,
        n_jobs=1,
        out_ds=output,
        outputs=f"{NUMBERS},{PICTURE}",
        work_dir=str(PAYLOAD),
        memory="500",
        disk="100",
        walltime="10m",
    )


def fetch(client: Client, merged: TaskView, folder: Path) -> Findings:
    """What the merging task wrote, under plain names in a folder.

    Raises:
        OurFault: the task did not write what it should.
    """
    numbers = _fetch(client, merged, NUMBERS, folder)
    picture = _fetch(client, merged, PICTURE, folder)
    found = json.loads(numbers.read_text())
    return Findings(
        accuracy=found["accuracy"],
        n_images=found["n_images"],
        n_correct=found["n_correct"],
        numbers=numbers,
        picture=picture,
    )


def _fetch(client: Client, task: TaskView, name: str, folder: Path) -> Path:
    for dataset in task.output_datasets:
        if dataset.endswith(f"_{name}"):
            for file in client.files(dataset):
                return client.download(dataset, file.lfn, folder).replace(folder / name)
    raise OurFault(f"task {task.task_id} ({task.status}): no output {name}, one file needed")
