"""The server's log: one line an event, its fields behind it as JSON, and never a secret."""

from __future__ import annotations

import json
import logging
import re
import sys

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName",
                                                          "color_message"}  # fmt: skip
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?")
HIDDEN = "[token]"


class LineFormatter(logging.Formatter):
    """Time, level, logger, message, and the record's own fields; tokens are blacked out."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text; control characters of what came from outside are escaped."""
        line = super().format(record)
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if fields:
            head, newline, trace = line.partition("\n")
            line = f"{head} {json.dumps(fields, default=str)}{newline}{trace}"
        return _TOKEN.sub(HIDDEN, line)


def set_up_logging(level: str) -> None:
    """Log to standard error from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
