"""Organisations (VOs) whose identity providers are trusted, as an operator describes them.

One folder (setting `auth_dir`): `<vo>_auth_config.json` names the provider and our client there,
`auth_policies.json` says which of its groups gives which role (documentation, 7.6.3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from culm.core.errors import FieldFault, Misconfigured
from culm.core.nearest import unknown_name
from culm.core.urls import is_trustworthy
from server.identity.actor import Role

CONFIG_SUFFIX = "_auth_config.json"
POLICIES = "auth_policies.json"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")
_RULE_KEYS = ("group", "role", "queues")


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """What bearers of one entry of the groups claim are: a role, in a group of the organisation.

    `queues` are those that a pilot may serve.
    """

    claimed: str
    group: str
    role: Role
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """One organisation. Without rules, whoever its provider vouches for is a user."""

    vo: str
    audience: str
    client_id: str
    oidc_config_url: str
    client_secret: str = ""
    scope: str = "openid profile email offline_access"
    user_claim: str = "preferred_username"
    groups_claim: str = "groups"
    rules: tuple[PolicyRule, ...] = ()


_KEYS = {f.name: f for f in fields(Organisation) if f.name != "rules"}


def read_organisations(folder: Path) -> Mapping[str, Organisation]:
    """The organisations of a folder, by name; none where there is no folder.

    Raises:
        Misconfigured: with a fault for everything in its files that does not fit.
    """
    faults: list[FieldFault] = []
    paths = sorted(folder.glob(f"*{CONFIG_SUFFIX}"))
    described = {path.name.removesuffix(CONFIG_SUFFIX): _described(path, faults) for path in paths}
    rules = _policies(folder / POLICIES, described, faults)
    if faults:
        raise Misconfigured(f"{folder}: the organisations do not fit", faults=faults)
    return {vo: Organisation(**values, rules=tuple(rules.get(vo, ())))
            for vo, values in described.items()}  # fmt: skip


def _described(path: Path, faults: list[FieldFault]) -> dict[str, str]:
    document, vo = _object(path, faults), path.name.removesuffix(CONFIG_SUFFIX)
    found: dict[str, str] = {}
    for key, value in document.items():
        if key not in _KEYS:
            faults.append(_fault(path, key, value, unknown_name(key, _KEYS)))
        elif not isinstance(value, str) or not (value or key == "client_secret"):
            faults.append(_fault(path, key, value, "a string is needed"))
        else:
            found[key] = value
    for key, field in _KEYS.items():
        if document and field.default is MISSING and key not in document:
            faults.append(_fault(path, key, None, "is missing"))
    url = found.get("oidc_config_url", "https://-")
    if not is_trustworthy(url):
        needed = "an https URL, like https://iam.example.org/.well-known/openid-configuration"
        faults.append(_fault(path, "oidc_config_url", url, needed))
    if found.get("vo", vo) != vo or not _NAME.fullmatch(vo):
        needed = f"the name of its file: <vo>{CONFIG_SUFFIX}, of letters, digits and ._-"
        faults.append(_fault(path, "vo", found.get("vo", vo), needed))
    return found


def _policies(
    path: Path, described: Mapping[str, Any], faults: list[FieldFault]
) -> dict[str, list[PolicyRule]]:
    found: dict[str, list[PolicyRule]] = {}
    document = _object(path, faults) if path.exists() else {}
    for vo, entries in document.items():
        if vo not in described:
            faults.append(_fault(path, vo, "…", f"there is no {vo}{CONFIG_SUFFIX}"))
        elif not isinstance(entries, list):
            faults.append(_fault(path, vo, entries, "a list of [claimed group, rule] is needed"))
        else:
            found[vo] = list(_rules(path, vo, entries, faults))
    return found


def _rules(
    path: Path, vo: str, entries: Sequence[Any], faults: list[FieldFault]
) -> Iterator[PolicyRule]:
    for number, entry in enumerate(entries):
        where = f"{vo}[{number}]"
        match entry:
            case [str(claimed), {"group": str(group), "role": str(role), **more}] if claimed:
                rule = _rule(claimed, group, role, {str(k): v for k, v in more.items()})
                if isinstance(rule, PolicyRule):
                    yield rule
                else:
                    faults.append(_fault(path, where, entry, rule))
            case _:
                needed = 'must be ["claimed group", {"group": "…", "role": "user"}]'
                faults.append(_fault(path, where, entry, needed))


def _rule(claimed: str, group: str, role: str, more: Mapping[str, Any]) -> PolicyRule | str:
    """A rule, or words for what is wrong with it."""
    unknown = [name for name in more if name not in _RULE_KEYS]
    if unknown:
        return unknown_name(unknown[0], _RULE_KEYS)
    if role not in set(Role):
        return f"role: {unknown_name(role, list(Role))}"
    queues = more.get("queues", [])
    if not isinstance(queues, list) or not all(isinstance(one, str) and one for one in queues):
        return "queues: a list of names is needed"
    if bool(queues) != (role == Role.PILOT):
        return "queues: those that a pilot may serve, and a pilot needs them"
    return PolicyRule(claimed, group, Role(role), tuple(queues))


def _object(path: Path, faults: list[FieldFault]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        faults.append(FieldFault(str(path), type(error).__name__, f"a JSON file ({error})"))
        return {}
    if isinstance(found, dict):
        return found
    faults.append(FieldFault(str(path), type(found).__name__, "a JSON object is needed"))
    return {}


def _fault(path: Path, key: str, value: Any, needed: str) -> FieldFault:
    # A client's secret is nobody's to read in a log.
    shown = "…" if key == "client_secret" else ascii(value)[:80]
    return FieldFault(f"{path.name}: {key}", shown, needed)
