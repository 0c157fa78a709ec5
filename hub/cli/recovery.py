"""Recovery when no hub starts: `sitehub doctor --rebuild`, `--set-aside`, `--bring-back`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hub.errors import StartFault

if TYPE_CHECKING:
    from hub.store.recovery.rebuild import RebuildReport
    from hub.store.recovery.set_aside import SetAsideReport

_MAX_NAMED = 10
_DEVICES_GONE = (
    "The database is a new one: devices, users and settings are gone. Enrol the devices again."
)
_DEVICES_OLDER = (
    "Records came back; other changes did not: look whether devices, users and settings are as "
    "they should be."
)


def run_rebuild(data_dir: Path, show: Callable[[float], None]) -> None:
    """Restore the records that the packs hold. Raises StartFault."""
    from hub.store.disk import Disk
    from hub.store.recovery.rebuild import rebuild

    with _held(data_dir):
        _print_lines(_told(rebuild(data_dir, Disk(), os.urandom, show)))


def run_bring_back(data_dir: Path, show: Callable[[float], None], *, with_erased: bool) -> None:
    """Restore the records in the packs, and those in media/set-aside.

    People may have been erased since records were set aside: then these are left out unless
    `with_erased`, and StartFault names the erasures. Raises StartFault.
    """
    from hub.store.disk import Disk
    from hub.store.recovery.bringing_back import bring_back

    with _held(data_dir):
        report = bring_back(data_dir, Disk(), os.urandom, show, with_erased=with_erased)
    _print_lines(_told(report))
    if report.erased:
        raise StartFault(_told_erased(report.erased))


def run_set_aside(data_dir: Path) -> None:
    """Move what the database does not know to media/set-aside. Raises StartFault."""
    from hub.store.disk import Disk
    from hub.store.recovery.set_aside import set_aside

    with _held(data_dir):
        _print_lines(_told_aside(set_aside(data_dir, Disk(), os.urandom)))


@contextmanager
def _held(data_dir: Path) -> Iterator[None]:
    from hub.process import data_directory
    from hub.store.names import DATABASE
    from hub.store.sqlite.migrate import unusable

    data_directory.act_for_owner(data_dir)
    with data_directory.held(data_dir, "command"):
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise unusable(data_dir / DATABASE, error) from error


def _told(report: RebuildReport) -> Iterator[str]:
    from hub.services.doctor.findings import moment_text

    if report.days:
        records = "1 record is" if report.records == 1 else f"{report.records} records are"
        yield f"{records} there again, of {', '.join(report.days)}."
    else:
        yield "The packs hold no records that the database does not know."
    if report.received is not None:
        first, last = (moment_text(at / 1000) for at in report.received)
        yield f"They raised no alarm: alarms may be missing from {first} to {last}."
    if report.unreadable:
        yield f"{report.unreadable} records could not be read any more."
    if report.refused:
        yield f"{report.refused} records were never acknowledged and are left out."
    if report.replaced:
        yield f"{report.replaced} records have numbers of other records, and are left out."
    yield from _told_files(report.quarantined)
    if report.is_new_database:
        yield _DEVICES_GONE
    elif report.days:
        yield _DEVICES_OLDER
    if report.log_id_changed:
        yield "The log has a new id: programs that read it start from its beginning."


def _told_erased(erasures: Sequence[tuple[int, int]]) -> str:
    from hub.services.doctor.findings import moment_text

    named = [f"{id} ({moment_text(at / 1000)})" for id, at in erasures[:_MAX_NAMED]]
    if more := len(erasures) - len(named):
        named.append(f"{more} earlier ones")
    return (
        "nothing of media/set-aside was brought back: people were erased after it was set aside, "
        f"by erasure {', '.join(named)}, and nobody knows any more which records are theirs. "
        '"sitehub doctor --bring-back --with-erased" brings all of it back: erase these people '
        "again then"
    )


def _told_aside(report: SetAsideReport) -> Iterator[str]:
    if not report.quarantined:
        yield "There is nothing that the database does not know."
        return
    yield from _told_files(report.quarantined)
    yield f"They hold {report.records} records."
    if report.is_new_database:
        yield _DEVICES_GONE
    yield "The log has a new id: programs that read it start from its beginning."


def _told_files(names: tuple[str, ...]) -> Iterator[str]:
    if names:
        yield f"Moved into media/set-aside: {', '.join(names)}."
    if any(name.endswith(".pack") for name in names):
        yield 'What they hold can be brought back: "sitehub doctor --bring-back".'


def _print_lines(lines: Iterator[str]) -> None:
    from hub.cli.output import print_line

    for line in lines:
        print_line(line)
