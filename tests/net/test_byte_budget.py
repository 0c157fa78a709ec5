"""A byte budget: who gets room, and who gives it."""

from __future__ import annotations

from hub.net.byte_budget import ByteBudget, Share

SLOW, OTHER, GUARD = "10.0.0.66", "10.0.0.67", "10.0.0.5"


class Shares:
    """A budget of 100, and the shares that were cut off."""

    def __init__(self, total: int = 100) -> None:
        self.budget = ByteBudget(total)
        self.cut: list[str] = []

    def take(self, size: int, sender: str, name: str = "") -> Share | None:
        return self.budget.take(size, sender, lambda: self.cut.append(name or sender))


def test_a_share_holds_room_until_it_is_given_back() -> None:
    shares = Shares()
    share = shares.take(30, GUARD)
    assert share is not None
    assert shares.budget.used == 30
    share.give_back()
    share.give_back()
    assert shares.budget.used == 0


def test_one_sender_gets_a_quarter_and_is_refused_beyond_it_at_once() -> None:
    shares = Shares()
    assert shares.take(20, SLOW)
    assert shares.take(20, SLOW) is None
    assert shares.take(20, OTHER)
    assert shares.cut == []


def test_a_single_share_may_have_any_size() -> None:
    shares = Shares()
    share = shares.take(1000, GUARD)
    assert share is not None
    assert shares.budget.used == 100


def test_the_oldest_share_of_who_holds_most_gives_its_room_to_others() -> None:
    shares = Shares()
    for number in range(5):
        for part in ("first", "second"):
            shares.take(10, f"10.1.0.{number}", f"{number} {part}")
    assert shares.budget.used == 100
    assert shares.take(5, GUARD)
    assert shares.cut == ["0 first"]
    assert shares.budget.used == 95


def test_who_holds_as_much_as_others_is_refused() -> None:
    shares = Shares()
    for number in range(10):
        shares.take(10, f"10.1.0.{number}")
    assert shares.take(10, GUARD) is None
    assert shares.cut == []
    assert shares.take(9, GUARD)


def test_what_must_go_on_is_covered_beyond_the_budget() -> None:
    shares = Shares()
    share = shares.take(10, GUARD)
    assert share is not None
    share.cover(300)
    share.cover(20)
    assert shares.budget.used == 300
    share.give_back()
    assert shares.budget.used == 0


def test_who_has_room_can_be_asked_before_something_is_made() -> None:
    shares = Shares()
    assert shares.budget.has_room(1000, SLOW)
    first = shares.take(20, SLOW)
    assert first is not None
    assert shares.budget.has_room(5, SLOW)
    assert not shares.budget.has_room(6, SLOW)
    assert shares.budget.has_room(6, GUARD)
    first.give_back()
    assert shares.budget.has_room(6, SLOW)
    assert shares.budget.used == 0


def test_a_larger_budget_applies_at_once() -> None:
    shares = Shares(total=10)
    shares.take(10, SLOW)
    assert shares.take(10, OTHER) is None
    shares.budget.resize(20)
    assert shares.take(10, OTHER)


def test_room_that_was_cut_off_is_not_given_back_twice() -> None:
    shares = Shares()
    large = shares.take(80, SLOW)
    assert large is not None
    shares.take(30, GUARD)
    large.cover(90)
    large.give_back()
    assert shares.cut == [SLOW]
    assert shares.budget.used == 30


def test_a_share_grows_within_its_senders_part() -> None:
    shares = Shares()
    first, second = shares.take(1, SLOW), shares.take(1, SLOW)
    assert first is not None
    assert second is not None
    assert first.grow(20)
    assert not second.grow(6)
    assert shares.budget.used == 21
    second.give_back()
    assert first.grow(90)


def test_a_share_that_grows_takes_room_of_who_holds_most() -> None:
    shares = Shares()
    large, small = shares.take(80, SLOW), shares.take(10, GUARD)
    assert large is not None
    assert small is not None
    assert large.grow(90)
    assert not large.grow(91)
    assert small.grow(20)
    assert shares.cut == [SLOW]
    assert not large.grow(10)
    assert shares.budget.used == 20
