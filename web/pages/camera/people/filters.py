"""What one looks for people by, in 1.10 and 1.13: as a form has it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hub.wire.commands.field_specs import field_specs
from web.pages.language import N_, gettext

#: By their names on the wire.
FILTERS = {
    "name": N_("Name"),
    "workId": N_("Work number"),
    "idCard": N_("ID card number"),
    "phone": N_("Phone"),
}


class Filter(Struct, frozen=True):
    name: str
    label: str
    value: str
    longest: int


def filters_sent(args: Mapping[str, str]) -> dict[str, str]:
    """Those that an address gives."""
    return {name: value for name in FILTERS if (value := args.get(name, "").strip())}


def shown_filters(param: type[Struct], given: Mapping[str, str]) -> list[Filter]:
    """All of them, for the command of that param."""
    bounds = field_specs(param)
    return [
        Filter(name, gettext(label), given.get(name, ""), bounds[name].most or 0)
        for name, label in FILTERS.items()
    ]


def filter_fault(param: type[Struct], name: str) -> str:
    return gettext("%(field)s: at most %(n)s characters, without line breaks.") % {
        "field": gettext(FILTERS[name]),
        "n": field_specs(param)[name].most,
    }
