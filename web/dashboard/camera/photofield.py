"""A form's field for a photo: what may be sent in it, and what was wrong with what was sent."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import BadParameter, CannotStoreNow, HubError, TooLarge
from hub.services.photos import MOST_PIXELS, BadPhoto
from web import auth
from web.bodies import TooSlow
from web.dashboard.language import N_, gettext
from web.operations import MOST_BODY_BYTES

#: What may come of a form instead of its photo.
UPLOAD_ERRORS = (BadParameter, CannotStoreNow)

_MISSING = N_("Choose a photo.")
_FAULTS = {
    "missing": _MISSING,
    "no picture": N_(
        "That is no picture that can be used: it has to be JPEG, PNG, WebP, GIF or BMP. Phones "
        "may take others (HEIC): save it as JPEG."
    ),
    "damaged": N_("The picture is damaged: it cannot be read to its end. Choose another file."),
}


class PhotoField(Struct, frozen=True):
    """`most` in bytes."""

    most: int
    too_large: str
    expected: str


def photo_field() -> PhotoField:
    megabytes = auth.services().config.web.max_body_mb
    return PhotoField(
        # The other fields come along.
        most=(megabytes << 20) - MOST_BODY_BYTES,
        too_large=_too_large(),
        expected=gettext(_MISSING),
    )


def photo_fault(error: HubError) -> str:
    """What is wrong with the photo, or with the form as a whole; for UPLOAD_ERRORS."""
    match error:
        case BadPhoto(fault="too many pixels"):
            return gettext("The picture has too many pixels: at most %(n)s million.") % {
                "n": MOST_PIXELS // 1_000_000
            }
        case BadPhoto():
            return gettext(_FAULTS[error.fault])
        case TooLarge():
            return _too_large()
        case TooSlow():
            return gettext("The photo came too slowly. Try again, or choose a smaller file.")
        case CannotStoreNow():
            return gettext(
                "Too much is being sent to the hub just now. Wait a moment, then try again."
            )
    return gettext("The form could not be read. Load the page again, and send it once more.")


def _too_large() -> str:
    return gettext("The file is too large: at most %(n)s MB.") % {
        "n": auth.services().config.web.max_body_mb
    }
