"""All parts of Culm for the length of a demo: used if they run, else started and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from culm.cli import installation
from culm.cli.records import holder
from culm.cli.supervisor import answers
from culm.cli.up import READY
from culm.core.errors import Misconfigured, OurFault, WaitTimedOut
from culm.core.settings import Settings, local_server_url

SERVER_SECONDS = 90.0
STOP_SECONDS = 120.0
TICK_SECONDS = 0.05

UpProcess = subprocess.Popen[bytes]


@contextmanager
def all_parts(
    settings: Settings,
    *,
    keep: bool,
    starting: AbstractContextManager[object],
    words: Sequence[str] = (),
) -> Iterator[bool]:
    """All parts, with the server ready; whether they had to be started (`starting` shows it).

    `words` are options of the `culm up` that starts them.

    What was started here is stopped at the end, unless it is to be kept and all went well.

    Raises:
        OurFault: they do not start; the message holds the last words.
        Misconfigured: they run already, but elsewhere than the settings say.
    """
    url = f"{local_server_url(settings)}/v1/ready"
    if holder(installation.run_dir(settings)) is not None:
        _find_running(settings, url)
        yield False
        return
    installation.make_directories(settings)
    _end_in_good_order()
    process = _start(settings, words)
    try:
        with starting:
            _await(lambda: answers(url), process, settings, SERVER_SECONDS)
        yield True
    except BaseException:
        _stop(process)
        raise
    if not keep:
        _stop(process)


def _end_in_good_order() -> None:
    """From now on SIGTERM and SIGHUP do what Ctrl-C does: the parts are not left behind."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _find_running(settings: Settings, url: str) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    # It may be starting just now.
    while not answers(url):
        if (installation.run_dir(settings) / READY).exists() or time.monotonic() > deadline:
            raise Misconfigured(
                f"culm up runs on {settings.data_dir}, but not at {local_server_url(settings)}",
                hint="culm down, or set CULM_SERVER_PORT as it was for culm up",
            )
        time.sleep(TICK_SECONDS)


def _start(settings: Settings, words: Sequence[str]) -> UpProcess:
    log = installation.log_dir(settings) / "up.log"
    with log.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "culm", "up", *words],
            env=dict(installation.environment(settings)),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we stop the parts in good order
        )


def _await(
    true: Callable[[], bool], process: UpProcess, settings: Settings, seconds: float
) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if process.poll() is not None:
            raise OurFault(f"the parts do not start: {_last_words(settings)}", hint="culm doctor")
        if time.monotonic() > deadline:
            log_dir = installation.log_dir(settings)
            raise WaitTimedOut(f"no answer after {seconds:g} s", hint=f"read {log_dir}/server.log")
        time.sleep(TICK_SECONDS)


def _last_words(settings: Settings) -> str:
    text = (installation.log_dir(settings) / "up.log").read_text(errors="replace")
    return " | ".join(text.strip().splitlines()[-4:])


def _stop(process: UpProcess) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
