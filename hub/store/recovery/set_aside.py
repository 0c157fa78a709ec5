"""Goes on without what the packs hold beyond the database, while no hub uses the data directory."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from hub.store.disk import Disk
from hub.store.media.day_index import load_days
from hub.store.media.tails import Tail, tails_in
from hub.store.names import DATABASE, MEDIA
from hub.store.people.holdings import doubt_holdings
from hub.store.recovery.database_preparation import prepare_database
from hub.store.recovery.database_view import REBUILDING
from hub.store.recovery.lost_changes import note_lost_changes
from hub.store.recovery.quarantine import quarantine_tail
from hub.store.recovery.taken_over import forget_taken_over, load_taken_over
from hub.store.sealing import Random
from hub.store.sqlite.connection import connect_writer
from hub.store.sqlite.log_state import new_log_id, raise_last_group, raise_last_seq
from hub.store.tables.settings import save_setting


class SetAsideReport(Struct, frozen=True):
    """`quarantined`: files in media/set-aside, empty if there was nothing to do.

    `records`: how many they hold, as far as it is known. `is_new_database`: devices, users and
    settings are gone.
    """

    quarantined: tuple[str, ...]
    records: int
    is_new_database: bool


def set_aside(data_dir: Path, disk: Disk, random: Random) -> SetAsideReport:
    """Move what the database does not know into media/set-aside, where nothing is deleted.

    Seqs go on above everything seen, and the log gets a new id, so that its readers start again.
    The caller holds the data directory, and no hub runs. Raises StartFault if the database cannot
    be used, OSError, sqlite3.Error; then call it again.
    """
    prepared = prepare_database(data_dir, disk)
    quarantined = list(prepared.quarantined)
    with closing(connect_writer(data_dir / DATABASE)) as connection:
        ends = {day.day: day.bytes for day in load_days(connection)}
        tails = [
            tail for tail in tails_in(data_dir / MEDIA, ends) if tail.day not in prepared.dropped
        ]
        seen = _seen(tails)
        if tails or quarantined:
            # First, so that no number is given twice if this is interrupted.
            connection.execute("BEGIN IMMEDIATE")
            raise_last_seq(connection, seen.last_seq)
            raise_last_group(connection, seen.number)
            new_log_id(connection, random)
            doubt_holdings(connection)
            connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        if (received := load_taken_over(connection).received) is not None:
            # By a rebuild that was interrupted, and now ends without a report.
            note_lost_changes(connection, received[0])
        forget_taken_over(connection)
        save_setting(connection, REBUILDING, None)
        connection.execute("COMMIT")
    quarantined += [quarantine_tail(tail, disk).name for tail in tails]
    return SetAsideReport(tuple(quarantined), seen.records, prepared.is_new)


class _Seen(Struct, frozen=True):
    """The highest numbers in some tails, and how many records they hold."""

    last_seq: int = 0
    number: int = 0
    records: int = 0


def _seen(tails: Iterable[Tail]) -> _Seen:
    seen = _Seen()
    for tail in tails:
        for group in tail.groups():
            seen = _Seen(
                max(seen.last_seq, group.last_seq),
                max(seen.number, group.number),
                seen.records + group.records,
            )
    return seen
