"""The Python API: `Client` speaks to the server, `Prun` says what to submit."""

from culm.client.api import Client
from culm.client.prun import Prun

__all__ = ["Client", "Prun"]
