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
            return gettext("The upload was too slow. Try again, or choose a smaller file.")
        case CannotStoreNow():
            return gettext(
                "The hub is receiving too much data right now. Wait a moment, then try again."
            )
    return gettext("The form could not be read. Reload the page, then send it again.")


def file_too_large(megabytes: int) -> str:
    return gettext("The file is too large. The limit is %(n)s MB.") % {"n": megabytes}
