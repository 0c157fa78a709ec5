"""Personal numbers in JSON that devices sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.services.people.masking import names_numbers, without_numbers

ID_CARD = "110101199003077516"


@pytest.mark.parametrize(
    ("sent", "masked"),
    [
        ({"id_card": ID_CARD}, {"id_card": "**************7516"}),
        ({"IdCardNo": 1234567}, {"IdCardNo": "***4567"}),
        ({"phone": 13800138000.0}, {"phone": "*******8000"}),
        ({"phone": "123"}, {"phone": "***"}),
        ({"phone": {"home": ["12345678"]}}, {"phone": {"home": ["****5678"]}}),
        ([{"a": [{"mobile": "12345678"}]}], [{"a": [{"mobile": "****5678"}]}]),
        ({"other": '{"phone": "12345678"}'}, {"other": '{"phone":"****5678"}'}),
        ({"other": ' [{"tel":12345678}]'}, {"other": '[{"tel":"****5678"}]'}),
        (
            {"a": json.dumps({"b": json.dumps({"phone": "12345678"})})},
            {"a": '{"b":"{\\"phone\\":\\"****5678\\"}"}'},
        ),
    ],
)
def test_numbers_are_masked_wherever_they_are(sent: Any, masked: Any) -> None:
    assert without_numbers(sent) == masked
    assert names_numbers(sent)


@pytest.mark.parametrize(
    "sent",
    [
        {"phone": "", "id_card": None, "tel": False, "mobile": 0},
        {"pid": "13800138000", "name": "Li", "score": 0.5},
        {"other": "{not JSON", "more": '{"a": 1}', "list": "[1, 2]"},
        {"other": "[" * 5_000},
        ID_CARD,
    ],
)
def test_what_is_no_personal_number_stays_as_it_is(sent: Any) -> None:
    assert without_numbers(sent) == sent
    assert not names_numbers(sent)
