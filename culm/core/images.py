"""Unpacked images and container engines of a node: which are there, and how bubblewrap enters one.

For pilots, and shipped to jobs that look for containers themselves: the standard library is all
that it needs. A site unpacks images into a folder: `<folder>/<name of the image>/` is its root
file system; or that is in `rootfs` there, beside the image's `config.json`. `default` stands for
all others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT = "default"
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NODE_FILES = ("/etc/resolv.conf", "/etc/hosts")
"""What a network cannot be used without, from the node."""
ENGINES = {
    "singularity": ("singularity", "--version"),
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
    "podman": ("podman", "info"),
}
"""What is looked for, in this order (apptainer bears the name singularity too), and how it is
asked whether it works: a command of docker's may be there without its daemon."""
_IMAGE = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*([:@][\w.:-]+)?")
IMAGE_AT_PATH = re.compile(r"/cvmfs(/(?!\.\.?(/|$))[\w.:@+-]+)+/?")
"""The one place where images may be named by path: a path elsewhere could be anything of a site."""
_PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Image:
    """An unpacked image: its root, and what its configuration says of the start of programs."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()


def root_words(root: Path, targets: Iterable[str]) -> Iterator[str]:
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


def names_of(image: str) -> list[str]:
    """What an image may be called: without the usual registry, with and without the usual tag."""
    name = image.removeprefix("docker://")
    if not _IMAGE.fullmatch(name) or ".." in name.split("/"):
        return []
    short = name.removeprefix("docker.io/").removeprefix("library/")
    tagged = ":" in name.rpartition("/")[2] or "@" in name
    tags = ("",) if tagged else ("", ":latest")
    return [one.removesuffix(":latest") + tag for one in dict.fromkeys((name, short))
            for tag in (*tags, *([":latest"] if name.endswith(":latest") else []))]  # fmt: skip


def unpacked(folder: Path, names: Iterable[str]) -> Image | None:
    """The first of these images that is in the folder."""
    for name in names:
        place = folder / name
        if (place / "rootfs").is_dir():
            return _configured(place)
        if (place / "usr").is_dir() or (place / "bin").is_dir():
            return Image(place.resolve())
    return None


def at_path(image: str) -> Image | None:
    """The image that a path in a shared, read-only file system is; None for all other names."""
    if not IMAGE_AT_PATH.fullmatch(image):
        return None
    root = Path(image)
    return Image(root.resolve()) if (root / "bin").exists() or (root / "usr").is_dir() else None


def refusal_of_bubblewrap(*shut_in: str) -> str:
    """Why bubblewrap does not work on this node with these words; empty if it does."""
    if not shutil.which("bwrap"):
        return "it is not installed"
    words = ["bwrap", *shut_in, "--ro-bind", "/", "/", "--dev", "/dev", "true"]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    return "" if ended.returncode == 0 else " ".join(ended.stderr.split())[:200] or "it fails"


def works(words: tuple[str, ...]) -> bool:
    """Whether a command ends well: one may be there without its daemon."""
    try:
        ended = subprocess.run(words, capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0


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
