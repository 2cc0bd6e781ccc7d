"""The pilot's error codes: PanDA's numbers and names, with our words for each.

Source: documentation, 7.3 Pilot, `pilot.common.errorcodes` (numbers and names). `spends_attempt`
is False where the failure was not the user's: then only the system's own tries are used up
(reliability.md, I6).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class PilotError(IntEnum):
    """Codes that our pilot reports or our server books."""

    NONE = 0
    GENERAL = 1008
    NO_LOCAL_SPACE = 1098
    STAGE_IN_FAILED = 1099
    REPLICA_NOT_FOUND = 1100
    NO_SUCH_FILE = 1103
    USER_DIR_TOO_LARGE = 1104
    STDOUT_TOO_BIG = 1106
    SETUP_FAILURE = 1110
    OUTPUT_FILE_TOO_LARGE = 1124
    STAGE_OUT_FAILED = 1137
    PANDA_KILL = 1144
    LOOPING_JOB = 1150
    STAGE_IN_TIMEOUT = 1151
    STAGE_OUT_TIMEOUT = 1152
    MISSING_OUTPUT_FILE = 1165
    GET_ADLER_MISMATCH = 1171
    PUT_ADLER_MISMATCH = 1172
    LFN_TOO_LONG = 1190
    MKDIR = 1199
    KILL_SIGNAL = 1200
    SIGTERM = 1201
    SIGQUIT = 1202
    SIGSEGV = 1203
    SIGXCPU = 1204
    USER_KILL = 1205
    SIGBUS = 1206
    PAYLOAD_OUT_OF_MEMORY = 1212
    REACHED_MAX_TIME = 1213
    UNKNOWN_PAYLOAD_FAILURE = 1220
    PAYLOAD_EXCEED_MAX_MEM = 1235
    FAILED_BY_SERVER = 1236
    NO_USER_TARBALL = 1246
    UNKNOWN_EXCEPTION = 1301
    PAYLOAD_EXECUTION_FAILURE = 1305
    COMMUNICATION_FAILURE = 1318
    INTERNAL_PILOT_PROBLEM = 1319
    LOG_FILE_CREATION_FAILURE = 1320
    UNKNOWN_COPY_TOOL = 1323
    SINGULARITY_NOT_INSTALLED = 1325
    IMAGE_NOT_FOUND = 1360


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """What a code means and whose attempt it spends."""

    words: str
    spends_attempt: bool = True


KINDS: dict[int, ErrorKind] = {
    PilotError.NONE: ErrorKind("no error"),
    PilotError.GENERAL: ErrorKind("general pilot error, see the pilot's log", False),
    PilotError.NO_LOCAL_SPACE: ErrorKind("the worker node has too little disk space", False),
    PilotError.STAGE_IN_FAILED: ErrorKind("an input file could not be staged in", False),
    PilotError.REPLICA_NOT_FOUND: ErrorKind("no copy of an input file was found"),
    PilotError.NO_SUCH_FILE: ErrorKind("no such file or directory"),
    PilotError.USER_DIR_TOO_LARGE: ErrorKind("the work directory grew over its limit"),
    PilotError.STDOUT_TOO_BIG: ErrorKind("the payload's log or standard output is too big"),
    PilotError.SETUP_FAILURE: ErrorKind("the payload's setup failed"),
    PilotError.OUTPUT_FILE_TOO_LARGE: ErrorKind("an output file is too large"),
    PilotError.STAGE_OUT_FAILED: ErrorKind("an output file could not be staged out", False),
    PilotError.PANDA_KILL: ErrorKind("the job was killed by the server"),
    PilotError.LOOPING_JOB: ErrorKind("the payload touched no file for too long and was killed"),
    PilotError.STAGE_IN_TIMEOUT: ErrorKind("staging in took too long", False),
    PilotError.STAGE_OUT_TIMEOUT: ErrorKind("staging out took too long", False),
    PilotError.MISSING_OUTPUT_FILE: ErrorKind("the payload did not write an output file"),
    PilotError.GET_ADLER_MISMATCH: ErrorKind("an input file's adler32 is not as recorded", False),
    PilotError.PUT_ADLER_MISMATCH: ErrorKind("an output file's adler32 changed on its way", False),
    PilotError.LFN_TOO_LONG: ErrorKind("a file name is over 255 characters"),
    PilotError.MKDIR: ErrorKind("the work directory could not be made", False),
    PilotError.KILL_SIGNAL: ErrorKind("the payload was ended by a signal"),
    PilotError.SIGTERM: ErrorKind("the pilot was told to stop (SIGTERM)", False),
    PilotError.SIGQUIT: ErrorKind("the payload was ended by SIGQUIT"),
    PilotError.SIGSEGV: ErrorKind("the payload was ended by SIGSEGV"),
    PilotError.SIGXCPU: ErrorKind("the payload was ended by SIGXCPU"),
    PilotError.USER_KILL: ErrorKind("the job was killed by its user"),
    PilotError.SIGBUS: ErrorKind("the payload was ended by SIGBUS"),
    PilotError.PAYLOAD_OUT_OF_MEMORY: ErrorKind("the payload ran out of memory"),
    PilotError.REACHED_MAX_TIME: ErrorKind("the job reached its wall-time limit", False),
    PilotError.UNKNOWN_PAYLOAD_FAILURE: ErrorKind("the payload failed for an unknown reason"),
    PilotError.PAYLOAD_EXCEED_MAX_MEM: ErrorKind("the payload used more memory than allowed"),
    PilotError.FAILED_BY_SERVER: ErrorKind("the server failed the job", False),
    PilotError.NO_USER_TARBALL: ErrorKind("the sandbox could not be fetched", False),
    PilotError.UNKNOWN_EXCEPTION: ErrorKind("an unknown error in the pilot", False),
    PilotError.PAYLOAD_EXECUTION_FAILURE: ErrorKind("the payload exited with an error"),
    PilotError.COMMUNICATION_FAILURE: ErrorKind("the pilot lost contact with the server", False),
    PilotError.INTERNAL_PILOT_PROBLEM: ErrorKind("an internal problem of the pilot", False),
    PilotError.LOG_FILE_CREATION_FAILURE: ErrorKind("the log archive could not be made", False),
    PilotError.UNKNOWN_COPY_TOOL: ErrorKind("no copy tool for this storage", False),
    PilotError.SINGULARITY_NOT_INSTALLED: ErrorKind("nothing here can run containers", False),
    PilotError.IMAGE_NOT_FOUND: ErrorKind("the container image cannot be had"),
}


class ServerError(IntEnum):
    """Codes that the server books itself (PanDA: `jobDispatcherErrorCode` and its like)."""

    NONE = 0
    LOST_HEARTBEAT = 100
    WAITED_TOO_LONG = 101
    KILLED_BY_USER = 102
    TASK_ENDED = 103
    OUTPUT_NOT_VERIFIED = 104
    REJECTED_BY_QUEUE = 105
    TIMED_OUT = 106
    BUILD_FAILED = 107
    MERGE_FAILED = 108
    BAD_RESULT = 110


SERVER_KINDS: dict[int, ErrorKind] = {
    ServerError.NONE: ErrorKind("no error"),
    ServerError.LOST_HEARTBEAT: ErrorKind("the pilot was not heard from: its lease ran out", False),
    ServerError.WAITED_TOO_LONG: ErrorKind("waited too long at its queue", False),
    ServerError.KILLED_BY_USER: ErrorKind("killed by a person"),
    ServerError.TASK_ENDED: ErrorKind("its task was ended", False),
    ServerError.OUTPUT_NOT_VERIFIED: ErrorKind("a reported output is not in storage", False),
    ServerError.REJECTED_BY_QUEUE: ErrorKind("its queue takes it no more", False),
    ServerError.TIMED_OUT: ErrorKind("no news of it, or not its end, for too long", False),
    ServerError.BUILD_FAILED: ErrorKind("what it runs could not be built there", False),
    ServerError.MERGE_FAILED: ErrorKind("its output could not be merged"),
    ServerError.BAD_RESULT: ErrorKind("its result is not what the task needs"),
}


def words(code: int) -> str:
    """What a pilot error code means, in words."""
    kind = KINDS.get(code)
    return kind.words if kind else f"error {code}"
