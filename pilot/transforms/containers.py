"""A command in an image, under PanDA's pilot: what our own does, as one line of words.

A site's unpacked image in bubblewrap comes first, then an engine of the node, the site's default
image last. The work directory is `/srv/workDir` there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
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

WORK = "/srv/workDir"
IMAGES = "CULM_IMAGES"
"""Names the folder of unpacked images, where there is one."""
_SHUT_IN = ("--unshare-pid", "--unshare-ipc", "--die-with-parent")


class NoImage(Exception):
    """The image is not to be had on this node; the words say why."""


def in_image(image: str, command: str, work: Path, environment: Mapping[str, str]) -> list[str]:
    """The words that run a shell command in an image.

    Raises:
        NoImage: nobody unpacked it, and no engine of the node works.
    """
    folder = os.environ.get(IMAGES, "")
    found = at_path(image) or (unpacked(Path(folder), names_of(image)) if folder else None)
    refusal = refusal_of_bubblewrap(*_SHUT_IN)
    if found is not None and not refusal:
        return _in_bubblewrap(found, command, work, environment)
    engine = next((w[0] for w in ENGINES.values() if shutil.which(w[0]) and works(w)), None)
    if engine is not None:
        return _in_engine(engine, image, command, work, environment)
    spare = unpacked(Path(folder), (DEFAULT,)) if folder else None
    if spare is None or refusal:
        why = f"bubblewrap: {refusal}" if refusal else f"it is not unpacked in {folder or IMAGES}"
        raise NoImage(f"image {image}: none of {', '.join(ENGINES)} works here; {why}")
    return _in_bubblewrap(spare, command, work, environment)


def _in_bubblewrap(
    image: Image, command: str, work: Path, environment: Mapping[str, str]
) -> list[str]:
    mounts = ["--bind", str(work), WORK]
    for path in (*_linked(work), *filter(Path.exists, map(Path, NODE_FILES))):
        mounts += ["--ro-bind", os.path.realpath(path), str(path)]
    targets = [*mounts[2::3], "/dev", "/proc", "/tmp"]  # noqa: S108 - the payload's own
    words = ["bwrap", *_SHUT_IN, "--clearenv", *root_words(image.root, targets), "--dev-bind",
             "/dev", "/dev", "--dev-bind", "/proc", "/proc", "--tmpfs", "/tmp", *mounts,  # noqa: S108
             "--remount-ro", "/"]  # fmt: skip
    told = {"PATH": USUAL_PATH, **image.environment, **_inside(environment)}
    for name, value in told.items():
        words += ["--setenv", name, value]
    return [*words, "--chdir", WORK, "--", "/bin/sh", "-c", command]


def _in_engine(
    engine: str, image: str, command: str, work: Path, environment: Mapping[str, str]
) -> list[str]:
    linked, told = _linked(work), _inside(environment)
    if engine == "singularity":
        named = image if "://" in image or image.startswith("/") else f"docker://{image}"
        words = [engine, "exec", "--contain", "--no-home", "--pwd", WORK, "--bind",
                 f"{work}:{WORK}"]  # fmt: skip
        for path in linked:
            words += ["--bind", f"{path}:{path}:ro"]
        return [*words, named, "/bin/sh", "-c", command]
    user = f"{os.getuid()}:{os.getgid()}"
    words = [engine, "run", "--rm", "--init", "--network", "host", "--user", user,
             "--mount", f"type=bind,source={work},target={WORK}"]  # fmt: skip
    for path in linked:
        words += ["--mount", f"type=bind,source={path},target={path},readonly"]
    for pair in told.items():
        words += ["--env", "=".join(pair)]
    return [*words, "--workdir", WORK, "--entrypoint", "/bin/sh",
            image.removeprefix("docker://"), "-c", command]  # fmt: skip


def _inside(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environment[name] for name in ("LANG", "LC_ALL", "TZ") if name in environment}
    return kept | {"HOME": WORK, "PWD": WORK, "TMPDIR": WORK}


def _linked(work: Path) -> Sequence[Path]:
    """Input that is read where it is."""
    return [path.resolve() for path in sorted(work.iterdir()) if path.is_symlink()]
