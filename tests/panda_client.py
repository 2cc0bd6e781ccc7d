"""PanDA's own client, unmodified, in processes of its own, pointed at an installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.installation import Installation

BIN = Path(sys.executable).parent


def packages() -> dict[str, str]:
    """Where the client is installed, as its commands want to be told."""
    root = BIN.parent
    [home] = root.glob("lib/python3*/site-packages/pandaclient")
    return {"PANDA_SYS": str(root), "PANDA_PYTHONPATH": str(home.parent),
            "PANDA_PYTHON_EXEC": sys.executable}  # fmt: skip


@dataclass(frozen=True)
class PandaClient:
    """The commands of panda-client, as a user's shell has them after `culm panda-env`."""

    parts: Installation
    variables: dict[str, str]

    @classmethod
    def of(cls, parts: Installation, **changes: str) -> PandaClient:
        """The client of whoever started the installation."""
        found: dict[str, str] = json.loads(parts.culm("panda-env", "--json").stdout)
        return cls(parts, found | changes)

    def run(self, command: str, *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder; what it prints, on both streams, is its stdout."""
        return self._run([str(BIN / command), *words], folder)

    def pbook(self, line: str, folder: Path) -> str:
        """What `pbook -c LINE` prints."""
        return self.run("pbook", "-c", line, folder=folder).stdout

    def python(self, program: str, folder: Path) -> Any:
        """The JSON value in the last line that a program prints, which uses the client's API."""
        done = self._run([sys.executable, "-c", program], folder)
        assert done.returncode == 0, done.stdout + self.parts.logs()
        return json.loads(done.stdout.splitlines()[-1])

    def _run(self, words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items()
                if not k.startswith(("CULM_", "PANDA", "OIDC_", "X509_"))}  # fmt: skip
        home = {"HOME": str(self.parts.folder), "COLUMNS": "200"}
        return subprocess.run(
            words, cwd=folder, env=kept | home | self.variables, text=True, timeout=120,
            check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
