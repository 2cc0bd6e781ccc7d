"""Prefect's server for a small installation: `python -m flows.prefect_server`.

Loopback only: it has no users. Its database is `<data_dir>/prefect`; nothing but pictures is
in it.
"""

from __future__ import annotations

import os
import sys

from culm.core.settings import load_settings
from flows.environment import prepare, server_environment


def main() -> None:
    """Become Prefect's server; its output goes to ours."""
    settings = load_settings()
    prepare(server_environment(settings))
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    os.execv(sys.executable, [*command, "--port", str(settings.prefect_port)])  # noqa: S606


if __name__ == "__main__":
    main()
