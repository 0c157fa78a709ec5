"""/media: pictures of records, and pictures that are stored on devices."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import (
    DeviceNonsense,
    DeviceSilent,
    NoSuchResource,
    NotAuthorised,
    NotSent,
)
from hub.services import Services
from hub.services.forwarding.webhooks.picture_links import PREFIX as LINKS
from hub.store.media.pictures import PictureInPieces, StoredPicture
from hub.wire.commands.param_structs import FilePath
from hub.wire.pictures import EXTENSIONS
from web.api.endpoint import Endpoint, Nothing
from web.api.routes import Call, Routes, seq_of
from web.picture_pieces import pieces_of


class PictureQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Query of MEDIA."""

    size: Literal["small"] | None = None


MEDIA = Endpoint(
    method="GET",
    path="/media/{seq}/{name}.{extension}",
    tag="Records",
    summary="A picture",
    description=(
        "The path comes from a record. The picture never changes: cache it, or use "
        "`If-None-Match`. `size=small`: a JPEG of at most 320 pixels on each side, for lists; or "
        "the picture as it is, if it is small already or cannot be made smaller now."
    ),
    media_type="image/*",
    query=PictureQuery,
    role="viewer",
)


class DevicePictureQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Query of DEVICE_MEDIA: the path of the picture on the device."""

    path: FilePath


DEVICE_MEDIA = Endpoint(
    method="GET",
    path="/media/device/{did}",
    tag="Devices",
    summary="A picture on a device",
    description=(
        "The path comes from the device's answers. The hub reads the picture from the device once, "
        "and keeps it. 404 with code 426: the device no longer has it; 502: the device refused. "
        "Ask again after an hour, with `If-None-Match`: a device may reuse a path for another "
        "picture. A signed-in user needs the role guard."
    ),
    media_type="image/*",
    query=DevicePictureQuery,
    refusals=(NotSent, DeviceNonsense, DeviceSilent),
    role="guard",
    query_example="path=sdcard/20210924/14/2741_179.jpg",
)

#: Private: no shared cache may keep pictures of people. A record's picture never changes; a device
#: may reuse a path.
_OF_RECORD = "private, max-age=31536000, immutable"
_ON_DEVICE = "private, max-age=3600"

_HEADERS = {
    # Keep browsers from treating the bytes as anything but a picture.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def blueprint(services: Services) -> Blueprint:
    """The routes of the pictures."""
    media = Blueprint("media", __name__)

    async def picture(call: Call[PictureQuery, Nothing]) -> Response:
        path = call.path
        seq, name = seq_of(path["seq"]), path["name"]
        if call.query.size:
            # Its path is that of the picture, which may be of another type.
            return _response(await services.records.thumbnails.open(seq, name), _OF_RECORD)
        stored = await services.records.log.open_picture(seq, name)
        if EXTENSIONS.get(stored.mime) != path["extension"]:
            raise NoSuchResource(f"the extension of that picture is not {path['extension']}")
        return _response(stored, _OF_RECORD)

    async def device_picture(call: Call[DevicePictureQuery, Nothing]) -> Response:
        stored = await services.cameras.files.picture(call.path["did"], call.query.path)
        return _response(stored, _ON_DEVICE)

    async def linked_picture(expires: str, signature: str, seq: str, file: str) -> Response:
        """A picture by a link that a target was sent: good for a day without a key."""
        if not services.forwarding.targets.links.opens(f"{seq}/{file}", expires, signature):
            raise NotAuthorised("this link is no longer valid: read the record again for a new one")
        stored = await services.records.log.open_picture(seq_of(seq), file.partition(".")[0])
        return _response(stored, _OF_RECORD)

    media.add_url_rule(
        f"{LINKS}<expires>/<signature>/<seq>/<file>",
        view_func=linked_picture,
        methods=["GET"],
        role=None,
    )
    routes = Routes(media, services)
    routes.add(MEDIA, picture)
    routes.add(DEVICE_MEDIA, device_picture)
    return media


def _response(picture: StoredPicture | PictureInPieces, cache_control: str) -> Response:
    if isinstance(picture, StoredPicture):
        response = Response(picture.data, content_type=picture.mime, headers=_HEADERS)
    else:
        pieces = b"" if request.method == "HEAD" else pieces_of(picture)
        response = Response(pieces, content_type=picture.mime, headers=_HEADERS)
        response.content_length = picture.size
    response.headers["Cache-Control"] = cache_control
    response.set_etag(picture.etag)
    # Weak comparison: a proxy that compresses responses marks the tag as weak.
    if request.if_none_match.contains_weak(picture.etag):
        response.status_code = 304
        response.set_data(b"")
        # The length is that of the picture, not of this empty answer.
        del response.headers["Content-Length"]
    return response
