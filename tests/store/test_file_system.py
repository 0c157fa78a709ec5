"""Which file system a directory is on, from the text of /proc/mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store import file_system
from hub.store.file_system import network_type, type_in

TABLE = r"""
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
nas:/volume /mnt/nas nfs4 rw,vers=4.2 0 0
/dev/sdb1 /mnt/nas/local xfs rw 0 0
//nas/share /mnt/with\040space cifs rw 0 0
tmpfs /srv tmpfs rw 0 0
/dev/sdc1 /srv btrfs rw 0 0
short line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/sitehub", "ext4"),
        ("/mnt/nas/sitehub", "nfs4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nasty", "ext4"),
        ("/mnt/nas/local/sitehub", "xfs"),
        ("/mnt/with space/x", "cifs"),
        ("/srv/x", "btrfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, kind: str) -> None:
    assert type_in(TABLE, Path(path)) == kind


def test_only_network_file_systems_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, expected in {"nfs4": "nfs4", "cifs": "cifs", "ext4": "", "": ""}.items():
        monkeypatch.setattr(file_system, "type_of", lambda path, kind=kind: kind)
        assert network_type(Path("/x")) == expected


def test_the_directory_of_this_test_is_on_a_disk(tmp_path: Path) -> None:
    assert network_type(tmp_path) == ""
