"""Which saved searches go with a person who is erased."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from hub.store.commit.record_rows import fold
from hub.store.tables.saved_searches import SavedSearch


def search(title: str, **asked: str) -> SavedSearch:
    return SavedSearch(id=1, name=title, query=urlencode(asked), created_by="", created_at=0)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Li", "Lift at night"),
        ("Li", "Main gate, Lily"),
        ("An", "Vans and cars"),
        ("Zhang Wu", "Where is Zhang Wuji?"),
        ("Émile", "Émilenne"),
        ("李", "李明"),
        ("王", "大王门"),
        ("7", "Gate 17"),
    ],
)
def test_a_search_that_only_has_a_name_within_a_word_does_not_name_the_person(
    name: str, title: str
) -> None:
    assert not search(title).names_person((), {fold(name)})
    assert not search("Night", name=title).names_person((), {fold(name)})


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Li", "li"),
        ("Li", "Lift, LI's car"),
        ("Zhang Wuji", "*zhang wuji*"),
        ("Zhang Wuji", "Where is Zhang Wuji?"),
        ("李明", "晚上李明在门口"),
        ("李明", "VIP李明2"),
        ("王", "王 (Gate)"),
    ],
)
def test_a_search_that_says_a_name_names_the_person(name: str, title: str) -> None:
    assert search(title).names_person((), {fold(name)})
    assert search("Night", name=title).names_person((), {fold(name)})


def test_a_search_for_a_number_names_the_person() -> None:
    for number in ("4711", "0004711", " 4711"):
        assert search("Night", uuid=number).names_person({"4711"}, ())
        assert search("Night", uuid="4711").names_person({number}, ())
    assert not search("Night", uuid="47110").names_person({"4711"}, ())
