"""Writes what hubs have sent into PostgreSQL: many messages in one transaction, each once.

Everything here blocks, and runs in a thread. A message may come again, also to another centre at
the same time: what is there already stays as it is.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import psycopg
from msgspec import Struct
from msgspec.structs import replace
from psycopg import errors

from hub.central.counts import Counts
from hub.central.erasing import ERASURE_LOCK, erase, erased_sql, is_erased
from hub.central.hubs import Hub, read_hubs, utc_now
from hub.central.messages import (
    AlarmRow,
    ErasureRow,
    GapRow,
    LogRow,
    Passing,
    PictureFile,
    RecordRow,
    Sender,
)
from hub.central.migrations import SCHEMA_LOCK, bring_up_to_date
from hub.central.months import Month, bounds_of, month_of, table_of
from hub.central.people import find_people, find_told_since, note_people, staged_of_people
from hub.central.pictures import PictureFolder
from hub.central.reader import Consumed
from hub.central.received import Received
from hub.central.streams import Lost, highest, lost, note_consumed, note_stored
from hub.central.succession import Lineage, announce, is_known, kept_erasures, read_lineage
from hub.errors import StartFault
from hub.folding import visible
from hub.log import limited
from hub.services.forwarding.sender import TryLater

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 10
_STATEMENT_MS = 60_000
#: A connection whose other side has gone is given up after about this time.
_KEEPALIVE: dict[str, Any] = {
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
#: Errors of one message, not of the database: it would be refused again and again.
_BAD_MESSAGE = (psycopg.DataError, errors.ProgramLimitExceeded, errors.StatementTooComplex)

_STAGE = """
CREATE TEMPORARY TABLE staged (
    hub text, log text, seq bigint, received_at timestamptz, occurred_at timestamptz,
    kind text, did text, erased boolean, body jsonb
) ON COMMIT DELETE ROWS
"""
_COPY = """
COPY staged (hub, log, seq, received_at, occurred_at, kind, did, erased, body) FROM STDIN
"""
_EMPTY_STAGED = f"""
UPDATE staged SET erased = true, body = sitehub.emptied(body)
WHERE NOT staged.erased AND {erased_sql("staged")}
"""
# In the order of the key, so that two centres with the same records do not wait for each other.
# What a hub has erased replaces what was there before.
_RECORDS = """
INSERT INTO sitehub.record AS there
    (hub, log, seq, received_at, occurred_at, kind, did, erased, body)
SELECT DISTINCT ON (hub, log, seq, received_at)
    hub, log, seq, received_at, occurred_at, kind, did, erased, body
FROM staged
ORDER BY hub, log, seq, received_at, erased DESC
ON CONFLICT (hub, log, seq, received_at) DO UPDATE
SET erased = true, body = excluded.body
WHERE excluded.erased AND NOT there.erased
"""
_ALARM = """
INSERT INTO sitehub.alarm AS there
    (hub, log, seq, told_by, number, kind, severity, state, last_at, body)
SELECT %(hub)s, %(log)s, %(seq)s, %(told_by)s, %(number)s, %(kind)s, %(severity)s,
    CASE WHEN EXISTS (
        SELECT 1 FROM sitehub.log WHERE hub = %(hub)s AND log = %(told_by)s
        AND ended_at IS NOT NULL
    ) THEN 'closed' ELSE %(state)s END,
    %(last_at)s, %(body)s
ON CONFLICT (hub, log, seq) DO UPDATE
SET told_by = excluded.told_by, number = excluded.number, kind = excluded.kind,
    severity = excluded.severity, state = excluded.state, last_at = excluded.last_at,
    body = excluded.body, stored_at = clock_timestamp()
WHERE CASE WHEN excluded.told_by = there.told_by THEN excluded.number > there.number
    ELSE coalesce((
        SELECT announced_at FROM sitehub.log WHERE hub = excluded.hub AND log = excluded.told_by
    ), '-infinity') > coalesce((
        SELECT announced_at FROM sitehub.log WHERE hub = there.hub AND log = there.told_by
    ), '-infinity') END
"""
_GAP = """
INSERT INTO sitehub.gap (hub, log, first_seq, last_seq, reason)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_UNREADABLE = """
INSERT INTO sitehub.unreadable (stream, stream_seq, subject, headers, payload, reason)
VALUES (%s, %s, %s, %s, %s, %s)
"""
# With what it has sent, so that a hub which is forgotten later stays so. In the order of the names,
# so that two centres do not wait for each other.
_ADD_HUBS = """
INSERT INTO sitehub.hub (name, partition, seen_at)
SELECT name, partition, clock_timestamp()
FROM unnest(%s::text[], %s::smallint[]) AS came (name, partition)
ORDER BY name
ON CONFLICT DO NOTHING
"""
# How far each hub was some seconds ago, of those that are not forgotten since. Of the log of the
# hub, the highest seq: what is sent once more is older. Where hubs do not say which log that is,
# the later record counts. Their rows are locked in the order of the names, as above.
_NOTE_HUBS = """
INSERT INTO sitehub.hub AS hub (name, partition, seen_at, log, seq, received_at, record_at)
SELECT name, came.partition, noted_at, came.log, came.seq, at,
    CASE WHEN came.log <> '' THEN noted_at END
FROM unnest(%s::text[], %s::text[], %s::smallint[], %s::bigint[], %s::timestamptz[], %s::float8[])
    AS came (name, log, partition, seq, at, ago) JOIN sitehub.hub AS kept USING (name),
    LATERAL (SELECT clock_timestamp() - make_interval(secs => ago)) AS time (noted_at)
ORDER BY name FOR UPDATE OF kept
ON CONFLICT (name) DO UPDATE SET partition = excluded.partition, seen_at = excluded.seen_at,
(log, seq, received_at, record_at) = (
    SELECT CASE WHEN is_new THEN excluded.log ELSE hub.log END,
        CASE WHEN is_new THEN excluded.seq ELSE hub.seq END,
        CASE WHEN is_new THEN excluded.received_at ELSE hub.received_at END,
        CASE WHEN is_new THEN excluded.record_at ELSE hub.record_at END
    FROM (SELECT CASE
        WHEN excluded.log = '' THEN false
        WHEN hub.log = excluded.log THEN hub.seq <= excluded.seq
        WHEN EXISTS (SELECT 1 FROM sitehub.log WHERE hub = excluded.name AND ended_at IS NULL)
            THEN EXISTS (
                SELECT 1 FROM sitehub.log
                WHERE hub = excluded.name AND log = excluded.log AND ended_at IS NULL
            )
        ELSE hub.received_at IS NULL OR hub.received_at <= excluded.received_at END
    ) AS compared (is_new)
)
"""
_NOTE_AHEAD = "UPDATE sitehub.hub SET ahead_at = clock_timestamp(), ahead_by = %s WHERE name = %s"
#: Of more hubs, how far they are is written this often, rather than with each transaction.
_FEW_HUBS, _NOTE_SECONDS = 200, 2.0
#: Clocks that are in order differ by less.
_AHEAD = timedelta(minutes=1)


class _Place(Struct, frozen=True):
    """How far a hub is: its last record; `log`: "" if it sent something else.

    `at`: when that was stored, by time.monotonic.
    """

    partition: int
    log: str
    seq: int
    received_at: datetime | None
    at: float


class _MustBeAlone(Exception):
    """What is to be stored changes what others are storing."""


class Database:
    """A connection to the database, whose schema is of this version. Use `open_database`."""

    def __init__(self, connection: Any, pictures: PictureFolder | None) -> None:
        self.connection = connection
        #: None: pictures are not kept.
        self.pictures = pictures
        self._months: set[Month] = set()
        #: How far hubs are, as far as it is not written, and when that was.
        self._places: dict[str, _Place] = {}
        self._noted_at = 0.0

    def store(self, messages: Sequence[Received]) -> Counts:
        """Store messages, all or none. Raises TryLater; then close this."""
        try:
            self._make_tables(messages)
            counts = self._store_in_one(messages)
            self._note_hubs()
            self._erase_people(messages)
            return counts
        except psycopg.Error as error:
            raise TryLater(f"PostgreSQL: {_text(error)}") from error
        except OSError as error:
            raise TryLater(f"the folder of pictures: {error}") from error

    def _store_in_one(self, messages: Sequence[Received]) -> Counts:
        """Store messages in one transaction."""
        for alone in (False, True):
            try:
                with self.connection.transaction():
                    return self._store_all(messages, alone=alone)
            except _MustBeAlone:
                continue
            except _BAD_MESSAGE:
                break
        with self.connection.transaction():
            return self._store_one_by_one(messages)

    def hubs(self) -> list[Hub]:
        """Return all hubs. Raises TryLater; then close this."""
        try:
            self._note_hubs(is_due=True)
            return read_hubs(self.connection)
        except psycopg.Error as error:
            raise TryLater(f"PostgreSQL: {_text(error)}") from error

    def note_streams(self, streams: Mapping[str, Consumed]) -> list[Lost]:
        """Compare how far streams are stored with what is here; return what is missing.

        `streams`: asked for before this. Raises TryLater; then close this.
        """
        try:
            note_consumed(self.connection, streams)
            return lost(self.connection, streams)
        except psycopg.Error as error:
            raise TryLater(f"PostgreSQL: {_text(error)}") from error

    def close(self) -> None:
        self.connection.close()

    def _erase_people(self, messages: Sequence[Received]) -> None:
        """Erase people whose erasure has come, before it is acknowledged.

        Apart, since others go on while they are looked for. What comes meanwhile is stored empty.
        """
        people = [one.row for one in messages if isinstance(one.row, ErasureRow) and one.row.uuids]
        if people:
            note_people(self.connection, people)
            found = find_people(self.connection, people)
            with self.connection.transaction():
                self._lock(alone=True)
                erase(self.connection, found, self.pictures)

    def _lock(self, *, alone: bool) -> None:
        """Wait until nobody else changes what is the same as what, and what is erased."""
        kind = "" if alone else "_shared"
        self.connection.execute(f"SELECT pg_advisory_xact_lock{kind}(%s)", (ERASURE_LOCK,))

    def _store_all(self, messages: Sequence[Received], *, alone: bool) -> Counts:
        """Store messages within a transaction. Raises _MustBeAlone: then again, `alone`."""
        rows = [one.row for one in messages if not isinstance(one.row, Passing | None)]
        records = [row for row in rows if isinstance(row, RecordRow)]
        pictures = [row for row in rows if isinstance(row, PictureFile)]
        alarms = [row for row in rows if isinstance(row, AlarmRow)]
        gaps = [row for row in rows if isinstance(row, GapRow)]
        erasures = [row for row in rows if isinstance(row, ErasureRow)]
        unreadable = [one for one in messages if one.row is None]
        # Nothing is stored between an erasure and its being known, by no other centre either.
        alone = alone or bool(erasures)
        self._lock(alone=alone)
        logs = {row.sender: row for row in rows if isinstance(row, LogRow)}.values()
        tied = []
        for row in logs:
            if not is_known(self.connection, row):
                if not alone:
                    raise _MustBeAlone
                if announce(self.connection, row, self.pictures):
                    tied.append(row)
        lineage = read_lineage(self.connection, {row.sender.hub for row in rows})
        for row in tied:
            people = find_told_since(self.connection, row.sender.hub, row.sent_at, lineage)
            erase(self.connection, people, self.pictures)
        kept = self._store_pictures([_kept_picture(row, lineage) for row in pictures])
        added = self._store_records(records, lineage, alone=alone)
        self._store_alarms(alarms, lineage)
        self._store_gaps(gaps)
        self._store_unreadable(unreadable)
        erase(self.connection, kept_erasures(erasures, lineage), self.pictures)
        self._add_hubs([row.sender for row in rows])
        self._gather([row.sender for row in rows], records)
        note_stored(self.connection, highest((one.stream, one.stream_seq) for one in messages))
        return Counts(
            records=added,
            repeated=len(records) - added,
            alarms=len(alarms),
            gaps=len(gaps),
            erasures=len(erasures),
            pictures=kept,
            unreadable=len(unreadable),
        )

    def _store_one_by_one(self, messages: Sequence[Received]) -> Counts:
        """Store messages of which the database refuses some: those are kept as they came."""
        found = []
        for message in messages:
            try:
                with self.connection.transaction():
                    found.append(self._store_all([message], alone=True))
            except _BAD_MESSAGE as error:
                self._store_unreadable([message], f"PostgreSQL does not take it: {_text(error)}")
                found.append(Counts(unreadable=1))
        note_stored(self.connection, highest((one.stream, one.stream_seq) for one in messages))
        return Counts(
            *(sum(getattr(one, name) for one in found) for name in Counts.__struct_fields__)
        )

    def _store_pictures(self, pictures: Sequence[PictureFile]) -> int:
        """Return how many are kept."""
        if self.pictures is None or not pictures:
            return 0
        gone = is_erased(self.connection, pictures)
        kept = [picture for picture in pictures if (picture.sender, picture.seq) not in gone]
        self.pictures.store(kept)
        return len(kept)

    def _store_records(self, records: Sequence[RecordRow], lineage: Lineage, *, alone: bool) -> int:
        """Return how many are new, or newly erased."""
        if not records:
            return 0
        hubs = {row.sender.hub for row in records}
        with self.connection.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for row in records:
                    copy.write_row(_fields(row, lineage.log_of(row.sender, row.seq)))
            if people := staged_of_people(self.connection, hubs, lineage):
                if not alone:
                    raise _MustBeAlone
                erase(self.connection, people, self.pictures)
            cursor.execute(_EMPTY_STAGED)
            cursor.execute(_RECORDS)
            return int(cursor.rowcount)

    def _store_alarms(self, alarms: Iterable[AlarmRow], lineage: Lineage) -> None:
        rows = [
            {
                "hub": row.sender.hub,
                "log": lineage.log_of(row.sender, row.seq),
                "seq": row.seq,
                "told_by": row.sender.log,
                "number": row.number,
                "kind": row.kind,
                "severity": row.severity,
                "state": row.state,
                "last_at": row.last_at,
                "body": row.body,
            }
            for row in alarms
        ]
        rows.sort(key=lambda row: (row["hub"], row["log"], row["seq"], row["number"]))
        self._execute_many(_ALARM, rows)

    def _store_gaps(self, gaps: Iterable[GapRow]) -> None:
        rows = sorted(
            (row.sender.hub, row.sender.log, row.first_seq, row.last_seq, row.reason)
            for row in gaps
        )
        self._execute_many(_GAP, rows)

    def _store_unreadable(self, messages: Iterable[Received], reason: str = "") -> None:
        rows = [
            (
                *(one.stream, one.stream_seq, visible(one.subject)),
                *(_visible_json(one.headers),),
                *(one.payload, visible(reason or one.reason)),
            )
            for one in messages
        ]
        self._execute_many(_UNREADABLE, rows)

    def _add_hubs(self, senders: Iterable[Sender]) -> None:
        partitions = {one.hub: one.partition for one in senders}
        if partitions:
            self.connection.execute(_ADD_HUBS, (list(partitions), list(partitions.values())))

    def _gather(self, senders: Iterable[Sender], records: Iterable[RecordRow]) -> None:
        """Note here which hubs have sent something, and how far they are."""
        now = time.monotonic()
        for row in records:
            sender, known = row.sender, self._places.get(row.sender.hub)
            # Of another log, what has come last counts.
            if known is None or known.log != sender.log or row.seq >= known.seq:
                place = _Place(sender.partition, sender.log, row.seq, row.received_at, now)
                self._places[sender.hub] = place
        for one in senders:
            self._places.setdefault(one.hub, _Place(one.partition, "", 0, None, now))

    def _note_hubs(self, *, is_due: bool = False) -> None:
        """Write how far hubs are. Of many not with each transaction: that took half the time."""
        now = time.monotonic()
        if not is_due and len(self._places) > _FEW_HUBS and now - self._noted_at < _NOTE_SECONDS:
            return
        self._noted_at = now
        places, self._places = self._places, {}
        if places:
            rows = [
                (hub, one.log, one.partition, one.seq, one.received_at, now - one.at)
                for hub, one in places.items()
            ]
            self.connection.execute(
                _NOTE_HUBS, [list(column) for column in zip(*rows, strict=True)]
            )
            self._note_ahead(places)

    def _note_ahead(self, places: Mapping[str, _Place]) -> None:
        """Note hubs that say that they received a record later than it is stored."""
        now = utc_now()
        ahead = {
            hub: one.received_at - now
            for hub, one in places.items()
            if one.received_at is not None and one.received_at - now > _AHEAD
        }
        for hub, by in sorted(ahead.items()):
            limited(
                log, logging.WARNING, f"ahead {hub}", "hub %s: its clock is ahead by %s", hub, by
            )
        self._execute_many(_NOTE_AHEAD, [(by, hub) for hub, by in sorted(ahead.items())])

    def _execute_many(self, sql: str, rows: Sequence[Any]) -> None:
        if rows:
            with self.connection.cursor() as cursor:
                cursor.executemany(sql, rows)

    def _make_tables(self, messages: Iterable[Received]) -> None:
        """Make the tables of the months that are new."""
        times = {one.row.received_at for one in messages if isinstance(one.row, RecordRow)}
        for month in sorted(_months(times) - self._months):
            # The table for the rest has some of it: it was dropped, and records came again.
            with suppress(errors.CheckViolation):
                self._make_table(month)
            self._months.add(month)

    def _make_table(self, month: Month) -> None:
        first, following = bounds_of(month)
        with self.connection.transaction():
            self.connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            self.connection.execute(
                f"CREATE TABLE IF NOT EXISTS sitehub.{table_of(month)} "
                "PARTITION OF sitehub.record "
                f"FOR VALUES FROM ('{first}') TO ('{following}')"
            )


def open_database(address: str, pictures: PictureFolder | None) -> Database:
    """Connect to a database and bring its schema up to date. Blocks.

    `address`: as libpq has it; "": as the environment says. Raises StartFault if it cannot be
    used, TryLater if it is not there now.
    """
    connection = connect(address)
    try:
        bring_up_to_date(connection)
        connection.execute(_STAGE)
        return Database(connection, pictures)
    except psycopg.errors.InsufficientPrivilege as error:
        connection.close()
        raise StartFault(f"PostgreSQL: {_text(error)}") from error
    except psycopg.Error as error:
        connection.close()
        raise TryLater(f"PostgreSQL: {_text(error)}") from error
    except BaseException:
        connection.close()
        raise


def connect(address: str) -> Any:
    """Return a connection in autocommit mode. Raises StartFault, TryLater."""
    try:
        return psycopg.connect(
            address,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name="sitehub central",
            # Compiling costs more than any statement here, of which some look dear to the planner.
            options=f"-c statement_timeout={_STATEMENT_MS} -c client_encoding=UTF8 -c jit=off",
            **_KEEPALIVE,
        )
    except psycopg.ProgrammingError as error:
        raise StartFault(f"--database: {_text(error)}") from error
    except psycopg.Error as error:
        raise TryLater(f"PostgreSQL: {_text(error)}") from error


def _kept_picture(picture: PictureFile, lineage: Lineage) -> PictureFile:
    sender = picture.sender
    if (log := lineage.log_of(sender, picture.seq)) == sender.log:
        return picture
    return replace(picture, sender=Sender(sender.hub, sender.partition, log))


def _fields(row: RecordRow, log: str) -> tuple[Any, ...]:
    return (
        *(row.sender.hub, log, row.seq, row.received_at, row.occurred_at),
        *(row.kind, row.did, row.erased, row.body),
    )


def _visible_json(headers: Mapping[str, str]) -> str:
    return json.dumps({visible(name): visible(text) for name, text in headers.items()})


def _months(times: Iterable[datetime]) -> set[Month]:
    return {month for time in times if (month := month_of(time)) is not None}


def _text(error: psycopg.Error) -> str:
    return visible(" ".join(str(error).split())) or type(error).__name__
