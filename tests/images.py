"""An unpacked image for tests of containers, and what these need."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from culm.core.images import refusal_of_bubblewrap
from pilot.isolation import SHUT_IN

SHELL = "busybox"
needs_bubblewrap = pytest.mark.skipif(
    bool(refusal_of_bubblewrap(*SHUT_IN)) or not shutil.which(SHELL),
    reason="bubblewrap or busybox is missing",
)


def an_image(images: Path, name: str = "tiny") -> Path:
    """A folder with an image: a static busybox and nothing else."""
    root = images / name / "rootfs"
    (root / "bin").mkdir(parents=True)
    for program in ("sh", "cat", "ls", "echo"):
        shutil.copy(shutil.which(SHELL) or "/bin/false", root / "bin" / program)
    (root / "of_the_image").write_text("inside\n")
    return images
