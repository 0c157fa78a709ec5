"""A form's field for a photo: what may be sent in it, and what was wrong with what was sent."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import HubError
from hub.services.commands.photos import MAX_PIXELS, BadPhoto
from web import auth
from web.api.endpoint import MOST_BODY_BYTES
from web.pages.language import N_, gettext
from web.pages.upload_errors import file_too_large, form_fault

_MISSING = N_("Choose a photo.")
_FAULTS = {
    "missing": _MISSING,
    "no picture": N_(
        "This file cannot be used. Choose a JPEG, PNG, WebP, GIF or BMP picture. Phones "
        "may use other formats (HEIC): save those as JPEG first."
    ),
    "damaged": N_("The picture is damaged or incomplete. Choose another file."),
}


class PhotoField(Struct, frozen=True):
    """`most` in bytes."""

    most: int
    too_large: str
    expected: str


def photo_field() -> PhotoField:
    return PhotoField(
        # The other fields come along.
        most=(_megabytes() << 20) - MOST_BODY_BYTES,
        too_large=file_too_large(_megabytes()),
        expected=gettext(_MISSING),
    )


def photo_fault(error: HubError) -> str:
    """What is wrong with the photo, or with the form as a whole; for UPLOAD_ERRORS."""
    match error:
        case BadPhoto(fault="too many pixels"):
            return gettext("The picture is too large. The limit is %(n)s million pixels.") % {
                "n": MAX_PIXELS // 1_000_000
            }
        case BadPhoto():
            return gettext(_FAULTS[error.fault])
    return form_fault(error, _megabytes())


def _megabytes() -> int:
    return auth.services().config.web.max_body_mb
