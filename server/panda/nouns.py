"""All nouns of PanDA's wire."""

from server.panda.routes.system import system

PANDA_NOUNS = (system,)
