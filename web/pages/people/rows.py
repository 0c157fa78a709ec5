"""People of the register as pages show them."""

from __future__ import annotations

from msgspec import Struct

from hub.store.people.groups import CameraGroup
from hub.store.people.person_rows import Person
from web import auth, language
from web.language import N_, gettext
from web.pages.camera.people.form import TABLES
from web.pages.people.form import FORM_FIELDS
from web.pages.shown.record_cards import ListBadge, list_badge, table_text

#: On the page of a person; the others are shown in another way there.
_FACTS = (
    "pid",
    *(
        name
        for name, field in FORM_FIELDS.items()
        if name not in ("name", "pid", "category") and field.kind != "moment"
    ),
)


class PersonFact(Struct, frozen=True):
    label: str
    value: str


class PersonRow(Struct, frozen=True, kw_only=True):
    """A person in the list. `photo`: its address, "" without one."""

    pid: str
    name: str
    url: str
    photo: str
    badge: ListBadge | None
    work_id: str
    department: str
    where: str
    validity: str


def photo_url(person: Person) -> str:
    """The address of the photo; it changes with the person, so that browsers may keep it."""
    return f"/people/{person.pid}/photo?r={person.revision}" if person.has_photo else ""


def person_row(person: Person, groups: dict[int, CameraGroup]) -> PersonRow:
    return PersonRow(
        pid=person.pid,
        name=person.name or gettext("No name"),
        url=f"/people/{person.pid}",
        photo=photo_url(person),
        badge=list_badge(person.category),
        work_id=person.work_id,
        department=person.department,
        where=where_text(person, groups),
        validity=validity_text(person),
    )


def where_text(person: Person, groups: dict[int, CameraGroup]) -> str:
    """On which cameras the person belongs."""
    if person.everywhere:
        return gettext("All cameras")
    names = sorted(groups[id].name for id in person.groups if id in groups)
    return gettext(", ").join(names) or gettext("No camera")


def validity_text(person: Person) -> str:
    """From when and until when the person is valid; "" if that is always."""
    now = auth.services().core.clock.reading().likely
    if person.valid_from is not None and person.valid_from > now:
        return gettext("valid from %(time)s") % {"time": language.moment(person.valid_from)}
    if person.valid_until is None:
        return ""
    text = N_("valid until %(time)s") if person.valid_until > now else N_("ended on %(time)s")
    return gettext(text) % {"time": language.moment(person.valid_until)}


def person_facts(person: Person) -> list[PersonFact]:
    """The fields of a person, as far as they are known."""
    facts = [PersonFact(gettext(FORM_FIELDS[name].label), _fact(person, name)) for name in _FACTS]
    return [fact for fact in facts if fact.value]


def _fact(person: Person, name: str) -> str:
    value = getattr(person, name)
    if name in TABLES:
        return table_text(value, TABLES[name])
    return "" if value is None else str(value)
