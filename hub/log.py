"""The log: one line per event, to stderr and, if that is not a terminal, to files as well.

Each output has a bounded queue and a thread that writes it. A console that is blocked (Ctrl-S, a
selection on Windows), a full pipe or a full disk loses lines, but never makes the hub wait. Secrets
must not be logged at all.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging.handlers import QueueListener, RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import msgspec

from hub.folding import visible

if TYPE_CHECKING:
    from hub.config import LogConfig

log = logging.getLogger(__name__)

_MAX_FILES = 5
_MAX_FILE_BYTES = 10 * 1000 * 1000
_MAX_QUEUED_LINES = 10_000
_STOP_SECONDS = 2.0
_POLL_SECONDS = 0.05

#: Libraries that log every request, or every peer that disconnects.
_VERBOSE_LOGGERS = (
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


def start(config: LogConfig, directory: Path | None, stream: TextIO) -> Callable[[], bool]:
    """Send the log to `stream` and, if that is not a terminal, to files in `directory` as well.

    Returns a function that stops the log and returns whether all lines were written in time.
    """
    logging.raiseExceptions = False
    handlers: list[logging.Handler] = [_ConsoleHandler(stream)]
    file_error = None
    if directory is not None and not _is_terminal(stream):
        try:
            handlers.append(_open_files(directory))
        except OSError as error:  # A full disk, for example: stderr still has the log.
            file_error = error
    formatter = _JsonFormatter() if config.format == "json" else _TextFormatter()
    # One queue per output: with a shared one, a blocked console would also block the files.
    outputs = [_Output(handler) for handler in handlers]
    lines = _LineHandler(formatter, outputs)
    root = logging.getLogger()
    root.addHandler(lines)
    set_level(config.level)
    if file_error is not None:
        log.warning("the log is not written to files: %s", file_error)

    def stop() -> bool:
        root.removeHandler(lines)
        endings = [threading.Thread(target=output.end, daemon=True) for output in outputs]
        for ending in endings:
            ending.start()
        for ending in endings:
            ending.join(_STOP_SECONDS)
        return not any(ending.is_alive() for ending in endings)

    return stop


def set_level(level: str) -> None:
    """Log from this level on, "debug" to "error"; libraries that say much from "warning" on."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def limited(
    logger: logging.Logger,
    level: int,
    key: str,
    message: str,
    *args: object,
    exc_info: BaseException | None = None,
) -> None:
    """Log at most one line a minute for `key`; the next line says how many were suppressed."""
    now = time.monotonic()
    written, suppressed = _last.get(key, (-_INTERVAL_SECONDS, 0))
    if now - written < _INTERVAL_SECONDS:
        _last[key] = (written, suppressed + 1)
        return
    _last[key] = (now, 0)
    _last.move_to_end(key)
    if len(_last) > _MAX_KEYS:
        _last.popitem(last=False)
    if suppressed:
        message, args = message + " (%d more like this in the last minute)", (*args, suppressed)
    logger.log(level, message, *args, exc_info=exc_info)


def place_of(error: BaseException) -> str:
    """Return types and innermost lines of an error: the key of its log line.

    A key of what a client sent could be another one each time.
    """
    if isinstance(error, BaseExceptionGroup):
        return ",".join(sorted({place_of(one) for one in error.exceptions}))
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    line = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__} {line}"


_INTERVAL_SECONDS = 60.0
_MAX_KEYS = 1024
#: key -> (time of the last line, number of lines suppressed since)
_last: OrderedDict[str, tuple[float, int]] = OrderedDict()


def forget_limited() -> None:
    """Reset `limited` to its state at the start of the process."""
    _last.clear()


def _open_files(directory: Path) -> _LogFiles:
    directory.mkdir(parents=True, exist_ok=True)
    return _LogFiles(
        directory / "sitehub.log",
        maxBytes=_MAX_FILE_BYTES,
        backupCount=_MAX_FILES - 1,
        encoding="utf-8",
    )


if sys.platform == "win32":
    import ctypes
    import msvcrt

    def _is_terminal(stream: TextIO) -> bool:
        """On Windows isatty() is true for the null device, too; only a console has a mode."""
        if not stream.isatty():
            return False
        handle, mode = ctypes.c_void_p(msvcrt.get_osfhandle(stream.fileno())), ctypes.c_ulong()
        return bool(ctypes.windll.kernel32.GetConsoleMode(handle, ctypes.byref(mode)))
else:

    def _is_terminal(stream: TextIO) -> bool:
        return stream.isatty()


class _LogFiles(RotatingFileHandler):
    """Rotating log files, also on Windows, which does not rename a file that is open elsewhere.

    Such a file grows until the other program closes it.
    """

    def doRollover(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None  # The next line opens it again.
        aside = f"{self.baseFilename}.aside"
        # Try this first: super() would rename the older files, and drop one, before it fails.
        with suppress(OSError):
            os.replace(self.baseFilename, aside)
            os.replace(aside, self.baseFilename)
            super().doRollover()


class _ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to the console, which may be a file on a disk that is full or read-only."""

    def close(self) -> None:
        super().close()
        try:
            self.stream.flush()
        except OSError:
            # Python would try again at its exit, and then exit with status 120.
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.stream.fileno())


class _LineHandler(logging.Handler):
    """Formats each line once, for all outputs."""

    def __init__(self, formatter: logging.Formatter, outputs: Sequence[_Output]) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._outputs = outputs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = _Line(self.format(record))
        except Exception:
            self.handleError(record)
            return
        for output in self._outputs:
            output.put(line)


class _Line(NamedTuple):
    """What the handler of an output takes for a record: a line that is formatted."""

    text: str


class _AsItIs(logging.Formatter):
    def format(self, record: _Line) -> str:  # type: ignore[override]
        return record.text


class _Output:
    """Queues lines for one handler, and drops them when the queue is full."""

    def __init__(self, handler: logging.Handler) -> None:
        self._queue = queue.Queue[Any](_MAX_QUEUED_LINES)
        handler.setFormatter(_AsItIs())
        self._handler = handler
        self._writer = _Writer(self._queue, handler)
        self._writer.start()
        self._ending = threading.Lock()
        self._has_ended = False

    def put(self, line: _Line) -> None:
        with suppress(queue.Full):
            self._queue.put_nowait(line)

    def end(self) -> None:
        """Write the queued lines and close the output. Blocks for as long as that takes.

        A process that is ended because its end takes too long calls this beside its own end.
        """
        with self._ending:
            if self._has_ended:
                return
            self._writer.stop()
            self._has_ended = True
            # A disk that is full or read-only: the other output has the lines.
            with suppress(OSError):
                self._handler.close()


class _Writer(QueueListener):
    """The thread that writes the queued lines to one output."""

    def enqueue_sentinel(self) -> None:
        # The queue may be full because the output is blocked. Only the thread in end() waits here.
        while True:
            try:
                return super().enqueue_sentinel()
            except queue.Full:
                time.sleep(_POLL_SECONDS)


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


class _JsonLine(msgspec.Struct, omit_defaults=True):
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
        line = _JsonLine(
            time=self.formatTime(record),
            level=record.levelname.lower(),
            logger=record.name,
            message=visible(record.getMessage()),
            exception=self.formatException(record.exc_info) if record.exc_info else None,
        )
        return msgspec.json.encode(line).decode()
