"""The budget of answers: who gets room, and who gives it."""

from __future__ import annotations

from web.http.answers import AnswerBudget, Room

SLOW, OTHER, GUARD = "10.0.0.66", "10.0.0.67", "10.0.0.5"


class Answers:
    """A budget of 100, and the answers that were cut off."""

    def __init__(self, total: int = 100) -> None:
        self.budget = AnswerBudget(total)
        self.cut: list[str] = []

    def take(self, size: int, sender: str, name: str = "") -> Room | None:
        return self.budget.take(size, sender, lambda: self.cut.append(name or sender))


def test_an_answer_holds_room_until_it_is_sent() -> None:
    answers = Answers()
    room = answers.take(30, GUARD)
    assert room is not None
    assert answers.budget.used == 30
    room.give_back()
    room.give_back()
    assert answers.budget.used == 0


def test_one_sender_gets_a_quarter_and_is_refused_beyond_it_at_once() -> None:
    answers = Answers()
    assert answers.take(20, SLOW)
    assert answers.take(20, SLOW) is None
    assert answers.take(20, OTHER)
    assert answers.cut == []


def test_a_single_answer_may_have_any_size() -> None:
    answers = Answers()
    room = answers.take(1000, GUARD)
    assert room is not None
    assert answers.budget.used == 100


def test_the_oldest_answer_of_who_holds_most_gives_its_room_to_others() -> None:
    answers = Answers()
    for number in range(5):
        for part in ("first", "second"):
            answers.take(10, f"10.1.0.{number}", f"{number} {part}")
    assert answers.budget.used == 100
    assert answers.take(5, GUARD)
    assert answers.cut == ["0 first"]
    assert answers.budget.used == 95


def test_who_holds_as_much_as_others_is_refused() -> None:
    answers = Answers()
    for number in range(10):
        answers.take(10, f"10.1.0.{number}")
    assert answers.take(10, GUARD) is None
    assert answers.cut == []
    assert answers.take(9, GUARD)


def test_an_answer_that_has_begun_is_not_refused() -> None:
    answers = Answers()
    room = answers.take(10, GUARD)
    assert room is not None
    room.cover(300)
    room.cover(20)
    assert answers.budget.used == 300
    room.give_back()
    assert answers.budget.used == 0


def test_a_sender_that_uses_half_of_its_part_is_busy() -> None:
    answers = Answers()
    assert not answers.budget.is_busy(SLOW)
    first = answers.take(12, SLOW)
    assert first is not None
    assert not answers.budget.is_busy(SLOW)
    answers.take(1, SLOW)
    assert answers.budget.is_busy(SLOW)
    assert not answers.budget.is_busy(GUARD)
    first.give_back()
    assert not answers.budget.is_busy(SLOW)


def test_a_larger_budget_applies_at_once() -> None:
    answers = Answers(total=10)
    answers.take(10, SLOW)
    assert answers.take(10, OTHER) is None
    answers.budget.resize(20)
    assert answers.take(10, OTHER)


def test_room_that_was_cut_off_is_not_given_back_twice() -> None:
    answers = Answers()
    large = answers.take(80, SLOW)
    assert large is not None
    answers.take(30, GUARD)
    large.cover(90)
    large.give_back()
    assert answers.cut == [SLOW]
    assert answers.budget.used == 30
