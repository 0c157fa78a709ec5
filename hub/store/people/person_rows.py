"""A person of the site's register (D10): its shape, and its row in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from hub.folding import normalise
from hub.store.people.person_fields import (
    PERSON_FIELDS,
    Category,
    PersonEdit,
    PersonFacts,
    ValidFrom,
    ValidUntil,
)
from hub.store.rows import DamagedRows, Size, TableRows, as_flag, as_number, as_text
from hub.store.sqlite.sql import one
from hub.wire.person_numbers import canonical_pid
from hub.wire.times import Moment

#: People of the register.
MAX_PEOPLE = 20_000
#: Numbers below are left to those who give them, and to what cameras number by themselves.
_FIRST_ASSIGNED_PID = 1_000_001

#: For the order of pids by number: the expression of the index person_order, in these very words.
BY_NUMBER = "substr('0000000000000000000' || {pid}, -20)"
#: Whether a person is valid between `:earliest` and `:latest`. Of somebody who becomes valid or
#: invalid between the two nobody knows it: who is where `{stays}` holds, stays there.
IS_VALID = """
({p}.valid_from IS NULL OR {p}.valid_from <= :earliest
    OR ({p}.valid_from <= :latest AND {stays}))
AND ({p}.valid_until IS NULL OR {p}.valid_until > :latest
    OR ({p}.valid_until > :earliest AND {stays}))
"""


class Person(PersonFacts, frozen=True, kw_only=True):
    """A person. Times in UNIX milliseconds.

    On cameras from `valid_from` until before `valid_until`. `revision` is that of what cameras are
    given (the fields of 1.12 and the photo): each change of it takes the next number of the whole
    register.
    """

    valid_from: ValidFrom | None
    valid_until: ValidUntil | None
    has_photo: bool
    revision: int
    created_at: Moment
    changed_at: Moment
    changed_by: str

    def is_valid(self, at: int) -> bool:
        """Return whether the person belongs on cameras at this time (UNIX milliseconds)."""
        is_begun = self.valid_from is None or self.valid_from <= at
        return is_begun and (self.valid_until is None or at < self.valid_until)

    def age_in(self, year: int) -> int | None:
        """Return the age, by the year of birth if that is what is known."""
        if self.birth_year is None:
            return self.age
        return max(0, min(150, year - self.birth_year))


class PersonChange(PersonEdit, frozen=True, kw_only=True):
    """What to set of a person. `photo`: the JPEG that cameras are given, None removes it."""

    valid_from: ValidFrom | UnsetType | None = UNSET
    valid_until: ValidUntil | UnsetType | None = UNSET
    photo: bytes | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "PersonChange(...)"


class PersonName(Struct, frozen=True):
    """What is shown of a person beside a record."""

    pid: str
    name: str
    category: Category


#: The fields that are masked for most.
PERSONAL_NUMBERS = tuple(name for name, field in PERSON_FIELDS.items() if field.is_personal)


def empty_person(pid: str, at: int) -> Person:
    """Return a person of whom nothing is known but the number."""
    unknown = {
        name: "" if field.kind in ("text", "lines") else None
        for name, field in PERSON_FIELDS.items()
    }
    known: dict[str, Any] = {
        **unknown,
        "pid": pid,
        "category": 1,
        "created_at": at,
        "changed_at": at,
    }
    return Person(**known, everywhere=True, groups=(), has_photo=False, revision=0, changed_by="")


_COLUMNS = tuple(name for name in Person.__struct_fields__ if name != "groups")
#: What `read_people` reads, in the order of the fields.
SELECT_PERSON = f"SELECT {', '.join(Person.__struct_fields__)} FROM person".replace(
    "groups",
    "(SELECT group_concat(camera_group) FROM person_group WHERE person_group.pid = person.pid)",
)
_ONE = f"{SELECT_PERSON} WHERE pid = ?"
_PHOTO = "SELECT jpeg FROM person_photo WHERE pid = ?"
_SAVE = f"""
INSERT INTO person ({", ".join(_COLUMNS)}, folded) VALUES ({"?, " * len(_COLUMNS)}?)
ON CONFLICT (pid) DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in _COLUMNS)},
    folded = excluded.folded
"""
_SAVE_PHOTO = """
INSERT INTO person_photo (pid, jpeg) VALUES (?, ?)
ON CONFLICT (pid) DO UPDATE SET jpeg = excluded.jpeg
"""
_REMOVE_PHOTO = "DELETE FROM person_photo WHERE pid = ?"
_REMOVE = "DELETE FROM person WHERE pid = ?"
_REMOVE_GROUPS = "DELETE FROM person_group WHERE pid = ?"
_ADD_GROUP = "INSERT INTO person_group (pid, camera_group) VALUES (?, ?)"
_GROUP_IDS = "SELECT id FROM camera_group"
_COUNT = "SELECT count(*) FROM person"
_NAMES = """
SELECT pid, name, category FROM person WHERE pid IN (SELECT value FROM json_each(?))
"""
#: The name is the first line of `folded`.
_NAMED = "SELECT pid FROM person WHERE instr(folded, ?) = 1 ORDER BY length(pid), pid"
_MAX_REVISION = "SELECT max(revision) FROM person"
_READ_COUNTER = "SELECT value FROM setting WHERE key = ?"
_SAVE_COUNTER = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"
_REVISION, _LAST_PID = "store.people_revision", "store.last_pid"
#: Whether a camera, or a record, is known to name somebody by this number.
_PID_TAKEN = """
SELECT EXISTS (SELECT 1 FROM person WHERE pid = :pid) OR EXISTS (
    SELECT 1 FROM unknown_person WHERE pid = :pid
) OR EXISTS (SELECT 1 FROM holding WHERE pid = :pid)
OR EXISTS (SELECT 1 FROM record WHERE uuid = :pid)
"""
_PHOTOS = "SELECT pid, substr(jpeg, 1, 2) FROM person_photo"


def fold_text(text: str) -> str:
    """Return text as searches compare it: full-width forms reduced, case ignored, without NULs."""
    return normalise("NFKC", text.replace("\0", "")).casefold()


def last_four(number: str) -> str:
    """Return what everybody may see of a personal number; "" of one that is no longer than that."""
    return number[-4:] if len(number) > 4 else ""


def _folded(person: Person) -> str:
    """Everything by which everybody may find a person, one item per line.

    Of the personal numbers the last four digits, which everybody sees.
    """
    ends = (last_four(getattr(person, name)) for name in PERSONAL_NUMBERS)
    return "\n".join(
        fold_text(part)
        for part in (person.name, person.pid, person.work_id, person.department, *ends)
    )


def _as_groups(value: object) -> tuple[int, ...]:
    return () if value is None else tuple(sorted(int(id) for id in as_text(value).split(",")))


def _as_pid(value: object) -> str:
    pid = as_text(value)
    if canonical_pid(pid) != pid:
        raise ValueError("a decimal number is expected")
    return pid


_rows = TableRows(
    "person",
    Person,
    key=("pid",),
    decoders={
        "pid": _as_pid,
        "everywhere": as_flag,
        "has_photo": as_flag,
        "groups": _as_groups,
    },
)


class _PhotoHead(Struct, frozen=True):
    """The pid of a photo, and its first two bytes."""

    pid: str
    jpeg: bytes


class _Member(Struct, frozen=True):
    pid: str
    camera_group: Size


class _Folded(Struct, frozen=True):
    pid: str
    folded: str


def _as_jpeg_head(value: object) -> bytes:
    if value != b"\xff\xd8":
        raise ValueError("a JPEG is expected")
    return b"\xff\xd8"


_photos = TableRows("person_photo", _PhotoHead, key=("pid",), decoders={"jpeg": _as_jpeg_head})
_folds = TableRows("person", _Folded, key=("pid",))
_names = TableRows("person", PersonName, key=("pid",))
_members = TableRows("person_group", _Member, key=("pid", "camera_group"))


#: The queries of all people, of the beginning of each photo, and of each group of a person.
PERSON_QUERIES: tuple[tuple[TableRows[Any], str], ...] = (
    (_folds, _folds.select),
    (_rows, SELECT_PERSON),
    (_photos, _PHOTOS),
    (_members, _members.select),
)


def read_people(rows: Iterable[Sequence[object]], damaged: DamagedRows) -> list[Person]:
    """Return the people of rows of `SELECT_PERSON`."""
    return _rows.read_all(rows, damaged)


def load_person(connection: sqlite3.Connection, pid: str, damaged: DamagedRows) -> Person | None:
    row = connection.execute(_ONE, (pid,)).fetchone()
    return None if row is None else _rows.read(row, damaged)


def load_photo(connection: sqlite3.Connection, pid: str) -> bytes | None:
    jpeg = one(connection, _PHOTO, (pid,))
    return jpeg if isinstance(jpeg, bytes) else None


def count_people(connection: sqlite3.Connection) -> int:
    return as_number(one(connection, _COUNT))


def names_of(connection: sqlite3.Connection, pids: Collection[str]) -> dict[str, PersonName]:
    """Return the people with these pids, by pid. One query."""
    values = (msgspec.json.encode(list(pids)).decode(),)
    # Whoever reads the whole person notes that it is damaged.
    found = _names.read_all(connection.execute(_NAMES, values), DamagedRows(is_told=False))
    return {name.pid: name for name in found}


def pids_named(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return who has exactly this name, case and width ignored."""
    return [pid for (pid,) in connection.execute(_NAMED, (f"{fold_text(name)}\n",))]


def save_person(connection: sqlite3.Connection, person: Person) -> None:
    """Insert a person or replace its row, and its groups."""
    values = [getattr(person, name) for name in _COLUMNS]
    connection.execute(_SAVE, (*values, _folded(person)))
    connection.execute(_REMOVE_GROUPS, (person.pid,))
    connection.executemany(_ADD_GROUP, [(person.pid, group) for group in person.groups])


def save_photo(connection: sqlite3.Connection, pid: str, jpeg: bytes | None) -> None:
    if jpeg is None:
        connection.execute(_REMOVE_PHOTO, (pid,))
    else:
        connection.execute(_SAVE_PHOTO, (pid, jpeg))


def remove_person(connection: sqlite3.Connection, pid: str) -> bool:
    """Remove a person with photo and groups; return whether there was one."""
    return connection.execute(_REMOVE, (pid,)).rowcount > 0


def unknown_groups(connection: sqlite3.Connection, groups: Collection[int]) -> set[int]:
    """Return which of these groups of cameras there are not."""
    return set(groups) - {id for (id,) in connection.execute(_GROUP_IDS)} if groups else set()


def next_revision(connection: sqlite3.Connection) -> int:
    """Return a revision that nobody in the register has or had."""
    highest = as_number(one(connection, _MAX_REVISION))
    revision = max(_read_counter(connection, _REVISION), highest) + 1
    connection.execute(_SAVE_COUNTER, (_REVISION, str(revision)))
    return revision


def assign_pid(connection: sqlite3.Connection) -> str:
    """Return the next pid that nobody is known to have, on a camera or in a record either."""
    number = max(_read_counter(connection, _LAST_PID) + 1, _FIRST_ASSIGNED_PID)
    while one(connection, _PID_TAKEN, {"pid": str(number)}):
        number += 1
    connection.execute(_SAVE_COUNTER, (_LAST_PID, str(number)))
    return str(number)


def _read_counter(connection: sqlite3.Connection, key: str) -> int:
    text = one(connection, _READ_COUNTER, (key,))
    return int(text) if isinstance(text, str) and text.isascii() and text.isdecimal() else 0
