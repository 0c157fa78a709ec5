"""Forms with one file that is held in memory: a photo, or the CSV file of a site.

Other forms are short (MAX_SHORT_BODY_BYTES), since visitors who are not signed in may send them.
A photo from a phone has several MB, so such a form is read only after the user's role was checked
(web.route_access), and counts in the budget of uploads.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio
from msgspec import Struct
from quart import request
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from hub.errors import BadParameter
from web import auth
from web.http.budget import BodySender
from web.quart_app import request_body

_MAX_PARTS = 32


class FileForm(Struct, frozen=True):
    """`file` is empty if none was chosen."""

    fields: Mapping[str, str]
    file: bytes


async def read_file_form(file_field: str, max_bytes: int | None = None) -> FileForm:
    """The form of this request of a signed-in user, with the file of the field `file_field`.

    `max_bytes` lowers the limit that the settings set for bodies. Raises TooLarge, TooSlow,
    CannotStoreNow, NotAllowed without the CSRF token, and BadParameter if it is not a form with a
    file.
    """
    body = await request_body().read(BodySender("user", auth.user().name), max_bytes=max_bytes)
    content_type = request.headers.get("Content-Type", "")
    form = await trio.to_thread.run_sync(parse_file_form, content_type, body, file_field)
    await auth.check_csrf(form.fields)
    return form


def parse_file_form(content_type: str, body: bytes, file_field: str) -> FileForm:
    """Parse a form with a file, as browsers send it. Raises BadParameter."""
    decoder = MultipartDecoder(boundary_of(content_type), max_parts=_MAX_PARTS)
    try:
        parts = _parts(decoder, body)
    except (ValueError, HTTPException):
        raise BadParameter("body: malformed multipart/form-data") from None
    file = bytes(parts.pop(file_field, b""))
    return FileForm({name: str(data, "utf-8", "replace") for name, data in parts.items()}, file)


def boundary_of(content_type: str) -> bytes:
    """The boundary between the parts of a form with files. Raises BadParameter for other types."""
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary.isascii() or not boundary:
        raise BadParameter("body: multipart/form-data is expected")
    return boundary.encode()


def _parts(decoder: MultipartDecoder, body: bytes) -> dict[str, bytearray]:
    """The parts by name; the last one wins if a name is repeated."""
    parts: dict[str, bytearray] = {}
    part = bytearray()
    decoder.receive_data(body)
    decoder.receive_data(None)
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            part = parts[event.name] = bytearray()
        elif isinstance(event, Data):
            part += event.data
    return parts
