"""Whether the clock of this PC can be right: it must not be behind what was written with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hub.services.clock.plausibility import EARLIEST_PLAUSIBLE
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, moment_text, ok, warning
from hub.store.offline.inspection import newest_record_at

#: A clock that is set by a time server may step by this much.
_TOLERANCE_SECONDS = 300
_FOLDERS = (".", "media", "logs", "tls")


def check_clock(context: CheckContext) -> Iterator[Finding]:
    """Compare the clock with the newest record and the newest file."""
    now = context.now()
    shown = {"clock": moment_text(now), "zone": context.zone}
    if now < EARLIEST_PLAUSIBLE:
        yield failed("clock", "clock-unset", **shown)
        return
    record, file = _newest_record(context.data_dir), _newest_file(context.data_dir)
    if record > now + _TOLERANCE_SECONDS:
        yield failed("clock", "clock-behind-record", newest=moment_text(record), **shown)
    elif file > now + _TOLERANCE_SECONDS:
        yield failed("clock", "clock-behind-file", newest=moment_text(file), **shown)
    elif context.is_clock_doubted:
        yield warning("clock", "clock-doubted", **shown)
    elif record:
        yield ok("clock", "clock-ok", newest=moment_text(record), **shown)
    else:
        yield ok("clock", "clock-plausible", **shown)


def _newest_record(data_dir: Path) -> float:
    """Return when the newest record was received, in UNIX seconds; 0 if that is not known."""
    with suppress(sqlite3.Error):
        return (newest_record_at(data_dir) or 0) / 1000
    return 0


def _newest_file(data_dir: Path) -> float:
    newest = 0.0
    for folder in _FOLDERS:
        with suppress(OSError):
            for path in (data_dir / folder).iterdir():
                with suppress(OSError):
                    newest = max(newest, path.stat().st_mtime)
    return newest
