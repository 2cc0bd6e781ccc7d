"""A disk that takes no more, for one process: no file of it grows over a size.

A small file system would want rights that a test has not. The limit of the process stands for
it: the kernel refuses the write itself, in whatever library it happens.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_file_over(size_bytes: int, process_id: int) -> Iterator[None]:
    """While this lasts, writes of that process beyond this offset of any file fail (EFBIG)."""
    soft, hard = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.prlimit(process_id, resource.RLIMIT_FSIZE, (soft, hard))
