"""What a site needs to run PanDA's own pilot for a queue of ours: a folder with a launcher.

Their pilot ends every process of its user whose parent is process 1, so the launcher gives it a
PID namespace of its own and refuses to start it where it would see others.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from culm.core.errors import FieldFault, InvalidRequest, NotFound, Unreachable
from culm.core.private_files import make_private_folder, write_private

TRANSFORMS = "pandaserver-doma.cern.ch:25080"
"""Where version 3.7 fetches programs of jobs from; curl is led to our server instead."""
MOST_PROCESSES = 8
"""So many processes may be seen inside the namespace: a few shells, and none to be harmed."""
_TIMEOUT_SECONDS = 30.0
_EXECUTABLE = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class PandaPilot:
    """Which pilot is to serve which queue.

    `source` is the unpacked sdist of panda-pilot, `python` what runs it (3.11 or 3.12).
    """

    server: str
    queue: str
    source: Path
    token: str
    python: str = "python3"
    lifetime_seconds: int = 324_000


def write_launcher(pilot: PandaPilot, out: Path) -> Path:
    """Write the launcher and what it needs into a folder; the launcher's path.

    Raises:
        InvalidRequest: the source is no panda-pilot.
        NotFound: there is no such queue, or it has no storage that such a pilot can use.
        Unreachable: the server does not answer.
    """
    if not (pilot.source / "pilot.py").is_file():
        needed = "the folder of the sdist (pip download --no-binary panda-pilot panda-pilot)"
        fault = FieldFault("pilot", str(pilot.source), f"{needed}: the wheel has no pilot.py")
        raise InvalidRequest("this is no panda-pilot", faults=[fault])
    make_private_folder(out)
    inputs = _input_folder(pilot)
    # Without a newline: it would break the header that their pilot makes of it.
    write_private(out / "token", pilot.token.strip().encode())
    write_private(out / ".curlrc", _curlrc(pilot.server).encode())
    write_private(out / "pilot.cfg", _configuration(pilot).encode())
    for name, text in (("inside.sh", _inside(pilot, inputs)), ("run.sh", _OUTSIDE)):
        write_private(out / name, text.encode())
        (out / name).chmod(_EXECUTABLE)
    return out / "run.sh"


def _input_folder(pilot: PandaPilot) -> str:
    """Where the server lands input for this queue."""
    queue = _json(f"{pilot.server}/cache/schedconfig/{pilot.queue}.all.json")
    storage = _json(f"{pilot.server}/cache/ddmendpoints.json")
    for name in queue["astorages"]["pr"]:
        if name in storage:
            return str(storage[name]["arprotocols"]["read_lan"][0]["path"])
    raise NotFound(
        f"queue {pilot.queue} has no storage that is a directory",
        hint="give it one that nodes and server share: PanDA's tool mv knows no other",
    )


def _json(url: str) -> dict[str, dict[str, dict[str, list[dict[str, str]]]]]:
    try:
        answer = httpx.get(url, timeout=_TIMEOUT_SECONDS)
    except httpx.TransportError as error:
        raise Unreachable(f"{url}: {error or type(error).__name__}") from error
    if answer.status_code != httpx.codes.OK:
        raise NotFound(f"HTTP {answer.status_code} for {url}: {answer.text[:300]}")
    found: dict[str, dict[str, dict[str, list[dict[str, str]]]]] = answer.json()
    return found


def _curlrc(server: str) -> str:
    host, port = _place(server)
    return f'connect-to = "{TRANSFORMS}:{host}:{port}"\n'


def _configuration(pilot: PandaPilot) -> str:
    """Their own configuration, with our server in place of CERN's: each job asks it for its queue
    and would wait a minute for an answer from outside.
    """
    ours = {"queues_url": f"{pilot.server}/cache/schedconfig/{{pandaqueue}}.json",
            "storages_url": f"{pilot.server}/cache/ddmendpoints.json"}  # fmt: skip
    text = (pilot.source / "pilot" / "util" / "default.cfg").read_text(encoding="utf-8")
    for name, url in ours.items():
        text = re.sub(rf"(?m)^{name}:.*$", f"{name}: {url}", text)
    return text


def _place(server: str) -> tuple[str, int]:
    parts = urlsplit(server)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


_OUTSIDE = """\
#!/bin/sh
# Starts PanDA's pilot in a PID namespace of its own: at its end it kills every process of its
# user whose parent is process 1.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
users=""
[ "$(id -u)" = 0 ] || users="--user --map-root-user"
exec unshare $users --pid --fork --mount-proc --kill-child "$here/inside.sh" "$@"
"""


def _inside(pilot: PandaPilot, inputs: str) -> str:
    server, (host, port) = pilot.server, _place(pilot.server)
    scheme = urlsplit(server).scheme
    line = [
        pilot.python, str(pilot.source.resolve() / "pilot.py"),
        "-q", pilot.queue, "-j", "user", "--pilot-user", "generic", "-w", "generic",
        "--url", f"{scheme}://{host}", "-p", str(port),
        "--queuedata-url", f"{server}/cache/schedconfig/{{pandaqueue}}.all.json",
        "--storagedata-url", f"{server}/cache/ddmendpoints.json",
        "--input-destination-dir", inputs, "-t", "-u",
        "--use-https", "True" if scheme == "https" else "False",
        "--use-rucio-traces", "False", "-l", str(pilot.lifetime_seconds), "-d",
    ]  # fmt: skip
    return f"""\
#!/bin/sh
set -eu
# Counted by the shell itself: a command would be one more.
count() {{ seen=$#; }}
count /proc/[0-9]*
if [ "$seen" -gt {MOST_PROCESSES} ]; then
    echo "refused: $seen processes can be seen, {MOST_PROCESSES} at most may be: start run.sh" >&2
    exit 64
fi
here=$(cd "$(dirname "$0")" && pwd)
export PILOT_NOKILL=1 CURL_HOME="$here" OIDC_AUTH_DIR="$here/" OIDC_AUTH_TOKEN=token
export OIDC_AUTH_ORIGIN=culm HARVESTER_PILOT_CONFIG="$here/pilot.cfg"
export PILOT_SITENAME={shlex.quote(pilot.queue)}
work=$(mktemp -d "${{PANDA_PILOT_WORK:-${{TMPDIR:-/tmp}}}}/panda-pilot.XXXXXX")
cd "$work"
mkdir home work
export HOME="$work/home"
exec {shlex.join(line)} -a "$work/work" "$@"
"""
