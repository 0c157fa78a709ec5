"""Forms of the wall: what a user has looked at, and what is reviewed."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from web import auth
from web.pages.layout import redirect_to, wants_part

blueprint = Blueprint("reviews", __name__)


@blueprint.post("/wall-seen", role="viewer")
async def seen() -> Response:
    """Sent by the script of the wall, while somebody looks at it."""
    await auth.services().records.reviews.note_seen(
        auth.user().name, _seq(await _field("seq"), "seq")
    )
    return Response(b"", 204)


@blueprint.post("/reviewed", role="guard")
async def reviewed() -> Response:
    me = auth.user()
    reviews = auth.services().records.reviews
    if upto := await _field("upto"):
        await reviews.mark_all(me.name, _seq(upto, "upto"))
    else:
        await reviews.mark(me.name, _seq(await _field("seq"), "seq"))
    return Response(b"", 204) if wants_part() else redirect_to("/")


async def _field(name: str) -> str:
    return str((await request.form).get(name, ""))


def _seq(text: str, field: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadParameter("must be the number of a record", field=field)
    return int(text)
