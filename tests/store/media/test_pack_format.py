"""The format of a pack: what is written can be read without the database, also around damage."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hub.store.disk import Disk
from hub.store.media.pack_erasing import erase_entries, erase_pictures
from hub.store.media.pack_format import (
    GROUP_SIZE,
    Group,
    GroupTail,
    LoggedRecord,
    PictureEntry,
    RecordEntry,
    StoredImage,
    Unreadable,
    groups,
    walk,
)
from hub.store.media.packs import entries
from tests.support.clock import FrozenClock
from tests.support.stores import batch, batch_of, opened, picture, upload

LOG = "0123456789abcdef" * 2


def group(start: int, number: int, names: tuple[str, ...] = ("face", "body")) -> list[bytes]:
    """A group with one record, whose seq is its number."""
    tail = GroupTail(start)
    images = tuple(tail.add_picture(bytes([number] * 16), 0, picture(name)) for name in names)
    tail.add_record(record(number, images))
    return [bytes(part) for part in tail.buffers(LOG, number, number - 1, (number, number), 7)]


def record(seq: int, images: tuple[StoredImage, ...]) -> LoggedRecord:
    return LoggedRecord(
        seq=seq,
        kind="face",
        did="7",
        sn="SN7",
        device_name="北门",
        occurred_at=1,
        received_at=2,
        detail=msgspec.Raw(b'{"name":"Li Wei"}'),
        extra=msgspec.Raw(b"{}"),
        images=images,
        upload="ab" * 16,
    )


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack of three groups."""
    path = tmp_path / "2026-11-25.pack"
    data = b""
    for number in (1, 2, 3):
        data += b"".join(group(len(data), number))
    path.write_bytes(data)
    return path


def shapes(path: Path) -> list[str]:
    size = path.stat().st_size
    return [type(entry).__name__ for entry in walk(path, 0, size)]


GROUP_SHAPE = ["Group", "PictureEntry", "PictureEntry", "RecordEntry"]


def test_a_pack_is_walked_from_its_headers_alone(pack: Path) -> None:
    size = pack.stat().st_size
    assert shapes(pack) == GROUP_SHAPE * 3
    found = list(groups(pack, 0))
    assert [(g.number, g.previous, g.first_seq, g.last_seq, g.records) for g in found] == [
        (n, n - 1, n, n, 1) for n in (1, 2, 3)
    ]
    assert [g.start for g in found] == [0, found[0].end, found[1].end]
    assert found[2].end == size
    assert {(g.log_id, g.at) for g in found} == {(LOG, 7)}


def test_a_record_in_a_pack_names_the_places_of_its_pictures(pack: Path) -> None:
    data = pack.read_bytes()
    records = [e for e in walk(pack, 0, len(data)) if isinstance(e, RecordEntry)]
    assert [entry.seq for entry in records] == [1, 2, 3]
    for entry in records:
        decoded = entry.decode()
        assert decoded == record(entry.seq, decoded.images if decoded else ())
        for image in decoded.images if decoded else ():
            assert data[image.offset : image.offset + image.size] == picture(image.name).data


@pytest.mark.parametrize("part", ["header", "picture header", "record header"])
def test_the_groups_behind_a_damaged_part_are_still_read(pack: Path, part: str) -> None:
    second = list(groups(pack, 0))[1]
    at = {
        "header": second.start + 20,
        "picture header": second.start + GROUP_SIZE,
        "record header": _record_start(pack, 2),
    }[part]
    data = bytearray(pack.read_bytes())
    data[at] ^= 0xFF
    pack.write_bytes(data)
    found = list(walk(pack, 0, len(data)))
    assert sum(isinstance(entry, Unreadable) for entry in found) == 1
    assert [entry.seq for entry in found if isinstance(entry, RecordEntry)] == [1, 3]


def _record_start(pack: Path, seq: int) -> int:
    (entry,) = (
        e for e in walk(pack, 0, pack.stat().st_size) if isinstance(e, RecordEntry) and e.seq == seq
    )
    return entry.offset - 24


def test_changed_bytes_of_a_picture_and_a_record_are_noticed(pack: Path) -> None:
    data = bytearray(pack.read_bytes())
    for entry in list(walk(pack, 0, len(data)))[5:8]:
        assert isinstance(entry, PictureEntry | RecordEntry)
        data[entry.offset + 3] ^= 1
    pack.write_bytes(data)
    found = [e for e in walk(pack, 0, len(data)) if isinstance(e, PictureEntry | RecordEntry)]
    assert [entry.is_sound for entry in found] == [True] * 3 + [False] * 3 + [True] * 3
    unread = walk(pack, 0, len(data), read_pictures=False)
    assert all(entry.is_sound for entry in unread if isinstance(entry, PictureEntry))


def test_a_group_that_was_moved_is_not_one(pack: Path) -> None:
    second = list(groups(pack, 0))[1]
    pack.write_bytes(pack.read_bytes()[second.start :])
    assert list(groups(pack, 0)) == []


def test_what_is_cut_short_ends_the_walk(pack: Path) -> None:
    whole = pack.read_bytes()
    for size in range(len(whole) - 1, 0, -97):
        pack.write_bytes(whole[:size])
        found = list(walk(pack, 0, size))
        assert all(e.is_sound for e in found if isinstance(e, PictureEntry | RecordEntry))
        list(walk(pack, 0, len(whole)))  # its committed end may lie beyond the file's


def test_an_erased_record_leaves_no_byte_and_the_others_are_read(pack: Path) -> None:
    before = pack.read_bytes()
    erased = erase_entries(pack, Disk(), len(before), lambda record: record.seq == 2)
    assert (erased.seqs, erased.pictures) == ((2,), 2)
    after = pack.read_bytes()
    assert len(after) == len(before)
    _, second, third = groups(pack, 0)
    for entry in walk(pack, second.start, second.end):
        if isinstance(entry, PictureEntry | RecordEntry):
            assert entry.is_erased
            assert entry.is_sound
            assert not any(after[entry.offset : entry.offset + entry.size])
    assert after[: second.start] == before[: second.start]
    assert after[third.start :] == before[third.start :]
    assert shapes(pack) == GROUP_SHAPE * 3
    again = erase_entries(pack, Disk(), len(before), lambda record: record.seq == 2)
    assert (again.seqs, again.pictures) == ((), 0)


async def test_pictures_without_records_are_erased_by_their_places(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        end = store.retention.days()[0].bytes
    path = data / "media" / "2026-11-25.pack"
    first, second, third = entries(path, end)
    image = StoredImage(second.name, "image/jpeg", second.offset, second.size, "")
    erase_pictures(path, Disk(), (image,))
    assert [e.is_erased for e in entries(path, end)] == [False, True, False]
    assert [e.is_sound for e in entries(path, end)] == [True] * 3
    assert (first.name, third.name) == ("face", "background")


async def test_the_hub_writes_each_record_as_its_row_holds_it(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1, device_name="北门"))
        await store.records.append(
            batch_of(clock, [upload(clock, kind="event", pictures=0), upload(clock)], seed=2)
        )
        rows = await store.read(
            lambda c: c.execute(
                "SELECT seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, "
                "images FROM record ORDER BY seq"
            ).fetchall()
        )
        end = store.retention.days()[0].bytes
        log_id = store.log_id
    path = data / "media" / "2026-11-25.pack"
    assert path.stat().st_size == end
    logged = [entry.decode() for entry in walk(path, 0, end) if isinstance(entry, RecordEntry)]
    for row, found in zip(rows, logged, strict=True):
        assert found is not None
        assert (found.seq, found.kind, found.did, found.sn, found.device_name) == row[:5]
        assert (found.occurred_at, found.received_at) == row[5:7]
        assert (bytes(found.detail), bytes(found.extra)) == row[7:9]
        assert msgspec.json.encode(found.images) == row[9]
    digests = [found.upload for found in logged if found is not None]
    assert digests[0] != digests[1] == digests[2]
    headers = [entry for entry in walk(path, 0, end) if isinstance(entry, Group)]
    assert [(h.log_id, h.number, h.previous, h.first_seq, h.last_seq) for h in headers] == [
        (log_id, 1, 0, 1, 1),
        (log_id, 2, 1, 2, 3),
    ]
