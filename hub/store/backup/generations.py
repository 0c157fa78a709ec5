"""The backup folder: generations that share one copy of each pack.

    sitehub-YYYYMMDD-HHMMSS.tar   a generation: everything but the pictures (UTC)
    packs/DAY.pack                the pictures; each generation names how many bytes are its

A generation gets its name only after it was read back. If the folder is on the disk of the data
directory, the packs are hard links: a copy would halve the room for records and protect from
nothing more. Otherwise the part of a pack that has grown is appended to its copy. A pack whose
bytes have changed (an erased person, a day that began anew) is copied under another name, because
older generations need the old one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BackupFault
from hub.reasons import Reason, because
from hub.store.backup.archive import (
    HEAD_NOT_READ,
    HEAD_TOO_LARGE,
    Archive,
    ArchiveSink,
    Head,
    StoredPack,
    read_archive,
    read_head,
    write_archive,
)
from hub.store.backup.files import (
    NOT_REGULAR,
    FlushedFile,
    flush_directory_if_possible,
    open_regular,
)
from hub.store.backup.making import SiteDescription, WorkingCopy, make_head
from hub.store.backup.pace import Pace
from hub.store.backup.pack_copies import PackCopies
from hub.store.backup.restore import PACKS, opened_source
from hub.store.backup.snapshot import check_copy, read_snapshot, refuse_if_erased
from hub.store.backup.unread import UnreadPack, unread_pack
from hub.store.disk import DIRECTORY_MODE
from hub.store.media.packs import SUFFIX
from hub.store.names import DATABASE

_NAME = re.compile(r"sitehub-(\d{8}-\d{6})\.tar", re.ASCII)
_STAMP = "%Y%m%d-%H%M%S"
_PART = ".part"
_DAILY, _WEEKLY, _MONTHLY = 7, 4, 6
_MAX_GENERATIONS = 10_000
#: What is read of all generations: their heads, which say of each pack what is theirs. Those of a
#: hub that keeps three years take about 7 MB.
_MAX_BYTES_OF_HEADS = 32 * 1024 * 1024


class Generation(Struct, frozen=True):
    """A backup in the folder.

    `made_at`: UNIX seconds. `problem`: why it cannot be restored, or None.
    """

    path: Path
    made_at: float
    bytes: int
    head: Head | None
    problem: Reason | None = None

    @property
    def is_restorable(self) -> bool:
        """Whether it can be restored."""
        return self.problem is None

    @property
    def unread(self) -> tuple[UnreadPack, ...]:
        """The packs of which it lacks parts, because the disk of the hub could not read them."""
        return self.head.unread if self.head is not None else ()

    @property
    def is_complete(self) -> bool:
        return self.is_restorable and not self.unread

    @property
    def is_foreign(self) -> bool:
        """Whether it only has the name of a backup. The hub did not make it, and leaves it."""
        return self.problem in (NOT_REGULAR, HEAD_TOO_LARGE)

    @property
    def is_unknown(self) -> bool:
        """Whether its head was not read, because those of newer ones took too much.

        It may be restorable, and need any of the packs.
        """
        return self.problem == HEAD_NOT_READ


class Folder(Struct, frozen=True):
    """What the folder holds: the generations, the oldest first, and the bytes of all files.

    `is_on_same_disk`: it is on the disk of the data directory, and would be lost with it.
    """

    generations: tuple[Generation, ...] = ()
    bytes: int = 0
    is_on_same_disk: bool = False


# -- looking


def read_folder(folder: Path) -> Folder:
    """Read what a backup folder holds, by the heads of its generations. Blocks. Raises OSError."""
    if not folder.is_dir():
        return Folder()
    names = sorted(path.name for path in folder.iterdir() if _made_at(path.name) is not None)
    generations = _read_generations(folder, names[-_MAX_GENERATIONS:])
    packs = folder / PACKS
    of_packs = sum(path.lstat().st_size for path in packs.iterdir()) if packs.is_dir() else 0
    return Folder(generations, of_packs + sum(one.bytes for one in generations))


def _made_at(name: str) -> float | None:
    """Return when the generation of this name was made; None if it is the name of none."""
    found = _NAME.fullmatch(name)
    with suppress(ValueError):
        moment = None if found is None else datetime.strptime(found[1], _STAMP)
        # Every zone has these years.
        if moment is not None and 1970 <= moment.year < 9999:
            return moment.replace(tzinfo=UTC).timestamp()
    return None


def _read_generations(folder: Path, names: Sequence[str]) -> tuple[Generation, ...]:
    """Return the generations of these names.

    Others may write to the folder: all heads together have a limit, which the newest use first.
    """
    found, left = [], _MAX_BYTES_OF_HEADS
    for name in reversed(names):
        one, size = _read_generation(folder / name, left)
        left -= size
        found.append(one)
    return tuple(reversed(found))


def _read_generation(path: Path, most: int) -> tuple[Generation, int]:
    """Return a generation, and how much was read of it; its head must not take more than `most`."""
    problem: Reason | None = None
    head, bytes_, size = None, 0, 0
    try:
        with open_regular(path) as file:
            bytes_ = os.fstat(file.fileno()).st_size
            head, size = read_head(file, most)
    except BackupFault as error:
        problem = error.said
    except OSError as error:
        problem = because("it cannot be read: %(why)s", why=Reason(error.strerror or str(error)))
    return Generation(path, _made_at(path.name) or 0.0, bytes_, head, problem), size


def is_on_same_disk(folder: Path, data_dir: Path) -> bool:
    """Whether a folder, or what exists of its path, is on the disk of the data directory."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.stat().st_dev == data_dir.stat().st_dev


# -- making


def make_generation(
    data_dir: Path,
    folder: Path,
    copy: WorkingCopy,
    site: SiteDescription,
    *,
    pictures: bool,
    min_free: int,
    pace: Pace,
    make_room: Callable[[], bool],
) -> Path:
    """Add a generation to the folder and read it back. Blocks. Return its path.

    `min_free`: bytes that stay free on the folder's disk. `make_room` removes an old generation,
    and returns whether there was one. Raises BackupFault, OSError or CopyingStopped.
    """
    generations = read_folder(folder).generations
    packs_folder = folder / PACKS
    if packs_folder.is_symlink():
        raise BackupFault(f"{packs_folder} is a link: remove it, packs are only kept in a folder")
    packs_folder.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    remove_parts(folder)
    copies = PackCopies(
        data_dir,
        packs_folder,
        _newest_packs(generations),
        _named_files(generations),
        site.made_at,
        pace,
        can_link=is_on_same_disk(packs_folder, data_dir),
    )
    wanted = copy.snapshot.packs if pictures else ()
    pace.total_bytes = pace.done_bytes + sum(pack.bytes for pack in wanted)
    _ensure_room(folder, copies.growth(wanted) + _tar_bytes(copy), min_free, make_room)
    kept = [stored for pack in wanted if (stored := copies.keep(pack)) is not None]
    packs = tuple(_with_records(stored, copy.snapshot.database) for stored in kept)
    flush_directory_if_possible(packs_folder)
    head = make_head("generation", site, copy.snapshot, data_dir, pictures=pictures, packs=packs)
    path = folder / f"sitehub-{datetime.fromtimestamp(site.made_at, UTC):{_STAMP}}.tar"
    part = path.with_name(path.name + _PART)
    try:
        with FlushedFile(part) as file:
            write_archive(
                file,
                head,
                copy.snapshot,
                copy.compressed,
                data_dir,
                mtime=int(site.made_at),
                pace=pace,
            )
        _verify(part, copy.compressed.parent, pace)
        refuse_if_erased(data_dir, copy.snapshot)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    flush_directory_if_possible(folder)
    return path


def _with_records(pack: StoredPack, database: Path) -> StoredPack:
    """Note how many records have pictures in what could not be read of a pack."""
    if not pack.unread:
        return pack
    return replace(pack, unread_records=unread_pack(database, pack.name, pack.unread).records)


def _tar_bytes(copy: WorkingCopy) -> int:
    return copy.compressed.stat().st_size + copy.snapshot.firmware_bytes


def _ensure_room(folder: Path, needed: int, min_free: int, make_room: Callable[[], bool]) -> None:
    while (free := shutil.disk_usage(folder).free) - needed < min_free:
        if not make_room():
            raise BackupFault(
                f"there is no room in {folder}: the backup takes {needed / 1e9:.2f} GB more, "
                f"{free / 1e9:.2f} GB is free and {min_free / 1e9:.2f} GB stays free"
            )


def _newest_packs(generations: Iterable[Generation]) -> dict[str, StoredPack]:
    """Return each pack as the newest restorable generation names it."""
    return {
        pack.name: pack
        for one in generations
        if one.head is not None and one.is_restorable
        for pack in one.head.packs
    }


def _named_files(generations: Iterable[Generation]) -> set[str]:
    """Return the files of the packs that any generation names."""
    return {pack.file for one in generations if one.head for pack in one.head.packs}


# -- verifying


class _DatabaseOnly(ArchiveSink):
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> FlushedFile | None:
        return FlushedFile(self._path) if name == DATABASE else None


def _verify(path: Path, work: Path, pace: Pace) -> Archive:
    """Read a generation back, and open its database in `work`. Raises BackupFault."""
    database = work / "verified.sqlite"
    try:
        with path.open("rb") as file:
            archive = read_archive(opened_source(file, None), _DatabaseOnly(database), pace)
        found, head = read_snapshot(database), archive.head
        if (found.schema, found.records, found.last_seq) != (
            head.schema,
            head.records,
            head.last_seq,
        ):
            raise BackupFault("its database is not the one that was written")
        if damage := check_copy(database, pace):
            raise BackupFault(f"its database is damaged: {damage}")
        return archive
    except BackupFault as error:
        raise BackupFault(f"the backup could not be read back: {error.message}") from error
    finally:
        database.unlink(missing_ok=True)


# -- removing


def to_remove(
    generations: Sequence[Generation], zone: tzinfo, now: float
) -> tuple[Generation, ...]:
    """Return the generations that are not one of 7 daily, 4 weekly or 6 monthly ones.

    A complete one takes the place of an incomplete one of the same day, week or month. The last
    restorable one and the last complete one always stay. Those that are not restorable go once
    there is a newer one that is, unless the hub did not make them or knows nothing of them.
    """
    restorable = [one for one in generations if one.is_restorable]
    if not restorable:
        return ()
    slots: dict[tuple[str, object], Generation] = {}
    # The newest of each day, week and month, beginning with the newest.
    for one in reversed(restorable):
        if one.made_at > now + 86_400:
            continue  # made while the clock was wrong
        local = datetime.fromtimestamp(one.made_at, zone)
        for kind, key, most in (
            ("day", local.date(), _DAILY),
            ("week", local.isocalendar()[:2], _WEEKLY),
            ("month", (local.year, local.month), _MONTHLY),
        ):
            taken = sum(1 for slot in slots if slot[0] == kind)
            held = slots.get((kind, key))
            if (held is None and taken < most) or (
                held is not None and one.is_complete and not held.is_complete
            ):
                slots[(kind, key)] = one
    kept = {one.path for one in slots.values()} | _last(generations)
    return tuple(
        one
        for one in generations
        if (one.is_restorable and one.path not in kept)
        or (_is_bad(one) and one.made_at < restorable[-1].made_at)
    )


def _is_bad(one: Generation) -> bool:
    return not (one.is_restorable or one.is_foreign or one.is_unknown)


def oldest_removable(generations: Sequence[Generation]) -> Generation | None:
    """Return the oldest generation that is neither the last restorable nor the last complete one.

    None as well if one is unknown: no pack would go with a generation then.
    """
    if any(one.is_unknown for one in generations):
        return None
    last = _last(generations)
    own = (one for one in generations if not one.is_foreign)
    return next((one for one in own if one.path not in last), None)


def _last(generations: Sequence[Generation]) -> set[Path]:
    """Return the last restorable generation and the last complete one, which may be the same."""
    restorable = [one.path for one in generations if one.is_restorable]
    complete = [one.path for one in generations if one.is_complete]
    return {*restorable[-1:], *complete[-1:]}


def remove_generation(folder: Path, generation: Generation) -> None:
    """Remove a generation, and the packs that no other one names. Raises OSError."""
    generation.path.unlink(missing_ok=True)
    remove_unnamed_packs(folder)


def remove_unnamed_packs(folder: Path) -> None:
    """Remove packs that no generation names. If a generation cannot be read, all packs stay.

    Nothing else is removed: others may write to the folder, and it may hold other things.
    """
    generations = read_folder(folder).generations
    if any(one.head is None and not one.is_foreign for one in generations):
        return
    named = _named_files(generations)
    packs = folder / PACKS
    if packs.is_symlink() or not packs.is_dir():
        return
    for path in list(packs.iterdir()):
        if path.suffix == SUFFIX and path.name not in named:
            path.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove generations that were not completed."""
    for path in list(folder.iterdir()):
        if path.name.endswith(_PART) and _NAME.fullmatch(path.name[: -len(_PART)]):
            path.unlink(missing_ok=True)
