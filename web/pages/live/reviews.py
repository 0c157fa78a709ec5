"""Forms of the wall: what a user has looked at, and what is reviewed."""

from __future__ import annotations

from quart import Blueprint, Response, request

from web import auth
from web.pages.faults import seq_of
from web.pages.layout import redirect_to, wants_part

blueprint = Blueprint("reviews", __name__)


@blueprint.post("/wall-seen", role="viewer")
async def seen() -> Response:
    """Sent by the script of the wall, while somebody looks at it."""
    await auth.services().records.reviews.note_seen(
        auth.user().name, seq_of(await _field("seq"), "seq")
    )
    return Response(b"", 204)


@blueprint.post("/reviewed", role="guard")
async def reviewed() -> Response:
    me = auth.user()
    reviews = auth.services().records.reviews
    if upto := await _field("upto"):
        await reviews.mark_all(me.name, seq_of(upto, "upto"))
    else:
        await reviews.mark(me.name, seq_of(await _field("seq"), "seq"))
    return Response(b"", 204) if wants_part() else redirect_to("/")


async def _field(name: str) -> str:
    return str((await request.form).get(name, ""))
