"""What a confined process may not do, and what nobody else pays for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cwl.confine

LIMITS = {"cpu_seconds": 2, "memory_mb": 512}


def confined(program: str, limits: dict[str, int]) -> subprocess.CompletedProcess[str]:
    path = str(Path(cwl.confine.__file__))
    words = [sys.executable, "-I", "-S", path, json.dumps(limits), sys.executable, "-c", program]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("bytearray(1 << 30)", "MemoryError"),
        ("open('x', 'wb', 0).write(b'y')", "OSError: [Errno 27]"),
    ],
)
def test_memory_and_files_have_limits(program: str, words: str, tmp_path: Path) -> None:
    done = confined(f"import os; os.chdir({str(tmp_path)!r}); {program}", LIMITS)
    assert words in done.stderr


def test_cpu_time_has_a_limit() -> None:
    assert confined("while True: pass", {"cpu_seconds": 1}).returncode < 0


def test_network_is_left_behind_where_the_kernel_lets_us() -> None:
    probe = "import os; print(os.readlink('/proc/self/ns/net'))"
    may = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    if may.returncode != 0:
        pytest.skip("namespaces are not for everybody here")
    outside = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True,
                             check=True)  # fmt: skip
    assert confined(probe, {}).stdout != outside.stdout


def test_server_and_walk_do_not_import_cwltool() -> None:
    program = (
        "import sys, server.app, cwl.walk, cwl.service, culm.cli.chain\n"
        "print([m for m in ('cwltool', 'schema_salad', 'ruamel.yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"
