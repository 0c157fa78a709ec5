"""The budget of answers. How room is shared out is in tests/net/test_byte_budget.py."""

from __future__ import annotations

from web.http.answers import AnswerBudget


def test_the_addresses_of_one_ipv6_network_share_a_part() -> None:
    answers = AnswerBudget(100)
    assert answers.take(20, "2001:db8::1", lambda: None)
    assert answers.take(20, "2001:db8::2", lambda: None) is None
    assert not answers.has_room(20, "2001:db8::3")
    assert answers.take(20, "2001:db8:0:1::1", lambda: None)
