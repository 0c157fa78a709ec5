"""A pack is verified by its own checksums."""

from __future__ import annotations

from pathlib import Path

from hub.store.disk import Disk
from hub.store.media.pack_format import PictureEntry, erase_entries, walk
from hub.store.media.verification import verify_pack
from tests.store.media.test_pack_format import group


def written(path: Path) -> bytes:
    data = b""
    for number in (1, 2, 3):
        data += b"".join(group(len(data), number))
    path.write_bytes(data)
    return data


def test_a_sound_pack_has_no_damage(tmp_path: Path) -> None:
    pack = tmp_path / "2026-11-25.pack"
    size = len(written(pack))
    parts: list[float] = []
    assert list(verify_pack(pack, size, parts.append)) == []
    assert parts == sorted(parts)
    assert parts[-1] == 1
    erase_entries(pack, Disk(), size, lambda record: record.seq == 2)
    assert list(verify_pack(pack, size)) == []


def test_damage_is_told_with_its_place(tmp_path: Path) -> None:
    pack = tmp_path / "2026-11-25.pack"
    data = bytearray(written(pack))
    picture = next(e for e in walk(pack, 0, len(data)) if isinstance(e, PictureEntry))
    data[picture.offset] ^= 1
    pack.write_bytes(data)
    name = pack.name
    damaged = f"{name}: what begins at byte {picture.offset} is damaged"
    assert list(verify_pack(pack, len(data))) == [damaged]
    pack.write_bytes(data[:-100])
    assert len(found := list(verify_pack(pack, len(data)))) == 3
    assert found[0] == f"{name} has {len(data) - 100} of {len(data)} bytes"
    assert found[2].endswith("is damaged")
