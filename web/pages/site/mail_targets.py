"""Adding a target of mail, which tells people of alarms."""

from __future__ import annotations

from functools import partial

from quart import Blueprint, Response

from hub.errors import BadParameter
from web import auth
from web.pages.layout import redirect_to
from web.pages.own_password import asked
from web.pages.site.target_form import Values, adding_page, entered, fault_of

blueprint = Blueprint("site_mail_targets", __name__, url_prefix="/site/targets/mail")


@blueprint.get("", role="admin")
async def ask() -> Response:
    return await adding_page("mail", Values(pictures="alarms"))


@blueprint.post("", role="admin", password=asked(partial(adding_page, "mail"), entered))
async def add() -> Response:
    values = await entered()
    try:
        view, _ = await auth.services().forwarding.targets.add(
            "mail",
            values.url,
            name=values.name,
            ca=values.ca,
            selection=values.selection,
            identity=values.identity,
            mail=values.mail,
            by=auth.actor(),
        )
    except BadParameter as error:
        return await adding_page("mail", values, fault_of("mail", values, error))
    return redirect_to(f"/site/targets/{view.target.id}?done=target-added")
