"""Ask administrators for their own password, before they give somebody access or secrets.

A session that was stolen must not be enough for that. A route says so: `password=asked(show)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from quart import Response, request

from hub.errors import TooManyRequests
from web import auth
from web.language import gettext
from web.pages.faults import Fault

#: The field of the forms: the macro `own_password` of _macros.html.
FIELD = "own_password"

Form = Mapping[str, str]
Check = Callable[..., Awaitable[Response | None]]


def asked(
    show: Callable[..., Awaitable[Response]],
    entered: Callable[[], Awaitable[object]] | None = None,
    *,
    unless: Callable[[Form], bool] = lambda form: False,
) -> Check:
    """What a route does before its view: it checks the password in the form of the request.

    `show` shows the form again with what was `entered`, and a Fault, if the password is wrong.
    `unless`: forms without one.
    """

    async def check(**path: object) -> Response | None:
        if unless(form := await request.form):
            return None
        try:
            me, password = auth.user(), form.get(FIELD, "")
            if await auth.services().access.users.confirm(me.name, password, by=auth.actor()):
                return None
            fault = Fault(FIELD, gettext("Your password is wrong."))
        except TooManyRequests:
            fault = Fault(FIELD, gettext("Too many attempts. Try again later."), 429)
        values = () if entered is None else (await entered(),)
        return await show(*values, fault, **path)

    return check
