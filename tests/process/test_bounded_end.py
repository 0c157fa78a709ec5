"""A process ends within its bound, whatever its threads do."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from hub.process.bounded_end import BoundedEnd, hanging_threads

_TIMEOUT_SECONDS = 30.0


class Exit:
    """Takes the place of os._exit."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._called = threading.Event()

    def __call__(self, status: int) -> None:
        self.status = status
        self._called.set()

    def wait(self) -> int | None:
        assert self._called.wait(_TIMEOUT_SECONDS)
        return self.status


@pytest.fixture
def exit_process() -> Exit:
    return Exit()


@pytest.fixture
def end(exit_process: Exit) -> Iterator[BoundedEnd]:
    end = BoundedEnd(exit_process)
    yield end
    end.stand_down()


@pytest.fixture
def hanging() -> Iterator[threading.Thread]:
    """A thread in a call that does not return during the test."""
    hang = threading.Event()

    def wait_for_the_disk() -> None:
        while not hang.is_set():
            time.sleep(0.01)

    thread = threading.Thread(target=wait_for_the_disk, name="the writer")
    thread.start()
    yield thread
    hang.set()
    thread.join()


@pytest.mark.expects_error("did not end within 0 s")
def test_a_late_end_is_no_failure_once_everything_is_stored(
    end: BoundedEnd, exit_process: Exit
) -> None:
    end.completed()
    end.begin(0)
    assert exit_process.wait() == 0


@pytest.mark.expects_error("did not end within 0 s .* the writer in .*wait_for_the_disk")
def test_a_late_end_is_logged_with_the_call_that_hangs_and_exits_with_status_1(
    end: BoundedEnd, exit_process: Exit, hanging: threading.Thread
) -> None:
    end.begin(0)
    assert exit_process.wait() == 1


@pytest.mark.expects_error("did not end within 0 s")
def test_the_log_is_flushed_before_the_exit(end: BoundedEnd, exit_process: Exit) -> None:
    acts: list[str] = []

    def fail() -> None:
        acts.append("report")
        raise OSError

    end.before_exit(fail)
    end.before_exit(lambda: acts.append("flush"))
    end.begin(0)
    exit_process.wait()
    assert acts == ["report", "flush"]


@pytest.mark.expects_error("did not end within 0 s")
def test_a_log_that_cannot_be_flushed_does_not_hold_up_the_exit(
    end: BoundedEnd, exit_process: Exit
) -> None:
    blocked = threading.Event()
    end.before_exit(blocked.wait)
    end.begin(0)
    assert exit_process.wait() == 1
    blocked.set()


@pytest.mark.expects_error("did not end within 0 s")
def test_a_second_signal_brings_the_exit_forward(end: BoundedEnd, exit_process: Exit) -> None:
    end.begin(3600)
    end.begin(0)
    assert exit_process.wait() == 1


def test_the_bound_counts_from_the_first_call(end: BoundedEnd, exit_process: Exit) -> None:
    started = time.monotonic()
    end.begin(3600)
    end.begin(7200)
    assert end._deadline < started + 7200


def test_an_end_in_time_exits_nothing(
    end: BoundedEnd, exit_process: Exit, caplog: pytest.LogCaptureFixture
) -> None:
    end.begin(0.5)
    end.stand_down()
    end.begin(0)
    for thread in threading.enumerate():
        if thread.name == "bounded end":
            thread.join(_TIMEOUT_SECONDS)
    assert exit_process.status is None
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_threads_that_wait_for_work_are_not_named(hanging: threading.Thread) -> None:
    idle = threading.Event()
    waiting = threading.Thread(target=idle.wait, name="idle")
    waiting.start()
    names = " ".join(hanging_threads())
    idle.set()
    waiting.join()
    assert "the writer in " in names
    assert "idle" not in names


def run(program: str) -> subprocess.CompletedProcess[str]:
    setup = """\
import ctypes, threading, time
from hub.process import bounded_end
bounded_end.END_SECONDS = bounded_end._LAST_WORDS_SECONDS = bounded_end._BACKSTOP_SECONDS = 0.5
bounded_end.BoundedEnd.begin.__defaults__ = (0.5,)
"""
    return subprocess.run(
        [sys.executable, "-c", setup + program],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
    )


@pytest.mark.parametrize("status", [0, 1])
def test_a_thread_that_is_left_over_does_not_hold_up_the_exit_of_the_interpreter(
    status: int,
) -> None:
    done = run(
        "threading.Thread(target=time.sleep, args=(1000,), name='left over').start()\n"
        f"bounded_end.exit_process({status})"
    )
    assert done.returncode == status
    assert "the process did not end within 0.5 s" in done.stderr
    assert "left over in Thread.run" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sleep() is a function of POSIX")
def test_a_thread_that_holds_the_interpreter_lock_does_not_hold_up_the_exit() -> None:
    done = run("bounded_end.BoundedEnd().begin()\nctypes.PyDLL(None).sleep(1000)")
    assert done.returncode == 1
