"""Personal numbers as guards and viewers see them: the last four digits."""

from __future__ import annotations

from msgspec.structs import replace

from hub.store.people.person_rows import Person, last_four

#: Stands for a digit that is not shown.
MASK = "*"


def masked_number(number: str) -> str:
    """Return a number with all but its last four digits masked; a short one is masked whole."""
    shown = last_four(number)
    return MASK * (len(number) - len(shown)) + shown


def masked(person: Person) -> Person:
    """Return a person whose personal numbers (ID card, IC card, phone) are masked."""
    return replace(
        person,
        id_card_no=masked_number(person.id_card_no),
        ic_card_no=masked_number(person.ic_card_no),
        phone=masked_number(person.phone),
    )


def has_numbers(person: Person) -> bool:
    """Return whether there is anything to mask."""
    return any((person.id_card_no, person.ic_card_no, person.phone))
