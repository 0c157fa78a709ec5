"""The log's lines, its outputs, and what happens when an output fails."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import hub.log
from hub.config import LogConfig


@pytest.fixture(autouse=True)
def _restored_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture
def stderr() -> io.StringIO:
    return io.StringIO()


def test_an_event_is_one_line_without_control_characters(stderr: io.StringIO) -> None:
    stop = hub.log.start(LogConfig(), None, stderr)
    logging.getLogger("hub.link").info("device %s waits", "X\n\x1b[31m\ud800")
    assert stop()
    [line] = stderr.getvalue().splitlines()
    assert r"INFO     device X\n\x1b[31m\ud800 waits  [hub.link]" in line


def test_json_lines_carry_time_level_logger_message_and_exception(stderr: io.StringIO) -> None:
    stop = hub.log.start(LogConfig(format="json"), None, stderr)
    try:
        raise ValueError("no such thing")
    except ValueError:
        logging.getLogger("hub.web").warning("that failed", exc_info=True)
    assert stop()
    [line] = stderr.getvalue().splitlines()
    event = json.loads(line)
    assert event["level"] == "warning"
    assert event["logger"] == "hub.web"
    assert event["message"] == "that failed"
    assert event["exception"].endswith("ValueError: no such thing")
    assert event["time"].endswith("Z")


def test_a_traceback_has_lines_but_no_control_characters(
    stderr: io.StringIO,
) -> None:
    stop = hub.log.start(LogConfig(), None, stderr)
    try:
        raise ValueError("\x1b[2J from a peer")
    except ValueError:
        logging.getLogger("hub.web").warning("that failed", exc_info=True)
    assert stop()
    assert len(stderr.getvalue().splitlines()) > 3
    assert "\x1b" not in stderr.getvalue()
    assert r"\x1b[2J from a peer" in stderr.getvalue()


def test_without_a_terminal_the_log_goes_to_files_as_well(
    stderr: io.StringIO, tmp_path: Path
) -> None:
    stop = hub.log.start(LogConfig(), tmp_path / "logs", stderr)
    logging.getLogger("hub").info("hello")
    assert stop()
    assert "hello" in stderr.getvalue()
    assert (tmp_path / "logs" / "sitehub.log").read_text("utf-8") == stderr.getvalue()


def test_with_a_terminal_there_are_no_files(
    stderr: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.log, "_is_terminal", lambda stream: True)
    stop = hub.log.start(LogConfig(), tmp_path / "logs", stderr)
    assert stop()
    assert not (tmp_path / "logs").exists()


def test_with_the_null_device_the_log_goes_to_files(tmp_path: Path) -> None:
    """As in a Windows service; isatty() is true for the null device there."""
    with open(os.devnull, "w") as nowhere:
        stop = hub.log.start(LogConfig(), tmp_path / "logs", nowhere)
        assert stop()
    assert (tmp_path / "logs" / "sitehub.log").exists()


def test_if_no_file_can_be_written_stderr_says_so(stderr: io.StringIO, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    stop = hub.log.start(LogConfig(), tmp_path / "logs", stderr)
    assert stop()
    assert "the log is not written to files" in stderr.getvalue()


def test_a_log_that_is_stopped_twice_ends_once(stderr: io.StringIO, tmp_path: Path) -> None:
    """By the end of the hub, and by the exit of a process whose end takes too long."""
    stop = hub.log.start(LogConfig(), tmp_path, stderr)
    logging.getLogger("hub").info("the last line")
    assert stop()
    assert stop()
    assert stderr.getvalue().count("the last line") == 1


def test_a_file_that_cannot_be_closed_ends_without_a_traceback(
    stderr: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may have become read-only: what is buffered cannot be written any more."""

    def refuse(self: hub.log._LogFiles) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    failures: list[object] = []
    monkeypatch.setattr(threading, "excepthook", failures.append)
    stop = hub.log.start(LogConfig(), tmp_path, stderr)
    monkeypatch.setattr(hub.log._LogFiles, "flush", refuse)
    assert stop()
    assert failures == []


def test_files_are_rotated_and_keep_to_50_mb_in_all(
    stderr: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert hub.log._MAX_FILES * hub.log._MAX_FILE_BYTES == 50_000_000
    monkeypatch.setattr(hub.log, "_MAX_FILE_BYTES", 500)
    stop = hub.log.start(LogConfig(), tmp_path, stderr)
    for number in range(100):
        logging.getLogger("hub").info("line %d", number)
    assert stop()
    assert len(list(tmp_path.iterdir())) == hub.log._MAX_FILES
    assert all(file.stat().st_size <= 500 for file in tmp_path.iterdir())


def test_on_windows_a_file_that_is_open_elsewhere_grows_until_it_is_closed(
    stderr: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub.log, "_MAX_FILE_BYTES", 1000)
    (tmp_path / "sitehub.log").write_text("old\n" * 300)
    (tmp_path / "sitehub.log.1").write_text("older")

    def refuse(source: str, target: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), source)

    with monkeypatch.context() as held, (tmp_path / "sitehub.log").open():
        held.setattr(os, "rename", refuse)
        held.setattr(os, "replace", refuse)
        stop = hub.log.start(LogConfig(), tmp_path, stderr)
        for number in range(10):
            logging.getLogger("hub").info("line %d", number)
        assert stop()
    grown = (tmp_path / "sitehub.log").read_text("utf-8")
    assert grown.endswith(stderr.getvalue())
    stop = hub.log.start(LogConfig(), tmp_path, stderr)
    logging.getLogger("hub").info("another")
    assert stop()
    assert (tmp_path / "sitehub.log").read_text("utf-8").count("\n") == 1
    assert (tmp_path / "sitehub.log.1").read_text("utf-8") == grown
    assert (tmp_path / "sitehub.log.2").read_text("utf-8") == "older"


def test_levels_below_the_setting_are_not_written(stderr: io.StringIO) -> None:
    stop = hub.log.start(LogConfig(level="warning"), None, stderr)
    logging.getLogger("hub").info("chatter")
    logging.getLogger("hub").warning("look")
    assert stop()
    assert "chatter" not in stderr.getvalue()
    assert "look" in stderr.getvalue()


@pytest.mark.parametrize("name", ["httpx", "hypercorn.access", "trio-websocket"])
def test_libraries_do_not_log_every_request(stderr: io.StringIO, name: str) -> None:
    stop = hub.log.start(LogConfig(level="debug"), None, stderr)
    logging.getLogger(name).info("GET /?sign=secret")
    assert stop()
    assert stderr.getvalue() == ""


def test_a_blocked_console_never_makes_the_hub_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stream is a full pipe that nobody reads: lines are lost, nothing else."""
    monkeypatch.setattr(hub.log, "_STOP_SECONDS", 0.05)
    monkeypatch.setattr(hub.log, "_MAX_QUEUED_LINES", 100)
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    stop = hub.log.start(LogConfig(), None, stream)
    for _ in range(1000):
        logging.getLogger("hub").warning("x" * 1000)
    assert not stop()
    # Closing the reading end makes the writing thread fail and end.
    os.close(reading)
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(10)
    with suppress(OSError):  # BrokenPipeError; Windows raises another OSError.
        stream.close()


def test_a_repeated_line_is_written_once_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: seconds)
    log = logging.getLogger("hub")
    for _ in range(5):
        hub.log.limited(log, logging.WARNING, "flood", "too many from %s", "10.0.0.8")
    seconds += 61
    hub.log.limited(log, logging.WARNING, "flood", "too many from %s", "10.0.0.8")
    assert caplog.messages == [
        "too many from 10.0.0.8",
        "too many from 10.0.0.8 (4 more like this in the last minute)",
    ]


_LOG_AND_EXIT = """
import logging, sys
from hub import log
from hub.config import LogConfig

stop = log.start(LogConfig(), None, sys.stderr)
logging.getLogger("hub").warning("this line finds no room")
assert stop()
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a disk without room")
def test_a_console_that_cannot_be_written_is_no_failure_of_the_process() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-c", _LOG_AND_EXIT], stderr=full, check=False)
    assert done.returncode == 0
