"""The slow checks: everything that is stored is read, and compared with its checksums."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import CheckName, Finding, failed, ok, warning
from hub.store.offline import entries, inspection
from hub.store.offline.inspection import Damage, Progress
from hub.store.offline.pack_inspection import check_packs

T = TypeVar("T")

#: A hub that starts or ends meanwhile interrupts a check, which is then repeated.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5


def check_integrity(context: CheckContext, progress: Progress) -> Iterator[Finding]:
    """Run SQLite's quick_check."""
    if not _has_database(context):
        return
    try:
        found = _repeated(lambda: inspection.quick_check(context.data_dir, progress))
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found:
        yield failed("integrity", "integrity-bad", reason=" ".join(found.split()))
    else:
        yield ok("integrity", "integrity-ok")


def check_records(context: CheckContext, progress: Progress) -> Iterator[Finding]:
    """Decode every record."""
    yield from _counted(context, "records", progress, inspection.check_records)


def check_counts(context: CheckContext, progress: Progress) -> Iterator[Finding]:
    """Compare the counts of records with the records. The hub makes wrong ones again by itself."""
    yield from _counted(context, "counts", progress, inspection.check_counts, tell=warning)


def check_entries(context: CheckContext, progress: Progress) -> Iterator[Finding]:
    """Decode the rows of all other tables."""

    def inspect(data_dir: Path, _: Progress) -> Damage:
        checked, damaged = entries.check_entries(data_dir)
        return Damage(checked, damaged.count(), damaged.names())

    yield from _counted(context, "entries", progress, inspect)


def check_pictures(context: CheckContext, progress: Progress) -> Iterator[Finding]:
    """Compare every pack with its index."""
    yield from _counted(context, "pictures", progress, check_packs)


def check_firmware(context: CheckContext, progress: Progress) -> Iterator[Finding]:
    """Compare every firmware file with its checksum."""
    yield from _counted(context, "firmware", progress, inspection.check_firmware)


def _counted(
    context: CheckContext,
    check: CheckName,
    progress: Progress,
    inspect: Callable[..., Damage],
    *,
    tell: Callable[..., Finding] = failed,
) -> Iterator[Finding]:
    if not _has_database(context):
        return
    if _is_older(context):
        yield ok(check, "database-waits")
        return
    try:
        damage = _repeated(lambda: inspect(context.data_dir, progress))
    except sqlite3.DatabaseError as error:
        yield failed(check, "check-failed", error=str(error))
        return
    args = {"count": str(damage.checked)}
    if damage.bad:
        named = ", ".join(damage.named)
        yield tell(check, f"{check}-bad", bad=str(damage.bad), named=named, **args)
    else:
        yield ok(check, f"{check}-ok", **args)


def _has_database(context: CheckContext) -> bool:
    state = inspection.database_state(context.data_dir)
    return state.exists and not state.problem


def _is_older(context: CheckContext) -> bool:
    """Return whether the next start converts the database: its tables are others."""
    state = inspection.database_state(context.data_dir)
    return state.version < state.known_version


def _repeated(inspect: Callable[[], T]) -> T:
    for _ in range(_ATTEMPTS - 1):
        try:
            return inspect()
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
        time.sleep(_PAUSE_SECONDS)
    return inspect()
