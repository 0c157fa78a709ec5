"""Rules for every command: help, exit status, one line per error, a fast start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hub import __main__ as entry
from hub import __version__
from hub.cli import sitehub as root
from hub.process import data_directory
from hub.service_manager.linux.systemd import SystemdService
from tests.cli.conftest import Sitehub


def commands_of(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def every_command(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in commands_of(group).items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


COMMANDS = dict(every_command(root))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help(sitehub: Sitehub, path: tuple[str, ...]) -> None:
    outcome = sitehub(*path, "--help")
    assert outcome.status == 0
    assert outcome.out.startswith(f"Usage: sitehub {' '.join(path)}")
    command = COMMANDS[path]
    assert command.name == path[-1]
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_accepts_a_data_directory(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    if not isinstance(command, click.Group):
        assert any("--data" in parameter.opts for parameter in command.params)


#: Commands that need no hub in a data directory.
MAKE_A_HUB = (("run",), ("restore",), ("service", "install"))
OF_NO_HUB = (("version",), ("simulate",), ("central",), ("service",))
OF_A_HUB = {
    path: command
    for path, command in COMMANDS.items()
    if path not in MAKE_A_HUB and path[:1] not in OF_NO_HUB
    if not isinstance(command, click.Group) or command.invoke_without_command
}


def words_for(command: click.Command, file: Path) -> list[str]:
    """Return what a command has to be given."""
    words = []
    for parameter in command.params:
        if not parameter.required:
            continue
        if isinstance(parameter.type, click.Choice):
            value = str(parameter.type.choices[0])
        else:
            value = str(file) if isinstance(parameter.type, click.Path) else "1"
        words += [parameter.opts[0], value] if isinstance(parameter, click.Option) else [value]
    return words


@pytest.mark.parametrize("is_there", [False, True], ids=["no folder", "empty folder"])
@pytest.mark.parametrize("path", OF_A_HUB, ids=" ".join)
def test_a_directory_without_a_hub_is_refused_and_none_is_made(
    sitehub: Sitehub, tmp_path: Path, path: tuple[str, ...], is_there: bool
) -> None:
    (file := tmp_path / "file").touch()
    wrong = tmp_path / "wrong"
    if is_there:
        wrong.mkdir()
    outcome = sitehub(*path, "--data", str(wrong), *words_for(OF_A_HUB[path], file))
    assert outcome == (
        1,
        "",
        f"sitehub: there is no hub in {wrong}; name the data directory of your hub with --data, "
        f'or start one with "sitehub run --data {wrong}"\n',
    )
    assert set(wrong.rglob("*")) == set()
    assert wrong.exists() == is_there


def test_who_forgot_sudo_is_told_where_the_data_of_the_service_is(
    sitehub: Sitehub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SITEHUB_DATA")
    monkeypatch.setattr(data_directory, "is_administrator", lambda: False)
    monkeypatch.setattr(data_directory, "system_service", lambda: SystemdService(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    outcome = sitehub("user", "setup-link")
    assert outcome.status == 1
    assert outcome.err.endswith('or start one with "sitehub run"\n')
    (tmp_path / "var/lib/sitehub").mkdir(parents=True)
    outcome = sitehub("user", "setup-link")
    assert f"the data of the service is in {tmp_path / 'var/lib/sitehub'}: repeat" in outcome.err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may look everywhere")
def test_who_may_not_look_into_a_directory_is_told_to_repeat_it_with_sudo(
    sitehub: Sitehub, data_dir: Path
) -> None:
    data_dir.chmod(0)
    outcome = sitehub("user", "list")
    data_dir.chmod(0o700)
    assert outcome.status == 1
    assert f"cannot look into {data_dir}: Permission denied; repeat the command" in outcome.err


def test_the_commands_are_those_of_the_contract() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "run",
        *("device", "device add", "device import", "device list", "device remove"),
        *("device disable", "device enable", "device set", "device replace"),
        *("device waiting", "device check", "device accept", "device init"),
        *("device export", "device trace"),
        *("firmware", "firmware add", "firmware list", "firmware remove", "firmware give"),
        *("firmware campaigns", "firmware campaign", "firmware downloads"),
        *("firmware pause", "firmware resume", "firmware stop"),
        *("service", "service install", "service uninstall"),
        *("service start", "service stop", "service status"),
        *(["service run"] if sys.platform == "win32" else []),
        "site-key",
        *("user", "user add", "user passwd", "user list", "user remove", "user setup-link"),
        *("user role", "user enable", "user disable", "user sign-out"),
        "user remove-second-factor",
        *("apikey", "apikey add", "apikey list", "apikey remove"),
        *("audit", "status", "logs", "doctor", "simulate", "update", "version"),
        *("backup", "restore"),
        *("person", "person add", "person list", "person show", "person set", "person remove"),
        *("person import", "person export", "person sync"),
        *("group", "group add", "group list", "group set", "group remove"),
        *("alarm", "alarm list", "alarm ack", "alarm close"),
        *("plate-list", "plate-list add", "plate-list list"),
        *("plate-list set", "plate-list remove"),
        *("target", "target add", "target list", "target set", "target remove"),
        *("target test", "target retry", "target restored"),
        *("central", "central init", "central prepare", "central enrol", "central remove"),
        *("central run", "central status", "central read-again", "central reissue"),
        *("central forget", "central prune", "central erase"),
        *("central codes", "central admit", "central asked"),
        *("hold", "hold list", "hold add", "hold release", "hold export", "erase"),
        *("retention", "retention confirm", "retention confirm-clock", "reload"),
        # Hidden: an update runs it.
        "selftest",
    }


def test_version_is_that_of_the_distribution(sitehub: Sitehub) -> None:
    assert sitehub("version") == (0, f"sitehub {__version__}\n", "")


def test_the_module_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "hub", "version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"sitehub {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["version"], 0), (["user", "passwd", "anna", "--password-stdin"], 1)],
)
def test_a_command_works_without_standard_streams(
    data_dir: Path, arguments: list[str], status: int
) -> None:
    program = (
        "import sys; sys.stdin = sys.stdout = sys.stderr = None; "
        f"from hub.__main__ import main; main({arguments})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_command_imports_no_other_commands() -> None:
    program = "import sys; from hub.__main__ import run; run(['version']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    imported = {name for name in done.stdout.split() if name.startswith("hub.cli.")}
    assert imported == {"hub.cli.version", "hub.cli.options"}


@pytest.mark.parametrize(
    "line", [["frob"], ["device", "add"], ["run", "--frob"], ["run", "--demo", "0"]]
)
def test_wrong_usage_is_status_2(sitehub: Sitehub, line: list[str]) -> None:
    outcome = sitehub(*line)
    assert outcome.status == 2
    assert outcome.out == ""
    assert "Usage: sitehub" in outcome.err


def test_an_error_is_one_line_and_status_1(sitehub: Sitehub) -> None:
    outcome = sitehub("device", "remove", "4711")
    assert outcome == (1, "", "sitehub: there is no device with did 4711\n")


def test_a_file_given_as_the_data_directory_is_one_line_too(
    sitehub: Sitehub, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        outcome = sitehub("device", "list", "--data", str(path))
        assert outcome.status == 1
        [line] = outcome.err.splitlines()
        assert line.startswith(f"sitehub: there is no hub in {path}; ")


@pytest.mark.parametrize("words", [("site-key",), ("device", "import")])
def test_a_directory_given_as_a_file_is_one_line_too(
    sitehub: Sitehub, tmp_path: Path, words: tuple[str, ...]
) -> None:
    outcome = sitehub(*words, str(tmp_path))
    assert outcome.status == 1
    [line] = outcome.err.splitlines()
    assert str(tmp_path) in line


def test_an_internal_error_is_one_line_too(
    sitehub: Sitehub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ValueError("what\nnow")

    monkeypatch.setattr(entry.sitehub, "main", fail)
    outcome = sitehub("version")
    assert outcome.status == 1
    [line] = outcome.err.splitlines()
    assert "ValueError: what now" in line
    assert "test_commandline.py:" in line
