"""All nouns of PanDA's wire."""

from server.panda.routes.queue_data import queue_noun
from server.panda.routes.system import system
from server.panda.routes.their_pilots import their_pilots
from server.panda.routes.transforms import transforms

PANDA_NOUNS = (system, their_pilots, queue_noun, transforms)
