"""Containers for CWL tools: unpacked images in bubblewrap, or an engine that the node has.

Shipped to the job beside `cwl.execute`, and like it without anything of Culm. A site that has no
engine unpacks images into a folder: `<folder>/<name of the image>/` is its root file system; or
that is in `rootfs` there, beside the image's `config.json`. `default` stands for all others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from cwltool.docker import DockerCommandLineJob

DEFAULT = "default"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_IMAGE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*([:@][\w.:-]+)?")
_PROBE_SECONDS = 20
_ENGINES = {
    "singularity": ("singularity", "--version"),
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
    "podman": ("podman", "info"),
}
"""What is looked for, in this order (apptainer bears the name singularity too), and how it is
asked whether it works: a command of docker's may be there without its daemon."""
_NODE_FILES = ("/etc/resolv.conf", "/etc/hosts")
"""What a network cannot be used without, from the node."""
_SHUT_IN = ("--unshare-all", "--die-with-parent", "--clearenv")


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked image: its root, and what its configuration says of the start of programs."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


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
    shut_in = _refusal_of_bubblewrap() if folder else "the pilot has no --images folder"
    own = _unpacked(folder, _names(name)) if folder and not shut_in else None
    if own is not None:
        return Engine("bwrap", own)
    for engine, words in _ENGINES.items():
        if shutil.which(engine) and _works(words):
            return Engine(engine)
    default = _unpacked(folder, (DEFAULT,)) if folder and not shut_in and name else None
    if default is not None:
        return Engine("bwrap", default)
    here = shut_in or f"nobody unpacked it into {folder}"
    return (f"DockerRequirement: nothing can run the image {name or '(none is named)'}: none of "
            f"{', '.join(_ENGINES)} works at this site, nor bubblewrap ({here})")  # fmt: skip


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
        environment = {"PATH": _PATH, **self.image.environment, **self.environment}
        words = ["bwrap", *_SHUT_IN, *(["--share-net"] if self.networkaccess else [])]
        words += _root(self.image.root, [*mounts[2::3], "/dev", "/proc"])
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
        for path in filter(os.path.exists, _NODE_FILES if self.networkaccess else ()):
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


def _root(root: Path, targets: Iterable[str]) -> Iterator[str]:
    """The words that lay out a root, with place for these mounts.

    Nothing can be made in what is mounted for reading: directories on the way to a mount are laid
    out anew, with what the image has in them.
    """
    taken = {os.path.normpath(target) for target in targets}
    opened = {str(above) for target in taken for above in Path(target).parents}
    for folder in sorted(opened):
        if folder != "/":
            yield from ("--dir", folder)
        inside = root / folder.lstrip("/")
        for one in sorted(inside.iterdir()) if inside.is_dir() else ():
            target = str(Path(folder) / one.name)
            if target in opened or target in taken:
                continue
            if one.is_symlink():
                yield from ("--symlink", str(one.readlink()), target)
            else:
                yield from ("--ro-bind", str(one), target)


def _names(image: str) -> list[str]:
    """What an image may be called: without the usual registry, with and without the usual tag."""
    name = image.removeprefix("docker://")
    if not _IMAGE.fullmatch(name) or ".." in name.split("/"):
        return []
    short = name.removeprefix("docker.io/").removeprefix("library/")
    tagged = ":" in name.rpartition("/")[2] or "@" in name
    tags = ("",) if tagged else ("", ":latest")
    return [one.removesuffix(":latest") + tag for one in dict.fromkeys((name, short))
            for tag in (*tags, *([":latest"] if name.endswith(":latest") else []))]  # fmt: skip


def _unpacked(folder: Path, names: Iterable[str]) -> Image | None:
    for name in names:
        place = folder / name
        if (place / "rootfs").is_dir():
            return _configured(place)
        if (place / "usr").is_dir() or (place / "bin").is_dir():
            return Image(place.resolve())
    return None


def _configured(place: Path) -> Image:
    """An image with its configuration: of OCI's images, or of its runtime, or none."""
    root = (place / "rootfs").resolve()
    try:
        found = json.loads((place / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        return Image(root)
    said = found.get("config") or {}
    pairs = said.get("Env") or (found.get("process") or {}).get("env") or ()
    environment = dict(pair.partition("=")[::2] for pair in pairs)
    return Image(root, environment, tuple(said.get("Entrypoint") or ()))


def _refusal_of_bubblewrap() -> str:
    """Why bubblewrap does not work on this node; empty if it does."""
    if not shutil.which("bwrap"):
        return "it is not installed"
    words = ["bwrap", *_SHUT_IN, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "true"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else " ".join(ended.stderr.split())[:200] or "it fails"


def _works(words: tuple[str, ...]) -> bool:
    try:
        ended = subprocess.run(words, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
