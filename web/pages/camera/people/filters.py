"""The filters for people in 1.10 and 1.13: form fields and their error texts."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hub.services.devices.views import DeviceView
from hub.store.tables.users import User
from hub.wire.commands.field_specs import field_specs
from hub.wire.redaction import is_personal_number
from web import auth
from web.language import N_, gettext

#: By wire name.
FILTERS = {
    "name": N_("Name"),
    "workId": N_("Work number"),
    "idCard": N_("ID card number"),
    "phone": N_("Phone"),
}


class FilterField(Struct, frozen=True):
    name: str
    label: str
    value: str
    max_length: int


def may_ask_by_numbers(me: User, device: DeviceView) -> bool:
    """Whether this camera may be asked by personal numbers: not if it does not sign (D12)."""
    return auth.reaches(me, "admin") and device.connects == "signed"


def read_filters(args: Mapping[str, str], *, sees_numbers: bool) -> dict[str, str]:
    """The filters given in the query parameters.

    Without `sees_numbers`, none by a personal number: nobody searches by what they do not see.
    """
    names = _names(sees_numbers=sees_numbers)
    return {name: value for name in names if (value := args.get(name, "").strip())}


def filter_fields(
    param: type[Struct], given: Mapping[str, str], *, sees_numbers: bool
) -> list[FilterField]:
    """The filter fields, with the limits of the command with that param."""
    bounds = field_specs(param)
    return [
        FilterField(name, gettext(FILTERS[name]), given.get(name, ""), bounds[name].most or 0)
        for name in _names(sees_numbers=sees_numbers)
    ]


def _names(*, sees_numbers: bool) -> list[str]:
    return [name for name in FILTERS if sees_numbers or not is_personal_number(name)]


def describe_filter_error(param: type[Struct], name: str) -> str:
    return gettext("%(field)s: at most %(n)s characters, without line breaks.") % {
        "field": gettext(FILTERS[name]),
        "n": field_specs(param)[name].most,
    }
