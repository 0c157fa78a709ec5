"""The targets and their cursors, in memory, with their secrets sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.errors import AlreadyExists, BadParameter, CannotStoreNow, NoSuchResource
from hub.reasons import Reason, read_reason
from hub.store.alarms.alarm import Alarm
from hub.store.alarms.rows import alarms_of
from hub.store.rows import Size, TableRows
from hub.store.sealing import SecretBox
from hub.store.sqlite.sql import clamp, one
from hub.store.tables.table import Engine, RowSource, Table
from hub.store.targets.target import (
    AFTER_RESTORE,
    OF_NOW,
    Cursor,
    DeadLetter,
    DeadLetterKey,
    Gap,
    GapReason,
    NewTarget,
    Target,
    TargetKind,
    TargetOptions,
    TargetSecrets,
)
from hub.wire.times import Moment

TABLE = "target"
MAX_TARGETS = 20
#: Of one target.
MAX_DEAD_LETTERS, MAX_GAPS = 1_000, 200

MAX_NAME_LENGTH = 80

_ADD = """
INSERT INTO target (kind, name, options, secrets, created_at, held, log, seq, alarm_number,
    erasure_number) VALUES (?, ?, ?, x'', ?, '', ?, ?, ?, ?)
"""
# A generation that cannot be read is 0 in memory.
_CHANGE = """
UPDATE target SET name = ?, options = ?, held = iif(?, '', held), generation = generation + 1
WHERE id = ? AND ? IN (generation, 0)
"""
_SEAL = "UPDATE target SET secrets = ? WHERE id = ?"
_HOLD = "UPDATE target SET held = ? WHERE id = ? AND generation = ?"
_MOVE = """
UPDATE target SET log = ?, seq = ?, alarm_number = ?, erasure_number = ?
WHERE id = ? AND generation = ?
"""
_HOLD_RESTORED = """
UPDATE target SET held = ? WHERE held = '' AND kind NOT IN (SELECT value FROM json_each(?))
"""
_REMOVE = "DELETE FROM target WHERE id = ?"
_TAKEN = "SELECT EXISTS (SELECT 1 FROM target WHERE name = ? AND id <> ?)"
_EXISTS = "SELECT EXISTS (SELECT 1 FROM target WHERE id = ?)"
_COUNT = "SELECT count(*) FROM target"

# Nothing of a target that is gone.
_ADD_DEAD_LETTER = """
INSERT OR REPLACE INTO parked_item SELECT ?, ?, ?, ?, ?, ?
WHERE EXISTS (SELECT 1 FROM target WHERE id = ?)
"""
_REMOVE_DEAD_LETTER = (
    "DELETE FROM parked_item WHERE target = ? AND kind = ? AND log = ? AND seq = ?"
)
_ALL_DEAD_LETTERS = "SELECT target, kind, log, seq, reason, parked_at FROM parked_item"
_DEAD_LETTERS = f"{_ALL_DEAD_LETTERS} WHERE target = ? ORDER BY log, seq, kind LIMIT ?"
_COUNT_DEAD_LETTERS = "SELECT target, count(*) FROM parked_item GROUP BY target"

_ADD_GAP = """
INSERT INTO target_gap (target, log, first_seq, last_seq, reason, made_at)
SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM target WHERE id = ?)
ON CONFLICT DO UPDATE SET last_seq = max(last_seq, excluded.last_seq), told_at = NULL,
    seen_at = NULL
"""
_TRIM_GAPS = f"""
DELETE FROM target_gap WHERE target = ? AND (log, first_seq) NOT IN (
    SELECT log, first_seq FROM target_gap WHERE target = ?
    ORDER BY made_at DESC, first_seq DESC LIMIT {MAX_GAPS}
)
"""
# Not if it has grown meanwhile.
_TELL_GAP = """
UPDATE target_gap SET told_at = ? WHERE target = ? AND log = ? AND first_seq = ? AND last_seq = ?
"""
_SEE_GAPS = "UPDATE target_gap SET seen_at = ? WHERE target = ? AND seen_at IS NULL"

_CHANGES = "SELECT number, alarm FROM alarm_change WHERE number > ? ORDER BY number LIMIT ?"
# What is news has this number or a higher one.
_NEWS = """
SELECT coalesce(news, number), alarm FROM alarm_change
WHERE number > ? AND coalesce(news, number) > ? ORDER BY 1 LIMIT ?
"""
_NUMBER = "SELECT number FROM alarm_change WHERE alarm = ?"
_LAST_CHANGE = "SELECT coalesce(max(number), 0) FROM alarm_change"
_RAISED_ALARM = """
SELECT DISTINCT seq FROM alarm_record WHERE seq IN (SELECT value FROM json_each(?))
"""


class _Row(Struct, frozen=True, kw_only=True):
    id: int
    kind: TargetKind
    name: str
    options: TargetOptions
    created_at: Moment
    generation: Size
    held: str
    log: str
    seq: Size
    alarm_number: Size
    erasure_number: Size


class SealedTarget(Struct, frozen=True):
    """A target with its encrypted secrets."""

    target: Target
    secrets: bytes


_rows = TableRows(
    TABLE,
    _Row,
    decoders={"options": lambda text: decode_json(text, TargetOptions)},
)
_ALL = f"SELECT {_rows.names}, secrets FROM target ORDER BY id"
_gap_rows = TableRows("target_gap", Gap, key=("target", "log", "first_seq"))
_GAPS = f"{_gap_rows.select} ORDER BY target, made_at, first_seq"
_dead_letter_rows = TableRows(
    "parked_item",
    DeadLetter,
    key=("target", "kind", "log", "seq"),
    decoders={"reason": read_reason},
)


class TargetRows(Struct, frozen=True):
    """The rows as read at the start, the oldest first; of dead letters their counts by target."""

    targets: list[SealedTarget]
    gaps: list[Gap]
    dead_letters: dict[int, int]


def _target(row: _Row) -> Target:
    return Target(
        id=row.id,
        kind=row.kind,
        name=row.name,
        options=row.options,
        created_at=row.created_at,
        generation=row.generation,
        held=read_reason(row.held) if row.held else None,
        cursor=Cursor(row.log, row.seq, row.alarm_number, row.erasure_number),
    )


def count_dead_letters(connection: sqlite3.Connection) -> dict[int, int]:
    """Return how many dead letters there are, by target."""
    return dict(connection.execute(_COUNT_DEAD_LETTERS).fetchall())


def hold_restored(connection: sqlite3.Connection) -> int:
    """Hold the targets of a restored database that get everything, until a person has chosen.

    Returns how many these are.
    """
    of_now = msgspec.json.encode(OF_NOW).decode()
    return connection.execute(_HOLD_RESTORED, (AFTER_RESTORE.stored(), of_now)).rowcount


class TargetTable(Table[TargetRows]):
    """All targets, in memory. Changes are durable on return."""

    queries = ((_dead_letter_rows, _ALL_DEAD_LETTERS),)

    def __init__(self, engine: Engine, loaded: TargetRows) -> None:
        super().__init__(engine, loaded)
        self._box = engine.box
        self._dead_letters = loaded.dead_letters
        self._targets = {sealed.target.id: sealed for sealed in loaded.targets}
        self._gaps: dict[int, list[Gap]] = {}
        self._keep_gaps(loaded.gaps)

    @classmethod
    def load(cls, source: RowSource) -> TargetRows:
        found, box = [], source.box
        for *values, secrets in source.connection.execute(_ALL):

            def has_secrets(row: _Row, secrets: bytes = secrets) -> bool:
                return box is None or bool(_secrets(box, row.id, secrets))

            if (row := _rows.read(values, source.damaged, has_secrets)) is not None:
                found.append(SealedTarget(_target(row), secrets))
        gaps = _gap_rows.read_all(source.connection.execute(_GAPS), source.damaged)
        return TargetRows(found, gaps, count_dead_letters(source.connection))

    def all(self) -> tuple[Target, ...]:
        """Return all targets, the oldest first."""
        return tuple(sealed.target for sealed in self._targets.values())

    def find(self, id: int) -> Target | None:
        """Return a target, None if there is none."""
        sealed = self._targets.get(id)
        return None if sealed is None else sealed.target

    def get(self, id: int) -> Target:
        """Return a target. Raises NoSuchResource."""
        if (target := self.find(id)) is None:
            raise NoSuchResource(f"there is no target {id}")
        return target

    def secrets(self, id: int) -> TargetSecrets:
        """Return what only the target and the hub know. Raises NoSuchResource."""
        if id not in self._targets:
            raise NoSuchResource(f"there is no target {id}")
        return _secrets(self._box, id, self._targets[id].secrets)

    async def add(
        self, new: NewTarget, secrets: TargetSecrets, *, with_free_name: bool = False
    ) -> Target:
        """Add a target. `with_free_name`: if its name is taken, a number makes it another one.

        Raises AlreadyExists for its name, BadParameter if there are too many.
        """

        def job(connection: sqlite3.Connection) -> SealedTarget:
            if int(str(one(connection, _COUNT))) >= MAX_TARGETS:
                raise BadParameter(f"there are at most {MAX_TARGETS} targets", field="target")
            name = _free_name(connection, new.name) if with_free_name else new.name
            _check_name(connection, name, 0)
            values = (new.kind, name, _encode(new.options), new.created_at)
            id = connection.execute(_ADD, (*values, *_cursor_values(new.cursor))).lastrowid or 0
            sealed = self._sealed(id, secrets)
            connection.execute(_SEAL, (sealed, id))
            fields = msgspec.structs.asdict(new) | {"name": name}
            return SealedTarget(Target(id=id, **fields), sealed)

        return (await self._writer.write(job, self._put)).target

    async def change(
        self, target: Target, *, secrets: TargetSecrets | None = None, release: bool = False
    ) -> Target:
        """Save the name and the options of a target; it is of the next generation then.

        `target`: with the generation that is changed. `secrets`: None leaves them. `release`: hold
        it no longer. Raises NoSuchResource, AlreadyExists, CannotStoreNow if a change came between.
        """
        id = target.id
        sealed = None if secrets is None else self._sealed(id, secrets)

        def job(connection: sqlite3.Connection) -> None:
            _check_name(connection, target.name, id)
            values = (target.name, _encode(target.options), release, id, target.generation)
            if not connection.execute(_CHANGE, values).rowcount:
                if one(connection, _EXISTS, (id,)):
                    raise CannotStoreNow("another change of the target was stored meanwhile")
                raise NoSuchResource(f"there is no target {id}")
            if sealed is not None:
                connection.execute(_SEAL, (sealed, id))

        def changed(_: None) -> None:
            old = self._targets[id]
            held = None if release else old.target.held
            new = replace(
                old.target,
                name=target.name,
                options=target.options,
                held=held,
                generation=old.target.generation + 1,
            )
            self._put(SealedTarget(new, old.secrets if sealed is None else sealed))

        await self._writer.write(job, changed)
        return self.get(id)

    async def hold(self, target: Target, reason: Reason) -> None:
        """Send nothing more to a target until it is released, unless it has changed or is gone."""

        def held(count: int) -> None:
            if count:
                self._keep(replace(self._targets[target.id].target, held=reason))

        values = (reason.stored(), target.id, target.generation)
        await self._writer.write(lambda c: c.execute(_HOLD, values).rowcount, held)

    async def move(self, target: Target, cursor: Cursor) -> None:
        """Save how far a target is, unless it has changed or is gone."""

        def moved(count: int) -> None:
            if count:
                self._keep(replace(self._targets[target.id].target, cursor=cursor))

        values = (*_cursor_values(cursor), target.id, target.generation)
        await self._writer.write(lambda c: c.execute(_MOVE, values).rowcount, moved)

    async def remove(self, id: int) -> None:
        """Remove a target with all that is known of it. Raises NoSuchResource."""

        def job(connection: sqlite3.Connection) -> None:
            if not connection.execute(_REMOVE, (id,)).rowcount:
                raise NoSuchResource(f"there is no target {id}")

        def removed(_: None) -> None:
            self._targets.pop(id, None)
            self._gaps.pop(id, None)
            self._dead_letters.pop(id, None)

        await self._writer.write(job, removed)

    # -- what was refused for ever

    def dead_letter_count(self, id: int) -> int:
        """Return how many dead letters a target has."""
        return self._dead_letters.get(id, 0)

    async def add_dead_letter(self, letter: DeadLetter) -> int:
        """Note what was refused for ever; return how much there is of the target."""
        values = msgspec.structs.asdict(letter) | {"reason": letter.reason.stored()}
        await self._change_dead_letters(_ADD_DEAD_LETTER, (*values.values(), letter.target))
        return self.dead_letter_count(letter.target)

    async def remove_dead_letter(self, id: int, key: DeadLetterKey) -> None:
        """Remove a dead letter, if it is there."""
        await self._change_dead_letters(
            _REMOVE_DEAD_LETTER, (id, key.kind, key.log, clamp(key.seq))
        )

    async def _change_dead_letters(self, sql: str, values: tuple[object, ...]) -> None:
        def job(connection: sqlite3.Connection) -> dict[int, int]:
            connection.execute(sql, values)
            return count_dead_letters(connection)

        def changed(counts: dict[int, int]) -> None:
            self._dead_letters = counts

        await self._writer.write(job, changed)

    async def dead_letters(self, id: int) -> tuple[DeadLetter, ...]:
        """Return the dead letters of a target, by seq."""
        rows = await self._readers.read(
            lambda c: c.execute(_DEAD_LETTERS, (id, MAX_DEAD_LETTERS)).fetchall()
        )
        return tuple(_dead_letter_rows.read_all(rows, self._damaged))

    # -- gaps

    def gaps(self, id: int) -> tuple[Gap, ...]:
        """Return what a target will never get, the oldest first."""
        return tuple(self._gaps.get(id, ()))

    async def add_gaps(
        self, gaps: Mapping[int, tuple[int, int]], log: str, reason: GapReason, at: int
    ) -> None:
        """Note that records (first, last seq) are gone that targets did not have."""
        rows = [(id, log, first, last, reason, at, id) for id, (first, last) in gaps.items()]

        def job(connection: sqlite3.Connection) -> list[Gap]:
            connection.executemany(_ADD_GAP, rows)
            connection.executemany(_TRIM_GAPS, [(id, id) for id in gaps])
            return self._load_gaps(connection)

        await self._writer.write(job, self._keep_gaps)

    async def tell_gap(self, gap: Gap, at: int) -> None:
        """Note that a target was told of a gap."""
        await self._change_gaps(_TELL_GAP, (at, gap.target, gap.log, gap.first_seq, gap.last_seq))

    async def see_gaps(self, id: int, at: int) -> None:
        """Note that a person knows of the gaps of a target."""
        await self._change_gaps(_SEE_GAPS, (at, id))

    async def _change_gaps(self, sql: str, values: tuple[object, ...]) -> None:
        def job(connection: sqlite3.Connection) -> list[Gap]:
            connection.execute(sql, values)
            return self._load_gaps(connection)

        await self._writer.write(job, self._keep_gaps)

    def _load_gaps(self, connection: sqlite3.Connection) -> list[Gap]:
        return _gap_rows.read_all(connection.execute(_GAPS), self._damaged)

    def _keep_gaps(self, gaps: Sequence[Gap]) -> None:
        found: dict[int, list[Gap]] = {}
        for gap in gaps:
            if gap.target in self._targets:
                found.setdefault(gap.target, []).append(gap)
        self._gaps = found

    # -- what is forwarded beside records

    async def alarm_changes(self, after: int, limit: int) -> list[tuple[int, int]]:
        """Return (number, alarm's seq) of the last change of each alarm, by number."""
        return await self._readers.read(
            lambda c: c.execute(_CHANGES, (clamp(after), limit)).fetchall()
        )

    async def alarm_news(self, after: int, limit: int) -> tuple[int, list[Alarm]]:
        """Return alarms that were raised, raised again or more severe by a change after a number.

        With them, the number after which the next ones come.
        """

        def job(connection: sqlite3.Connection) -> tuple[int, list[Alarm]]:
            last = int(str(one(connection, _LAST_CHANGE)))
            rows = connection.execute(_NEWS, (clamp(after), clamp(after), limit)).fetchall()
            if len(rows) == limit:
                last = rows[-1][0]
            return last, alarms_of(connection, [seq for _, seq in rows], self._damaged)

        return await self._readers.read(job)

    async def alarm_number(self, seq: int) -> int:
        """Return the number of the last change of an alarm, 0 if there is none."""
        number = await self._readers.read(lambda c: one(c, _NUMBER, (clamp(seq),)))
        return int(str(number or 0))

    async def last_alarm_change(self) -> int:
        """Return the number of the last change of an alarm, 0 before the first."""
        return await self._readers.read(lambda c: int(str(one(c, _LAST_CHANGE))))

    async def with_alarm(self, seqs: Sequence[int]) -> frozenset[int]:
        """Return those of these records that raised an alarm, or are kept with one."""
        asked = (msgspec.json.encode(seqs).decode(),)
        rows = await self._readers.read(lambda c: c.execute(_RAISED_ALARM, asked).fetchall())
        return frozenset(seq for (seq,) in rows)

    def _sealed(self, id: int, secrets: TargetSecrets) -> bytes:
        return self._box.seal(msgspec.json.encode(secrets).decode(), _context(id))

    def _put(self, sealed: SealedTarget) -> None:
        self._targets[sealed.target.id] = sealed

    def _keep(self, target: Target) -> None:
        self._targets[target.id] = replace(self._targets[target.id], target=target)


def _context(id: int) -> str:
    return f"target/{id}/secrets"


def _secrets(box: SecretBox, id: int, sealed: bytes) -> TargetSecrets:
    return decode_json(box.open(sealed, _context(id)), TargetSecrets)


def _cursor_values(cursor: Cursor) -> tuple[str, int, int, int]:
    numbers = (cursor.seq, cursor.alarm_number, cursor.erasure_number)
    return cursor.log, *map(clamp, numbers)  # type: ignore[return-value]


def _encode(options: TargetOptions) -> str:
    return msgspec.json.encode(options).decode()


def _check_name(connection: sqlite3.Connection, name: str, id: int) -> None:
    if one(connection, _TAKEN, (name, id)):
        raise AlreadyExists(f"there is already a target {name!r}", field="name")


def _free_name(connection: sqlite3.Connection, name: str) -> str:
    """Return a name, or the first of "name 2", "name 3" and so on, that no target has."""
    numbers = range(2, MAX_TARGETS + 2)
    names = (name[:MAX_NAME_LENGTH], *(f"{name[: MAX_NAME_LENGTH - 3]} {n}" for n in numbers))
    return next(free for free in names if not one(connection, _TAKEN, (free, 0)))
