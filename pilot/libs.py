"""Lib files: all that a build leaves, packed for the jobs that begin with it."""

from __future__ import annotations

from pathlib import Path

from culm.core.archives import extract, files_below, pack
from culm.core.disks import is_full
from culm.core.errors import CulmError
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobInput, JobOutput
from pilot.copy_tools import CopyTools, Gate
from pilot.errors import JobFailed
from pilot.transfer import bring_in, full_disk
from pilot.transforms.outputs import LIB_LIMITS, lib_files


def unpack_lib(lib: JobInput, work: Path, tools: CopyTools, gate: Gate) -> frozenset[str]:
    """Put what a build left into a work directory; the names of its files there.

    Raises:
        JobFailed: it cannot be had, or is not what was recorded.
    """
    archive = work.with_name(f"{work.name}.lib.tgz")
    try:
        bring_in(tools, lib, archive, gate)
        extract(archive, work, LIB_LIMITS)
        return frozenset(name for name, _ in files_below(work))
    except (CulmError, OSError) as error:
        code = PilotError.NO_LOCAL_SPACE if is_full(error) else PilotError.NO_USER_TARBALL
        raise JobFailed(code, f"lib file {lib.lfn}: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def pack_lib(output: JobOutput, work: Path, archive: Path) -> None:
    """Pack all that is in a work directory, for `unpack_lib` to bring back.

    Raises:
        JobFailed: it is more than a lib file may hold.
    """
    with full_disk():
        contents = pack(lib_files(work), archive, level=1)
    size, most = archive.stat().st_size, output.max_bytes
    if contents.n_files > LIB_LIMITS.max_members:
        raise _too_large(f"{contents.n_files} files", f"{LIB_LIMITS.max_members} files")
    if contents.size_bytes > LIB_LIMITS.max_bytes:
        raise _too_large(f"{contents.size_bytes} bytes", f"{LIB_LIMITS.max_bytes} bytes unpacked")
    if most is not None and size > most:
        raise _too_large(f"{size / 1e6:.1f} MB packed", f"{most / 1e6:.1f} MB packed")


def _too_large(found: str, most: str) -> JobFailed:
    words = f"the build (--bexec) leaves {found}, a lib file holds at most {most}"
    return JobFailed(PilotError.OUTPUT_FILE_TOO_LARGE, words)
