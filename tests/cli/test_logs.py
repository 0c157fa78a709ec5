"""`sitehub logs`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.cli.conftest import Outcome, Sitehub

#: In the package its name is the command's.
logs = import_module("hub.cli.logs")

LINE = "2026-11-25 12:00:00.000 {level:<8} {text}  [hub]\n"


def line(text: str, level: str = "INFO") -> str:
    return LINE.format(level=level, text=text)


@pytest.fixture
def log(data_dir: Path) -> Path:
    path = data_dir / "logs" / "sitehub.log"
    path.parent.mkdir(parents=True)
    path.write_text("".join(line(f"n{n}") for n in range(300)) + line("bad", "ERROR"))
    return path


def texts(outcome: Outcome) -> list[str]:
    assert outcome.status == 0
    return [one.split()[3] for one in outcome.out.splitlines()]


def test_the_newest_lines_are_printed_in_order(sitehub: Sitehub, log: Path) -> None:
    assert texts(sitehub("logs", "--lines", "3")) == ["n298", "n299", "bad"]
    assert len(texts(sitehub("logs"))) == 200
    assert texts(sitehub("logs", "--level", "warning")) == ["bad"]
    assert texts(sitehub("logs", "-n", "0")) == []


def test_a_terminal_is_not_given_control_characters(sitehub: Sitehub, log: Path) -> None:
    log.write_bytes(b"\x1b[31mred\n")
    assert "\x1b" not in sitehub("logs").out


def test_without_a_log_the_reason_is_told(sitehub: Sitehub, data_dir: Path) -> None:
    outcome = sitehub("logs")
    assert outcome.status == 1
    assert str(data_dir / "logs") in outcome.err


def test_ctrl_c_ends_following_quietly(
    sitehub: Sitehub, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = iter([line("more"), line("again")])

    def wait(seconds: float) -> None:
        with log.open("a") as file:
            try:
                file.write(next(rounds))
            except StopIteration:
                raise KeyboardInterrupt from None

    monkeypatch.setattr(logs.time, "sleep", wait)
    outcome = sitehub("logs", "--follow", "--lines", "1")
    assert texts(outcome) == ["bad", "more", "again"]
    assert outcome.err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")
def test_a_reader_that_goes_away_ends_it_quietly(log: Path, data_dir: Path) -> None:
    log.write_text("".join(line(f"n{n}") for n in range(20_000)))
    command = [sys.executable, "-m", "hub", "logs", "--lines", "20000", "--data", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let processes be interrupted though a shell started the tests in the background.

    Such a shell has SIGINT ignored, and what a process ignores its children ignore.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")
def test_an_interrupted_process_says_nothing(
    log: Path, data_dir: Path, interruptible: None
) -> None:
    command = [sys.executable, "-m", "hub", "logs", "--follow", "-n", "1", "--data", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert b"bad" in process.stdout.readline()
        with log.open("a") as file:
            file.write(line("more"))
        assert b"more" in process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        assert process.communicate(timeout=30)[1] == b""
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Linux has a journal")
def test_a_service_without_files_is_read_from_the_journal(
    sitehub: Sitehub, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/arguments\nprintf '{line('said')}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(logs, "_has_journal", lambda path: path == data_dir)
    assert texts(sitehub("logs", "--lines", "7")) == ["said"]
    arguments = (tmp_path / "arguments").read_text()
    assert "--unit sitehub" in arguments
    assert "--lines 7" in arguments
