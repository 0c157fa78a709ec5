from __future__ import annotations

import pytest

from hub.live.refusal_reasons import RefusalReason, format_duration


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (RefusalReason("clock-off", {"seconds": "28680"}), "its clock is 7 h 58 min ahead"),
        (RefusalReason("clock-off", {"seconds": "-400"}), "its clock is 6 min 40 s behind"),
        (RefusalReason("code-mismatch"), "the code does not match the signature"),
        (RefusalReason("no-signature"), "it sends no signature"),
        (RefusalReason("foreign-did", {"did": "9"}), "it gives the did 9, which is not its own"),
    ],
)
def test_a_reason_is_a_plain_sentence(reason: RefusalReason, sentence: str) -> None:
    assert reason.sentence.startswith(sentence)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (3600, "1 h"), (28_680, "7 h 58 min"), (90_061, "1 d 1 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
