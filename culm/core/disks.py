"""What the errors of a disk mean."""

from __future__ import annotations

import errno

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: BaseException) -> bool:
    """Whether a disk took no more: it is full, a quota is, or a file may not grow further."""
    return isinstance(error, OSError) and error.errno in _FULL
