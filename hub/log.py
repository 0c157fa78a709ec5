"""The log: one line an event, to stderr and, where that is no terminal, to files too.

Lines are made where they arise and written by a thread of the log's own, behind a bounded queue:
a console that is held (Ctrl-S, a marked line on Windows), a full pipe or a full disk costs lines,
and never makes the hub wait. What is secret is not given to the log in the first place.
"""

from __future__ import annotations

import logging
import os
import queue
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import TextIO

import msgspec

from hub.config import Log

log = logging.getLogger(__name__)

_FILES = 5
_FILE_BYTES = 10 * 1000 * 1000
_QUEUED_LINES = 10_000
_STOP_SECONDS = 2.0
_POLL_SECONDS = 0.05

#: Libraries that tell of every request, or of every peer that hangs up.
_TALKATIVE = (
    "asyncio",
    "httpcore",
    "httpx",
    "hypercorn.access",
    "hypercorn.error",
    "PIL",
    "quart.app",
    "quart.serving",
    "trio-websocket",
)

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def start(config: Log, directory: Path | None, stream: TextIO) -> Callable[[], bool]:
    """Send the log to `stream` and, where that is no terminal, to files in `directory` too.

    Gives the function that ends it: it says whether every line was written in time.
    """
    logging.raiseExceptions = False
    sinks: list[logging.Handler] = [logging.StreamHandler(stream)]
    trouble = None
    if directory is not None and not _is_terminal(stream):
        try:
            sinks.append(_files(directory))
        except OSError as error:  # a full disk, for one: stderr has it all
            trouble = error
    formatter = _JsonFormatter() if config.format == "json" else _TextFormatter()
    # One behind the other, a console that is held would keep lines from the files.
    fronts = [_Front(sink, formatter) for sink in sinks]
    root = logging.getLogger()
    root.setLevel(config.level.upper())
    for front in fronts:
        root.addHandler(front)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    if trouble is not None:
        log.warning("the log is not written to files: %s", trouble)

    def stop() -> bool:
        for front in fronts:
            root.removeHandler(front)
        endings = [threading.Thread(target=front.end, daemon=True) for front in fronts]
        for ending in endings:
            ending.start()
        for ending in endings:
            ending.join(_STOP_SECONDS)
        return not any(ending.is_alive() for ending in endings)

    return stop


def limited(
    logger: logging.Logger,
    level: int,
    key: str,
    message: str,
    *args: object,
    exc_info: BaseException | None = None,
) -> None:
    """Log at most one line a minute for `key`; the next one says how many were held back."""
    now = time.monotonic()
    written, held = _last.get(key, (-_QUIET_SECONDS, 0))
    if now - written < _QUIET_SECONDS:
        _last[key] = (written, held + 1)
        return
    _last[key] = (now, 0)
    _last.move_to_end(key)
    if len(_last) > _MOST_KEYS:
        _last.popitem(last=False)
    if held:
        message, args = message + " (%d more like this in the last minute)", (*args, held)
    logger.log(level, message, *args, exc_info=exc_info)


_QUIET_SECONDS = 60.0
_MOST_KEYS = 1024
#: key -> (when the last line was written, how many were held back since)
_last: OrderedDict[str, tuple[float, int]] = OrderedDict()


def forget_limited() -> None:
    """Let `limited` begin anew, as at the start of the process."""
    _last.clear()


def _files(directory: Path) -> _Files:
    directory.mkdir(parents=True, exist_ok=True)
    return _Files(
        directory / "sitehub.log",
        maxBytes=_FILE_BYTES,
        backupCount=_FILES - 1,
        encoding="utf-8",
    )


if sys.platform == "win32":
    import ctypes
    import msvcrt

    def _is_terminal(stream: TextIO) -> bool:
        """Windows says of the null device, too, that it is one; but a mode has only a console."""
        if not stream.isatty():
            return False
        handle, mode = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno())), ctypes.c_ulong()
        return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(mode)))
else:

    def _is_terminal(stream: TextIO) -> bool:
        return stream.isatty()


class _Files(RotatingFileHandler):
    """Windows renames no file that another program has open: it grows on until that lets go."""

    def doRollover(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None  # The next line opens it again.
        aside = f"{self.baseFilename}.aside"
        # Found out before the older ones have moved on, each time by one, and out of the last.
        with suppress(OSError):
            os.replace(self.baseFilename, aside)
            os.replace(aside, self.baseFilename)
            super().doRollover()


class _Front(QueueHandler):
    """Takes a line for a sink, and drops it where the sink cannot keep up."""

    def __init__(self, sink: logging.Handler, formatter: logging.Formatter) -> None:
        super().__init__(queue.Queue(_QUEUED_LINES))
        self.setFormatter(formatter)
        self._sink = sink
        self._writer = _Writer(self.queue, sink)
        self._writer.start()

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)

    def end(self) -> None:
        """Write what is left, and let go of the sink. Waits for as long as that takes."""
        self._writer.stop()
        self._sink.close()


class _Writer(QueueListener):
    """The thread that writes what is in the queue."""

    def enqueue_sentinel(self) -> None:
        # A full queue means that the console is held: the thread that ends the log waits here.
        while True:
            try:
                return super().enqueue_sentinel()
            except queue.Full:
                time.sleep(_POLL_SECONDS)


def visible(text: str) -> str:
    """One line that a terminal can be trusted with, whatever a peer put into it."""
    return _UNPRINTABLE.sub(lambda found: repr(found.group())[1:-1], text)


class _TextFormatter(logging.Formatter):
    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        line = (
            f"{self.formatTime(record)} {record.levelname:<8} "
            f"{visible(record.getMessage())}  [{record.name}]"
        )
        if record.exc_info:
            for trace in self.formatException(record.exc_info).split("\n"):
                line += f"\n    {visible(trace)}"
        return line


class _Line(msgspec.Struct, omit_defaults=True):
    time: str
    level: str
    logger: str
    message: str
    exception: str | None = None


class _JsonFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        line = _Line(
            time=self.formatTime(record),
            level=record.levelname.lower(),
            logger=record.name,
            message=visible(record.getMessage()),
            exception=self.formatException(record.exc_info) if record.exc_info else None,
        )
        return msgspec.json.encode(line).decode()
