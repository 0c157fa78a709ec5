"""Form fields for a photo and for a time, shared by the pages of a camera."""

from __future__ import annotations

import re

from msgspec import Struct

from hub.errors import HubError
from hub.services.photos.photos import MAX_FILE_MB, MAX_PIXELS, BadPhoto
from web import auth
from web.http.bodies import MAX_SHORT_BODY_BYTES
from web.language import N_, gettext
from web.pages.upload_errors import describe_form_error, file_too_large

_PHOTO_MISSING = N_("Choose a photo.")
_PHOTO_ERRORS = {
    "missing": _PHOTO_MISSING,
    "no picture": N_(
        "This file cannot be used. Choose a JPEG, PNG, WebP, GIF or BMP picture. Phones "
        "may use other formats (HEIC): save those as JPEG first."
    ),
    "too small": N_(
        "The picture is too small, or too long and narrow. Choose one with at least 112 pixels on "
        "each side."
    ),
    "damaged": N_("The picture is damaged or incomplete. Choose another file."),
    "slow": N_("The hub takes too long to read this picture. Choose a smaller one."),
}


class PhotoField(Struct, frozen=True):
    """What the browser checks before it sends a photo. `most` is in bytes."""

    most: int
    too_large: str
    expected: str


def photo_field() -> PhotoField:
    return PhotoField(
        # Leave room for the other fields.
        most=(_megabytes() << 20) - MAX_SHORT_BODY_BYTES,
        too_large=file_too_large(_megabytes()),
        expected=gettext(_PHOTO_MISSING),
    )


def describe_photo_error(error: HubError) -> str:
    """Say what is wrong with the photo or with the form; for UPLOAD_ERRORS."""
    if isinstance(error, BadPhoto):
        return describe_photo_fault(error.fault)
    return describe_form_error(error, _megabytes())


def describe_photo_fault(fault: str) -> str:
    """Say what is wrong with a photo; `fault` is that of BadPhoto."""
    if fault == "too many pixels":
        return gettext("The picture is too large. The limit is %(n)s million pixels.") % {
            "n": MAX_PIXELS // 1_000_000
        }
    if fault == "too large":
        return file_too_large(MAX_FILE_MB)
    return gettext(_PHOTO_ERRORS.get(fault, _PHOTO_ERRORS["damaged"]))


def _megabytes() -> int:
    return auth.services().config.web.max_body_mb


#: Browsers leave out the seconds if they are zero.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?", re.ASCII)


def parse_time_field(text: str) -> str:
    """Convert a browser's time to the format of 1.10; other text is returned unchanged."""
    found = _TIME.fullmatch(text)
    return f"{found[1]} {found[2]}{found[3] or ':00'}" if found else text
