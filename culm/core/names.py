"""What names may look like: users, datasets, files. One rule for client, server and pilot."""

from __future__ import annotations

import re

MAX_NAME = 255
LFN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@:-]{0,254}")
"""A logical file name: no slash, no blank, nothing a shell or a comma-separated list reads."""
DATASET = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@:-]{0,253}/?")
"""A dataset's name; a container's ends in a slash."""
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
STREAM = re.compile(r"IN[0-9]{0,2}|[A-Z][A-Z0-9_]{0,30}")
OUTPUT = re.compile(r"[A-Za-z0-9_*?\[\]][A-Za-z0-9._+=@:*?\[\]-]{0,254}")
"""An output's local name, or a pattern of names."""

IMAGE = re.compile(
    r"(?:(?:docker|oras)://)?[A-Za-z0-9][\w.-]*(?::\d+)?(?:/[\w][\w.-]*)*(?:[:@][\w.:-]+)?"
    r"|/cvmfs(?:/(?!\.\.?(?:/|$))[\w.:@+-]+)+/?"
)
IMAGE_RULE = "an image is docker://NAME:TAG, NAME:TAG, oras://NAME:TAG, or a path below /cvmfs"
RELEASE = re.compile(r"[A-Za-z][A-Za-z0-9_]*-[A-Za-z0-9][A-Za-z0-9._]*")
RELEASE_RULE = "a release is PROJECT-VERSION, like Athena-21.0.38"
LFN_RULE = "letters, digits and ._+=@:- (no slash, no blank), at most 255, first a letter or digit"


def is_pattern(name: str) -> bool:
    """Whether an output's name stands for many files (wildcards)."""
    return any(char in name for char in "*?[")


def archive_name(pattern: str) -> str:
    """The name of the tarball that a wildcard output becomes: `log*.txt` → `logXYZ.txt.tgz`.

    The rule is prun's (documentation, 4.1.2 FAQ "Output with wildcards").
    """
    return re.sub(r"[*?]|\[[^\]]*\]", "XYZ", pattern) + ".tgz"


DIGEST = re.compile(r"[0-9a-f]{64}")
"""A SHA-256 in lower-case hexadecimal."""
