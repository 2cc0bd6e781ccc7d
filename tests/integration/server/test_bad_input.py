"""Bad input by the command and by the API, to a real server: words, exit code, no trace."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import inspect

from culm.cli.main import run
from server.identity.actor import Role
from server.identity.keys import KeyRing
from server.identity.tokens import Grant, issue_token
from tests.builders import a_dataset, a_task, run_stages
from tests.live_server import LiveServer, live_server
from tests.server_scene import a_token

BOBS = "10000001"
Said = tuple[int, str, str]
Culm = Callable[..., Said]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("bad")
    with live_server(f"sqlite:///{folder}/culm.db", folder) as running:
        assert str(a_task(running.books, user="bob")) == BOBS
        run_stages(running.books)
        a_dataset(running.books, 3, "user.alice.data")
        a_dataset(running.books, 0, "user.alice.empty")
        yield running


@pytest.fixture
def culm(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Culm:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CULM_SERVER_URL", server.settings.server_url)
    monkeypatch.setenv("CULM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CULM_TOKEN", a_token(server.settings, "alice", "user"))

    def call(*words: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(words)
        return (code, *capsys.readouterr())

    return call


def traces(server: LiveServer) -> dict[str, int]:
    """How many rows each table has, and how many files there are."""
    with server.books.read() as session:
        tables = inspect(session.connection()).get_table_names()
        count = session.connection().exec_driver_sql
        rows = {name: int(count(f"SELECT COUNT(*) FROM {name}").scalar() or 0) for name in tables}
    folders = (server.settings.storage_dir, server.settings.sandbox_dir)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return rows | {"files": len(files)}


IN = ("--inDS", "user.alice.data")
PRUN = {
    "unknown option": (["--inDs", "a"], "--inDS"),
    "wrong type": ([*IN, "--nFilesPerJob", "1e3"], "'1e3' was given"),
    "zero": ([*IN, "--nFilesPerJob", "0"], "--nFilesPerJob: 0 - must be from 1"),
    "negative": (["--nJobs", "-1"], "--nJobs: -1 - must be from 1"),
    "absurd": (["--nCore", "9" * 30], "--nCore: " + "9" * 30),
    "no number": ([*IN, "--nGBPerJob", "nan"], "--nGBPerJob: nan"),
    "no size": (["--memory", "lots"], "--memory: 'lots' - a size looks like"),
    "no duration": (["--walltime", "1e999"], "--walltime: '1e999' - a duration looks like"),
    "two exclusive ones": ([*IN, "--nJobs", "2", "--nFilesPerJob", "2"], "--nJobs: 2 - give --nJ"),
    "input and none": ([*IN, "--noInput"], "--noInput"),
    "missing dataset": (["--inDS", "user.alice.dta"], "--inDS: user.alice.dta - no such dataset"),
    "empty dataset": (["--inDS", "user.alice.empty"], "--inDS: user.alice.empty - has no files"),
    "pattern without a match": ([*IN, "--match", "z*"], "--match: z* - matches no file of"),
    "secondary dataset": (
        [*IN, "--secondaryDSs", "IN2:1:nowhere"], "--secondaryDSs: nowhere - no such dataset",
    ),
    "output with a slash": (["--outputs", "a/b"], "--outputs: 'a/b' - an output is a file name"),
    "unknown site": (["--site", "LOCALE"], "--site: LOCALE - unknown; did you mean LOCAL?"),
    "unknown excluded site": (["--excludedSite", "X"], "--excludedSite: X - unknown; known are"),
    "no such parent": (["--parentTaskID", "7"], "--parentTaskID: 7 - no such task of yours"),
    "another's parent": (["--parentTaskID", BOBS], f"--parentTaskID: {BOBS} - no such task"),
    "another's name": (["--outDS", "user.bob.x"], "--outDS: 'user.bob.x' - must begin with"),
    "key": (["--key", "a b"], "--key: 'a b'"),
    "half a character": (["--outDS", "user.alice.\udcff"], "--outDS"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PRUN)
def test_bad_submission_is_refused_by_its_option(culm: Culm, server: LiveServer, kind: str) -> None:
    words, expected = PRUN[kind]
    before = traces(server)
    code, out, err = culm("prun", "--noSandbox", "--exec", "true", *words)
    assert (code, out) == (2, ""), err
    assert expected in err
    assert "internal error" not in err
    assert traces(server) == before


COMMANDS = {
    "another's task": (["task", "show", BOBS], 4, f"no task {BOBS}"),
    "another's task to kill": (["task", "kill", "--yes", BOBS], 4, f"no task {BOBS}"),
    "another's job": (["job", "show", "1"], 4, "no job 1"),
    "another's job to kill": (["job", "kill", "--yes", "1"], 4, "no job 1"),
    "another's logs": (["task", "logs", BOBS], 4, f"no task {BOBS}"),
    "absurd id": (["task", "show", "9" * 30], 4, "no task 999"),
    "no id": (["task", "show", "x"], 2, "ids look like"),
    "no status": (["task", "list", "--status", "bogus"], 2, "status: 'bogus' - unknown"),
    "no dataset": (["dataset", "files", "user.alice.dta"], 4, "no dataset user.alice.dta"),
    "odd dataset": (["dataset", "add", "user.alice.a b"], 2, "a dataset name is"),
    "another's dataset": (["dataset", "add", "user.bob.x"], 3, "is not yours to make"),
    "odd queue setting": (["queue", "set", "LOCAL", "core_count=1e400"], 3, "roles: admin"),
    "folder that cannot be": (
        ["dataset", "get", "user.alice.data", "--dir", "/proc/x"], 2, "--dir /proc/x: a folder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", COMMANDS)
def test_bad_command_says_why_and_changes_nothing(
    culm: Culm, server: LiveServer, kind: str
) -> None:
    words, expected, said = COMMANDS[kind]
    before = traces(server)
    code, out, err = culm(*words)
    assert (code, out) == (expected, ""), err
    assert said in err
    assert traces(server) == before


@pytest.mark.parametrize("value", ["1e400", "NaN", "[1", "-1", "true", ""])
def test_bad_queue_setting_is_named(
    culm: Culm, server: LiveServer, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CULM_TOKEN", a_token(server.settings, "root", "user", "admin"))
    before = traces(server)
    code, _, err = culm("queue", "set", "LOCAL", f"core_count={value}")
    assert (code, "  core_count: " in err) == (2, True), err
    assert traces(server) == before


CYCLE = """shares: [{name: default, weight: 100}, {name: x, weight: 1, parent: y},
         {name: y, weight: 1, parent: x}]"""
OPERATOR = {
    "unknown setting": (["queue", "set", "LOCAL", "core_cont=8"], "did you mean core_count?"),
    "unknown setting in a file": (["queue", "add", "grid.yaml"], "did you mean max_memory_mb?"),
    "shares over 100": (["share", "set", "over.yaml"], "weights at the top: default 60 + a 41"),
    "cycle in the tree": (["share", "set", "cycle.yaml"], "x → y → x - no cycle"),
    "tagging rule": (["share", "rules", "rules.yaml"], "rules[0].user: a(b - a regular expr"),
    "retry rule": (["retry-rule", "add", "--source", "pilot", "--action", "no_retry",
                    "--pattern", "[z-a]"], "pattern: '[z-a]' - a Python regular expression"),
    "scope of a retry rule": (["retry-rule", "add", "--source", "pilot", "--action", "no_retry",
                               "--code", "1305", "--workQueue", "defalt"], "did you mean default?"),
    "threshold": (["set", "BROKERAGE_WEIGHTS_user", "x"], "did you mean BROKERAGE_WEIGHT_"),
}  # fmt: skip
FILES = {
    "cycle.yaml": CYCLE,
    "over.yaml": "shares: [{name: default, weight: 60}, {name: a, weight: 41}]",
    "rules.yaml": "rules: [{share: default, user: 'a(b'}]",
    "grid.yaml": "queues: {Q: {site: LOCAL, settings: {max_memory: 1}}}",
}


@pytest.mark.parametrize("kind", OPERATOR)
def test_operators_slip_is_named_and_changes_nothing(
    culm: Culm, server: LiveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    monkeypatch.setenv("CULM_TOKEN", a_token(server.settings, "root", "user", "admin"))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    words, said = OPERATOR[kind]
    before = traces(server)
    code, out, err = culm(*words)
    assert (code in (2, 4), out, said in err) == (True, "", True), err
    assert "internal error" not in err
    assert traces(server) == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "abc", "\udcff"])
def test_standard_input_without_ids_is_refused(culm: Culm, text: str) -> None:
    code, out, err = culm("task", "kill", "--yes", "-", stdin=text)
    assert (code, out) == (2, ""), err
    assert "CULM-1001" in err


def test_sandbox_over_the_limit_is_not_sent(
    culm: Culm, server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CULM_SANDBOX_MAX_MB", "1")
    (tmp_path / "big.bin").write_bytes(os.urandom(1_200_000))
    before = traces(server)
    code, out, err = culm("prun", "--exec", "true")
    assert (code, out) == (2, "")
    assert "1 MB are allowed (CULM-1006)" in err
    assert traces(server) == before


def _expired(server: LiveServer) -> str:
    grant = Grant(subject="alice", roles=frozenset({Role.USER}), lifetime=timedelta(hours=1))
    keys = KeyRing.open(server.settings.keys_dir)
    return issue_token(keys, grant, datetime.now(UTC) - timedelta(hours=2))


def _forged(server: LiveServer) -> str:
    grant = Grant(subject="alice", roles=frozenset({Role.ADMIN}), lifetime=timedelta(hours=1))
    keys = KeyRing.open(server.settings.data_dir / "other_keys")
    return issue_token(keys, grant, datetime.now(UTC))


def _for_another_audience(server: LiveServer) -> str:
    import jwt

    key = KeyRing.open(server.settings.keys_dir).signing()
    claims = jwt.decode(a_token(server.settings, "alice", "user"), options={
        "verify_signature": False})  # fmt: skip
    return jwt.encode(claims | {"aud": "other"}, key.private, "EdDSA", {"kid": key.kid})


def _words(_: LiveServer) -> str:
    return "no token at all"


def _pilots(server: LiveServer) -> str:
    return a_token(server.settings, "provisioner", "pilot", queues=("*",))


@pytest.mark.parametrize("make", [_expired, _forged, _for_another_audience, _pilots, _words])
def test_bad_token_opens_nothing(
    culm: Culm, server: LiveServer, monkeypatch: pytest.MonkeyPatch,
    make: Callable[[LiveServer], str],
) -> None:  # fmt: skip
    token = make(server)
    monkeypatch.setenv("CULM_TOKEN", token)
    before = traces(server)
    for words in (["task", "list"], ["prun", "--noSandbox", "--exec", "true"]):
        code, out, err = culm(*words)
        assert (code, out) == (3, ""), err
        assert token not in err
    assert traces(server) == before
