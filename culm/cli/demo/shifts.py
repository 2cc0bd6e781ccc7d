"""Whether Prefect shows the agents at work: what tasks do is recorded only from then on."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

from culm.cli import installation
from culm.core.settings import Settings

AGENTS = frozenset({"refine", "feed", "assign", "generate", "collect", "post_process"})
"""The agents that a task meets on its way."""
LONGEST_SECONDS = 60.0
TICK_SECONDS = 0.3


def await_shifts(settings: Settings, since: datetime) -> bool:
    """Whether, at last, all of the agents hold a shift that Prefect shows, begun after `since`."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while AGENTS - _on_duty(settings, since):
        if time.monotonic() > deadline:
            return False
        time.sleep(TICK_SECONDS)
    return True


def _on_duty(settings: Settings, since: datetime) -> set[str]:
    """The agents whose flow runs are running; a run is named `refine shift …`."""
    wanted = {
        "flow_runs": {
            "state": {"type": {"any_": ["RUNNING"]}},
            "start_time": {"after_": since.isoformat()},
        },
        "limit": 200,
    }
    runs = _post(f"{installation.prefect_url(settings)}/api/flow_runs/filter", wanted)
    return {str(run["name"]).partition(" shift ")[0] for run in runs}


def _post(url: str, value: Any) -> list[Any]:
    request = urllib.request.Request(  # noqa: S310  # our own loopback address
        url, json.dumps(value).encode(), {"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            found = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return []
    return found if isinstance(found, list) else []
