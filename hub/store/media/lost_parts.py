"""Parts of packs that are gone: a pack was cut short, or deleted.

The next group is written at its old end, so that only the start right after it can see that. What
was found is therefore kept as a setting, until the bytes are back or a person has taken note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.store.media.pack_format import StoredImage, first_magic

#: The setting.
LOST = "store.lost_parts"
#: So much is looked at to find out whether a part is there again.
_LOOK_BYTES = 16 * 1024 * 1024
_STEP_BYTES = 1024 * 1024


class LostPart(Struct, frozen=True):
    """The bytes of a day's pack from `start` to `end`. `is_accepted`: a person knows it."""

    day: str
    start: int
    end: int
    is_accepted: bool = False

    @property
    def text(self) -> str:
        """Return what is lost, for people."""
        if self.start == 0:
            return f"the pictures of {self.day} are missing: {self.day}.pack was deleted"
        return f"{self.day}.pack is damaged: it lost its bytes from {self.start} to {self.end}"


def decode_lost(text: str | None) -> tuple[LostPart, ...]:
    """Decode the setting; of a damaged one nothing is known."""
    try:
        return decode_json(text or "[]", tuple[LostPart, ...])
    except (msgspec.MsgspecError, ValueError):
        return ()


def encode_lost(parts: Sequence[LostPart]) -> str | None:
    return msgspec.json.encode(parts).decode() if parts else None


def find_lost(
    media: Path, ends: Mapping[str, int], known: Iterable[LostPart]
) -> tuple[LostPart, ...]:
    """Return what packs have lost: one part of each. Blocks. Raises OSError.

    `ends`: the committed end of each day's pack. `known`: what was found before; what is there
    again, or went with its day, is not in the result.
    """
    before = {part.day: part for part in known if _is_still_lost(media, ends, part)}
    found = []
    for day, end in sorted(ends.items()):
        size = _size_of(media / f"{day}.pack")
        old = before.get(day)
        if size >= end:
            part = old or _beginning(media, day, end)
            found += [part] if part is not None else []
        elif old is None:
            found.append(LostPart(day, size, end))
        elif size <= old.start and end == old.end:
            found.append(old)
        else:
            found.append(LostPart(day, min(size, old.start), end))
    return tuple(found)


def _beginning(media: Path, day: str, end: int) -> LostPart | None:
    """Return what is lost of a pack that was deleted, and made anew by a later group."""
    path = media / f"{day}.pack"
    if end == 0 or first_magic(path) != bytes(4):
        return None
    with path.open("rb") as file:
        at = 0
        while at < end and (data := file.read(min(_STEP_BYTES, end - at))):
            if rest := data.lstrip(b"\0"):
                return LostPart(day, 0, at + len(data) - len(rest))
            at += len(data)
    return LostPart(day, 0, end)


def _is_still_lost(media: Path, ends: Mapping[str, int], part: LostPart) -> bool:
    if part.end > ends.get(part.day, 0):
        return False
    path = media / f"{part.day}.pack"
    if _size_of(path) < part.end:
        return True
    left = min(part.end - part.start, _LOOK_BYTES)
    with path.open("rb") as file:
        file.seek(part.start)
        # A hole is read as zeros, which no entry consists of.
        while left > 0 and (data := file.read(min(left, _STEP_BYTES))):
            if data.strip(b"\0"):
                return False
            left -= len(data)
    return True


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class LostParts:
    """What is lost, while the hub runs."""

    def __init__(self, parts: Sequence[LostPart]) -> None:
        self.parts = tuple(parts)

    def cover(self, day: str, start: int, end: int) -> bool:
        """Whether bytes of a pack lie in a part that is lost, at least partly."""
        return any(part.day == day and part.start < end and start < part.end for part in self.parts)

    def cover_picture(self, day: str, image: StoredImage) -> bool:
        """Whether a picture lies in a part that is lost, at least partly."""
        return self.cover(day, image.offset, image.offset + image.size)

    @property
    def unaccepted(self) -> tuple[LostPart, ...]:
        return tuple(part for part in self.parts if not part.is_accepted)

    def accepted(self) -> tuple[LostPart, ...]:
        """Return all of them, as a person knows them now."""
        return tuple(replace(part, is_accepted=True) for part in self.parts)
