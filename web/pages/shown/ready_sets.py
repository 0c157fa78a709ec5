"""The ready sets of events that raise an alarm, to choose from."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from hub.config import RAISED_BY, RaisedBy
from hub.services.alarms.ready_sets import PERSON_DETECTED, is_raised_by
from hub.store.alarms.alarm import LISTED_PERSON
from hub.wire.code_tables import EVENT_TYPES, event_name
from web import auth, language
from web.language import N_, gettext

_TITLES: dict[RaisedBy, str] = {
    "few": N_("Only what is urgent"),
    "usual": N_("The usual"),
    "all": N_("Every event"),
}
#: What each adds to the one above it. Blacklisted people raise an alarm anyway.
_CONTENTS: dict[RaisedBy, str] = {
    "few": N_("%(events)s."),
    "usual": N_("The above and: %(events)s."),
    "all": N_("The above and: %(events)s, and any other except “%(never)s”."),
}


class ReadySetChoice(Struct, frozen=True):
    value: str
    title: str
    contents: str
    chosen: bool


def ready_set_choices(chosen: str) -> list[ReadySetChoice]:
    """The ready sets, the smallest first."""
    before: set[int] = {LISTED_PERSON}
    found = []
    for name, title in _TITLES.items():
        added = [type for type in EVENT_TYPES if type not in before and is_raised_by(name, type)]
        before.update(added)
        contents = gettext(_CONTENTS[name]) % {
            "events": _event_names(added),
            "never": _event_names([PERSON_DETECTED]),
        }
        found.append(ReadySetChoice(name, gettext(title), contents, chosen=name == chosen))
    return found


def _event_names(types: Iterable[int]) -> str:
    return gettext(", ").join(event_name(type, language.current().code) for type in types)


def may_choose() -> bool:
    """Whether the ready set can be chosen on a page: the environment or `--set` may decide it."""
    return not auth.services().core.settings.state(RAISED_BY).lock
