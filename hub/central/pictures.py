"""The folder of pictures: <hub>/<log>/<seq in tens of thousands>/<seq>-<name>.<kind>."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hub.central.messages import PictureFile, Sender
from hub.durable_files import write_file

_ENDINGS = {"image/jpeg": ".jpg", "image/png": ".png", "image/bmp": ".bmp", "image/webp": ".webp"}
#: As many pictures' records as share a folder.
_FOLDER_SEQS = 10_000
_WRITERS = 16


class PictureFolder:
    """Keeps pictures as files. The same picture that comes again replaces itself. Blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # A file is waited for until it is on the disk; many at a time are flushed together.
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="picture")

    def store(self, pictures: Iterable[PictureFile]) -> int:
        """Write pictures; return their bytes, all on the disk. Raises OSError."""
        return sum(self._writers.map(self._write, pictures))

    def path_of(self, picture: PictureFile) -> Path:
        ending = _ENDINGS.get(picture.mime, ".bin")
        folder = self._folder(picture.sender, picture.seq)
        return folder / f"{picture.seq}-{picture.name}{ending}"

    def erase(self, sender: Sender, ranges: Iterable[tuple[int, int]]) -> int:
        """Delete the pictures of records, given as first and last of each range; return how many.

        Raises OSError.
        """
        paths = list(self._paths(sender, ranges))
        for path in paths:
            path.unlink(missing_ok=True)
        return len(paths)

    def _paths(self, sender: Sender, ranges: Iterable[tuple[int, int]]) -> Iterator[Path]:
        """Yield the pictures of records."""
        log = self._root / sender.hub / sender.log
        folders = {int(path.name): path for path in log.glob("*") if path.name.isdecimal()}
        for first, last in ranges:
            for number, folder in folders.items():
                if first // _FOLDER_SEQS <= number <= last // _FOLDER_SEQS:
                    yield from _in_range(folder, first, last)

    def move(self, sender: Sender, span: tuple[int, int], log: str) -> None:
        """Put the pictures of some records of a log under another one. Raises OSError.

        `span`: first and last. What is there stays.
        """
        to = Sender(sender.hub, sender.partition, log)
        for path in self._paths(sender, [span]):
            folder = self._folder(to, int(path.name.partition("-")[0]))
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / path.name).exists():
                path.unlink(missing_ok=True)
            else:
                path.rename(folder / path.name)

    def _write(self, picture: PictureFile) -> int:
        write_file(self.path_of(picture), picture.data)
        return len(picture.data)

    def _folder(self, sender: Sender, seq: int) -> Path:
        return self._root / sender.hub / sender.log / str(seq // _FOLDER_SEQS)


def _in_range(folder: Path, first: int, last: int) -> Iterator[Path]:
    for path in folder.glob("*-*"):
        seq = path.name.partition("-")[0]
        if seq.isdecimal() and first <= int(seq) <= last:
            yield path
