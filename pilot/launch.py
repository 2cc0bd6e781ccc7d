"""How payloads are started: in the image that the job names, else shut in where the node can."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from culm.wire.job_spec import JobSpec
from pilot.containers import Containers
from pilot.copy_tools import Gate
from pilot.isolation import Isolation
from pilot.payload import Launch, clean_environment
from pilot.workdir import JobDirectory


@dataclass(frozen=True, slots=True)
class Launcher:
    """Makes launches. `images_dir` is named to payloads without an image, too."""

    isolation: Isolation
    containers: Containers
    images_dir: str = ""
    own: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def launch(self, spec: JobSpec, directory: JobDirectory, mark: str, gate: Gate) -> Launch:
        """All that is needed to start the payload of a job.

        Raises:
            JobFailed: its image cannot be had, or nothing here can run it.
        """
        work = directory.work
        seen = linked_inputs(spec, work)
        if spec.container_image is not None:
            return self.containers.launch(spec, directory, mark, seen, gate)
        environment = clean_environment(self.own, spec.environment, work, mark, self.images_dir)
        words = self.isolation.words(directory, seen)
        return Launch(
            (*words, *shell(spec.command)), work, environment, mark, is_watched=bool(words)
        )


def shell(command: str) -> tuple[str, ...]:
    """The words that have a shell run a command."""
    return ("/bin/sh", "-c", command)


def linked_inputs(spec: JobSpec, work: Path) -> Sequence[Path]:
    """The files outside of the work directory that a job reads where they are."""
    links = (work / item.lfn for item in spec.inputs) if spec.reads_directly else ()
    return [link.readlink() for link in links if link.is_symlink()]
