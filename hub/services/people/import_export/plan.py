"""Decides what each row of an import would do: add a person, change one, or why it is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import tzinfo
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from msgspec import Struct

from hub.errors import BadParameter
from hub.services.people.import_export.columns import (
    EVERYWHERE,
    IDENTIFYING,
    BadCell,
    PersonCells,
    read_cells,
)
from hub.services.people.validation import checked_change, checked_pid
from hub.store.people.person_rows import MAX_PEOPLE, PersonChange

if TYPE_CHECKING:
    from hub.services.people.import_export.table_reader import TableRow

T = TypeVar("T")

Action = Literal["add", "change", "refuse"]
RefusalCode = Literal[
    "shortened",
    "word",
    "number",
    "time",
    "wrong",
    "nobody",
    "no name",
    "several",
    "repeated",
    "group",
    "no photo",
    "several photos",
    "photo",
    "full",
]


class RowRefusal(Struct, frozen=True, omit_defaults=True):
    """Why a row is refused. `message` says it in English; the rest is for translations.

    `field`: of 1.12. `value`: what stands there, or the code of what is wrong with the photo.
    `other_line`: the earlier row about the same person.
    """

    code: RefusalCode
    message: str
    field: str = ""
    value: str = ""
    other_line: int = 0


class PlannedRow(Struct, frozen=True, kw_only=True):
    """What a row would do. `line`: its first line in the CSV file, or the place of the photo.

    `pid`: of the person who is changed, or is added with this pid; None if one is assigned.
    `photo`: the name of the file in the ZIP, "" without.
    """

    line: int
    action: Action
    cells: tuple[str, ...]
    pid: str | None = None
    name: str = ""
    change: PersonChange = PersonChange()
    photo: str = ""
    refusal: RowRefusal | None = None


class Register(Protocol):
    """What a plan asks of the register, for many rows at a time."""

    async def known_pids(self, pids: Collection[str]) -> Collection[str]:
        """Return those of these pids that people have."""

    async def pids_of_work_ids(self, work_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return who has these work numbers."""

    async def pids_of_names(self, names: Collection[str]) -> Mapping[str, Sequence[str]]:
        """Return who has exactly these names."""


class _Refused(Exception):
    def __init__(self, refusal: RowRefusal) -> None:
        self.refusal = refusal


def _refuse(code: RefusalCode, message: str, field: str = "", value: str = "") -> _Refused:
    return _Refused(RowRefusal(code, message, field, value))


class Planner:
    """Plans the rows of one import, in their order.

    `groups`: folded name -> id. `photos`: by key (see `photo_archive`), None without a ZIP.
    `names`: how often the file has each name. `room`: how many people can be added.
    """

    def __init__(
        self,
        register: Register,
        *,
        fields: Sequence[str | None],
        groups: Mapping[str, int],
        photos: Mapping[str, Sequence[str]] | None,
        names: Mapping[str, int],
        room: int,
        zone: tzinfo,
        year: int,
    ) -> None:
        self._register = register
        self._fields = fields
        self._groups = groups
        self._photos = photos
        self._names = names
        self._room = room
        self._zone = zone
        self._year = year
        #: Who was in an earlier row: ("pid", ...) -> its line.
        self._seen: dict[tuple[str, str], int] = {}
        #: The photos that belong to a row.
        self.used_photos: set[str] = set()

    async def plan(self, rows: Sequence[TableRow]) -> list[PlannedRow]:
        """Plan the next rows."""
        read = [self._read(row) for row in rows]
        cells = [found for found in read if not isinstance(found, RowRefusal)]
        known = await _Known.of(self._register, cells)
        return [
            PlannedRow(
                line=row.line,
                action="refuse",
                cells=row.cells,
                name=self._name_in(row),
                refusal=found,
            )
            if isinstance(found, RowRefusal)
            else self._plan(row, found, known)
            for row, found in zip(rows, read, strict=True)
        ]

    async def plan_photos(self, rows: Sequence[TableRow]) -> list[PlannedRow]:
        """Plan photos without a CSV file: each cell is the name of one in the ZIP."""
        stems = [PurePosixPath(row.cells[0]).stem.strip() for row in rows]
        named = [dict.fromkeys(IDENTIFYING, stem) for stem in stems]
        known = await _Known.of(self._register, named)
        return [self._plan_photo(row, stem, known) for row, stem in zip(rows, stems, strict=True)]

    def _read(self, row: TableRow) -> PersonCells | RowRefusal:
        try:
            return read_cells(self._fields, row.cells, self._zone)
        except BadCell as bad:
            return RowRefusal(bad.fault, str(bad), bad.field, bad.value)

    def _name_in(self, row: TableRow) -> str:
        """Whom a row that cannot be read is about, as the table has it."""
        pairs = zip(self._fields, row.cells, strict=False)
        return next((cell for field, cell in pairs if field == "name"), "").strip()

    def _plan(self, row: TableRow, cells: PersonCells, known: _Known) -> PlannedRow:
        name = cells.get("name") or ""
        try:
            pid, is_known = self._identify(cells, known)
            self._check_once(row.line, pid, cells)
            change = self._change(cells, is_known=is_known)
            photo = self._photo_of(cells, pid)
            if not is_known:
                self._take_room()
        except _Refused as refused:
            return PlannedRow(
                line=row.line,
                action="refuse",
                cells=row.cells,
                name=name,
                refusal=refused.refusal,
            )
        return PlannedRow(
            line=row.line,
            action="change" if is_known else "add",
            cells=row.cells,
            pid=pid,
            name=name,
            change=change,
            photo=photo,
        )

    def _plan_photo(self, row: TableRow, stem: str, known: _Known) -> PlannedRow:
        found = {stem} & known.pids or known.work_ids.get(stem) or known.names.get(stem) or ()
        refusal = None
        if not found:
            refusal = RowRefusal("nobody", f"nobody has the number or the name {stem}", value=stem)
        elif len(found) > 1:
            refusal = RowRefusal("several", f"several people have {stem}", value=stem)
        else:
            (pid,) = found
            if (earlier := self._seen.setdefault(("pid", pid), row.line)) != row.line:
                refusal = _repeated(earlier)
        if refusal is not None:
            return PlannedRow(line=row.line, action="refuse", cells=row.cells, refusal=refusal)
        self.used_photos.add(row.cells[0])
        return PlannedRow(
            line=row.line, action="change", cells=row.cells, pid=pid, photo=row.cells[0]
        )

    def _identify(self, cells: PersonCells, known: _Known) -> tuple[str | None, bool]:
        """Return the pid of whom the row is about, and whether the register has them."""
        if cells.get("pid"):
            pid = _checked(lambda: checked_pid(cells["pid"]))
            return pid, pid in known.pids
        for field, pids in (("work_id", known.work_ids), ("name", known.names)):
            if not (value := cells.get(field)):
                continue
            found = pids.get(value, ())
            if len(found) > 1:
                raise _refuse("several", f"several people have the {field} {value}", field, value)
            return (found[0], True) if found else (None, False)
        raise _refuse("no name", "a pid, a work number or a name is required")

    def _check_once(self, line: int, pid: str | None, cells: PersonCells) -> None:
        """Refuse a second row about the same person."""
        who = (
            ("pid", pid)
            if pid is not None
            else ("work_id", cells["work_id"])
            if cells.get("work_id")
            else ("name", cells.get("name", ""))
        )
        if (earlier := self._seen.setdefault((who[0], str(who[1])), line)) != line:
            raise _Refused(_repeated(earlier))

    def _change(self, cells: PersonCells, *, is_known: bool) -> PersonChange:
        fields = {
            field: value
            for field, value in cells.items()
            if field not in ("pid", "groups", "photo")
        }
        if not fields.get("name"):
            if not is_known:
                raise _refuse("no name", "a new person needs a name", "name")
            fields.pop("name", None)
        if fields.get("category", 0) is None:
            del fields["category"]
        groups = cells.get("groups", ())
        if groups is None:
            fields |= {"everywhere": True, "groups": ()}
        elif "groups" in cells:
            named = [name for name in groups if name != EVERYWHERE]
            fields["everywhere"] = EVERYWHERE in groups
            fields["groups"] = tuple(self._group(name) for name in named)
        change = PersonChange(**fields)
        return _checked(lambda: checked_change(change, self._year))

    def _group(self, name: str) -> int:
        if (id := self._groups.get(name.casefold())) is None:
            raise _refuse("group", f"there is no group {name}", "groups", name)
        return id

    def _photo_of(self, cells: PersonCells, pid: str | None) -> str:
        """Return the name of the row's photo in the ZIP; "" if there is none."""
        from hub.services.people.import_export.photo_archive import photo_key

        if self._photos is None:
            return ""
        if photo := cells.get("photo"):
            return self._named_photo(photo)
        # By a name that several rows have, the photo is nobody's.
        name = cells.get("name", "")
        is_one = self._names.get(name, 0) < 2
        for key in (pid, cells.get("work_id"), name if is_one else ""):
            found = self._photos.get(photo_key(key), ()) if key else ()
            if len(found) > 1:
                raise _refuse(
                    "several photos", f"there are several photos for {key}", value=key or ""
                )
            if found:
                self.used_photos.add(found[0])
                return found[0]
        return ""

    def _named_photo(self, wanted: str) -> str:
        from hub.services.people.import_export.photo_archive import photo_key

        assert self._photos is not None
        path = wanted.replace("\\", "/")
        found = self._photos.get(photo_key(PurePosixPath(path).name), ())
        exact = [name for name in found if name == path or name.endswith(f"/{path}")] or found
        if not exact:
            raise _refuse("no photo", f"there is no photo {wanted} in the ZIP", "photo", wanted)
        if len(exact) > 1:
            raise _refuse("several photos", f"there are several photos for {wanted}", value=wanted)
        self.used_photos.add(exact[0])
        return exact[0]

    def _take_room(self) -> None:
        if self._room < 1:
            raise _refuse("full", f"the register holds at most {MAX_PEOPLE} people")
        self._room -= 1


class _Known(Struct, frozen=True):
    """What the register has of the people of some rows."""

    pids: set[str]
    work_ids: Mapping[str, Sequence[str]]
    names: Mapping[str, Sequence[str]]

    @classmethod
    async def of(cls, register: Register, rows: Sequence[PersonCells]) -> _Known:
        given = {field: {row[field] for row in rows if row.get(field)} for field in IDENTIFYING}
        pids, work_ids, names = set(map(_canonical, given["pid"])), given["work_id"], given["name"]
        return cls(
            set(await register.known_pids(pids)) if pids else set(),
            await register.pids_of_work_ids(work_ids) if work_ids else {},
            await register.pids_of_names(names) if names else {},
        )


def count_names(fields: Sequence[str | None], rows: Iterable[Sequence[str]]) -> Counter[str]:
    """Return how often the rows have each name."""
    if "name" not in fields:
        return Counter()
    place = fields.index("name")
    return Counter(cells[place].strip() for cells in rows if len(cells) > place)


def refusal_of(error: BadParameter, fault: str = "") -> RowRefusal:
    """Return the refusal for a value that the register, or the photo's rules, do not allow."""
    code: RefusalCode = "photo" if fault else "wrong"
    return RowRefusal(code, error.message, error.field, fault)


def _checked(check: Callable[[], T]) -> T:
    try:
        return check()
    except BadParameter as error:
        raise _Refused(refusal_of(error)) from None


def _canonical(pid: str) -> str:
    return pid.lstrip("0") if pid.isascii() and pid.isdecimal() else pid


def _repeated(line: int) -> RowRefusal:
    return RowRefusal("repeated", f"line {line} is about the same person", other_line=line)
