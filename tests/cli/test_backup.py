"""`sitehub backup` and `restore`, as a process and without a hub."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hub.__main__ import run
from hub.process.data_directory import held


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory in which a device is enrolled."""
    path = tmp_path / "data"
    (path / "media").mkdir(parents=True)
    words = ["device", "add", "--sn", "SN1", "--code", "12345678", "--did", "7"]
    assert run([*words, "--data", str(path)]) == 0
    return path


def test_a_backup_is_written_and_restored(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, new = tmp_path / "site.backup", tmp_path / "new"
    assert run(["backup", str(file), "--data", str(data)]) == 0
    assert [path.name for path in tmp_path.glob("site*")] == ["site.backup"]
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
    assert run(["restore", str(file), "--data", str(new)]) == 0
    capsys.readouterr()
    assert run(["device", "list", "--json", "--data", str(new)]) == 0
    assert '"did":"7"' in capsys.readouterr().out
    assert run(["audit", "--data", str(data)]) == 0
    assert f"backup.file  {file}" in capsys.readouterr().out


@pytest.mark.parametrize("exists", [True, False])
def test_a_refused_restore_leaves_nothing_behind_and_says_what_to_do(
    exists: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, new = tmp_path / "no-backup", tmp_path / "new"
    file.write_bytes(b"x" * 100_000)
    if exists:
        new.mkdir()
    assert run(["restore", str(file), "--data", str(new)]) == 1
    assert (
        "; copy it again from where it was made, or restore another one" in capsys.readouterr().err
    )
    assert new.exists() == exists
    assert not exists or list(new.iterdir()) == []


def test_a_restore_over_data_is_refused_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.backup"
    assert run(["backup", str(file), "--data", str(data)]) == 0
    capsys.readouterr()
    assert run(["restore", str(file), "--data", str(data)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--force" in error


def test_a_restore_is_refused_while_a_hub_runs(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.backup"
    assert run(["backup", str(file), "--data", str(data)]) == 0
    with held(data, "hub"):
        assert run(["restore", str(file), "--force", "--data", str(data)]) == 1
    assert "a hub is already running" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_file_that_cannot_be_used_is_named(
    command: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "missing" / "site.backup"
    assert run([command, str(file), "--data", str(data)]) == 1
    assert str(file) in capsys.readouterr().err


def test_a_backup_that_fails_leaves_no_file(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "hub.sqlite").write_bytes(b"nonsense")
    assert run(["backup", str(tmp_path / "b"), "--data", str(data)]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_restore_under_another_address_says_what_to_enter_in_the_cameras(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "sitehub.toml").write_text('[devices]\nbind = "10.9.8.7"\n')
    assert run(["backup", str(tmp_path / "b"), "--data", str(data)]) == 0
    new = tmp_path / "new"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SITEHUB_DEVICES_BIND", "10.9.8.6")
        capsys.readouterr()
        assert run(["restore", str(tmp_path / "b"), "--data", str(new)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "cameras reached the hub at 10.9.8.7; this computer has" in lines
    assert "  wss://10.9.8.6:8444/" in lines
    assert any(line.startswith("  https://") for line in lines)


def test_a_terminal_asks_for_the_passphrase_and_shows_nothing_of_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked = tmp_path / "site.backup", []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "correct horse battery"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", ask)
    sealed = ["--passphrase-stdin", "--data"]
    assert run(["backup", str(file), *sealed, str(data)]) == 0
    assert run(["restore", str(file), *sealed, str(tmp_path / "new")]) == 0
    assert asked == ["Passphrase: ", "Repeat for confirmation: ", "Passphrase: "]
