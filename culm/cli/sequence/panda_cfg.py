"""The section [sequencer] of panda.cfg: where the mail is that tells of ends of tasks."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from culm.core.errors import FieldFault, Misconfigured
from culm.core.nearest import unknown_name

SECTION = "sequencer"
PROTOCOLS = ("imap", "pop3")
_PORTS = {("imap", True): 993, ("imap", False): 143, ("pop3", True): 995, ("pop3", False): 110}
_KEYS = ("mail_protocol", "mail_host", "mail_port", "mail_user", "mail_pass", "mail_ssl",
         "mail_interval", "mail_keepalive", "mail_from")  # fmt: skip
_NEEDED = ("mail_protocol", "mail_host", "mail_user", "mail_pass")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAccess:
    """How to get at the mail. `interval_minutes` is between two looks; only from `sender`."""

    protocol: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    ssl: bool
    interval_minutes: float
    keepalive: bool
    sender: str = ""


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where panda.cfg is: in `PANDA_CONFIG_ROOT`, else in `~/.pathena`."""
    root = environment.get("PANDA_CONFIG_ROOT")
    return (Path(root) if root else Path.home() / ".pathena").expanduser() / "panda.cfg"


def mail_access(path: Path) -> MailAccess | None:
    """What the section [sequencer] says; None if there is no such file or section.

    Raises:
        Misconfigured: with a fault for each entry that is unknown, missing or wrong.
    """
    parser = configparser.RawConfigParser()  # passwords hold % and $
    try:
        found = parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        fault = FieldFault(str(path), type(error).__name__, " ".join(str(error).split()))
        raise Misconfigured("panda.cfg cannot be read", faults=[fault]) from error
    if not found or not parser.has_section(SECTION):
        return None
    return _access(path, dict(parser.items(SECTION)))


def _access(path: Path, entries: Mapping[str, str]) -> MailAccess:
    faults = [FieldFault(f"{path}: {name}", "given", unknown_name(name, _KEYS))
              for name in entries if name not in _KEYS]  # fmt: skip
    faults += [FieldFault(f"{path}: {name}", "missing", "is needed in [sequencer]")
               for name in _NEEDED if not entries.get(name)]  # fmt: skip
    protocol = entries.get("mail_protocol", "imap").lower()
    if protocol not in PROTOCOLS:
        faults.append(_wrong(path, entries, "mail_protocol", unknown_name(protocol, PROTOCOLS)))
        protocol = PROTOCOLS[0]
    ssl = _truth(path, entries, "mail_ssl", faults)
    port = _number(path, entries, "mail_port", _PORTS[protocol, ssl], faults)
    interval = _number(path, entries, "mail_interval", 5, faults)
    keepalive = _truth(path, entries, "mail_keepalive", faults)
    if faults:
        raise Misconfigured("the mail for sequences is not set up", faults=faults,
                            hint=f"mend {path}, or: culm sequence --by server")  # fmt: skip
    return MailAccess(
        protocol=protocol, host=entries["mail_host"], port=int(port), user=entries["mail_user"],
        password=entries["mail_pass"], ssl=ssl, interval_minutes=interval, keepalive=keepalive,
        sender=entries.get("mail_from", ""),
    )  # fmt: skip


def _truth(path: Path, entries: Mapping[str, str], name: str, faults: list[FieldFault]) -> bool:
    found = _TRUTHS.get(entries.get(name, "False").strip().lower())
    if found is None:
        faults.append(_wrong(path, entries, name, "True or False is needed"))
    return bool(found)


def _number(
    path: Path, entries: Mapping[str, str], name: str, default: float, faults: list[FieldFault]
) -> float:
    try:
        found = float(entries.get(name, default))
    except ValueError:
        found = -1.0
    if not 0 < found <= 65_535:
        faults.append(_wrong(path, entries, name, "a number above zero is needed"))
    return found


def _wrong(path: Path, entries: Mapping[str, str], name: str, needed: str) -> FieldFault:
    return FieldFault(f"{path}: {name}", repr(entries.get(name)), needed)
