"""The parts of a form with large files, as they arrive."""

from __future__ import annotations

from werkzeug.exceptions import HTTPException
from werkzeug.sansio.multipart import Data, Event, MultipartDecoder, NeedData

from hub.errors import BadParameter, TooLarge
from web.forms.file_forms import boundary_of
from web.http.bodies import MAX_SHORT_BODY_BYTES
from web.http.streamed_body import StreamedBody

_MAX_PARTS = 64
#: Limit of everything but the files, and of what the parser holds in memory.
MAX_OTHER_BYTES = 1024 * 1024


class FormEvents:
    """The events of the multipart decoder. Raises BadParameter if the form is malformed."""

    def __init__(self, content_type: str, body: StreamedBody) -> None:
        boundary = boundary_of(content_type)
        self._decoder = MultipartDecoder(boundary, MAX_OTHER_BYTES, max_parts=_MAX_PARTS)
        self._body = body
        self._text_bytes = 0

    async def next(self) -> Event:
        try:
            while isinstance(event := self._decoder.next_event(), NeedData):
                self._decoder.receive_data(await self._body.next() or None)
        except (ValueError, HTTPException):
            raise BadParameter("body: malformed multipart/form-data") from None
        return event

    async def data(self) -> tuple[bytes, bool]:
        """The next bytes of the current part, and whether more of it follows."""
        while not isinstance(event := await self.next(), Data):
            pass
        return event.data, event.more_data

    async def text(self) -> str:
        """The text of the current part. Raises TooLarge if those of the form are too long."""
        text, more = b"", True
        while more:
            data, more = await self.data()
            text += data
            self._text_bytes += len(data)
            if self._text_bytes > MAX_SHORT_BODY_BYTES:
                raise TooLarge(f"the fields together may have at most {MAX_SHORT_BODY_BYTES} bytes")
        return text.decode("utf-8", "replace")
