"""Whether the hub can read and write its files, and nobody else its secrets and folders."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, ok, warning

#: Others may read these: they are no secrets.
_PUBLIC = {"ca.crt", "hub.lock"}
_MOST_FILES = 200_000
_MOST_NAMED = 5
#: Folders whose files the hub makes again.
_SKIPPED = {"unpacked"}


def check_permissions(context: CheckContext) -> Iterator[Finding]:
    """Look at every file of the data directory, without opening any."""
    data_dir = context.data_dir
    denied: list[str] = []
    readable: list[str] = []
    count = 0
    is_private = _is_private(data_dir)
    for path in _paths(data_dir):
        count += 1
        name = path.relative_to(data_dir).as_posix()
        if not os.access(path, os.R_OK | os.W_OK):
            denied.append(name)
        elif not is_private and path.is_file() and _is_open_to_others(path):
            readable.append(name)
    writable, foreign = _open_folders(data_dir)
    if denied:
        yield failed("permissions", "permissions-denied", **_named(denied))
    if readable:
        yield warning("permissions", "permissions-open", **_named(readable))
    if writable:
        yield warning("permissions", "permissions-writable", **_named(writable))
    if foreign:
        yield warning("permissions", "permissions-owner", **_named(foreign))
    if not (denied or readable or writable or foreign):
        yield ok("permissions", "permissions-ok", count=str(count))


def _paths(data_dir: Path) -> Iterator[Path]:
    yield data_dir
    count = 0
    for folder, folders, files in os.walk(data_dir):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        for name in (*folders, *files):
            path = Path(folder, name)
            # Files come and go while a hub runs.
            if path.exists():
                yield path
            count += 1
            if count > _MOST_FILES:
                return


def _named(names: list[str]) -> dict[str, str]:
    shown = ", ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return {"files": f"{shown} (+{more})" if more > 0 else shown}


if sys.platform == "win32":

    def _is_private(data_dir: Path) -> bool:
        """Return True: on Windows the permissions of the directory protect its files."""
        return True

    def _is_open_to_others(path: Path) -> bool:
        return False

    def _open_folders(data_dir: Path) -> tuple[list[str], list[str]]:
        return [], []
else:

    def _is_private(data_dir: Path) -> bool:
        """Return whether no other user can enter the directory."""
        return not data_dir.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)

    def _is_open_to_others(path: Path) -> bool:
        if path.name in _PUBLIC or path.suffix == ".toml" or path.parent.name == "logs":
            return False
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))

    def _open_folders(data_dir: Path) -> tuple[list[str], list[str]]:
        """Return the folders on the way to the files that everybody may change, and those that
        another user owns: both can replace what is in them."""
        folder = data_dir.resolve()
        owners = {0, folder.stat().st_uid}
        writable, foreign = [], []
        for path in (folder, *folder.parents):
            found = path.stat()
            # In a folder like /tmp nobody may replace what another one owns, only add to it.
            may_replace = path == folder or not found.st_mode & stat.S_ISVTX
            if found.st_mode & stat.S_IWOTH and may_replace:
                writable.append(str(path))
            elif found.st_uid not in owners:
                foreign.append(str(path))
        return writable, foreign
