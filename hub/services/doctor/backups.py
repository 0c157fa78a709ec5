"""Whether there is a complete backup of the last two days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hub.services.backups.place import obstacle
from hub.services.backups.schedule import ALARM_SECONDS, last_complete, last_incomplete
from hub.services.backups.views import KnownBackup, backup_of
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, moment_text, ok, warning
from hub.store.backup.generations import read_folder
from hub.store.names import KEY_FILE


def check_backups(context: CheckContext) -> Iterator[Finding]:
    """Look at the folder of the nightly backups, by the heads of the backups."""
    folder = context.data_dir / context.config.backup.folder
    now = (context.likely_now or context.now)()
    try:
        generations = read_folder(folder).generations
    except OSError as error:
        said = error.strerror or str(error)
        yield failed("backups", "backups-unreadable", folder=str(folder), reason=said)
        return
    failure = context.backup_failure
    if reason := obstacle(folder):
        yield failed("backups", "backups-unreadable", folder=str(folder), reason=reason)
    elif failure is not None:
        code = "database-unread" if failure.is_of_database else "backup-failed"
        yield failed("backups", code, reason=failure.reason)
    is_well = failure is None and not reason
    newest = last_complete(generations, now)
    if generations and not generations[-1].is_restorable:
        newer = generations[-1]
        problem = newer.problem or ""
        yield warning("backups", "backup-bad", name=newer.path.name, reason=problem)
    if (incomplete := last_incomplete(generations, now)) is not None:
        yield _incomplete(backup_of(incomplete))
    if newest is None:
        is_new = now - _installed_at(context.data_dir, now) < ALARM_SECONDS
        if not is_new:
            yield failed("backups", "backup-missing")
        elif is_well and incomplete is None:
            yield ok("backups", "backups-none")
    elif now - newest.made_at >= ALARM_SECONDS:
        yield failed("backups", "backup-overdue", time=moment_text(newest.made_at))
    else:
        yield ok("backups", "backup-ok", time=moment_text(newest.made_at))


def _incomplete(made: KnownBackup) -> Finding:
    return failed(
        "backups",
        "backup-incomplete",
        time=moment_text(made.made_at),
        days=made.unread_days,
        bytes=str(made.unread_bytes),
        records=str(made.unread_records),
    )


def _installed_at(data_dir: Path, now: float) -> float:
    """Return when the key file was made, which is never written again."""
    with suppress(OSError):
        return (data_dir / KEY_FILE).stat().st_mtime
    return now
