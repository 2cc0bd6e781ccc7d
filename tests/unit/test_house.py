"""The rules of the house that neither ruff nor import-linter can see."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from culm.core.house import PACKAGES
from tasks.configuration import GROUPS
from tasks.queues import QueueSettings
from tools import reference

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = {"prefect", "fastapi", "starlette", "pydantic", "sqlalchemy", "sqlmodel", "httpx", "rich"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a statement."""
    program = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, cwd=ROOT)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def modules_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported_at_load(path: Path) -> Iterator[str]:
    """Top-level modules that a file imports when it is itself imported."""
    for node in _outside_functions(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        yield child
        yield from _outside_functions(child)


def test_the_wheel_is_told_all_seven_packages() -> None:
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)
    assert set(PROJECT["tool"]["mypy"]["packages"]) == set(PACKAGES)
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_no_flow_module_bears_the_name_of_a_package() -> None:
    """A path entry point puts `flows/` first on the path: such a module would shadow it."""
    taken = {path.stem for path in (ROOT / "flows").iterdir() if path.suffix in ("", ".py")}
    assert taken.isdisjoint(PACKAGES)


@pytest.mark.parametrize(
    ("library", "home"), [("prefect", "flows"), ("fastapi", "server"), ("starlette", "server")]
)
def test_library_is_imported_in_its_home_alone(library: str, home: str) -> None:
    strangers = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        if package != home
        for path in modules_of(package)
        if library in imported_at_load(path)
    ]
    assert strangers == []


_UPDATE = re.compile(r"update\s+\w+\s+set\s.*\bstatus\s*=", re.IGNORECASE | re.DOTALL)


def status_writes(path: Path) -> Iterator[str]:
    """What a file writes to columns named `status`: values of Core statements, and SQL texts."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "values":
            yield from (ast.unparse(k.value) for k in node.keywords if k.arg == "status")
        elif isinstance(node, ast.Constant) and _UPDATE.search(str(node.value)):
            yield str(node.value)


def test_statuses_of_machines_are_moved_in_one_module_alone() -> None:
    """Pilots and queues have no machine; whatever else moves a status reports an event."""
    moves = ROOT / "tasks" / "store" / "moves.py"
    written = {
        str(path.relative_to(ROOT)): found
        for package in PACKAGES
        for path in modules_of(package)
        if path != moves and "migrations" not in path.parts
        if (found := {w for w in status_writes(path) if "PilotStatus" not in w})
    }
    assert written == {
        "tasks/grid_changes.py": {"str(QueueStatus.OFFLINE)"},
        "tasks/queue_changes.py": {"str(QueueStatus.ONLINE)", "str(status)"},
    }
    assert len(list(status_writes(moves))) >= 2


def test_import_culm_is_light() -> None:
    assert loaded_by("import culm").isdisjoint(HEAVY)


def test_pilots_import_nothing_of_the_servers_side() -> None:
    found = loaded_by("import pilot")
    assert found.isdisjoint({"tasks", "server", "flows", "broker", "cwl", "prefect", "fastapi"})


def test_command_line_starts_without_the_upper_floors() -> None:
    found = loaded_by("import culm.cli.main")
    assert found.isdisjoint({"tasks", "server", "flows", "prefect", "fastapi", "sqlalchemy"})


def test_generated_reference_pages_are_true() -> None:
    assert reference.stale() == [], "run: python -m tools.reference"


def test_every_error_code_has_its_section() -> None:
    text = (reference.REFERENCE / "errors.md").read_text()
    for code in reference.errors.BY_CODE:
        assert f"## {code} " in text


def test_every_page_of_the_documents_is_in_the_navigation() -> None:
    """mkdocs says it too, but only where the documents are built."""
    listed = (ROOT / "mkdocs.yml").read_text()
    pages = [str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in listed] == []


def test_how_to_uses_settings_of_a_queue_that_there_are() -> None:
    page = (ROOT / "docs" / "how-to" / "queue.md").read_text()
    used = set(re.findall(r"(\w+)=\d", page))
    for settings in re.findall(r"settings: \{(.*?)\}", page):
        used |= set(re.findall(r"(\w+):", settings))
    assert len(used) > 2
    assert used <= {field.name for field in fields(QueueSettings)}


def test_links_of_the_house_files_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md"):
        path = ROOT / name
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{name}: {target}"


def test_hooks_call_the_one_check_script() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    steps = re.findall(r"entry: (.*)", hooks)
    assert steps
    assert all(step.startswith("tools/check ") for step in steps)


@pytest.mark.slow
def test_wheel_holds_the_packages_and_the_demo(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(argv, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("culm-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {
        "culm/cli/demo/data/digits.csv.gz",
        "culm/cli/demo/data/README.md",
        "culm/cli/demo/payload/classify.py",
        "culm/cli/demo/payload/merge.py",
        "culm/cli/demo/payload/picture.py",
    } <= names
    tops = {name.partition("/")[0] for name in names if not name.startswith("culm-")}
    assert tops == set(PACKAGES)


def test_every_threshold_is_read_somewhere() -> None:
    code = "".join(path.read_text() for package in PACKAGES for path in modules_of(package))
    names = [field.name for _, _, kind in GROUPS for field in fields(kind)]
    assert [name for name in names if not re.search(rf"\.{name}\b", code)] == []
