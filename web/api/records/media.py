"""/media: a picture of a record, or one that lies on a device. Each is fetched once, and kept."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, Response, request

from hub.errors import DeviceNonsense, DeviceSilent, NoSuchResource, NotSent
from hub.services import Services
from hub.services.records.record_log import StoredPicture
from hub.wire.pictures import EXTENSIONS
from web.api.endpoint import Endpoint, Nothing
from web.api.routes import Call, Routes, seq_of

MEDIA = Endpoint(
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


class OnDevice(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a picture lies on a device."""

    path: Annotated[str, Meta(min_length=1, max_length=1024)]


DEVICE_MEDIA = Endpoint(
    method="GET",
    path="/media/device/{did}",
    tag="Devices",
    summary="A picture that lies on a device",
    description=(
        "By a path that stands in the device's answers. Read from the device once, and kept; 404 "
        "with code 426 where it does not have it any more, 502 where it refuses otherwise. Ask "
        "again after an hour, with `If-None-Match`: a device may use a path for another picture. A "
        "signed-in user needs the role guard."
    ),
    media_type="image/*",
    query=OnDevice,
    refusals=(NotSent, DeviceNonsense, DeviceSilent),
    role="guard",
    path_example={"did": "12"},
    query_example="path=sdcard/20210924/14/2741_179.jpg",
)

#: Private: a person's picture is for whom it was sent to. That of a record never changes, which is
#: for ever as browsers go; a device may use a path again.
_OF_RECORD = "private, max-age=31536000, immutable"
_ON_DEVICE = "private, max-age=3600"

_HEADERS = {
    # Only ever a picture, whatever its bytes would like to be.
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def blueprint(services: Services) -> Blueprint:
    """The routes of the pictures."""
    media = Blueprint("media", __name__)

    async def picture(call: Call[Nothing, Nothing]) -> Response:
        path = call.path
        stored = await services.records.picture(seq_of(path["seq"]), path["name"])
        if EXTENSIONS.get(stored.mime) != path["extension"]:
            raise NoSuchResource(f"that picture is no {path['extension']}")
        return _response(stored, _OF_RECORD)

    async def device_picture(call: Call[OnDevice, Nothing]) -> Response:
        stored = await services.device_files.picture(call.path["did"], call.query.path)
        return _response(stored, _ON_DEVICE)

    routes = Routes(media, services)
    routes.add(MEDIA, picture)
    routes.add(DEVICE_MEDIA, device_picture)
    return media


def _response(picture: StoredPicture, cache_control: str) -> Response:
    response = Response(picture.data, content_type=picture.mime, headers=_HEADERS)
    response.headers["Cache-Control"] = cache_control
    response.set_etag(picture.etag)
    # Weakly: a proxy that compresses what passes through marks the tag so.
    if request.if_none_match.contains_weak(picture.etag):
        response.status_code = 304
        response.set_data(b"")
        # It would be the length of the picture, not of this answer.
        del response.headers["Content-Length"]
    return response
