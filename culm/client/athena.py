"""What Athena options mean as a command: transformations, job options, releases."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from culm.client.event_picking import Picked, wrong
from culm.client.pathena_options import Pathena
from culm.client.prun import listed
from culm.core.errors import FieldFault

_OUT = re.compile(r"%OUT\.(?P<name>[A-Za-z0-9][A-Za-z0-9._+-]*)")
_DB = re.compile(r"%DB:(?:(?P<latest>LATEST)\b|(?P<dataset>[\w.-]+):(?P<file>[\w.-]+))")
_RELEASE = re.compile(r"(?P<project>[A-Za-z]\w*)[,-](?P<version>\d[\w.]*)")
DB_STREAM = "DBR"
DB_PATTERN = "*DBRelease*"
"""Datasets of database releases; the last of their names is the latest."""
_FRAGMENT = "culm_options.py"

LatestDb = Callable[[], tuple[str, str]]
"""The dataset and the file of the newest database release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AthenaCommand:
    """A command with its outputs by name, and `--secondaryDSs` for what it reads beside."""

    command: str
    outputs: tuple[str, ...]
    secondaries: tuple[str, ...]
    release: str | None


def athena_command(
    options: Pathena, shell: Mapping[str, str], events: Picked | None, latest: LatestDb
) -> AthenaCommand:
    """The command of options that give transformations or job options.

    `shell` is the environment of the user's shell, which names the release.

    Raises:
        InvalidRequest: they give neither or both, or something in them is wrong.
    """
    job_options = listed(options.job_options)
    if bool(job_options) == bool((options.trf or "").strip()):
        needed = "give transformations (--trf) or job options, one of both"
        raise wrong(FieldFault("--trf", "both" if job_options else "missing", needed))
    command = _of_trf(options.trf) if options.trf else _of_job_options(options, job_options, events)
    command, db_files = _with_databases(command, latest)
    outputs = [match["name"] for match in _OUT.finditer(command)]
    outputs += [*listed(options.outputs), *listed(options.ext_out_file)]
    release = _release(options, shell)
    command = _OUT.sub(lambda match: match["name"], command)
    return AthenaCommand(
        command=command if release is None or options.no_setup else _set_up(release, command),
        outputs=tuple(dict.fromkeys(outputs)), release=release,
        secondaries=(*_backgrounds(options), *db_files),
    )  # fmt: skip


def parts(text: str) -> list[str]:
    """The commands of a text with semicolons between; those in quotes are no ends."""
    found, current, quote = [], "", ""
    for position, letter in enumerate(text):
        escaped = quote != "'" and position > 0 and text[position - 1] == "\\"
        if letter in "'\"" and not escaped and quote in ("", letter):
            quote = "" if quote else letter
        if letter == ";" and not quote and not escaped:
            found.append(current)
            current = ""
        else:
            current += letter
    return [part.strip() for part in [*found, current] if part.strip()]


def _of_trf(text: str) -> str:
    """Each goes on where the one before it ended well."""
    return " && ".join(parts(text))


def _of_job_options(options: Pathena, names: tuple[str, ...], events: Picked | None) -> str:
    """The job options, with a last one that sets the input, its events, and those picked."""
    first = f"-c {shlex.quote(options.one_liner)} " if options.one_liner else ""
    files = " ".join(map(shlex.quote, names))
    fragment = "\n".join(_fragment(options, events))
    write = f"cat > {_FRAGMENT} <<'CULM_END'\n{fragment}\nCULM_END"
    return f"{write}\nathena.py {first}{files} {_FRAGMENT}"


def _fragment(options: Pathena, events: Picked | None) -> Iterator[str]:
    yield "from AthenaCommon.AppMgr import ServiceMgr, theApp"
    if options.in_ds is not None or events is not None:
        yield "ServiceMgr.EventSelector.InputCollections = '%IN'.split(',')"
        yield "from AthenaCommon.AthenaCommonFlags import athenaCommonFlags"
        yield "athenaCommonFlags.FilesInput.set_Value_and_Lock('%IN'.split(','))"
    if options.n_events_per_job is not None:
        yield "theApp.EvtMax = %MAXEVENTS"
        if options.in_ds is not None:
            yield "ServiceMgr.EventSelector.SkipEvents = %SKIPEVENTS"
    if events is not None:
        yield "from AthenaCommon.AlgSequence import AthSequencer"
        yield "from GaudiSequencer.PyComps import PyEvtFilter"
        yield "picker = PyEvtFilter('culm_event_picker')"
        yield f"lines = open({options.event_pick_evt_list!r}).read().splitlines()"
        yield "words = [line.split() for line in lines if line.strip() and line[0] != '#']"
        yield "picker.evt_list = [(int(word[0]), int(word[1])) for word in words]"
        yield "picker.filter_policy = 'accept'"
        yield "AthSequencer('AthFilterSeq').insert(0, picker)"


def _with_databases(command: str, latest: LatestDb) -> tuple[str, list[str]]:
    """The command with the names of the files that `%DB` means, and these as streams."""
    streams: dict[tuple[str, str], str] = {}

    def put(match: re.Match[str]) -> str:
        place = latest() if match["latest"] else (match["dataset"], match["file"])
        number = len(streams) + 1
        streams.setdefault(place, DB_STREAM if number == 1 else f"{DB_STREAM}{number}")
        return place[1]

    command = _DB.sub(put, command)
    if "%DB:" in command:
        found = command[command.index("%DB:") :].split()[0]
        needed = "%DB:DATASET:FILE or %DB:LATEST is needed"
        raise wrong(FieldFault("--trf", found, needed))
    return command, [f"{stream}:1:{dataset}:{file}" for (dataset, file), stream in streams.items()]


def _backgrounds(options: Pathena) -> Iterator[str]:
    for stream, dataset, count in (
        ("MININ", options.min_ds, options.n_min),
        ("LOMBIN", options.low_min_ds, options.n_low_min),
        ("HIMBIN", options.high_min_ds, options.n_high_min),
        ("CAVIN", options.cav_ds, options.n_cav),
        ("BHIN", options.beam_halo_ds, options.n_beam_halo),
        ("BGIN", options.beam_gas_ds, options.n_beam_gas),
    ):
        if dataset is not None:
            yield f"{stream}:{count}:{dataset}"
        elif options.trf and re.search(rf"%{stream}\b", options.trf):
            raise wrong(FieldFault("--trf", f"%{stream}", "no dataset is given for it"))


def _release(options: Pathena, shell: Mapping[str, str]) -> str | None:
    """PROJECT-VERSION: of the options, else that which the user's shell has set up."""
    if options.release is not None:
        return options.release
    tag = options.athena_tag
    if tag is None:
        project, version = shell.get("AtlasProject", ""), shell.get("AtlasVersion", "")
        return f"{project}-{version}" if project and version else None
    words = [word for word in re.split(r"[,\s-]+", tag) if word not in ("here", "setup")]
    turned = sorted(words[:2], key=lambda word: word[:1].isdecimal())
    found = _RELEASE.fullmatch("-".join(turned))
    if found is None:
        needed = "PROJECT,VERSION is needed, like AnalysisBase,21.2.40"
        raise wrong(FieldFault("--athenaTag", tag, needed))
    return f"{found['project']}-{found['version']}"


def _set_up(release: str, command: str) -> str:
    project, _, version = release.partition("-")
    base = "${ATLAS_LOCAL_ROOT_BASE:-/cvmfs/atlas.cern.ch/repo/ATLASLocalRootBase}"
    script = (
        f"export ATLAS_LOCAL_ROOT_BASE={base}\n"
        '. "$ATLAS_LOCAL_ROOT_BASE/user/atlasLocalSetup.sh" --quiet || exit\n'
        f"asetup {project},{version},here || exit\n{command}"
    )
    return f"bash -c {shlex.quote(script)}"
