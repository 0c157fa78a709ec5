"""/media/SEQ/NAME.EXT: a picture of a record. It never changes, so it is fetched once."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import NoSuchResource
from hub.services import Services
from hub.wire.pictures import EXTENSIONS
from web.operations import Call, Nothing, Operation, Routes, seq_of

MEDIA = Operation(
    method="GET",
    path="/media/{seq}/{name}.{extension}",
    tag="Records",
    summary="A picture",
    description=(
        "By the path that a record gives. It never changes: keep it, or ask with `If-None-Match`."
    ),
    media_type="image/*",
    path_example={"seq": "4711", "name": "face", "extension": "jpg"},
)

_HEADERS = {
    # For ever, as browsers go. Private: a person's picture is for whom it was sent to.
    "Cache-Control": "private, max-age=31536000, immutable",
    # Only ever a picture, whatever its bytes would like to be.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def blueprint(services: Services) -> Blueprint:
    """The route of the pictures."""
    media = Blueprint("media", __name__)

    async def picture(call: Call[Nothing, Nothing]) -> Response:
        path = call.path
        stored = await services.records.picture(seq_of(path["seq"]), path["name"])
        if EXTENSIONS.get(stored.mime) != path["extension"]:
            raise NoSuchResource(f"that picture is no {path['extension']}")
        response = Response(stored.data, content_type=stored.mime, headers=_HEADERS)
        response.set_etag(stored.etag)
        # Weakly: a proxy that compresses what passes through marks the tag so.
        if request.if_none_match.contains_weak(stored.etag):
            response.status_code = 304
            response.set_data(b"")
            # It would be the length of the picture, not of this answer.
            del response.headers["Content-Length"]
        return response

    Routes(media, services).add(MEDIA, picture)
    return media
