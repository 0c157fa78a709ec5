"""D1: numbers may be sent as strings, and strings as numbers."""

from __future__ import annotations

import pytest

from hub.errors import BadParameter
from hub.wire.coercion import LooseNumber, LooseText, coerce_int, coerce_number, coerce_text


@pytest.mark.parametrize(
    ("sent", "taken"),
    [(None, None), ("", None), ("  ", None), ("12", "12"), (12, "12"), (2**63, str(2**63))],
)
def test_a_text_may_be_sent_as_a_number(sent: LooseText, taken: str | None) -> None:
    assert coerce_text(sent, "did") == taken


@pytest.mark.parametrize(
    ("sent", "taken"),
    [(None, None), ("", None), (" 7 ", 7), ("-7", -7), (7, 7), (7.0, 7), (2**53, 2**53)],
)
def test_an_integer_may_be_sent_as_a_text(sent: LooseNumber, taken: int | None) -> None:
    assert coerce_int(sent, "age") == taken


@pytest.mark.parametrize(
    "sent", ["seven", "7.5", 7.5, 2**53 + 1, -(2**53) - 1, 1e300, "9" * 17, "９", 10**400]
)
def test_an_integer_must_be_within_2_53(sent: LooseNumber) -> None:
    with pytest.raises(BadParameter, match="age: ") as refusal:
        coerce_int(sent, "age")
    assert refusal.value.code == 420


@pytest.mark.parametrize(("sent", "taken"), [("36.5", 36.5), (36.5, 36.5), ("1", 1), (" ", None)])
def test_a_number_may_be_sent_as_a_text(sent: LooseNumber, taken: float | None) -> None:
    assert coerce_number(sent, "temperature") == taken


@pytest.mark.parametrize("sent", ["nan", "inf", "1e5", "0x1", 1e300, "-"])
def test_an_invalid_number_is_420(sent: LooseNumber) -> None:
    with pytest.raises(BadParameter, match="temperature: "):
        coerce_number(sent, "temperature")


@pytest.mark.parametrize("sent", ["x" * 1025, 10**1024, 10**4299], ids=["text", "number", "huge"])
def test_an_enormous_text_is_420(sent: LooseText) -> None:
    with pytest.raises(BadParameter, match="name: at most 1024 characters"):
        coerce_text(sent, "name")
