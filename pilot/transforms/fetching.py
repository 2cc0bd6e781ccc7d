"""Files of the server that a job needs: fetched by URL, with some patience."""

from __future__ import annotations

import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

_TRIES = 3
_TIMEOUT_SECONDS = 120
_PAUSE_SECONDS = 5.0
_HTTP = ("http://", "https://")


class NotFetched(Exception):
    """A file could not be had; the words say why."""


def fetch(url: str, target: Path) -> None:
    """Write what is at a URL to a file.

    Raises:
        NotFetched: it is not there, or three tries failed.
    """
    if not url.startswith(_HTTP):
        raise NotFetched(f"{url} is no URL of a server")
    for left in reversed(range(_TRIES)):
        try:
            with (
                urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer,  # noqa: S310
                target.open("wb") as copy,
            ):
                shutil.copyfileobj(answer, copy)
        except urllib.error.HTTPError as error:
            words = error.read(500).decode("utf-8", "replace")
            if error.code < 500 or not left:
                raise NotFetched(f"HTTP {error.code} for {target.name}: {words}") from error
        except OSError as error:
            if not left:
                raise NotFetched(f"{target.name}: {error}") from error
        else:
            return
        time.sleep(_PAUSE_SECONDS)
