"""Input that is read where it is: a link in the job's directory instead of a copy."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from culm.wire.job_spec import JobInput

log = logging.getLogger(__name__)


def link_in(item: JobInput, target: Path) -> int | None:
    """The bytes of an input after a link to it was made; None if it has to be copied.

    It is linked where one of its places is a file of this node with the recorded size, on which
    the pilot, and so its payloads, cannot write: through a link they would change what is in
    storage. Its checksum is not compared: that would read all of it.
    """
    for url in item.urls:
        parts = urlsplit(url)
        path = Path(unquote(parts.path))
        size = _readable_size(path) if parts.scheme == "file" else None
        if size is None or item.size_bytes not in (None, size):
            continue
        with suppress(OSError):  # a copy will tell what is wrong here
            target.unlink(missing_ok=True)  # the sandbox may have brought a file of this name
            target.symlink_to(path)
            return size
    log.info("%s cannot be read where it is, and is copied", item.lfn)
    return None


def _readable_size(path: Path) -> int | None:
    """The size of a file that may be read and not written; None for everything else."""
    try:
        found = path.stat()
    except OSError:
        return None
    is_safe = os.access(path, os.R_OK) and not os.access(path, os.W_OK)
    return found.st_size if stat.S_ISREG(found.st_mode) and is_safe else None
