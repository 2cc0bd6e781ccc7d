"""Whether the server is there, and who it takes the caller for."""

from __future__ import annotations

from server.identity.access import PUBLIC
from server.panda.asked import Asked
from server.panda.calls import Calls
from server.panda.envelope import Said
from server.routing import Noun

system = Noun("panda: system", "What PanDA's programs ask of a server before anything else.")
_calls = Calls(system, "system")


@_calls.get("is_alive", access=PUBLIC)
def is_alive(asked: Asked) -> Said:
    """Say that the server answers."""
    return Said(message="alive")
