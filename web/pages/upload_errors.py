"""Errors of forms with a file, as text."""

from __future__ import annotations

from hub.errors import BadParameter, CannotStoreNow, HubError, TooLarge
from web.http.bodies import TooSlow
from web.language import gettext

#: Errors while a form with a file is read.
UPLOAD_ERRORS = (BadParameter, CannotStoreNow)


def describe_form_error(error: HubError, megabytes: int) -> str:
    """Say what is wrong; for UPLOAD_ERRORS. `megabytes` is the size limit of the file."""
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
