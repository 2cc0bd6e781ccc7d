"""Containers for CWL tools: unpacked images in bubblewrap, or an engine that the node has.

Shipped to the job beside `cwl.execute` and `culm.core.images`; like them it needs nothing of Culm.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from cwltool.docker import DockerCommandLineJob

from culm.core.images import (
    DEFAULT,
    ENGINES,
    NODE_FILES,
    USUAL_PATH,
    Image,
    names_of,
    refusal_of_bubblewrap,
    root_words,
    unpacked,
    works,
)

_SHUT_IN = ("--unshare-all", "--die-with-parent", "--clearenv")


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs a container. `image` is bubblewrap's; the other engines find theirs."""

    name: str
    image: Image | None = None

    @property
    def flags(self) -> dict[str, bool]:
        """What cwltool's contexts must say for it to be used."""
        return {self.name: True} if self.name in ("singularity", "podman") else {}

    @property
    def runner(self) -> Callable[..., Any] | None:
        """What makes a job of cwltool's, if that is not its own."""
        return partial(BubblewrapJob, self.image) if self.image else None


def engine_for(asked: Mapping[str, Any], images: str | None) -> Engine | str:
    """What can run the container that a DockerRequirement asks for, or why nothing can.

    An image that the site unpacked comes first, its default last.
    """
    name = str(asked.get("dockerImageId") or asked.get("dockerPull") or "")
    folder = Path(images) if images else None
    shut_in = (
        refusal_of_bubblewrap(*_SHUT_IN, "--proc", "/proc")
        if folder
        else "the pilot has no --images folder"
    )
    own = unpacked(folder, names_of(name)) if folder and not shut_in else None
    if own is not None:
        return Engine("bwrap", own)
    for engine, words in ENGINES.items():
        if shutil.which(engine) and works(words):
            return Engine(engine)
    default = unpacked(folder, (DEFAULT,)) if folder and not shut_in and name else None
    if default is not None:
        return Engine("bwrap", default)
    here = shut_in or f"nobody unpacked it into {folder}"
    return (f"DockerRequirement: nothing can run the image {name or '(none is named)'}: none of "
            f"{', '.join(ENGINES)} works at this site, nor bubblewrap ({here})")  # fmt: skip


def end_containers_at_signal(engine: Engine, folder: Path) -> None:
    """Have SIGTERM end what docker or podman started: it is no child of ours.

    They write the names of containers into this folder.
    """

    def end(number: int, _: object) -> None:
        for one in folder.glob("*.cid"):
            subprocess.run([engine.name, "kill", one.read_text()], check=False)
        sys.exit(128 + number)

    if engine.name in ("docker", "podman"):
        signal.signal(signal.SIGTERM, end)


class BubblewrapJob(DockerCommandLineJob):
    """A tool in a root file system of its own: it sees this, its inputs and its directory.

    Mounts are kept apart, so that no character of a path can be taken for anything else.
    """

    def __init__(self, image: Image, *parts: Any) -> None:
        super().__init__(*parts)
        self.image = image
        self.mounts: list[str] = []

    @staticmethod
    def append_volume(
        runtime: list[str], source: str, target: str, writable: bool = False, *_: object
    ) -> None:
        """Add the three words of a mount."""
        runtime += ["--bind" if writable else "--ro-bind", source, target]

    def run(self, runtimeContext: Any, tmpdir_lock: Any = None) -> None:  # noqa: N803 - cwltool's
        """Run the tool to its end."""
        del tmpdir_lock
        Path(self.tmpdir).mkdir(parents=True, exist_ok=True)
        self._setup(runtimeContext)
        runtime, _ = self.create_runtime({}, runtimeContext)
        self._execute(runtime, dict(os.environ), runtimeContext, self._await)

    def create_runtime(self, env: Any, runtimeContext: Any) -> tuple[list[str], None]:  # noqa: N803
        """The words before the tool's own."""
        del env
        mounts = self.mounts = self._mounts(runtimeContext)
        environment = {"PATH": USUAL_PATH, **self.image.environment, **self.environment}
        words = ["bwrap", *_SHUT_IN, *(["--share-net"] if self.networkaccess else [])]
        words += root_words(self.image.root, [*mounts[2::3], "/dev", "/proc"])
        words += ["--dev", "/dev", "--proc", "/proc", *mounts, "--remount-ro", "/"]
        for name, value in environment.items():
            words += ["--setenv", name, value]
        return [*words, "--chdir", self.builder.outdir, "--", *self.image.entrypoint], None

    def _mounts(self, context: Any) -> list[str]:
        mounts: list[str] = []
        self.append_volume(mounts, os.path.realpath(self.outdir), self.builder.outdir, True)
        self.append_volume(mounts, os.path.realpath(self.tmpdir), self.CONTAINER_TMPDIR, True)
        required = bool(self.builder.get_requirement("DockerRequirement")[1])
        self.add_volumes(self.pathmapper, mounts, context.tmpdir_prefix, any_path_okay=True)
        if self.generatemapper is not None:
            self.add_volumes(
                self.generatemapper, mounts, context.tmpdir_prefix, any_path_okay=required
            )
        for path in filter(os.path.exists, NODE_FILES if self.networkaccess else ()):
            self.append_volume(mounts, os.path.realpath(path), path)
        return mounts

    def _await(self, process: subprocess.Popen[str]) -> None:
        process.wait()
        places = dict(zip(self.mounts[2::3], self.mounts[1::3], strict=True))
        places.pop(self.CONTAINER_TMPDIR)
        mend_links(Path(os.path.realpath(self.outdir)), places)


def mend_links(folder: Path, places: Mapping[str, str]) -> None:
    """Have the links that a tool left mean here what they meant in its container.

    `places` maps paths in there to those here: its directory and its inputs. Links to anything
    else are deleted: what they would lead to here is not the tool's.
    """
    found = (Path(top) / name for top, *names in os.walk(folder) for name in chain(*names))
    links = [path for path in found if path.is_symlink()]
    for link in links:
        target = os.path.normpath(os.readlink(link))  # noqa: PTH115 - it may end in a slash
        for inside, here in places.items():
            if target == inside or target.startswith(f"{inside}/"):
                link.unlink()
                link.symlink_to(here + target[len(inside) :])
                break
    kept = (folder, *map(Path, places.values()))
    for link in links:
        if not any(Path(os.path.realpath(link)).is_relative_to(place) for place in kept):
            link.unlink()
