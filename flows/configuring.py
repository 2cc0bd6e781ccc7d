"""The configurator: sites, queues, storage and links from a document that others keep."""

from __future__ import annotations

import logging

from culm.core.documents import read_document
from culm.core.errors import CulmError
from culm.core.settings import load_settings
from tasks.grid_changes import write_grid
from tasks.store.books import Books

log = logging.getLogger(__name__)


def configurator(books: Books) -> str:
    """Take over what the document at `grid_source` says; nothing without that setting.

    All or nothing: a document with a fault changes nothing, and every fault is named.
    """
    source = load_settings().grid_source
    if not source:
        return ""
    try:
        document = read_document(source)
        with books.write() as session:
            change = write_grid(session, document, declares=True)
    except CulmError as error:
        log.warning("the grid's document is not taken", extra={"source": source, "why": str(error)})
        return f"not taken: {error}"
    parts = (
        (change.queues_added, "added"), (change.queues_changed, "changed"),
        (change.queues_gone, "gone offline"),
    )  # fmt: skip
    return ", ".join(f"{len(names)} queues {what}" for names, what in parts if names)
