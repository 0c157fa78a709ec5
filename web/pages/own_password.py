"""Ask administrators for their own password, before they give somebody access or secrets.

A session that was stolen must not be enough for that.
"""

from __future__ import annotations

from msgspec import Struct
from quart import request

from hub.errors import TooManyRequests
from hub.services.access.users import User
from web import auth
from web.pages.language import gettext

#: The field of the forms: the macro `own_password` of _macros.html.
FIELD = "own_password"


class PasswordFault(Struct, frozen=True):
    """Why the password was not accepted, as a sentence, and the status of the page that says so."""

    sentence: str
    status: int


async def check_own_password(me: User) -> PasswordFault | None:
    """Check the password in the form of the current request; None if it is the user's own one."""
    password = (await request.form).get(FIELD, "")
    try:
        if await auth.services().users.confirm(me.name, password, by=auth.actor()):
            return None
    except TooManyRequests:
        return PasswordFault(gettext("Too many attempts. Try again later."), 429)
    return PasswordFault(gettext("Your password is wrong."), 400)
