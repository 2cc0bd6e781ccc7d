"""The Core tables behind the models, for bulk statements."""

from __future__ import annotations

from sqlalchemy import Table, Text, cast, text
from sqlmodel import SQLModel

from tasks import tables
from tasks.tables.job import FINAL as FINAL_JOB
from tasks.tables.job import SERVING
from tasks.tables.task import FINAL as FINAL_TASK


def core(model: type[SQLModel]) -> Table:
    """The Core table of a model."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


TASK = core(tables.Task)
DATASET = core(tables.Dataset)
FILE = core(tables.File)
JOB = core(tables.Job)
JOB_FILE = core(tables.JobFile)
PILOT = core(tables.Pilot)
WORKER_TARGET = core(tables.WorkerTarget)
QUEUE = core(tables.Queue)
SITE = core(tables.Site)
ENDPOINT = core(tables.StorageEndpoint)
QUEUE_STORAGE = core(tables.QueueStorage)
QUEUE_STATISTICS = core(tables.QueueStatistics)
LINK = core(tables.Link)
DECISION = core(tables.Decision)
NUCLEUS_DECISION = core(tables.NucleusDecision)
HISTORY = core(tables.StatusHistory)
CATALOG_DATASET = core(tables.CatalogDataset)
CATALOG_FILE = core(tables.CatalogFile)
REPLICA = core(tables.Replica)
LOCK = core(tables.Lock)
GLOBAL_SHARE = core(tables.GlobalShare)
SHARE_RULE = core(tables.ShareRule)
RESOURCE_TYPE = core(tables.ResourceType)
SHARE_STATISTICS = core(tables.ShareStatistics)
DATASET_LOCALITY = core(tables.DatasetLocality)
PREASSIGNMENT = core(tables.Preassignment)
SCOUTING = core(tables.TaskScouting)
SEARCH = core(tables.Search)
SEARCH_POINT = core(tables.SearchPoint)
RETRY_RULE = core(tables.RetryRule)
REST = core(tables.Rest)
BUILD = core(tables.Build)
METADATA = core(tables.JobMetadata)
WORKFLOW = core(tables.Workflow)
WORKFLOW_PLAN = core(tables.WorkflowPlan)
STEP = core(tables.WorkflowStep)
NOTICE = core(tables.Notice)
NOTICE_ADDRESS = core(tables.NoticeAddress)

# The very words of the partial indexes: with bound values SQLite would not use them.
TASK_ALIVE = text(f"task.status NOT IN {FINAL_TASK}")
JOB_ALIVE = text(f"job.status NOT IN {FINAL_JOB}")
JOB_WAITING = text("job.status = 'activated'")
JOB_SERVES = text(f"job.kind IN {SERVING}")
JOB_TO_SETTLE = text("job.status = 'holding'")
JOB_LEASED = text("job.lease_expires_at IS NOT NULL")

QUEUE_SETTINGS = cast(QUEUE.c.settings, Text)
"""The settings as text, for `tasks.queues.settings_of_text`: nothing is parsed twice."""
