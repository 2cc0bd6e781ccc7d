"""JavaScript of expressions: one node process for many, shut in and with an end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cwl.expressions import NoValue, Script

SECONDS_EACH = 5
"""How long one expression may take."""
SECONDS_IN_ALL = 60
HEAP_OF_SCRIPTS_MB = 256
HEAP_MB = 4 * HEAP_OF_SCRIPTS_MB
"""Of all of node, which needs more than its scripts have."""
_HERE = Path(__file__).parent


def run_scripts(scripts: Sequence[Script]) -> list[Any]:
    """The value of each script, or a NoValue that says why it has none."""
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        return [NoValue("JavaScript is needed and there is no node on this machine")] * len(scripts)
    limits = {"cpu_seconds": SECONDS_IN_ALL, "heap_mb": HEAP_MB}
    command = [
        sys.executable, "-I", "-S", str(_HERE / "confine.py"), json.dumps(limits),
        node, *_flags(node), "-e", (_HERE / "sandbox.js").read_text(encoding="utf-8"),
    ]  # fmt: skip
    try:
        ended = subprocess.run(
            command, input=_asked(scripts), capture_output=True, timeout=SECONDS_IN_ALL, env={},
            cwd="/", check=False, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [NoValue(f"JavaScript did not end within {SECONDS_IN_ALL} s")] * len(scripts)
    if ended.returncode != 0:
        return [NoValue(_end_in_words(ended.returncode, ended.stderr))] * len(scripts)
    told = json.loads(ended.stdout)
    return [_value(script, one) for script, one in zip(scripts, told, strict=True)]


def _asked(scripts: Sequence[Script]) -> str:
    libraries = list(dict.fromkeys(script.library for script in scripts))
    numbers = {library: number for number, library in enumerate(libraries)}
    items = [
        {
            "code": script.code,
            "library": numbers[script.library],
            "told": json.dumps({"inputs": script.inputs, "self": script.about, "runtime": {}}),
        }
        for script in scripts
    ]
    return json.dumps({"libraries": libraries, "seconds": SECONDS_EACH, "items": items})


def _end_in_words(code: int, stderr: str) -> str:
    if "heap" in stderr or "memory" in stderr:
        return f"JavaScript needed more than {HEAP_OF_SCRIPTS_MB} MB of memory"
    return f"JavaScript ended with {code}: {' '.join(stderr.split())[-200:]}"


def _value(script: Script, told: str) -> Any:
    if told.startswith("v"):
        return json.loads(told[1:])[0]
    return NoValue(f"${script.code.strip()[:80]}: {' '.join(told[1:].split())[:300]}")


@cache
def _flags(node: str) -> tuple[str, ...]:
    """Flags that shut node in, as far as this one has them: no files, no processes, no eval."""
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", told)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    flags = [
        "--disallow-code-generation-from-strings",
        f"--max-old-space-size={HEAP_OF_SCRIPTS_MB}",
        "--no-warnings",
    ]
    if version >= (23, 5):
        flags.append("--permission")
    elif version >= (20, 0):
        flags.append("--experimental-permission")
    return tuple(flags)
