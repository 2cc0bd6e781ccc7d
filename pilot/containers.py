"""Payloads in an image: a site's unpacked one in bubblewrap, or an engine that the node has.

The payload sees its image, its directory as `/srv/workDir` (PanDA's name for it), and the input
that it may read where it is; the network is the node's.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from culm.core.images import (
    DEFAULT,
    ENGINES,
    NODE_FILES,
    USUAL_PATH,
    Image,
    at_path,
    names_of,
    refusal_of_bubblewrap,
    root_words,
    unpacked,
    works,
)
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobSpec
from pilot.copy_tools import Gate
from pilot.errors import JobFailed
from pilot.isolation import SHARED_MEMORY, SHUT_IN, TEMPORARY
from pilot.lease import elapsed
from pilot.payload import Launch, asked_for
from pilot.processes import MARK
from pilot.workdir import JobDirectory

log = logging.getLogger(__name__)

WORK = "/srv/workDir"
FETCH_SECONDS = 1800.0
"""How long an engine may take to fetch an image."""
_LOOK_SECONDS = 0.2
_TOKENS = "docker://"


@dataclass(frozen=True, slots=True)
class _Payload:
    """What an engine is told of one payload."""

    command: str
    directory: JobDirectory
    environment: Mapping[str, str]
    mark: str
    seen: Sequence[Path]


@dataclass(slots=True)
class Containers:
    """The images and engines of a node; what was found is remembered, what was not is looked for.

    An image that the site unpacked comes first, then an engine, its default last.
    """

    images_dir: str = ""
    _fetched: set[tuple[str, str]] = field(default_factory=set)
    _busy: threading.Lock = field(default_factory=threading.Lock)

    def launch(
        self, spec: JobSpec, directory: JobDirectory, mark: str, seen: Sequence[Path], gate: Gate
    ) -> Launch:
        """What starts a job's payload in its image.

        Raises:
            JobFailed: the image cannot be had, or nothing here can run it.
        """
        image = spec.container_image or ""
        environment = {
            **asked_for(spec.environment), MARK: mark, "HOME": WORK, "PWD": WORK, "TMPDIR": WORK,
        }  # fmt: skip
        payload = _Payload(spec.command, directory, environment, mark, seen)
        own = self._unpacked(image)
        if own is None:
            engine = _engine()
            if engine is not None:
                self._fetch(engine, image, gate)
                return _STARTS[engine](engine, image, payload)
            own = self._default(image)
        return _in_bubblewrap(own, payload)

    def _unpacked(self, image: str) -> Image | None:
        found = at_path(image)
        if found is None and self.images_dir:
            found = unpacked(Path(self.images_dir), names_of(image))
        return None if found is None or refusal_of_bubblewrap(*SHUT_IN) else found

    def _default(self, image: str) -> Image:
        """The site's image for all others, or why there is none."""
        engines = ", ".join(ENGINES)
        if not self.images_dir:
            raise JobFailed(
                PilotError.SINGULARITY_NOT_INSTALLED,
                f"image {image}: none of {engines} works on this node, and the pilot has no "
                "folder of unpacked images (--images)",
            )
        refusal = refusal_of_bubblewrap(*SHUT_IN)
        if refusal:
            raise JobFailed(
                PilotError.SINGULARITY_NOT_INSTALLED,
                f"image {image}: none of {engines} works on this node, nor bubblewrap ({refusal})",
            )
        found = unpacked(Path(self.images_dir), (DEFAULT,))
        if found is None:
            raise JobFailed(
                PilotError.IMAGE_NOT_FOUND,
                f"image {image} is not found: nobody unpacked it into {self.images_dir}, and none "
                f"of {engines} works on this node",
            )
        return found

    def _fetch(self, engine: str, image: str, gate: Gate) -> None:
        """Have the engine get the image, once for all slots."""
        with self._busy:
            if (engine, image) in self._fetched:
                return
            words = _FETCHES[engine](engine, image)
            if not words or _runs(words, gate):
                self._fetched.add((engine, image))


def _runs(words: Sequence[str], gate: Gate) -> bool:
    """Whether the command that fetches an image ended well.

    Raises:
        JobFailed: it did not; with its last words.
    """
    until = elapsed() + FETCH_SECONDS
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=_LOOK_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    gate()
                    if elapsed() > until:
                        said = b"it took too long"
                        break
        finally:
            process.kill()
    if process.returncode == 0:
        return True
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["no reason was given"]
    raise JobFailed(
        PilotError.IMAGE_NOT_FOUND, f"{words[0]} cannot get image {words[-1]}: {lines[-1][:500]}"
    )


def _engine() -> str | None:
    """The command of the first engine that works on this node."""
    for words in ENGINES.values():
        if shutil.which(words[0]) and works(words):
            return words[0]
    return None


def _of_registry(image: str) -> str:
    """An image as apptainer and singularity want it named."""
    return image if "://" in image or image.startswith("/") else f"docker://{image}"


def _in_bubblewrap(image: Image, payload: _Payload) -> Launch:
    own = str(payload.directory.scratch("tmp"))
    mounts = ["--bind", str(payload.directory.work), WORK]
    for place in TEMPORARY:
        mounts += ["--bind", own, place]
    for path in (*payload.seen, *filter(Path.exists, map(Path, NODE_FILES))):
        mounts += ["--ro-bind", os.path.realpath(path), str(path)]
    words = ["bwrap", *SHUT_IN, "--clearenv"]
    words += root_words(image.root, [*mounts[2::3], "/dev", "/proc"])
    words += ["--dev-bind", "/dev", "/dev", "--tmpfs", SHARED_MEMORY,
              "--dev-bind", "/proc", "/proc", *mounts, "--remount-ro", "/"]  # fmt: skip
    environment = {"PATH": USUAL_PATH, **image.environment, **payload.environment}
    for name, value in environment.items():
        words += ["--setenv", name, value]
    found = _launch([*words, "--chdir", WORK, "--", "/bin/sh", "-c", payload.command], payload)
    return replace(found, is_watched=True)


def _in_apptainer(engine: str, image: str, payload: _Payload) -> Launch:
    words = [engine, "exec", "--contain", "--cleanenv", "--no-home", "--pwd", WORK,
             "--bind", f"{payload.directory.work}:{WORK}"]  # fmt: skip
    for path in payload.seen:
        words += ["--bind", f"{path}:{path}:ro"]
    if Path("/dev/nvidiactl").exists():
        words.append("--nv")
    found = _launch([*words, _of_registry(image), "/bin/sh", "-c", payload.command], payload)
    # On the command line a comma would part one variable from the next.
    told = {f"{kind}ENV_{name}": value for name, value in payload.environment.items()
            for kind in ("APPTAINER", "SINGULARITY")}  # fmt: skip
    return replace(found, environment={**found.environment, **told})


def _in_docker(engine: str, image: str, payload: _Payload) -> Launch:
    name = f"culm-{payload.mark}"
    user = f"{os.getuid()}:{os.getgid()}"
    whose = ["--userns", "keep-id"] if engine == "podman" and os.getuid() else ["--user", user]
    words = [engine, "run", "--rm", "--init", "--name", name, "--network", "host", *whose,
             "--mount", f"type=bind,source={payload.directory.work},target={WORK}"]  # fmt: skip
    for path in payload.seen:
        words += ["--mount", f"type=bind,source={path},target={path},readonly"]
    for variable in payload.environment.items():
        words += ["--env", "=".join(variable)]
    words += ["--workdir", WORK, "--entrypoint", "/bin/sh", image.removeprefix(_TOKENS)]
    found = _launch([*words, "-c", payload.command], payload)
    # What the engine's daemon started is no child of ours, and lives on when its command is killed.
    return replace(found, ended_by=(engine, "rm", "--force", name))


def _launch(words: Sequence[str], payload: _Payload) -> Launch:
    """A launch whose engine sees little more of the pilot's environment than its payload."""
    kept = {name: os.environ[name] for name in _FOR_ENGINES if name in os.environ}
    kept.setdefault("PATH", USUAL_PATH)
    return Launch(tuple(words), payload.directory.work, {**kept, MARK: payload.mark}, payload.mark)


_FOR_ENGINES = ("PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DOCKER_HOST",
                "APPTAINER_CACHEDIR", "SINGULARITY_CACHEDIR", "LANG", "LC_ALL")  # fmt: skip
_STARTS: Mapping[str, Callable[[str, str, _Payload], Launch]] = {
    "singularity": _in_apptainer, "docker": _in_docker, "podman": _in_docker,
}  # fmt: skip
_FETCHES: Mapping[str, Callable[[str, str], tuple[str, ...]]] = {
    # Running nothing in it fetches and keeps it.
    "singularity": lambda engine, image: (
        (engine, "exec", "--contain", _of_registry(image), "/bin/sh", "-c", ":")
    ),
    "docker": lambda engine, image: _pull(engine, image.removeprefix(_TOKENS)),
    "podman": lambda engine, image: _pull(engine, image.removeprefix(_TOKENS)),
}


def _pull(engine: str, image: str) -> tuple[str, ...]:
    """The words that fetch an image; none if it is there."""
    return () if works((engine, "image", "inspect", image)) else (engine, "pull", image)
