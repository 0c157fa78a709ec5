"""What the page of a camera says of its light at night (1.27)."""

from __future__ import annotations

from msgspec import Struct

from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.edition_3_commands import SET_DAY_NIGHT
from hub.wire.commands.edition_3_params import DayNightSet, Light
from web import auth
from web.language import N_, gettext
from web.pages.choices import Choice

_TEXTS: dict[Light, str] = {
    "AutoWhite": N_("White light"),
    "AutoIR": N_("Infrared"),
    "AlwaysClose": N_("Off"),
}


class LightChoice(Struct, frozen=True):
    """`is_known`: the hub knows the settings of day and night, which are sent with the light."""

    choices: list[Choice]
    is_known: bool


def light_choice(device: DeviceView) -> LightChoice | None:
    """Return what the user may choose; None if that is nothing."""
    known = auth.services().cameras.capabilities.of(device.did)
    if not (may_know(known, "image") and auth.reaches(auth.user(), "guard")):
        return None
    taken = taken_settings(device)
    return LightChoice(
        [
            Choice(value, gettext(text), taken is not None and taken.smt_light_mode == value)
            for value, text in _TEXTS.items()
        ],
        taken is not None,
    )


def taken_settings(device: DeviceView) -> DayNightSet | None:
    """The settings that the camera last took: it is not asked, because nothing reads them."""
    known = auth.services().cameras.commands.kept_setting(device.did, SET_DAY_NIGHT)
    return known.taken if known else None
