"""All nouns of PanDA's wire."""

from server.panda.routes.credentials import credentials
from server.panda.routes.events import events
from server.panda.routes.files import files
from server.panda.routes.harvester import harvester
from server.panda.routes.jobs import jobs
from server.panda.routes.queue_data import queue_noun
from server.panda.routes.system import system
from server.panda.routes.task_reading import tasks
from server.panda.routes.their_pilots import their_pilots
from server.panda.routes.transforms import transforms
from server.panda.routes.workflows import workflows

# What lies below /cache by a name of its own comes before the files of persons there.
PANDA_NOUNS = (
    system, queue_noun, files, tasks, jobs, workflows, credentials, events, their_pilots,
    harvester, transforms,
)  # fmt: skip
