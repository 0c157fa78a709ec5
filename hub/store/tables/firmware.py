"""Firmware files and the releases made of them."""

from __future__ import annotations

import re
import sqlite3

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.errors import BadParameter, Missing, NoSuchResource
from hub.store.rows import Size, TableRows, as_text
from hub.store.sqlite.sql import one
from hub.store.tables.table import Engine, RowSource, Table
from hub.wire.times import Moment
from hub.wire.uploads.firmware import Versions

#: The table of the files.
FILES = "firmware_file"
_SHA256 = re.compile("[0-9a-f]{64}")

_REMOVE_FILE = "DELETE FROM firmware_file WHERE sha256 = ?"
_IS_COMPONENT = "SELECT release FROM firmware_component WHERE sha256 = ?"
_COMPONENTS = """
SELECT release, name, type, sha256, md5, size
FROM firmware_component LEFT JOIN firmware_file USING (sha256) ORDER BY release, position
"""
_ADD_RELEASE = """
INSERT INTO firmware_release
    (ver_code, ver_name, description, release_date, reports, least, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_ADD_COMPONENT = """
INSERT INTO firmware_component (release, position, name, type, sha256) VALUES (?, ?, ?, ?, ?)
"""
_REMOVE_RELEASE = "DELETE FROM firmware_release WHERE id = ?"
_IN_CAMPAIGN = """
SELECT campaign.id FROM campaign WHERE release = ? AND will != 'stopped' AND EXISTS (
    SELECT 1 FROM campaign_device WHERE campaign = campaign.id AND done_at IS NULL
)
"""


class StoredFile(Struct, frozen=True):
    """A firmware file. Digests in lower-case hex; `added_at` in UNIX milliseconds."""

    sha256: str
    md5: str
    size: Size
    added_at: Moment


class Component(Struct, frozen=True):
    """One file of a release. `type` as in 2.3."""

    name: str
    type: int
    sha256: str
    md5: str
    size: Size


class NewComponent(Struct, frozen=True):
    """A stored file as a part of a new release. `type` as in 2.3."""

    name: str
    type: int
    sha256: str


class NewRelease(Struct, frozen=True, kw_only=True):
    """A release to be added.

    `reports`: versions that a device reports once it is installed. `least`: the lowest versions
    that it can be installed over. `release_date`: `yyyy-MM-dd HH:mm:ss`, or the day alone; None
    means now.
    """

    ver_code: int
    ver_name: str
    components: tuple[NewComponent, ...]
    description: str = ""
    release_date: str | None = None
    reports: Versions = Versions()
    least: Versions = Versions()


class Release(Struct, frozen=True, kw_only=True):
    """A stored release; see `NewRelease`. `created_at` in UNIX milliseconds."""

    id: int
    ver_code: int
    ver_name: str
    description: str
    release_date: str
    components: tuple[Component, ...] = ()
    reports: Versions
    least: Versions
    created_at: Moment

    @property
    def size(self) -> int:
        """Bytes to download. A file that occurs twice counts once."""
        return sum(size for _, size in {(one.sha256, one.size) for one in self.components})


class FirmwareRows(Struct, frozen=True):
    """The rows as read at the start."""

    files: list[StoredFile]
    releases: list[Release]


def _as_digest(value: object) -> str:
    """Decode the name of a file. Raises an exception if it is none."""
    text = as_text(value)
    if not _SHA256.fullmatch(text):
        raise ValueError("64 hexadecimal digits are expected")
    return text


_file_rows = TableRows(
    FILES,
    StoredFile,
    key=("sha256",),
    decoders={"sha256": _as_digest},
)
_component_rows = TableRows(
    "firmware_component",
    Component,
    key=("sha256",),
    decoders={"sha256": _as_digest},
)
#: Without what it contains and what it can be installed over, nobody gets a release.
_release_rows = TableRows(
    "firmware_release",
    Release,
    without=("components",),
    decoders={"reports": lambda text: _decode(text), "least": lambda text: _decode(text)},
)
_RELEASES = f"{_release_rows.select} ORDER BY id"


class FirmwareTable(Table[FirmwareRows]):
    """All files and releases, in memory. Changes are durable on return."""

    def __init__(self, engine: Engine, loaded: FirmwareRows) -> None:
        super().__init__(engine, loaded)
        self._files = {file.sha256: file for file in loaded.files}
        self._releases = {release.id: release for release in loaded.releases}

    @classmethod
    def load(cls, source: RowSource) -> FirmwareRows:
        execute, damaged = source.connection.execute, source.damaged
        files = _file_rows.read_all(execute(_file_rows.select), damaged)
        components: dict[int, list[Component]] = {}
        incomplete: set[int] = set()
        for release, *row in execute(_COMPONENTS):
            component = _component_rows.read(row, damaged)
            if component is None:
                incomplete.add(release)
            else:
                components.setdefault(release, []).append(component)
        releases = [
            replace(release, components=tuple(components.get(release.id, ())))
            for release in _release_rows.read_all(execute(_RELEASES), damaged)
            if release.id not in incomplete
        ]
        return FirmwareRows(files, releases)

    def file(self, sha256: str) -> StoredFile | None:
        return self._files.get(sha256)

    def files(self) -> tuple[StoredFile, ...]:
        """Return all files, newest first."""
        return tuple(sorted(self._files.values(), key=lambda f: (-f.added_at, f.sha256)))

    def release(self, id: int) -> Release | None:
        return self._releases.get(id)

    def releases(self) -> tuple[Release, ...]:
        """Return all releases, newest first."""
        return tuple(reversed(self._releases.values()))

    def is_used(self, sha256: str) -> bool:
        """Whether a release contains this file."""
        return any(
            component.sha256 == sha256
            for release in self._releases.values()
            for component in release.components
        )

    async def add_file(self, file: StoredFile) -> None:
        """Add the row of a file that `FirmwareFiles.keep` has made durable."""

        def job(connection: sqlite3.Connection) -> None:
            _file_rows.insert(connection, file, replacing=True)

        def added(_: None) -> None:
            self._files[file.sha256] = file

        await self._writer.write(job, added)

    async def remove_file(self, sha256: str) -> None:
        """Remove a file's row. Raises NoSuchResource, or BadParameter if a release contains it."""

        def job(connection: sqlite3.Connection) -> None:
            release = one(connection, _IS_COMPONENT, (sha256,))
            if release is not None:
                raise BadParameter(f"release {release} contains this file", field="sha256")
            if connection.execute(_REMOVE_FILE, (sha256,)).rowcount == 0:
                raise NoSuchResource(f"no file {sha256}")

        def removed(_: None) -> None:
            self._files.pop(sha256, None)

        await self._writer.write(job, removed)

    async def add_release(self, new: NewRelease, release_date: str, created_at: int) -> Release:
        """Add a release. Raises NoSuchResource if one of its files is not stored."""

        def job(connection: sqlite3.Connection) -> int:
            id_ = connection.execute(_ADD_RELEASE, values).lastrowid
            assert id_ is not None
            rows = [(id_, n, c.name, c.type, c.sha256) for n, c in enumerate(new.components)]
            try:
                connection.executemany(_ADD_COMPONENT, rows)
            except sqlite3.IntegrityError as error:
                raise NoSuchResource("a file of the release is not stored") from error
            return id_

        def added(id_: int) -> None:
            self._releases[id_] = Release(
                id=id_,
                ver_code=new.ver_code,
                ver_name=new.ver_name,
                description=new.description,
                release_date=release_date,
                components=tuple(map(self._component, new.components)),
                reports=new.reports,
                least=new.least,
                created_at=created_at,
            )

        values = (
            new.ver_code,
            new.ver_name,
            new.description,
            release_date,
            _encode(new.reports),
            _encode(new.least),
            created_at,
        )
        return self._releases[await self._writer.write(job, added)]

    async def remove_release(self, id: int) -> Release:
        """Remove a release and its ended campaigns; return the release.

        Raises NoSuchResource, or BadParameter while a campaign distributes it.
        """

        def job(connection: sqlite3.Connection) -> None:
            campaign = one(connection, _IN_CAMPAIGN, (id,))
            if campaign is not None:
                raise BadParameter(f"campaign {campaign} distributes it: stop the campaign first")
            if connection.execute(_REMOVE_RELEASE, (id,)).rowcount == 0:
                raise Missing("release", id=id)

        removed: list[Release] = []

        def forget(_: None) -> None:
            removed.append(self._releases.pop(id))
            for table in self._engine.tables:
                table.forget_release(id)

        await self._writer.write(job, forget)
        return removed[0]

    def _component(self, new: NewComponent) -> Component:
        file = self._files[new.sha256]
        return Component(new.name, new.type, file.sha256, file.md5, file.size)


def _encode(versions: Versions) -> str:
    return msgspec.json.encode(versions).decode()


def _decode(text: object) -> Versions:
    return decode_json(as_text(text), Versions)
