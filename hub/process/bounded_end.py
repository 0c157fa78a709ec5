"""Ends the process if its orderly end takes too long, whatever its threads do.

A thread in a system call that does not return (a flush of a dead disk, a file of a lost share)
cannot be cancelled, and an orderly end waits for it. The service manager would wait as well, and
start no new hub meanwhile.
"""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

log = logging.getLogger(__name__)

#: The end of the process takes at most this long, from the signal or the fault that causes it.
END_SECONDS = 10.0
#: After a second signal.
AT_ONCE_SECONDS = 2.0
#: To write what hangs and the queued lines of the log, and to report to the service manager.
_LAST_WORDS_SECONDS = 1.0
#: After END_SECONDS, until even a thread that holds the interpreter lock is not waited for.
_BACKSTOP_SECONDS = 2.0
_DONE, _FAILED = 0, 1

_MAX_THREADS = 8
#: A thread whose innermost frame is in one of these modules waits for work or for a thread.
_WAITING = (
    "queue",
    "selectors",
    "socketserver",
    "threading",
    "trio._core._io_epoll",
    "trio._core._io_kqueue",
    "trio._core._io_windows",
    "trio._core._thread_cache",
    "hub.store.commit.write_queue",
)


class BoundedEnd:
    """The bound of one end. All methods may be called in any thread."""

    def __init__(
        self, exit_process: Callable[[int], object] = os._exit, status: int = _FAILED
    ) -> None:
        self._exit = exit_process
        self._status = status
        self._changed = threading.Condition()
        self._deadline = math.inf
        self._is_over = False
        self._is_watching = False
        self._seconds = 0.0
        self._last_acts: list[Callable[[], object]] = []
        self._nowhere: int | None = None
        self._is_late = False
        self._may_speak = threading.Event()
        self._has_spoken = threading.Event()

    def before_exit(self, act: Callable[[], object]) -> None:
        """Call `act` before a forced exit, in the order of these calls; it may hang or raise."""
        self._last_acts.append(act)

    def begin(self, seconds: float = END_SECONDS) -> None:
        """Exit by force after `seconds`. A later call can only bring the exit forward."""
        with self._changed:
            deadline = time.monotonic() + seconds
            if self._is_over or deadline >= self._deadline:
                return
            self._deadline, self._seconds = deadline, seconds
            if not self._is_watching:
                self._is_watching = True
                # Both now: Python 3.12 starts no thread any more while the interpreter ends.
                for work in (self._watch, self._say_last_words):
                    threading.Thread(target=work, name="bounded end", daemon=True).start()
            self._changed.notify()
            # A thread of C, which does not need the interpreter lock. It must not wait for stderr.
            if self._nowhere is None:
                self._nowhere = os.open(os.devnull, os.O_WRONLY)
            faulthandler.dump_traceback_later(
                seconds + _LAST_WORDS_SECONDS + _BACKSTOP_SECONDS, exit=True, file=self._nowhere
            )

    def completed(self) -> None:
        """Everything is stored: if the process is ended by force now, that is no failure."""
        self._status = _DONE

    def stand_down(self) -> None:
        """Call off the forced exit: the process has ended what it had to."""
        with self._changed:
            self._is_over = True
            self._changed.notify()
            self._may_speak.set()
            if self._nowhere is not None:
                faulthandler.cancel_dump_traceback_later()
                os.close(self._nowhere)
                self._nowhere = None

    def _watch(self) -> None:
        with self._changed:
            while not self._is_over and (left := self._deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            if self._is_over:
                return
            self._is_late = True
        self._may_speak.set()
        self._has_spoken.wait(_LAST_WORDS_SECONDS)
        self._exit(self._status)

    def _say_last_words(self) -> None:
        self._may_speak.wait()
        if not self._is_late:
            return
        # The frames are read first: what comes after may hang as well.
        log.critical(
            "the process did not end within %g s and is ended now, without waiting for %s",
            self._seconds,
            "; ".join(hanging_threads()) or "any single thread",
        )
        for act in self._last_acts:
            with suppress(Exception):
                act()
        self._has_spoken.set()


def exit_process(status: int) -> NoReturn:
    """Exit as sys.exit() does. If threads or exit handlers hang, exit with `status` by force."""
    BoundedEnd(status=status).begin()
    sys.exit(status)


def hanging_threads() -> list[str]:
    """Describe the threads that are in the middle of something, each with its innermost call."""
    frames = sys._current_frames()
    found = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if frame is None or thread is threading.current_thread():
            continue
        if not _is_waiting(frame):
            found.append(f"{thread.name} in {_call(frame)}")
    return found[:_MAX_THREADS]


def _is_waiting(frame: FrameType) -> bool:
    # A thread's `run` waits for nothing: it has called a function that is not of Python.
    return _module(frame) in (*_WAITING, __name__) and frame.f_code.co_name != "run"


def _call(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_qualname} ({_module(frame)}, line {frame.f_lineno})"


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))
