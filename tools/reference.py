"""Writes the pages of docs/reference that are generated, or checks that they are true.

    python -m tools.reference            write them
    python -m tools.reference --check    exit 1 and name those that differ

What the code says as data (errors, pilot codes, statuses, settings, filters) is printed from it,
so that the documents cannot tell another story.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

from culm.core import errors, settings
from culm.wire import error_codes
from tasks import configuration, cric, lifecycles, queues
from tools import brokerage_page, commands_page

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `python -m tools.reference`: change the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """Every generated page: its file name and its text."""
    return {name: f"{NOTE}\n{text()}" for name, text in _PAGES.items()}


def stale() -> list[str]:
    """The names of generated pages that are missing or do not say what the code says."""
    return [
        name
        for name, text in pages().items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != text
    ]


def _errors() -> str:
    rows = ["# Errors", "", _ERRORS_INTRO, ""]
    for code in sorted(errors.BY_CODE):
        kind = errors.BY_CODE[code]
        rows += [f"## {code} {kind.title}", "", inspect.cleandoc(kind.__doc__ or ""), ""]
        rows += [f"HTTP {kind.http_status} · exit code {kind.exit_code}", ""]
    return "\n".join(rows)


_ERRORS_INTRO = """\
Every error has a stable code. The first digit says who can act: 1 the person who asked, 2 the
caller by trying again, 3 the site, 9 the operator or a developer. The API answers with a problem
document (RFC 9457) whose `code` is this one; the command line exits with the code shown."""


def _pilot_errors() -> str:
    head = ["# Error codes of jobs", "", _PILOT_INTRO, "", "## From the pilot", ""]
    pilot = _codes(error_codes.PilotError, error_codes.KINDS)
    server = _codes(error_codes.ServerError, error_codes.SERVER_KINDS)
    return "\n".join([*head, *pilot, "", "## From the server", "", *server, ""])


_PILOT_INTRO = """\
`culm job show` prints these beside a failed job. A failure that was not the user's spends none of
the attempts that the task gives each input; it has tries of its own. `no error` is 0."""


def _codes(
    names: Iterable[error_codes.PilotError | error_codes.ServerError],
    kinds: dict[int, error_codes.ErrorKind],
) -> Iterator[str]:
    yield from _header("code", "name", "meaning", "spends an attempt")
    for member in names:
        if member.value:
            kind = kinds[member]
            spends = "yes" if kind.spends_attempt else "no"
            yield f"| {member.value} | `{member.name}` | {kind.words} | {spends} |"


def _statuses() -> str:
    rows = ["# Statuses", "", _STATUS_INTRO, ""]
    for machine in lifecycles.MACHINES:
        rows += [f"## {machine.noun.capitalize()}", "", *_machine(machine), ""]
    return "\n".join(rows)


_STATUS_INTRO = """\
The machines of `tasks/lifecycles.py`: what happened (the event) moves a thing from one status to
the next. What is not in a table cannot happen. Final statuses are in bold; only the events marked
with ↺ may leave one."""


def _machine(machine: lifecycles.Machine) -> Iterator[str]:
    yield f"Begins in {_list(machine.initial)}. Ends in {_list(machine.final)}."
    yield ""
    yield from _header("event", "from", "to")
    grouped: dict[tuple[str, str], list[str]] = {}
    for (start, event), to in machine.moves.items():
        grouped.setdefault((event, to), []).append(start)
    for (happened, target), starts in grouped.items():
        mark = " ↺" if happened in machine.reopening else ""
        shown = f"**{target}**" if target in machine.final else target
        yield f"| {happened}{mark} | {', '.join(sorted(starts))} | {shown} |"


def _list(statuses: Iterable[str]) -> str:
    return ", ".join(sorted(statuses))


def _settings() -> str:
    rows = ["# Settings", "", _SETTINGS_INTRO, "", *_header("name", "default", "what it is")]
    words = _field_words(settings)
    for name, field in settings.KNOWN.items():
        default = field.default if field.default not in (MISSING, "", Path()) else None
        shown = f"`{default}`" if default is not None else _DERIVED[name]
        rows.append(f"| `{name}` | {shown} | {words[name]} |")
    return "\n".join([*rows, ""])


_SETTINGS_INTRO = """\
A setting is looked for in this order: flag, environment (`CULM_` and the name in capitals),
`culm.toml` in the current directory, `$XDG_CONFIG_HOME/culm/config.toml`,
`/etc/culm/config.toml`, default. An unknown name is an error that names the nearest known one.
`culm config show --origin` prints what is in force and where it came from."""

_DERIVED = {
    "data_dir": "`$XDG_DATA_HOME/culm`",
    "server_url": "from `server_host` and `server_port`",
    "token_file": "`tokens/user.token` in `data_dir`",
    "database_url": "SQLite: `culm.db` in `data_dir`",
    "prefect_api_url": "from `prefect_port`",
    "storage_dir": "`storage` in `data_dir`",
    "sandbox_dir": "`sandboxes` in `data_dir`",
    "checkpoint_dir": "`checkpoints` in `data_dir`",
    "keys_dir": "`keys` in `data_dir`",
    "auth_dir": "`auth` in `data_dir`",
    "grid_source": "none",
    "images_dir": "none",
    "smtp_host": "none",
    "smtp_user": "none",
    "smtp_password_file": "none",
    "smtp_from": "`culm@` and this machine's name",
    "smtp_domains": "all",
    "webhook_networks": "none",
}


def _queue_settings() -> str:
    rows = ["# Settings of a queue", "", _QUEUE_INTRO, ""]
    rows += _header("name", "unit", "default", "bounds", "what it is")
    for each in fields(queues.QueueSettings):
        about = each.metadata
        default = "none" if each.default in (None, "") else f"`{json.dumps(each.default)}`"
        bounds = f"{about['minimum']:g} to {about['maximum']:g}" if "minimum" in about else ""
        rows.append(f"| `{each.name}` | {about['unit']} | {default} | {bounds} "
                    f"| {about['description']} |")  # fmt: skip
    rows += ["", "## Names of CRIC", "", _CRIC_INTRO, ""]
    rows += _header("CRIC", "here")
    rows += [f"| `{theirs}` | `{ours}` |" for theirs, (ours, _) in cric.NAMES.items()]
    return "\n".join([*rows, ""])


_QUEUE_INTRO = """\
`culm queue set NAME KEY=VALUE…` changes some, a [document](../how-to/queue.md) many at once. A
limit that is `none` does not hold. An unknown key is an error that names the nearest known one."""
_CRIC_INTRO = """\
A document that is CRIC's list of queues is read by these names (in any case; 0 stands for no
limit). Beside them, `status`, `atlas_site` or `site`, `astorages` (endpoints that are known here),
`direct_access_lan` and `direct_access_wan` (`direct_access`), `jobseed`, `capability` (mcore)
and `disableReassign` in `catchall` (`disable_reassign`) are read; all other keys are left aside."""


def _configuration() -> str:
    rows = ["# Configuration table", "", _CONFIGURATION_INTRO, ""]
    groups = {(d.app, d.component): "" for d in configuration.definitions()}
    for app, component in groups:
        rows += [f"## {app}.{component}", ""]
        rows += _header("name", "type", "default", "unit", "what it is")
        for each in configuration.definitions():
            if (each.app, each.component) == (app, component):
                default = "none" if each.default is None else f"`{each.default}`"
                rows.append(f"| `{each.key}` | {each.type} | {default} | {each.unit} "
                            f"| {each.description} |")  # fmt: skip
        rows.append("")
    return "\n".join(rows)


_CONFIGURATION_INTRO = """\
Thresholds that an administrator changes while everything runs: `culm set NAME VALUE`,
`culm set NAME` (what holds, and who changed it when), `culm set NAME --reset`, `culm set --list`.
A change holds everywhere within seconds. A name that ends in `<…>` has a value for each word in
that place; the value under the bare name is for those that have none. `--vo` sets one for a
single organisation. Settings of an installation (ports, directories) are [another
thing](settings.md)."""


def _field_words(module: object) -> dict[str, str]:
    """The docstring below each field of a module's `Settings` class."""
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    cls = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings")
    words = {}
    for field, below in zip(cls.body, cls.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            words[field.target.id] = str(below.value.value) if is_text else ""  # type: ignore[attr-defined]
    return words


def _header(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"


_PAGES: dict[str, Callable[[], str]] = {
    "errors.md": _errors,
    "job-errors.md": _pilot_errors,
    "statuses.md": _statuses,
    "settings.md": _settings,
    "queue-settings.md": _queue_settings,
    "configuration.md": _configuration,
    "commands.md": commands_page.text,
    "brokerage.md": brokerage_page.text,
}


def main(argv: list[str]) -> int:
    """Write the pages, or check them; the exit code."""
    if argv == ["--check"]:
        names = stale()
        for name in names:
            print(f"docs/reference/{name} is not what the code says: python -m tools.reference")
        return 1 if names else 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
