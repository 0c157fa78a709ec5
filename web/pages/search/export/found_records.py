"""All records of an answer, read page by page: what an export is made of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

import trio

from hub.errors import TooManyRequests
from hub.services import Services
from hub.services.people.masking import masked_record
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import RecordPage
from hub.wire.uploads.records import Record
from web.pages.hold_export import response

_PAGE_RECORDS, _PAGE_BYTES = 200, 1024 * 1024
#: How long an export waits when too many others are reading from the store.
_BUSY_SECONDS = 1.0


class FoundRecords:
    """The records that match a filter, at most `most`, without those that come later.

    Nothing of the store is in use between two pages, however slowly they are read.
    """

    def __init__(
        self, services: Services, filter: RecordFilter, *, most: int, sees_numbers: bool
    ) -> None:
        self._services = services
        self._filter = filter
        self._most = most
        self._sees_numbers = sees_numbers
        self._end = services.records.log.last_seq + 1
        self._read = 0
        #: Whether there are more than `most`; known once they were read.
        self.is_cut = False

    async def each(self, *, newest_first: bool) -> AsyncGenerator[Record, None]:
        """Yield them one by one."""
        position: int | None = None
        while self._read < self._most:
            found = await self._page(position, self._most - self._read, newest_first=newest_first)
            for record in found.items:
                yield self._shown(record)
            self._read += len(found.items)
            self.is_cut = found.next is not None
            if found.next is None:
                return
            position = found.next

    async def records(
        self, after: int, limit: int, *, with_pictures: bool = False
    ) -> Sequence[Record]:
        """Return at most `limit` with seqs above `after`, the oldest first; none at the end.

        What is read with pictures, which must be all of them from the first, is what there is.
        """
        room = self._most - self._read if with_pictures else limit
        if room <= 0:
            return ()
        found = await self._page(after, min(limit, room), newest_first=False)
        while not found.items and found.next is not None:
            found = await self._page(found.next, min(limit, room), newest_first=False)
        if with_pictures:
            self._read += len(found.items)
            if self._read == self._most and found.items:
                self.is_cut, self._end = found.next is not None, found.items[-1].seq + 1
        return [self._shown(record) for record in found.items]

    def picture(self, seq: int, name: str) -> AsyncGenerator[bytes, None]:
        """Yield a picture in pieces; nothing if it is gone."""
        return response.picture_pieces(self._services, seq, name)

    def _shown(self, record: Record) -> Record:
        return record if self._sees_numbers else masked_record(record)

    async def _page(self, position: int | None, room: int, *, newest_first: bool) -> RecordPage:
        while True:
            try:
                return await self._services.records.log.page(
                    self._filter,
                    after=None if newest_first else position,
                    before=position if newest_first and position is not None else self._end,
                    newest_first=newest_first,
                    limit=min(_PAGE_RECORDS, room),
                    max_bytes=_PAGE_BYTES,
                )
            except TooManyRequests:
                await trio.sleep(_BUSY_SECONDS)
