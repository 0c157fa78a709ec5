"""The folder `programs` of the data directory: the state of updates, and the programs themselves.

    programs/state.json             UpdateState
    programs/VERSION/sitehub        a program; on Windows sitehub.exe
    programs/before-VERSION.sqlite  the database before VERSION was tried, while it is on trial
    programs/incoming-XXXX          an executable that is being received and checked

The account of the hub owns the folder. What runs from it has the rights of that account and no
more, so it is as trustworthy as the rest of the data directory.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.durable_files import flush_directory, flush_file, read_file
from hub.errors import StartFault, UpdateRefused
from hub.update import FOLDER
from hub.update.steps import Steps

STATE = "state.json"
MAX_HISTORY = 20

#: Windows runs no file without it.
_SUFFIX = ".exe" if sys.platform == "win32" else ""
_PROGRAM = f"sitehub{_SUFFIX}"
_INCOMING = "incoming-"
#: An incoming executable older than this was left by a process that was killed.
_INCOMING_SECONDS = 3600.0
_VERSION = re.compile(r"\d{1,6}(\.\d{1,6}){1,3}", re.ASCII)
_DIRECTORY_MODE = 0o777 if sys.platform == "win32" else 0o700


class Candidate(Struct, frozen=True, kw_only=True):
    """A program that is not confirmed. "trying": it was started, or is about to be."""

    version: str
    #: The version that ran when it was installed.
    before: str
    phase: Literal["staged", "trying"]
    #: Who installed it, as in the audit log, from which address, and when (UNIX milliseconds).
    by: str
    address: str = ""
    at: int = 0
    #: It is older than the current one, by the wish of an administrator.
    goes_back: bool = False
    #: Database.stamp() when it was copied before the trial; empty if it was not.
    copied: str = ""
    #: Codes of the faults of the hub that it replaces, which are not its own.
    faults: tuple[str, ...] = ()


class Outcome(Struct, frozen=True, kw_only=True):
    """How an update from version `before` ended. `at` is in UNIX milliseconds."""

    version: str
    before: str
    result: Literal["done", "undone"]
    at: int
    by: str
    address: str = ""
    #: Why it was undone.
    reason: str = ""
    is_audited: bool = False
    #: Somebody has read that it was undone.
    is_noted: bool = False


class UpdateState(Struct, frozen=True, kw_only=True):
    """What is kept in state.json. Later versions may add fields, which earlier ones ignore.

    `current` is the confirmed program, `previous` the one before it; an empty text is the
    installed program. `history` has the newest outcome last.
    """

    current: str = ""
    previous: str = ""
    candidate: Candidate | None = None
    history: tuple[Outcome, ...] = ()
    #: How often the current program failed in its first minutes.
    failures: int = 0


def way_back(state: UpdateState) -> str:
    """Return the version before the current one; an empty text if there is none to go back to."""
    done = [one for one in state.history if one.result == "done"]
    if not state.current or not done or done[-1].version != state.current:
        return ""
    return done[-1].before


class Programs:
    """The programs of one data directory. All calls block; they raise OSError."""

    def __init__(self, data_dir: Path, steps: Steps | None = None) -> None:
        self.folder = data_dir / FOLDER
        self.steps = steps or Steps()

    def exist(self) -> bool:
        """Return whether there was ever an update."""
        return (self.folder / STATE).exists()

    def load(self) -> UpdateState:
        """Return the state. If it cannot be read, the newest program is taken for the current."""
        self._refuse_links(self.folder)
        try:
            return decode_json(read_file(self.folder / STATE), UpdateState)
        except FileNotFoundError:
            return UpdateState()
        except (OSError, msgspec.DecodeError):
            return UpdateState(current=max(self._versions(), key=version_key, default=""))

    def save(self, state: UpdateState) -> None:
        self.prepare()
        self.steps.write(self.folder / STATE, msgspec.json.encode(state))

    def prepare(self) -> None:
        """Create the folder, private to its owner."""
        self._refuse_links(self.folder)
        self.folder.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        flush_directory(self.folder.parent)

    def program(self, version: str) -> Path | None:
        """Return the program of a version; None if it is missing, or not a plain file."""
        path = self.folder / version / _PROGRAM
        try:
            is_plain = all(not one.is_symlink() for one in (path.parent, path))
            return path if is_plain and stat.S_ISREG(path.lstat().st_mode) else None
        except OSError:
            return None

    def database_copy(self, version: str) -> Path:
        """Return the path of the database before `version` was tried."""
        return self.folder / f"before-{version}.sqlite"

    def incoming(self) -> Path:
        """Return a new path for an executable that is being received."""
        self.prepare()
        return self.folder / f"{_INCOMING}{os.urandom(8).hex()}{_SUFFIX}"

    def find_incoming(self, name: str) -> Path:
        """Return the path of an executable that was received. Raises UpdateRefused."""
        path = self.folder / name
        is_named = name.startswith(_INCOMING) and Path(name).name == name
        if not is_named or path.is_symlink() or not path.is_file():
            raise UpdateRefused("format", "there is no such update: give the file again")
        return path

    def stage(self, incoming: Path, candidate: Candidate) -> None:
        """Make a received executable the candidate. It is tried at the next start."""
        folder = self.folder / candidate.version
        flush_file(incoming)
        incoming.chmod(0o700)
        self.steps.remove_tree(folder)
        folder.mkdir(mode=_DIRECTORY_MODE)
        flush_directory(self.folder)
        self.steps.rename(incoming, folder / _PROGRAM)
        self.save(msgspec.structs.replace(self.load(), candidate=candidate))

    def clean(self, keep: UpdateState) -> None:
        """Remove programs and copies that `keep` does not need, and left-over incoming files.

        What cannot be removed now is removed another time.
        """
        needed = {keep.current, keep.previous}
        copies = set()
        if keep.candidate is not None:
            needed.add(keep.candidate.version)
            copies.add(self.database_copy(keep.candidate.version))
        for version in self._versions():
            if version not in needed:
                self.steps.remove_tree(self.folder / version)
        for copy in self.folder.glob("before-*"):
            if copy not in copies:
                self._remove(copy)
        for incoming in self.folder.glob(f"{_INCOMING}*"):
            self._remove(incoming, _INCOMING_SECONDS)

    def _remove(self, path: Path, least_age_seconds: float = 0.0) -> None:
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime < least_age_seconds:
                return
            if path.is_dir():
                self.steps.remove_tree(path)
            else:
                self.steps.remove(path)

    def _versions(self) -> list[str]:
        return [path.name for path in self.folder.glob("[0-9]*") if _is_version(path.name)]

    @staticmethod
    def _refuse_links(folder: Path) -> None:
        if os.path.islink(folder):
            raise StartFault(f"{folder} is a link: remove it, programs are only run from a folder")


def version_key(version: str) -> tuple[int, ...]:
    """Return a key that sorts versions. Raises UpdateRefused if it is not numbers and dots."""
    if not _VERSION.fullmatch(version):
        raise UpdateRefused("version", f"{version[:40]!r} is not a version", version=version[:40])
    return tuple(map(int, version.split(".")))


def _is_version(name: str) -> bool:
    try:
        version_key(name)
    except UpdateRefused:
        return False
    return True
