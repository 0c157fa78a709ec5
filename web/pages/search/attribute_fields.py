"""The part of the form that asks for attributes of people and vehicles."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hub.wire.commands.capabilities import Edition
from hub.wire.uploads.searchable import SEARCHABLE, Searchable
from web import auth, language
from web.language import N_, gettext

_TITLES = {"face": N_("Person"), "vehicle": N_("Vehicle")}
#: Shown as boxes, of which several can be chosen; others as lists.
_COLOURS = frozenset({"upper_colour", "lower_colour", "car_colour", "plate_colour"})
#: By what people are looked for most: these come first, and the form folds all but so many.
_FIRST = frozenset({"gender", "bag", "upper_colour", "helmet"})
_MAX_FIRST = 4


class Word(Struct, frozen=True):
    """`swatch`: the name of its colour, "" if it is none."""

    value: str
    text: str
    chosen: bool
    swatch: str


class AttributeField(Struct, frozen=True):
    """One attribute. `is_colour`: its words are boxes. `chosen`: how many words are."""

    key: str
    label: str
    words: list[Word]
    is_colour: bool
    chosen: int


class AttributeGroup(Struct, frozen=True):
    """The attributes of people, or of vehicles. `more`: those that are folded."""

    of: str
    title: str
    fields: list[AttributeField]
    more: list[AttributeField]
    #: Why there are no more.
    note: str

    @property
    def chosen(self) -> int:
        return sum(field.chosen for field in (*self.fields, *self.more))

    @property
    def is_more_chosen(self) -> bool:
        return any(field.chosen for field in self.more)


def attribute_groups(sent: dict[str, list[str]]) -> list[AttributeGroup]:
    """The attributes that a camera of the site can tell, and those that are asked for."""
    latest: Edition = max(auth.services().cameras.capabilities.upload_editions(), default=1)
    groups = []
    for of, title in _TITLES.items():
        fields = [
            _field(one, sent.get(one.key, ()))
            for one in SEARCHABLE.values()
            if one.of == of and (one.edition <= latest or sent.get(one.key))
        ]
        fields.sort(key=lambda field: field.key not in _FIRST)
        first, more = fields[:_MAX_FIRST], fields[_MAX_FIRST:]
        groups.append(AttributeGroup(of, gettext(title), first, more, _note(of, latest)))
    return groups


def _note(of: str, latest: Edition) -> str:
    if latest == 3:
        return ""
    if of == "vehicle":
        return gettext("No camera of this site reports the colour of vehicles.")
    if latest == 2:
        return gettext("No camera of this site reports clothing.")
    return gettext("No camera of this site reports clothing, bags or helmets.")


def _field(attribute: Searchable, chosen: Sequence[str]) -> AttributeField:
    code = language.current().code
    is_colour = attribute.key in _COLOURS
    words = [
        Word(
            name.en,
            capitalised(name.of(code)),
            name.en in chosen,
            name.en if is_colour else "",
        )
        for name in attribute.values.values()
    ]
    return AttributeField(
        attribute.key,
        attribute.name.of(code),
        words,
        is_colour,
        sum(word.chosen for word in words),
    )


def attribute_text(key: str, word: str) -> str:
    """What is asked of an attribute, in the language of the page: "Bag: Backpack"."""
    code, attribute = language.current().code, SEARCHABLE[key]
    name = next((one for one in attribute.values.values() if one.en == word), None)
    value = word if name is None else name.of(code)
    values = {"label": attribute.name.of(code), "value": capitalised(value)}
    return gettext("%(label)s: %(value)s") % values


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
