"""What all our flows say to Prefect."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

OPTIONS: dict[str, Any] = {
    "persist_result": False,
    # Nothing is ever written there. Without a storage of its own, the start of a flow run asks
    # the server for one by a call that blocks the event loop: a hanging server held all agents.
    "result_storage": Path(tempfile.gettempdir()),
}
