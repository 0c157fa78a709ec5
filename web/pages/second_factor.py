"""The own second factor: set up by a QR code and a first code, and removed."""

from __future__ import annotations

import io
from contextlib import suppress

from markupsafe import Markup
from quart import Blueprint, Response, request

from hub.errors import BadParameter, NoSuchResource
from web import auth
from web.language import gettext
from web.pages.account import account_page, refuse_screens
from web.pages.faults import NO_FAULT, Fault
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked

blueprint = Blueprint("second_factor", __name__, url_prefix="/account/second-factor")


async def _page(fault: Fault = NO_FAULT, *, secret: str = "", is_begun: bool = False) -> Response:
    me, factors = auth.user(), auth.services().access.second_factors
    return await account_page(
        me,
        status=fault.status,
        factor_fault=fault,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=_picture(factors.uri(me.name, secret)) if secret else "",
        is_begun=is_begun or bool(secret),
    )


def _picture(uri: str) -> Markup:
    """The QR code, in the page itself: it is a secret, and has no address."""
    # Imported here: it takes 0.6 MB of memory, and few see it.
    import segno

    out = io.BytesIO()
    segno.make(uri, error="m").save(
        out, kind="svg", scale=4, border=3, dark="#000", light="#fff", xmldecl=False, svgns=False
    )
    return Markup(out.getvalue().decode())


async def _show_again(fault: Fault) -> Response:
    return await _page(fault)


@blueprint.post("/begin", role="signed-in", password=asked(_show_again))
async def begin() -> Response:
    """Show a new secret, this once. It counts when its first code was given."""
    refuse_screens()
    return await _page(secret=auth.services().access.second_factors.begin(auth.user().name))


@blueprint.post("/confirm", role="signed-in")
async def confirm() -> Response:
    refuse_screens()
    code, me = (await request.form).get("code", ""), auth.user().name
    try:
        codes = await auth.services().access.second_factors.confirm(me, code, by=auth.actor())
    except BadParameter:
        return await _page(Fault("code", gettext("The code is wrong.")), is_begun=True)
    except NoSuchResource:
        return redirect_to("/account#second-factor")
    return await page("account/recovery_codes.html", codes=codes)


@blueprint.post("/remove", role="signed-in", password=asked(_show_again))
async def remove() -> Response:
    refuse_screens()
    with suppress(NoSuchResource):
        await auth.services().access.second_factors.remove(auth.user().name, by=auth.actor())
    return redirect_to("/account?done=factor-off")
