"""Settings: which layer wins, what is an error, what is derived."""

from __future__ import annotations

from pathlib import Path

import pytest

from culm.core import settings as module
from culm.core.errors import Misconfigured
from culm.core.settings import Settings, load_settings, local_server_url


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "SYSTEM_FILE", tmp_path / "etc" / "config.toml")
    return tmp_path


def load(home: Path, flags: dict | None = None, **environment: str) -> Settings:
    work = home / "work"
    work.mkdir(exist_ok=True)
    return load_settings(flags, {"HOME": str(home), **environment}, work)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_defaults_are_derived_from_the_data_directory(home: Path) -> None:
    found = load(home)
    data = home / ".local" / "share" / "culm"
    assert found.data_dir == data
    assert found.database_url == f"sqlite:///{data}/culm.db"
    assert (found.storage_dir, found.sandbox_dir, found.keys_dir, found.token_file) == (
        data / "storage", data / "sandboxes", data / "keys", data / "tokens" / "user.token",
    )  # fmt: skip
    assert found.server_url == "http://127.0.0.1:8810"
    assert found.origin("data_dir") == "default"


def test_each_layer_wins_over_those_below_and_says_so(home: Path) -> None:
    user, project = home / ".config" / "culm" / "config.toml", home / "work" / "culm.toml"
    layers = [
        (lambda: write(home / "etc" / "config.toml", "server_port = 1"), 1, "etc/config.toml"),
        (lambda: write(user, "server_port = 2"), 2, ".config/culm/config.toml"),
        (lambda: write(project, "server_port = 3"), 3, "work/culm.toml"),
    ]
    for write_layer, port, origin in layers:
        write_layer()
        found = load(home)
        assert (found.server_port, found.origin("server_port")) == (port, str(home / origin))
    found = load(home, CULM_SERVER_PORT="4")
    assert (found.server_port, found.origin("server_port")) == (4, "environment CULM_SERVER_PORT")
    found = load(home, {"server_port": 5}, CULM_SERVER_PORT="4")
    assert (found.server_port, found.origin("server_port")) == (5, "flag")


def test_flag_that_was_not_given_hides_nothing(home: Path) -> None:
    assert load(home, {"server_port": None}, CULM_SERVER_PORT="4").server_port == 4


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("server_prot = 1", "did you mean server_port?"),
        ("server_port = 'x'", "a whole number from 1 to 65535"),
        ("server_port = 0", "a whole number from 1 to 65535"),
        ("server_port = true", "a whole number from 1 to 65535"),
        ("data_dir = 3", "a path is needed"),
        ("server_url = 3", "a string is needed"),
        ("server_url = 'nonsense'", "a URL like http://"),
        ("server_url = 'ftp://a'", "a URL like http://"),
        ("server_url = 'http://'", "a URL like http://"),
        ("server_url = 'http://a:port'", "a URL like http://"),
        ("server_url = 'http://[::1'", "a URL like http://"),
        ("prefect_api_url = '127.0.0.1:4200/api'", "a URL like http://"),
        ("log_level = 'LOUD'", "unknown; known are DEBUG, ERROR, INFO, WARNING"),
        ("sandbox_max_mb = -1", "a whole number from 1"),
        ("[server]\nport = 1", "did you mean server_"),
        ("server_port = ", "a TOML file"),
    ],
)
def test_file_that_does_not_fit_is_refused_by_name(home: Path, text: str, fault: str) -> None:
    write(home / "work" / "culm.toml", text)
    with pytest.raises(Misconfigured) as caught:
        load(home)
    assert fault in str(caught.value)
    assert "culm.toml" in str(caught.value)


def test_every_fault_is_named_at_once(home: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        load(home, CULM_SERVER_PROT="1", CULM_PREFECT_PORT="x")
    assert len(caught.value.faults) == 2


@pytest.mark.parametrize("name", ["CULM_TOKEN", "CULM_JOB_ID", "CULM_PILOT_QUEUE", "CULM_XYZ"])
def test_variables_that_are_no_settings_are_left_alone(home: Path, name: str) -> None:
    load(home, **{name: "x"})


def test_variable_of_a_setting_is_none_of_those_left_alone(home: Path) -> None:
    found = load(home, CULM_TOKEN_FILE="/mine", CULM_TOKEN="abc")
    assert found.token_file == Path("/mine")
    assert found.origin("token_file") == "environment CULM_TOKEN_FILE"


def test_empty_path_is_no_path(home: Path) -> None:
    with pytest.raises(Misconfigured):
        load(home, CULM_DATA_DIR="")


def test_public_address_is_called_by_loopback(home: Path) -> None:
    assert load(home, CULM_SERVER_HOST="0.0.0.0").server_url == "http://127.0.0.1:8810"
    assert load(home, CULM_SERVER_HOST="::1").server_url == "http://[::1]:8810"
    elsewhere = load(home, CULM_SERVER_URL="https://far.example/", CULM_SERVER_PORT="9")
    assert elsewhere.server_url == "https://far.example"
    assert local_server_url(elsewhere) == "http://127.0.0.1:9"


def test_relative_paths_mean_the_same_in_every_process(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    found = load(home, CULM_DATA_DIR="data", CULM_DATABASE_URL="sqlite:///books.db")
    assert found.data_dir == home / "data"
    assert found.database_url == f"sqlite:///{home}/books.db"


def test_xdg_directories_are_honoured(home: Path) -> None:
    write(home / "xdg" / "culm" / "config.toml", "server_port = 7")
    found = load(home, XDG_CONFIG_HOME=str(home / "xdg"), XDG_DATA_HOME=str(home / "share"))
    assert (found.server_port, found.data_dir) == (7, home / "share" / "culm")


def test_source_of_the_grid_may_be_none(home: Path) -> None:
    assert load(home, CULM_GRID_SOURCE="").grid_source == ""
    with pytest.raises(Misconfigured):
        load(home, CULM_GRID_SOURCE="", CULM_SERVER_URL="")
