"""Lists of records, read from the store and written in pieces as the peer reads.

A list that fits into one piece is sent whole, with its length. A longer one comes in chunks, so
that a slow reader costs one piece of memory and nothing of the store. It ends early, with `next`,
if it is very large or its search takes too long. If it cannot be completed, the connection is cut
off: what was sent is no valid JSON, and the last chunk is missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import msgspec
import trio
from quart import Response, request

from hub import metrics
from hub.errors import CannotStoreNow, HubError, TooManyRequests
from hub.net.networks import network_of
from hub.store.records.record_log import MAX_PAGE_BYTES, RecordPage
from web import auth
from web.api.records.shown import Render, renderer
from web.http.answers import ANSWERS, RETRY_SECONDS, AnswerBudget
from web.http.sender import PeerLost

#: A piece ends with the record that makes it larger than this.
PIECE_BYTES = 32 * 1024
MAX_PIECE_RECORDS = 100
#: Pieces that are read for one address (hub.net.networks) at a time: others need the same readers
#: of the store.
MAX_READS_PER_ADDRESS = 2
#: How long a piece may wait for others of its address.
WAIT_SECONDS = 10.0

#: Reads at most so many records, and about PIECE_BYTES, from a position (None: the beginning).
ReadPiece = Callable[[int | None, int], Awaitable[RecordPage]]


class RecordLists:
    """Makes the answers. Each address has its own turns at reading."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, trio.Semaphore] = WeakValueDictionary()

    async def answer(
        self, read: ReadPiece, limit: int, log_id: str, caller: auth.Caller
    ) -> Response:
        """Answer with at most `limit` records; `next` goes on where they end.

        Raises CannotStoreNow if the address reads other answers too slowly, and what `read` raises.
        """
        address = caller.address
        _check_room(address)

        async def read_in_turn(position: int | None, count: int) -> RecordPage:
            async with self._turn(address):
                return await read(position, min(count, MAX_PIECE_RECORDS))

        body = _ListBody(read_in_turn, renderer(caller), limit, log_id)
        opening = await body.next_piece()
        if body.is_complete:
            return Response(opening, content_type="application/json")
        pieces = _nothing() if request.method == "HEAD" else body.pieces(opening)
        return Response(pieces, content_type="application/json")

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a turn of an address, and hold it. Raises TooManyRequests."""
        turns = self._turns.setdefault(network_of(address), trio.Semaphore(MAX_READS_PER_ADDRESS))
        with trio.move_on_after(WAIT_SECONDS) as time_limit:
            await turns.acquire()
        if time_limit.cancelled_caught:
            metrics.limits_reached.labels("lists").inc()
            raise TooManyRequests("too many lists at once: read one after the other")
        try:
            yield
        finally:
            turns.release()


class _ListBody:
    """The JSON of one list, piece by piece."""

    def __init__(self, read: ReadPiece, render: Render, limit: int, log_id: str) -> None:
        self._read = read
        self._render = render
        self._left = limit
        self._log_id = log_id
        self._position: int | None = None
        self._size = 0
        self.is_complete = False

    async def next_piece(self) -> bytes:
        """Return the next piece. Raises what reading raises."""
        page = await self._read(self._position, self._left)
        items = b",".join(map(self._render, page.items))
        start = b"," if page.items else b""
        if self._position is None:
            start = b'{"items":['
        self._position = page.next
        self._left -= len(page.items)
        self._size += len(items)
        self.is_complete = (
            page.next is None
            or not page.is_complete
            or self._left <= 0
            or self._size > MAX_PAGE_BYTES
        )
        return start + items + (self._end() if self.is_complete else b"")

    async def pieces(self, opening: bytes) -> AsyncIterator[bytes]:
        """Yield the first piece and all others. Raises PeerLost if one cannot be read."""
        yield opening
        opening = b""  # Do not keep it while the peer reads the others.
        while not self.is_complete:
            try:
                piece = await self.next_piece()
            except HubError as error:
                raise PeerLost from error
            yield piece
            piece = b""

    def _end(self) -> bytes:
        next, log = map(msgspec.json.encode, (self._position, self._log_id))
        return b'],"next":%b,"log":%b}' % (next, log)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


def _check_room(address: str) -> None:
    """Raise CannotStoreNow if the answer would find no room."""
    answers: object = (request.scope.get("extensions") or {}).get(ANSWERS)
    if isinstance(answers, AnswerBudget) and not answers.has_room(PIECE_BYTES, address):
        raise CannotStoreNow("too many answers at once", retry_after=RETRY_SECONDS)
