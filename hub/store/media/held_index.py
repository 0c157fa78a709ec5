"""Where held evidence lies: the records that outlive their day, and the packs with their pictures.

The packs are files media/held/DAY-ID.pack, in the format of a day's pack. Several can belong to one
day: a pack that holds pictures which are not held any more is replaced by another one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from hub.store.media.packs import SUFFIX, as_day
from hub.store.rows import DamagedRows, TableRows, as_flag

HELD = "held"

_RECORDS = "SELECT seq, pack FROM held_record"


class HeldPack(Struct, frozen=True):
    """A pack of held evidence. `bytes`: its committed end."""

    id: int
    day: str
    bytes: Annotated[int, Meta(ge=0)]
    is_stale: bool = False


class HeldRows(Struct, frozen=True):
    """The rows that are held in memory. `records`: the pack of each record, by seq."""

    packs: tuple[HeldPack, ...] = ()
    records: Mapping[int, int] = {}


class HeldIndex:
    """Held evidence in memory. Changed by the writer's thread after a commit; read from any."""

    def __init__(self, directory: Path, rows: HeldRows) -> None:
        self.directory = directory / HELD
        self._packs = {pack.id: pack for pack in rows.packs}
        self._records = dict(rows.records)

    def __contains__(self, seq: int) -> bool:
        """Whether a record outlives its day."""
        return seq in self._records

    def __len__(self) -> int:
        return len(self._records)

    def packs(self) -> list[HeldPack]:
        return sorted(self._packs.copy().values(), key=lambda pack: pack.id)

    def open_pack(self, day: str) -> HeldPack | None:
        """Return the pack that a day's evidence is appended to, None if there is none yet."""
        found = [pack for pack in self.packs() if pack.day == day and not pack.is_stale]
        return found[-1] if found else None

    def path(self, pack: HeldPack) -> Path:
        return self.directory / f"{pack.day}-{pack.id}{SUFFIX}"

    def path_of(self, id: int) -> Path | None:
        """Return the path of a pack by its id, None if it is gone."""
        pack = self._packs.get(id)
        return None if pack is None else self.path(pack)

    def put(self, pack: HeldPack, seqs: Iterable[int] = ()) -> None:
        self._packs[pack.id] = pack
        for seq in seqs:
            self._records[seq] = pack.id

    def drop_records(self, seqs: Iterable[int]) -> None:
        for seq in seqs:
            self._records.pop(seq, None)

    def drop_pack(self, id: int) -> None:
        self._packs.pop(id, None)


_pack_rows = TableRows("held_pack", HeldPack, decoders={"day": as_day, "is_stale": as_flag})
_PACKS = f"{_pack_rows.select} ORDER BY id"


def load_held(connection: sqlite3.Connection, damaged: DamagedRows) -> HeldRows:
    packs = tuple(_pack_rows.read_all(connection.execute(_PACKS), damaged))
    records = {}
    for seq, pack in connection.execute(_RECORDS):
        if isinstance(pack, int):
            records[seq] = pack
        else:
            damaged.note("held_record", seq)
    return HeldRows(packs, records)
