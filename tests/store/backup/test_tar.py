"""The tar of a backup: what any tar program reads, and what is refused."""

from __future__ import annotations

import io
import tarfile

import pytest

from hub.errors import BackupFault
from hub.store.backup.tar import TarReader, TarWriter, is_safe_name


def written(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    writer = TarWriter(file, 1_700_000_000)
    for name, data in members:
        writer.begin(name, len(data))
        writer.write(data)
    writer.finish()
    return file.getvalue()


def names(file: bytes) -> list[str]:
    reader = TarReader(io.BytesIO(file))
    found = []
    while (member := reader.next()) is not None:
        found.append(member.name)
    return found


def foreign(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo(name)
        info.type = kind
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info)
    return file.getvalue()


def test_any_tar_program_reads_it() -> None:
    file = written(("a.json", b"{}"), ("tls/ca.crt", b"x" * 512), ("empty", b""))
    with tarfile.open(fileobj=io.BytesIO(file)) as tar:
        assert [(one.name, one.size, one.mode) for one in tar] == [
            ("a.json", 2, 0o600),
            ("tls/ca.crt", 512, 0o600),
            ("empty", 0, 0o600),
        ]
    assert names(file) == ["a.json", "tls/ca.crt", "empty"]


def test_a_member_beyond_8_gb_needs_no_extended_header() -> None:
    file = io.BytesIO()
    TarWriter(file, 0).begin("media/2026-11-25.pack", 9 * 1024**3)
    member = TarReader(io.BytesIO(file.getvalue())).next()
    assert member is not None
    assert member.size == 9 * 1024**3


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/passwd", "a/../../x", "a//b", ".ssh/id", "a/.b", "C:x", "a\\b", "x.", "a/b/c/d"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    assert not is_safe_name(name)
    with pytest.raises(BackupFault):
        names(foreign(name))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_are_refused(kind: bytes) -> None:
    with pytest.raises(BackupFault, match="does not belong there"):
        names(foreign("hub.key", kind, linkname="/etc/shadow"))


def test_an_extended_header_of_any_size_is_refused_unread() -> None:
    with pytest.raises(BackupFault, match="does not belong there"):
        names(foreign("x" * 5000))


@pytest.mark.parametrize("size", [0, 100, 512, 513, 1024, 1535])
def test_a_tar_that_was_cut_off_is_noticed(size: int) -> None:
    with pytest.raises(BackupFault):
        names(written(("a", b"x" * 600))[:size])
