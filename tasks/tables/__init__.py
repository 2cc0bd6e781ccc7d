"""SQLModel tables, one noun a file. Rows hold data only: rules stand in the modules beside."""

from tasks.tables.build import Build
from tasks.tables.cache import CacheFile
from tasks.tables.catalog import CatalogDataset, CatalogFile, Replica
from tasks.tables.command import Command
from tasks.tables.configuration import Configuration, ConfigurationHistory
from tasks.tables.dataset import Dataset
from tasks.tables.decision import Decided, Decision, NucleusDecision
from tasks.tables.file import File
from tasks.tables.harvester import (
    Harvester,
    HarvesterCount,
    HarvesterMessage,
    HarvesterWorker,
)
from tasks.tables.history import RefusedReport, StatusHistory
from tasks.tables.job import Job, JobFile, JobMetadata
from tasks.tables.job_request import JobRequest
from tasks.tables.locality import DatasetLocality, Preassignment
from tasks.tables.notice import Notice, NoticeAddress
from tasks.tables.pilot import Pilot, WorkerTarget
from tasks.tables.queue import (
    Link,
    Queue,
    QueueStatistics,
    QueueStorage,
    Site,
    StorageEndpoint,
)
from tasks.tables.rest import Rest
from tasks.tables.retry_rule import RetryRule
from tasks.tables.sandbox import Sandbox
from tasks.tables.scouting import TaskScouting
from tasks.tables.search import Search, SearchPoint
from tasks.tables.secret import Secret, SecretUse
from tasks.tables.share import GlobalShare, ResourceType, ShareRule, ShareStatistics
from tasks.tables.system import IdCounter, Lock, ScheduleRun, WakeUp
from tasks.tables.task import Task, TaskOriginal, TaskParameters
from tasks.tables.user import RevokedToken, User
from tasks.tables.workflow import Workflow, WorkflowPlan, WorkflowStep

__all__ = [
    "Build", "CacheFile", "CatalogDataset", "CatalogFile", "Command", "Configuration",
    "ConfigurationHistory", "Dataset", "DatasetLocality", "Decided", "Decision", "File",
    "GlobalShare", "Harvester", "HarvesterCount", "HarvesterMessage", "HarvesterWorker",
    "IdCounter", "Job", "JobFile", "JobMetadata", "JobRequest", "Link", "Lock", "Notice",
    "NoticeAddress", "NucleusDecision", "Pilot", "Preassignment", "Queue", "QueueStatistics",
    "QueueStorage", "RefusedReport", "Replica", "ResourceType", "Rest", "RetryRule", "RevokedToken",
    "Sandbox", "ScheduleRun", "Search", "SearchPoint", "Secret", "SecretUse", "ShareRule",
    "ShareStatistics", "Site", "StatusHistory", "StorageEndpoint", "Task", "TaskOriginal",
    "TaskParameters", "TaskScouting", "User", "WakeUp", "WorkerTarget", "Workflow", "WorkflowPlan",
    "WorkflowStep",
]  # fmt: skip
