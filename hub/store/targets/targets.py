"""The targets and their cursors, in memory, with their secrets sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import AlreadyExists, BadParameter, NoSuchResource
from hub.store.commit.group_commit import GroupCommit
from hub.store.damage import DamagedRows, Moment, RowReader, Size, as_text
from hub.store.sealing import SecretBox
from hub.store.sqlite.readers import Readers
from hub.store.sqlite.sql import clamp, one
from hub.store.targets.target import (
    Cursor,
    Gap,
    GapReason,
    NewTarget,
    ParkedRecord,
    Target,
    TargetOptions,
    TargetSecrets,
)

TABLE = "target"
MAX_TARGETS = 20
#: Of one target.
MAX_PARKED, MAX_GAPS = 1_000, 200

_COLUMNS = "id, kind, name, options, created_at, held, log, seq, alarm_number, erasure_number"
_ALL = f"SELECT {_COLUMNS}, secrets FROM target ORDER BY id"
_ADD = """
INSERT INTO target (kind, name, options, secrets, created_at, held, log, seq, alarm_number,
    erasure_number) VALUES (?, ?, ?, x'', ?, '', ?, ?, ?, ?)
"""
_CHANGE = "UPDATE target SET name = ?, options = ? WHERE id = ?"
_SEAL = "UPDATE target SET secrets = ? WHERE id = ?"
_HOLD = "UPDATE target SET held = ? WHERE id = ?"
_MOVE = """
UPDATE target SET log = ?, seq = ?, alarm_number = ?, erasure_number = ? WHERE id = ?
"""
_REMOVE = "DELETE FROM target WHERE id = ?"
_TAKEN = "SELECT EXISTS (SELECT 1 FROM target WHERE name = ? AND id <> ?)"
_COUNT = "SELECT count(*) FROM target"

_PARK = "INSERT OR REPLACE INTO parked_record VALUES (?, ?, ?, ?, ?)"
_UNPARK = "DELETE FROM parked_record WHERE target = ? AND log = ? AND seq = ?"
_PARKED = """
SELECT target, log, seq, reason, parked_at FROM parked_record WHERE target = ? ORDER BY log, seq
LIMIT ?
"""
_COUNT_PARKED = "SELECT target, count(*) FROM parked_record GROUP BY target"

_GAPS = """
SELECT target, log, first_seq, last_seq, reason, made_at, told_at, seen_at FROM target_gap
ORDER BY target, made_at, first_seq
"""
_ADD_GAP = """
INSERT INTO target_gap (target, log, first_seq, last_seq, reason, made_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET last_seq = max(last_seq, excluded.last_seq), told_at = NULL,
    seen_at = NULL
"""
_TRIM_GAPS = f"""
DELETE FROM target_gap WHERE target = ? AND (log, first_seq) NOT IN (
    SELECT log, first_seq FROM target_gap WHERE target = ?
    ORDER BY made_at DESC, first_seq DESC LIMIT {MAX_GAPS}
)
"""
_TELL_GAP = "UPDATE target_gap SET told_at = ? WHERE target = ? AND log = ? AND first_seq = ?"
_SEE_GAPS = "UPDATE target_gap SET seen_at = ? WHERE target = ? AND seen_at IS NULL"

_CHANGES = "SELECT number, alarm FROM alarm_change WHERE number > ? ORDER BY number LIMIT ?"
_LAST_CHANGE = "SELECT coalesce(max(number), 0) FROM alarm_change"
_RAISED_ALARM = """
SELECT DISTINCT seq FROM alarm_record WHERE seq IN (SELECT value FROM json_each(?))
"""


class _Row(Struct, frozen=True, kw_only=True):
    id: int
    kind: str
    name: str
    options: TargetOptions
    created_at: Moment
    held: str
    log: str
    seq: Size
    alarm_number: Size
    erasure_number: Size
    damaged: bool = False


class SealedTarget(Struct, frozen=True):
    """A target with its encrypted secrets."""

    target: Target
    secrets: bytes


_UNREADABLE = "its entry in the database is damaged: enter it again"

_rows = RowReader(
    TABLE,
    _Row,
    _COLUMNS.split(", "),
    key=("id",),
    # Where it is and what it gets cannot be guessed: it is held then.
    fallbacks={
        "name": "",
        "options": TargetOptions(url=""),
        "created_at": 0,
        "held": _UNREADABLE,
        "log": "",
        "seq": 0,
        "alarm_number": 0,
        "erasure_number": 0,
    },
    decoders={"options": lambda text: msgspec.json.decode(as_text(text), type=TargetOptions)},
)
_gap_rows = RowReader(
    "target_gap",
    Gap,
    Gap.__struct_fields__,
    key=("target", "log", "first_seq"),
    fallbacks={"made_at": 0, "told_at": None, "seen_at": None, "reason": "lost"},
)
_parked_rows = RowReader(
    "parked_record",
    ParkedRecord,
    ParkedRecord.__struct_fields__,
    key=("target", "log", "seq"),
    fallbacks={"reason": "", "parked_at": 0},
)


def load_targets(connection: sqlite3.Connection, damaged: DamagedRows) -> list[SealedTarget]:
    """Return all targets, the oldest first."""
    found = []
    for *values, secrets in connection.execute(_ALL):
        row = _rows.read(values, damaged)
        if row is None or row.kind not in ("webhook", "mqtt", "nats"):
            continue
        target = Target(
            id=row.id,
            kind=row.kind,  # type: ignore[arg-type]
            name=row.name,
            options=row.options,
            created_at=row.created_at,
            held=row.held or (_UNREADABLE if not row.options.url else ""),
            cursor=Cursor(row.log, row.seq, row.alarm_number, row.erasure_number),
            damaged=row.damaged,
        )
        found.append(SealedTarget(target, secrets if isinstance(secrets, bytes) else b""))
    return found


def load_gaps(connection: sqlite3.Connection, damaged: DamagedRows) -> list[Gap]:
    """Return what targets will never get, by target, the oldest first."""
    return _gap_rows.read_all(connection.execute(_GAPS), damaged)


def count_parked(connection: sqlite3.Connection) -> dict[int, int]:
    """Return how many records are parked, by target."""
    return dict(connection.execute(_COUNT_PARKED).fetchall())


def check_parked(connection: sqlite3.Connection, damaged: DamagedRows) -> None:
    """Decode all parked records; note what is damaged."""
    for row in connection.execute("SELECT target, log, seq, reason, parked_at FROM parked_record"):
        _parked_rows.read(row, damaged)


class TargetTable:
    """All targets, in memory. Changes are durable on return."""

    def __init__(
        self,
        writer: GroupCommit,
        readers: Readers,
        box: SecretBox,
        targets: Sequence[SealedTarget],
        gaps: Sequence[Gap],
        parked: dict[int, int],
        damaged: DamagedRows,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._box = box
        self._damaged = damaged
        self._parked = parked
        self._targets = {sealed.target.id: sealed for sealed in targets}
        self._gaps: dict[int, list[Gap]] = {}
        for gap in gaps:
            self._gaps.setdefault(gap.target, []).append(gap)

    def all(self) -> tuple[Target, ...]:
        """Return all targets, the oldest first."""
        return tuple(sealed.target for sealed in self._targets.values())

    def get(self, id: int) -> Target:
        """Return a target. Raises NoSuchResource."""
        if id not in self._targets:
            raise NoSuchResource(f"there is no target {id}")
        return self._targets[id].target

    def secrets(self, id: int) -> TargetSecrets | None:
        """Return what only the target and the hub know; None if it cannot be read any more."""
        if id not in self._targets:
            raise NoSuchResource(f"there is no target {id}")
        text = self._box.open_or_none(self._targets[id].secrets, _context(id))
        try:
            return msgspec.json.decode(text or "", type=TargetSecrets)
        except msgspec.MsgspecError:
            self._damaged.note(TABLE, id, ("secrets",))
            return None

    async def add(self, new: NewTarget, secrets: TargetSecrets) -> Target:
        """Add a target. Raises AlreadyExists for its name, BadParameter if there are too many."""

        def job(connection: sqlite3.Connection) -> SealedTarget:
            if int(str(one(connection, _COUNT))) >= MAX_TARGETS:
                raise BadParameter(f"there are at most {MAX_TARGETS} targets", field="target")
            _check_name(connection, new.name, 0)
            values = (new.kind, new.name, _encode(new.options), new.created_at)
            id = connection.execute(_ADD, (*values, *_places(new.cursor))).lastrowid or 0
            sealed = self._sealed(id, secrets)
            connection.execute(_SEAL, (sealed, id))
            return SealedTarget(Target(id=id, **msgspec.structs.asdict(new)), sealed)

        return (await self._writer.write(job, self._put)).target

    async def change(
        self, id: int, *, name: str, options: TargetOptions, secrets: TargetSecrets | None = None
    ) -> Target:
        """Change a target; `secrets` None leaves them. Raises NoSuchResource, AlreadyExists."""

        def job(connection: sqlite3.Connection) -> SealedTarget:
            _check_name(connection, name, id)
            old = self._targets.get(id)
            if (
                old is None
                or not connection.execute(_CHANGE, (name, _encode(options), id)).rowcount
            ):
                raise NoSuchResource(f"there is no target {id}")
            sealed = old.secrets if secrets is None else self._sealed(id, secrets)
            connection.execute(_SEAL, (sealed, id))
            changed = replace(old.target, name=name, options=options, damaged=False)
            return SealedTarget(changed, sealed)

        return (await self._writer.write(job, self._put)).target

    async def hold(self, id: int, reason: str) -> None:
        """Send nothing more to a target until `hold(id, "")`. Nothing happens if it is gone."""

        def held(_: object) -> None:
            if id in self._targets:
                self._keep(id, replace(self._targets[id].target, held=reason))

        await self._writer.write(lambda c: c.execute(_HOLD, (reason, id)).rowcount, held)

    async def move(self, cursors: Mapping[int, Cursor]) -> None:
        """Save how far targets are. Those that are gone are left out."""
        rows = [(*_places(cursor), id) for id, cursor in cursors.items()]

        def moved(_: object) -> None:
            for id, cursor in cursors.items():
                if id in self._targets:
                    self._keep(id, replace(self._targets[id].target, cursor=cursor))

        await self._writer.write(lambda c: c.executemany(_MOVE, rows).rowcount, moved)

    async def remove(self, id: int) -> None:
        """Remove a target with all that is known of it. Raises NoSuchResource."""

        def job(connection: sqlite3.Connection) -> None:
            if not connection.execute(_REMOVE, (id,)).rowcount:
                raise NoSuchResource(f"there is no target {id}")

        def removed(_: None) -> None:
            self._targets.pop(id, None)
            self._gaps.pop(id, None)
            self._parked.pop(id, None)
            self._damaged.forget(TABLE, id)

        await self._writer.write(job, removed)

    # -- records that were refused for ever

    def parked_count(self, id: int) -> int:
        """Return how many records of a target are parked."""
        return self._parked.get(id, 0)

    async def park(self, parked: ParkedRecord) -> int:
        """Note a record that was refused for ever; return how many there are of the target."""
        await self._change_parked(_PARK, msgspec.structs.astuple(parked))
        return self.parked_count(parked.target)

    async def unpark(self, id: int, log: str, seq: int) -> None:
        """Forget a parked record. Nothing happens if there is none."""
        await self._change_parked(_UNPARK, (id, log, clamp(seq)))

    async def _change_parked(self, sql: str, values: tuple[object, ...]) -> None:
        def job(connection: sqlite3.Connection) -> dict[int, int]:
            connection.execute(sql, values)
            return count_parked(connection)

        def changed(counts: dict[int, int]) -> None:
            self._parked = counts

        await self._writer.write(job, changed)

    async def parked(self, id: int) -> tuple[ParkedRecord, ...]:
        """Return the parked records of a target, by seq."""
        rows = await self._readers.read(lambda c: c.execute(_PARKED, (id, MAX_PARKED)).fetchall())
        return tuple(_parked_rows.read_all(rows, self._damaged))

    # -- gaps

    def gaps(self, id: int) -> tuple[Gap, ...]:
        """Return what a target will never get, the oldest first."""
        return tuple(self._gaps.get(id, ()))

    async def add_gaps(
        self, gaps: Mapping[int, tuple[int, int]], log: str, reason: GapReason, at: int
    ) -> None:
        """Note that records (first, last seq) are gone that targets did not have."""
        rows = [(id, log, first, last, reason, at) for id, (first, last) in gaps.items()]

        def job(connection: sqlite3.Connection) -> list[Gap]:
            connection.executemany(_ADD_GAP, rows)
            connection.executemany(_TRIM_GAPS, [(id, id) for id in gaps])
            return load_gaps(connection, self._damaged)

        await self._writer.write(job, self._keep_gaps)

    async def tell_gap(self, gap: Gap, at: int) -> None:
        """Note that a target was told of a gap."""
        await self._change_gaps(_TELL_GAP, (at, gap.target, gap.log, gap.first_seq))

    async def see_gaps(self, id: int, at: int) -> None:
        """Note that a person knows of the gaps of a target."""
        await self._change_gaps(_SEE_GAPS, (at, id))

    async def _change_gaps(self, sql: str, values: tuple[object, ...]) -> None:
        def job(connection: sqlite3.Connection) -> list[Gap]:
            connection.execute(sql, values)
            return load_gaps(connection, self._damaged)

        await self._writer.write(job, self._keep_gaps)

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
        self._damaged.forget(TABLE, sealed.target.id)

    def _keep(self, id: int, target: Target) -> None:
        self._targets[id] = replace(self._targets[id], target=target)


def note_damaged_target_secrets(
    box: SecretBox, targets: Sequence[SealedTarget], damaged: DamagedRows
) -> None:
    """Note the targets whose secrets cannot be decrypted."""
    for sealed in targets:
        if box.open_or_none(sealed.secrets, _context(sealed.target.id)) is None:
            damaged.note(TABLE, sealed.target.id, ("secrets",))


def _context(id: int) -> str:
    return f"target/{id}/secrets"


def _places(cursor: Cursor) -> tuple[str, int, int, int]:
    numbers = (cursor.seq, cursor.alarm_number, cursor.erasure_number)
    return cursor.log, *map(clamp, numbers)  # type: ignore[return-value]


def _encode(options: TargetOptions) -> str:
    return msgspec.json.encode(options).decode()


def _check_name(connection: sqlite3.Connection, name: str, id: int) -> None:
    if one(connection, _TAKEN, (name, id)):
        raise AlreadyExists(f"there is already a target {name!r}", field="name")
