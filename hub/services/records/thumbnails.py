"""Small pictures for the wall, made once from the stored ones, never in the way of an upload."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import trio

from hub.errors import Missing, NoSuchResource
from hub.services.photos.photos import BadPhoto, PhotoRules, photo_jpeg
from hub.store.media.pictures import PictureInPieces, StoredPicture

if TYPE_CHECKING:
    from hub.store.media.pictures import PictureReader
    from hub.upload_priority import UploadPriority

#: A card is at most about 300 pixels wide. A larger picture is decoded as a whole only if it is no
#: JPEG, and then takes up to 64 MB.
_RULES = PhotoRules(
    max_side=320, max_bytes=24 * 1024, max_pixels=16_000_000, qualities=(82, 65, 40)
)
#: A picture of this size is sent as it is: there is little to be saved.
SMALL_BYTES = 12 * 1024
#: All thumbnails in memory; at about 10 KB each, those of half an hour at one capture a second.
CACHE_BYTES = 16 * 1024 * 1024
#: A thumbnail also takes so much memory beside its bytes.
_ENTRY_BYTES = 500
#: A picture that takes longer to decode is sent as it is, and the next one is decoded beside it ...
_DECODE_SECONDS = 4
#: ... by another thread. Those that were given up end by themselves: their work is bounded.
_THREADS = 3
#: Who has waited so long gets the picture as it is.
_WAIT_SECONDS = 2 * _DECODE_SECONDS
#: With more requests waiting for theirs, pictures are sent as they are.
_MAX_WAITING = 64

#: A picture: its record, its name, and the etag of its bytes.
_Key = tuple[int, str, str]


class Thumbnails:
    """Returns pictures of records as small JPEGs, made one at a time in a thread.

    What cannot be made smaller, or not in time, is returned as it is: no picture holds up the
    others for longer than that, nor the end of the hub.
    """

    def __init__(
        self,
        pictures: PictureReader,
        upload_priority: UploadPriority,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._pictures = pictures
        self._upload_priority = upload_priority
        self._cache_bytes = cache_bytes
        #: The least recently used first. None: the picture is sent as it is.
        self._made: OrderedDict[_Key, bytes | None] = OrderedDict()
        self._weight = 0
        self._turn = trio.Lock()
        self._threads = trio.CapacityLimiter(_THREADS)
        self._waiting = 0

    async def open(self, seq: int, name: str) -> StoredPicture | PictureInPieces:
        """Return a thumbnail of a picture, or the picture. Raises NoSuchResource.

        A thumbnail ends with its picture: erased and dropped ones are looked up each time.
        """
        etag = await self._pictures.etag(seq, name)
        if etag is None:
            raise _missing(seq, name)
        key = (seq, name, etag)
        if key not in self._made and self._waiting < _MAX_WAITING:
            self._waiting += 1
            try:
                with trio.move_on_after(_WAIT_SECONDS):
                    async with self._turn:
                        await self._make(key)
            finally:
                self._waiting -= 1
        jpeg = self._taken(key)
        if jpeg is not None:
            return StoredPicture("image/jpeg", jpeg, f"{etag}-small")
        picture = await self._pictures.open(seq, name)
        if picture is None:
            raise _missing(seq, name)
        return picture

    def forget(self) -> None:
        """Drop the thumbnails in memory. One that is being made is not kept."""
        self._made = OrderedDict()
        self._weight = 0

    async def _make(self, key: _Key) -> None:
        if key in self._made:
            return
        await self._upload_priority.yield_to_uploads()
        seq, name, etag = key
        made = self._made
        picture = await self._pictures.read(seq, name)
        if picture is None or picture.etag != etag:
            return
        jpeg = None
        if len(picture.data) > SMALL_BYTES:
            with trio.move_on_after(_DECODE_SECONDS):
                jpeg = await trio.to_thread.run_sync(
                    _smaller, picture.data, abandon_on_cancel=True, limiter=self._threads
                )
        if made is self._made:
            self._keep(key, jpeg)

    def _keep(self, key: _Key, jpeg: bytes | None) -> None:
        self._made[key] = jpeg
        self._weight += _weight(jpeg)
        while self._weight > self._cache_bytes:
            _, oldest = self._made.popitem(last=False)
            self._weight -= _weight(oldest)

    def _taken(self, key: _Key) -> bytes | None:
        if key not in self._made:
            return None
        self._made.move_to_end(key)
        return self._made[key]


def _smaller(data: bytes) -> bytes | None:
    """Return a small JPEG; None if the picture cannot be decoded, or is no larger. Blocks."""
    try:
        jpeg = photo_jpeg(data, _RULES)
    except BadPhoto:
        return None
    return jpeg if len(jpeg) < len(data) else None


def _weight(jpeg: bytes | None) -> int:
    return len(jpeg or b"") + _ENTRY_BYTES


def _missing(seq: int, name: str) -> NoSuchResource:
    return Missing("picture", name=name, seq=seq)
