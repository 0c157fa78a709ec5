"""A form with a file that did not come as it should: why, in words."""

from __future__ import annotations

from hub.errors import BadParameter, CannotStoreNow, HubError, TooLarge
from web.http.bodies import TooSlow
from web.pages.language import gettext

#: What may come of such a form instead.
UPLOAD_ERRORS = (BadParameter, CannotStoreNow)


def form_fault(error: HubError, megabytes: int) -> str:
    """For UPLOAD_ERRORS; `megabytes` are what such a file may have."""
    match error:
        case TooLarge():
            return file_too_large(megabytes)
        case TooSlow():
            return gettext("The file came too slowly. Try again, or choose a smaller one.")
        case CannotStoreNow():
            return gettext(
                "Too much is being sent to the hub just now. Wait a moment, then try again."
            )
    return gettext("The form could not be read. Load the page again, and send it once more.")


def file_too_large(megabytes: int) -> str:
    return gettext("The file is too large: at most %(n)s MB.") % {"n": megabytes}
