"""ZIP files of photos, also of those who do not mean well."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest

from hub.services.people.import_export import photo_archive
from hub.services.people.import_export.photo_archive import (
    BadArchive,
    BadEntry,
    PhotoArchive,
    photo_key,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "photos.zip"


def write(path: Path, *names: str, data: bytes = b"a photo") -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)


def test_photos_are_found_by_their_names_without_folder_and_ending(path: Path) -> None:
    names = ("photos/12.JPG", "王芳.png", "E.7.jpeg", "list.csv", "read me.txt")
    write(path, *names, "photos/", "__MACOSX/photos/._12.jpg", "photos/._13.jpg", "Thumbs.db")
    with PhotoArchive(path) as archive:
        assert archive.photos == {
            "12": ["photos/12.JPG"],
            "王芳": ["王芳.png"],
            "e.7": ["E.7.jpeg"],
        }
        assert archive.csv_name == "list.csv"
        assert archive.read("王芳.png", 100) == b"a photo"
    assert photo_key("E.7") == photo_key(" E.7.JPG ") == "e.7"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_names_without_a_mark_are_read_as_chinese_systems_write_them(
    path: Path, encoding: str
) -> None:
    write(path, "@@@@@@.jpg")
    name = "张三".encode(encoding).ljust(6, b"_")
    path.write_bytes(path.read_bytes().replace(b"@@@@@@", name))
    with PhotoArchive(path) as archive:
        assert list(archive.photos) == ["张三" if encoding == "utf-8" else "张三__"]


def test_two_photos_of_one_name_are_both_found(path: Path) -> None:
    write(path, "a/12.jpg", "b/12.png")
    with PhotoArchive(path) as archive:
        assert archive.photos["12"] == ["a/12.jpg", "b/12.png"]


@pytest.mark.parametrize(
    "name", ["../12.jpg", "a/../../12.jpg", "/etc/12.jpg", "C:/12.jpg", "..\\12.jpg"]
)
def test_a_path_in_a_name_is_refused(path: Path, name: str) -> None:
    write(path, name)
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "path"
    assert "12.jpg" in caught.value.message


@pytest.mark.parametrize("name", ["1\n2.jpg", "12\x7f\x1b.jpg"])
def test_a_name_that_no_file_can_have_is_refused(path: Path, name: str) -> None:
    write(path, name)
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "name"


@pytest.mark.parametrize("name", ["Con.jpg", "Prn/Nul.png"])
def test_somebody_may_have_the_name_of_a_device_of_windows(path: Path, name: str) -> None:
    write(path, name)
    with PhotoArchive(path) as archive:
        assert len(archive.photos) == 1


def test_a_name_with_a_nul_is_refused(path: Path) -> None:
    write(path, "12.jpg@.exe")
    path.write_bytes(path.read_bytes().replace(b"@", b"\0"))
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "name"


def test_files_that_share_their_data_are_refused(path: Path) -> None:
    write(path, "1.jpg", "2.jpg", "3.jpg", data=b"a photo" * 1000)
    data = path.read_bytes()
    directory = data.index(b"PK\x01\x02")
    entries = data[directory:].split(b"PK\x01\x02")[1:]
    moved = [entry[:38] + entries[0][38:42] + entry[42:] for entry in entries]
    path.write_bytes(data[:directory] + b"".join(b"PK\x01\x02" + entry for entry in moved))
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "bomb"


def test_a_damaged_archive_is_refused_or_its_files_are(path: Path) -> None:
    """Whatever the damage, nothing else is raised."""
    write(path, "1.jpg", "王芳.png", "list.csv", data=b"a photo" * 20)
    sound, randomness, kinds = path.read_bytes(), random.Random(1), set()
    for _ in range(1_500):
        data = bytearray(sound)
        for _ in range(randomness.randrange(1, 4)):
            data[randomness.randrange(len(data))] = randomness.choice((0, 1, 0x7F, 0xFF, 0x50))
        path.write_bytes(data)
        try:
            with PhotoArchive(path) as archive:
                for names in archive.photos.values():
                    for name in names:
                        archive.read(name, 1 << 20)
        except (BadArchive, BadEntry) as error:
            kinds.add(type(error))
    assert kinds == {BadArchive, BadEntry}


def test_ten_thousand_files_are_refused(path: Path) -> None:
    with ZipFile(path, "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number}.jpg", b"")
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "files"


def test_a_directory_of_any_size_is_not_read(path: Path) -> None:
    # It says that the directory has 1 GB.
    path.write_bytes(b"\0" * 100)
    with path.open("r+b") as file:
        file.truncate(1024**3 + 100)
        file.seek(0, io.SEEK_END)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 1024**3, 100, 0))
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "files"


def test_a_bomb_is_refused_before_it_is_unpacked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_archive, "_MAX_UNPACKED_BYTES", 1024**2)
    write(path, "1.jpg", "2.jpg", data=bytes(700_000))
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "bomb"
    write(path, "1.jpg", data=bytes(700_000))
    with PhotoArchive(path) as archive:  # one sound file packs as well
        assert list(archive.photos) == ["1"]


def test_a_file_that_lies_about_its_size_gives_no_more_than_it_says(path: Path) -> None:
    write(path, "12.jpg", data=b"\0" * 1_000_000)
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", 1_000_000), struct.pack("<L", 10)))
    with PhotoArchive(path) as archive, pytest.raises(BadEntry) as caught:
        archive.read("12.jpg", 100)
    assert caught.value.fault == "damaged"


def test_a_file_that_is_too_large_is_not_unpacked(path: Path) -> None:
    write(path, "12.jpg")
    with PhotoArchive(path) as archive, pytest.raises(BadEntry) as caught:
        archive.read("12.jpg", 6)
    assert caught.value.fault == "large"


def test_an_encrypted_archive_is_refused(path: Path) -> None:
    write(path, "12.jpg")
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "encrypted"


@pytest.mark.parametrize("method", [99, 12])
def test_a_file_that_cannot_be_unpacked_is_told(path: Path, method: int) -> None:
    entry = ZipInfo("12.jpg")
    with ZipFile(path, "w") as archive:
        archive.writestr(entry, b"a photo")
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        place = data.index(mark) + offset
        data[place : place + 2] = struct.pack("<H", method)
    path.write_bytes(data)
    with PhotoArchive(path) as archive, pytest.raises(BadEntry):
        archive.read("12.jpg", 100)


def test_two_csv_files_are_refused(path: Path) -> None:
    write(path, "a.csv", "b.csv")
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "several csv"


def test_a_workbook_of_excel_is_told_what_to_do(path: Path) -> None:
    write(path, "[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml")
    with pytest.raises(BadArchive, match=r"save it as CSV \(UTF-8\)") as caught:
        PhotoArchive(path)
    assert caught.value.fault == "workbook"


@pytest.mark.parametrize("data", [b"", b"name\r\nAda\r\n", b"PK\3\4" + b"\0" * 50])
def test_what_is_no_zip_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(BadArchive) as caught:
        PhotoArchive(path)
    assert caught.value.fault == "no zip"


def test_limits_are_those_of_the_documentation() -> None:
    assert photo_archive.MAX_FILES < 10_000
