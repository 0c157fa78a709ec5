"""A reason is stored as its sentence with values, and told in the language of whoever reads it."""

from __future__ import annotations

import msgspec
import pytest

from hub.reasons import Reason, read_reason
from web.language import LANGUAGES

REFUSED = Reason(
    "it refuses everything: %(why)s", {"why": Reason("it answered %(status)s", {"status": 422})}
)
chinese = LANGUAGES["zh"].gettext


def test_a_reason_is_told_in_both_languages() -> None:
    assert str(REFUSED) == "it refuses everything: it answered 422"
    assert REFUSED.told(chinese) == "对方拒收所有消息：对方返回 422"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("maximum messages exceeded", "流的消息数已达上限"),
        ("what another system says, by 100%", "what another system says, by 100%"),
    ],
)
def test_what_others_say_is_translated_where_it_is_known(said: str, told: str) -> None:
    assert Reason(said).told(chinese) == told


def test_a_reason_is_read_as_it_was_stored() -> None:
    assert read_reason(REFUSED.stored()) == REFUSED


@pytest.mark.parametrize("stored", ["it answered 503", "[Errno 111] Connection refused", "[1]", ""])
def test_a_text_that_was_stored_stays_that_text(stored: str) -> None:
    assert str(read_reason(stored)) == read_reason(stored).told(chinese) == stored


def test_a_damaged_reason_is_told_without_its_values() -> None:
    damaged = msgspec.json.encode(["it answered %(status)s", {"statos": 503}]).decode()
    assert str(read_reason(damaged)) == "it answered %(status)s"
