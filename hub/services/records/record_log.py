"""Reading the record log: pages, records, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hub.errors import Missing, existing
from hub.store.media.pictures import PictureInPieces, StoredPicture
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import MAX_PAGE_BYTES, SEARCH_SECONDS, RecordPage
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.services.core import Core


class RecordQueries:
    """Reads the append-only log of everything that devices reported."""

    def __init__(self, core: Core) -> None:
        self._store = core.store

    @property
    def log_id(self) -> str:
        """The id of the log, within which a `seq` is unique."""
        return self._store.log_id

    @property
    def last_seq(self) -> int:
        """The highest committed seq; 0 while the log is empty."""
        return self._store.records.last_seq

    async def page(
        self,
        filter: RecordFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
        max_bytes: int = MAX_PAGE_BYTES,
        seconds: float = SEARCH_SECONDS,
    ) -> RecordPage:
        """Return the records that match, by `seq`; the page's `next` is None at the end.

        It ends early once the JSON of its records is larger than `max_bytes`, or after so many
        seconds with what was found until then, maybe nothing: `is_complete` is False, and `next`
        goes on.
        """
        return await self._store.records.page(
            filter,
            after=after,
            before=before,
            newest_first=newest_first,
            limit=limit,
            max_bytes=max_bytes,
            seconds=seconds,
        )

    async def get(self, seq: int) -> Record:
        """Return one record. Raises NoSuchResource."""
        return existing(await self._store.records.get(seq), "record", seq=seq)

    async def some(self, seqs: Sequence[int]) -> dict[int, Record]:
        """Return those of these records that are there, by seq."""
        return {record.seq: record for record in await self._store.records.some(seqs)}

    async def picture(self, seq: int, name: str) -> StoredPicture:
        """Return a picture of a record by its name. Raises NoSuchResource."""
        return existing(await self._store.pictures.read(seq, name), "picture", name=name, seq=seq)

    async def open_picture(self, seq: int, name: str) -> StoredPicture | PictureInPieces:
        """Return a picture as `picture` does; a large one in pieces. Raises NoSuchResource."""
        picture = await self._store.pictures.open(seq, name)
        if picture is None:
            raise Missing("picture", name=name, seq=seq)
        return picture
