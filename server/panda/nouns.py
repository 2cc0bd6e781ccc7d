"""All nouns of PanDA's wire."""

from server.panda.routes.credentials import credentials
from server.panda.routes.events import events
from server.panda.routes.files import files
from server.panda.routes.jobs import jobs
from server.panda.routes.system import system
from server.panda.routes.task_reading import tasks
from server.panda.routes.workflows import workflows

PANDA_NOUNS = (system, files, tasks, jobs, workflows, credentials, events)
