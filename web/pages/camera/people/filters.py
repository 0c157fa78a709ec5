"""The filters for people in 1.10 and 1.13: form fields and their error texts."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hub.wire.commands.field_specs import field_specs
from web.pages.language import N_, gettext

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


def read_filters(args: Mapping[str, str]) -> dict[str, str]:
    """The filters given in the query parameters."""
    return {name: value for name in FILTERS if (value := args.get(name, "").strip())}


def filter_fields(param: type[Struct], given: Mapping[str, str]) -> list[FilterField]:
    """All filter fields, with the limits of the command with that param."""
    bounds = field_specs(param)
    return [
        FilterField(name, gettext(label), given.get(name, ""), bounds[name].most or 0)
        for name, label in FILTERS.items()
    ]


def describe_filter_error(param: type[Struct], name: str) -> str:
    return gettext("%(field)s: at most %(n)s characters, without line breaks.") % {
        "field": gettext(FILTERS[name]),
        "n": field_specs(param)[name].most,
    }
