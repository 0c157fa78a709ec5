"""A large picture of a record, as the body of an answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

from hub.errors import HubError
from hub.store.media.pictures import PictureInPieces
from web.http.sender import PeerLost


async def pieces_of(picture: PictureInPieces) -> AsyncIterator[bytes]:
    """The pieces, read from the disk as the client reads them. Raises PeerLost if one is gone."""
    at = 0
    while at < picture.size:
        try:
            piece = await picture.read(at)
        except HubError as error:
            raise PeerLost from error
        if not piece:
            # It was erased or dropped meanwhile. The answer ends before its announced length.
            raise PeerLost
        at += len(piece)
        yield piece
