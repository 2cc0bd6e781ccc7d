"""Settings: flag > `CULM_*` environment > ./culm.toml > user file > system file > default.

Every value knows where it came from. Unknown names are errors that name the nearest known one.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from culm.core.errors import FieldFault, Misconfigured
from culm.core.nearest import nearest, unknown_name

PREFIX = "CULM_"
SYSTEM_FILE = Path("/etc/culm/config.toml")
DEFAULT = "default"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_NOT_SETTINGS = ("TOKEN", "DEBUG", "COMPLETE", "JOB_", "PILOT_", "TEST_", "BENCH_", "DEMO_")
"""Environment names behind `CULM_` that mean something else: a token, a job's own variables."""


_PORT = {"minimum": 1, "maximum": 65_535}
_COUNT = {"minimum": 1, "maximum": 10**9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, complete: what nobody set is derived from `data_dir`, host and ports."""

    data_dir: Path = Path()
    """Where database, keys, tokens, storage and logs are."""
    server_url: str = field(default="", metadata={"schemes": ("http", "https")})
    """Where the client finds the server."""
    token_file: Path = Path()
    """The file that holds your token."""
    database_url: str = ""
    """The books: `sqlite:///…` or `postgresql+psycopg://…`."""
    server_host: str = "127.0.0.1"
    """The address that the server listens on."""
    server_port: int = field(default=8810, metadata=_PORT)
    """The port that the server listens on."""
    prefect_port: int = field(default=4210, metadata=_PORT)
    """The port of the Prefect server that `culm up` starts."""
    prefect_api_url: str = field(default="", metadata={"schemes": ("http", "https")})
    """Where the flows find Prefect's API."""
    storage_dir: Path = Path()
    """The default storage endpoint."""
    sandbox_dir: Path = Path()
    """Where sandboxes are kept."""
    checkpoint_dir: Path = Path()
    """Where checkpoints of searches are kept."""
    keys_dir: Path = Path()
    """The keys that sign tokens."""
    auth_dir: Path = Path()
    """Identity providers of organisations: `<vo>_auth_config.json`, `auth_policies.json`."""
    log_level: str = field(default="INFO", metadata={"choices": LOG_LEVELS})
    """The least level that is logged."""
    sandbox_max_mb: int = field(default=100, metadata=_COUNT)
    """The largest sandbox that is taken, in MB."""
    upload_max_mb: int = field(default=10_240, metadata=_COUNT)
    """The largest file that is taken, in MB."""
    grid_source: str = field(default="", metadata={"may_be_empty": True})
    """The file or URL from which the daemon reads sites, queues and storage; empty: none."""
    images_dir: str = field(default="", metadata={"may_be_empty": True})
    """The unpacked images that pilots here run CWL tools in; empty: none."""
    isolation: str = field(default="auto", metadata={"choices": ("auto", "off", "required")})
    """Whether pilots here shut payloads in: where bubblewrap works, never, or else take no job."""
    origins: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )

    def origin(self, name: str) -> str:
        """Where a value came from: `flag`, `environment CULM_…`, a file's path, or `default`."""
        return self.origins.get(name, DEFAULT)

    def items(self) -> Iterator[tuple[str, Any, str]]:
        """Name, value and origin of each setting, in the order of this class."""
        return ((name, getattr(self, name), self.origin(name)) for name in KNOWN)


KNOWN = {f.name: f for f in fields(Settings) if f.name != "origins"}
_PATHS = frozenset(name for name, f in KNOWN.items() if f.type == "Path")


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """The settings in force. `flags` maps names to values; those that are None were not given.

    Raises:
        Misconfigured: with a fault for every unknown name and every value that does not fit.
    """
    environment = os.environ if environment is None else environment
    faults: list[FieldFault] = []
    found: dict[str, tuple[Any, str]] = {}
    for origin, layer in _layers(flags or {}, environment, directory or Path.cwd(), faults):
        for name, raw in layer.items():
            _take(name, raw, origin, found, faults)
    if faults:
        raise Misconfigured("the settings do not fit", faults=faults, hint="culm config show")
    return _complete(found, environment)


def _layers(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    directory: Path,
    faults: list[FieldFault],
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Origin and raw values of each layer, the weakest first."""
    for path in (SYSTEM_FILE, user_file(environment), directory / "culm.toml"):
        layer = _file(path, faults)
        if layer is not None:
            yield str(path), layer
    for variable, value in _variables(environment, faults).items():
        yield f"environment {variable}", {variable.removeprefix(PREFIX).lower(): value}
    yield "flag", {name: value for name, value in flags.items() if value is not None}


def user_file(environment: Mapping[str, str]) -> Path:
    """The user's own settings file (XDG base directories)."""
    base = environment.get("XDG_CONFIG_HOME") or str(_home(environment) / ".config")
    return Path(base) / "culm" / "config.toml"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment["HOME"]) if environment.get("HOME") else Path.home()


def _file(path: Path, faults: list[FieldFault]) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(FieldFault(str(path), type(error).__name__, f"a TOML file ({error})"))
        return None


def _variables(environment: Mapping[str, str], faults: list[FieldFault]) -> dict[str, str]:
    """The variables that are settings. Of the others only a slip of the pen is a fault:

    people keep variables of their own behind any prefix.
    """
    found = {}
    for variable, value in environment.items():
        name = variable.removeprefix(PREFIX)
        if not variable.startswith(PREFIX):
            continue
        if name.lower() in KNOWN:
            found[variable] = value
        elif not name.startswith(_NOT_SETTINGS) and (near := nearest(name.lower(), KNOWN)):
            needed = f"unknown; did you mean {PREFIX}{near.upper()}?"
            faults.append(FieldFault(variable, repr(value), needed))
    return found


def _take(
    name: str,
    raw: Any,
    origin: str,
    found: dict[str, tuple[Any, str]],
    faults: list[FieldFault],
) -> None:
    where = f"{name} ({origin})"
    if name not in KNOWN:
        faults.append(FieldFault(where, repr(raw), unknown_name(name, KNOWN)))
        return
    try:
        found[name] = (_value(name, raw), origin)
    except ValueError as error:
        faults.append(FieldFault(where, repr(raw), str(error)))


def _value(name: str, raw: Any) -> Any:
    """A raw value as the type of its setting.

    Raises:
        ValueError: with the words for what is needed.
    """
    rules = KNOWN[name].metadata
    if name in _PATHS:
        if not isinstance(raw, (str, Path)) or not str(raw):
            raise ValueError("a path is needed")
        return Path(raw).expanduser()
    if "minimum" in rules:
        return _number(raw, rules["minimum"], rules["maximum"])
    if not isinstance(raw, str) or not (raw or rules.get("may_be_empty")):
        raise ValueError("a string is needed")
    if "schemes" in rules and not _is_url(raw, rules["schemes"]):
        raise ValueError("a URL like http://127.0.0.1:8810 or https://culm.example.org is needed")
    choices = rules.get("choices")
    if not choices:
        return raw
    # Capitals or not: as it is written here.
    found = next((choice for choice in choices if choice.lower() == raw.lower()), None)
    if found is None:
        raise ValueError(unknown_name(raw, choices))
    return found


def _is_url(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return False


def _number(raw: Any, low: int, high: int) -> int:
    number = int(raw) if isinstance(raw, str) and raw.strip().isdecimal() else raw
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise ValueError(f"a whole number from {low} to {high} is needed")
    return number


def _complete(found: Mapping[str, tuple[Any, str]], environment: Mapping[str, str]) -> Settings:
    """Settings with everything derived that nobody set. Paths are made absolute."""
    values = {name: value for name, (value, _) in found.items()}
    base = environment.get("XDG_DATA_HOME") or str(_home(environment) / ".local" / "share")
    data_dir = Path(values.get("data_dir", Path(base) / "culm")).absolute()
    host = values.get("server_host", KNOWN["server_host"].default)
    server_port = values.get("server_port", KNOWN["server_port"].default)
    prefect_port = values.get("prefect_port", KNOWN["prefect_port"].default)
    derived = {
        "server_url": f"http://{_loopback_for(host)}:{server_port}",
        "token_file": data_dir / "tokens" / "user.token",
        "database_url": f"sqlite:///{data_dir}/culm.db",
        "prefect_api_url": f"http://127.0.0.1:{prefect_port}/api",
        "storage_dir": data_dir / "storage",
        "sandbox_dir": data_dir / "sandboxes",
        "checkpoint_dir": data_dir / "checkpoints",
        "keys_dir": data_dir / "keys",
        "auth_dir": data_dir / "auth",
    }
    values = {**derived, **values, "data_dir": data_dir}
    values |= {name: Path(values[name]).absolute() for name in _PATHS}
    values["server_url"] = str(values["server_url"]).rstrip("/")
    values["database_url"] = _absolute(values["database_url"])
    origins = {name: origin for name, (_, origin) in found.items()}
    return Settings(**values, origins=MappingProxyType(origins))


def _absolute(database_url: str) -> str:
    """A database's URL that means the same wherever a process stands."""
    path = database_url.removeprefix("sqlite:///")
    if path == database_url or path.startswith(("/", ":")) or not path:
        return database_url
    return f"sqlite:///{Path(path).absolute()}"


def without_password(url: str) -> str:
    """A database's URL as it may be shown."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":…@", 1) if password else url


def _loopback_for(host: str) -> str:
    """An address to call for an address to listen on."""
    if host in ("0.0.0.0", "::", "[::]"):  # noqa: S104  # compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def local_server_url(settings: Settings) -> str:
    """Where the server of these settings is called from its own machine."""
    return f"http://{_loopback_for(settings.server_host)}:{settings.server_port}"
