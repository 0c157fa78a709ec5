"""Adding a target of MQTT, by which Home Assistant finds the cameras."""

from __future__ import annotations

from functools import partial

from quart import Blueprint, Response

from hub.errors import BadParameter
from web import auth
from web.pages.layout import redirect_to
from web.pages.own_password import asked
from web.pages.site.target_form import Values, adding_page, entered, fault_of

blueprint = Blueprint("site_mqtt_targets", __name__, url_prefix="/site/targets/mqtt")


@blueprint.get("", role="admin")
async def ask() -> Response:
    return await adding_page("mqtt", Values())


@blueprint.post("", role="admin", password=asked(partial(adding_page, "mqtt"), entered))
async def add() -> Response:
    values = await entered()
    try:
        view, _ = await auth.services().forwarding.targets.add(
            "mqtt",
            values.url,
            name=values.name,
            ca=values.ca,
            selection=values.selection,
            hub=values.hub,
            identity=values.identity,
            mqtt=values.of_kind("mqtt"),
            by=auth.actor(),
        )
    except BadParameter as error:
        return await adding_page("mqtt", values, fault_of("mqtt", values, error))
    return redirect_to(f"/site/targets/{view.target.id}?done=target-added")
