"""Which file system a directory is on. Network file systems are refused: see NETWORK."""

from __future__ import annotations

import sys
from pathlib import Path

#: SQLite's locks and its write-ahead log need a disk of this computer. On these file systems, by
#: their names in /proc/mounts, a flush or a lock may mean nothing.
NETWORK = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs"),
        *("beegfs", "davfs", "glusterfs", "pvfs2", "orangefs", "coda"),
        *(
            "fuse.sshfs",
            "fuse.glusterfs",
            "fuse.davfs",
            "fuse.s3fs",
            "fuse.rclone",
            "fuse.curlftpfs",
        ),
        *("fuse.ceph", "fuse.ceph-fuse", "fuse.gcsfuse", "fuse.juicefs", "fuse.gvfsd-fuse"),
    }
)

if sys.platform == "win32":
    import ctypes

    _DRIVE_REMOTE = 4

    def type_of(path: Path) -> str:
        """Return "network" for a share or a network drive, "" for any other."""
        root = Path(path.absolute()).anchor
        kind = ctypes.windll.kernel32.GetDriveTypeW(root if root.endswith("\\") else root + "\\")
        return "network" if root.startswith("\\\\") or kind == _DRIVE_REMOTE else ""
else:

    def type_of(path: Path) -> str:
        """Return the type of the file system as /proc/mounts names it; "" if it is unknown."""
        try:
            table = Path("/proc/mounts").read_text("utf-8", "surrogateescape")
        except OSError:  # not Linux
            return ""
        return type_in(table, path.resolve())


def type_in(table: str, path: Path) -> str:
    """Return the type of the file system that holds `path`, an absolute path without links.

    `table`: the text of /proc/mounts.
    """
    found, depth = "", -1
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mounted = Path(_unescaped(fields[1]))
        # Of two that are mounted at one place, the later hides the earlier.
        if path.is_relative_to(mounted) and len(mounted.parts) >= depth:
            found, depth = fields[2], len(mounted.parts)
    return found


def network_type(path: Path) -> str:
    """Return the type of the network file system that holds a path, "" if another holds it."""
    kind = type_of(path)
    return kind if kind in NETWORK or kind == "network" else ""


def _unescaped(text: str) -> str:
    """Return a path of /proc/mounts, where white space and backslashes are written in octal."""
    for code in ("040", "011", "012", "134"):
        text = text.replace(f"\\{code}", chr(int(code, 8)))
    return text
