"""Paging (D4) with devices that count from 0 or 1, repeat, skip, misreport or never end."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from hub.wire.commands import paging
from hub.wire.commands.paging import ListPosition, PageCursor

SIZE = 3


class Answered(Struct, frozen=True):
    rows: tuple[int, ...] = ()
    total: int | None = None
    unreadable: int = 0


#: A device: the page number -> its answer; None where it refuses.
Device = Callable[[int], Answered | None]


class Refused(Exception):
    pass


def read(device: Device, first_page: int) -> tuple[list[int], list[int]]:
    """The rows that a caller gets, and the numbers of the requested pages."""
    pages: PageCursor[int] = PageCursor(first_page)
    rows: list[int] = []
    asked: list[int] = []
    while pages.wanted is not None:
        asked.append(pages.wanted)
        assert len(asked) < 100, "it does not end"
        if (answer := device(pages.wanted)) is not None:
            rows += pages.take(answer)
        elif not pages.refuse():
            raise Refused
    assert pages.read == len(rows)
    return rows, asked


def device(
    held: int,
    *,
    starts_at: int,
    reports_total: bool = True,
    beyond: Answered | None = Answered(),  # noqa: B008 - it is frozen
) -> Device:
    """A device with the rows 0, 1, ... `beyond`: its answer to a page that does not exist."""
    total = held if reports_total else None

    def answer(page: int) -> Answered | None:
        at = (page - starts_at) * SIZE
        rows = tuple(range(held))[at : at + SIZE] if at >= 0 else ()
        if rows or (held == 0 and page == starts_at):
            return Answered(rows, total)
        return None if beyond is None else Answered(beyond.rows, total)

    return answer


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("held", [0, 1, 3, 4, 7])
def test_a_device_as_documented_is_read_to_its_total(held: int, first: int) -> None:
    rows, asked = read(device(held, starts_at=first), first)
    assert rows == list(range(held))
    assert asked == [first + at for at in range(max(1, -(-held // SIZE)))]


@pytest.mark.parametrize(("first", "pages"), [(0, [0, 1, 2, 3]), (1, [1, 2, 3, 4, 0])])
def test_without_a_total_an_empty_page_ends_the_list(first: int, pages: list[int]) -> None:
    rows, asked = read(device(7, starts_at=first, reports_total=False), first)
    assert (rows, asked) == (list(range(7)), pages)


@pytest.mark.parametrize("held", [1, 3, 4, 7])
@pytest.mark.parametrize("reports_total", [True, False])
def test_from_1_instead_of_0_page_0_is_empty(held: int, reports_total: bool) -> None:
    rows, asked = read(device(held, starts_at=1, reports_total=reports_total), 0)
    assert rows == list(range(held))
    assert asked[:2] == [0, 1]


@pytest.mark.parametrize("held", [4, 7])
@pytest.mark.parametrize("reports_total", [True, False])
def test_from_1_instead_of_0_page_1_repeats_page_0(held: int, reports_total: bool) -> None:
    from_1 = device(held, starts_at=1, reports_total=reports_total)
    rows, asked = read(lambda page: from_1(max(page, 1)), 0)
    assert rows == list(range(held))
    assert asked[:3] == [0, 1, 2]


def test_from_1_instead_of_0_page_0_is_refused() -> None:
    rows, asked = read(device(7, starts_at=1, beyond=None), 0)
    assert (rows, asked) == (list(range(7)), [0, 1, 2, 3])


@pytest.mark.parametrize("held", [1, 3, 4, 7])
def test_from_0_instead_of_1_page_0_is_read_last(held: int) -> None:
    rows, asked = read(device(held, starts_at=0), 1)
    assert sorted(rows) == list(range(held))
    assert (asked[0], asked[-1]) == (1, 0)


def test_from_0_instead_of_1_the_page_after_the_last_is_refused() -> None:
    rows, asked = read(device(7, starts_at=0, beyond=None), 1)
    assert (sorted(rows), asked) == (list(range(7)), [1, 2, 3, 0])


def test_from_0_instead_of_1_with_one_page_page_1_is_refused() -> None:
    rows, asked = read(device(2, starts_at=0, beyond=None), 1)
    assert (rows, asked) == ([0, 1], [1, 0])


@pytest.mark.xfail(strict=True, raises=Refused, reason="page 1 is taken for a full page")
def test_from_0_instead_of_1_a_short_page_1_is_followed_by_page_0() -> None:
    """The refusal of page 2 looks like that of a later page, which is an error."""
    rows, asked = read(device(4, starts_at=0, beyond=None), 1)
    assert (sorted(rows), asked) == ([0, 1, 2, 3], [1, 2, 0])


def test_a_total_that_is_too_high_costs_two_more_requests() -> None:
    as_documented = device(4, starts_at=1, reports_total=False)
    rows, asked = read(lambda page: Answered((as_documented(page) or Answered()).rows, 9), 1)
    assert (rows, asked) == ([0, 1, 2, 3], [1, 2, 3, 0])


def test_a_refused_last_guess_at_page_0_is_not_an_error() -> None:
    def answer(page: int) -> Answered | None:
        return Answered((page,), 9) if 1 <= page <= 2 else Answered(total=9) if page else None

    assert read(answer, 1) == ([1, 2], [1, 2, 3, 0])


def test_a_refused_page_0_is_not_requested_again() -> None:
    def answer(page: int) -> Answered | None:
        return Answered((page,), 3) if 1 <= page <= 2 else Answered(total=3) if page else None

    assert read(answer, 1) == ([1, 2], [1, 2, 3, 0])


@pytest.mark.parametrize("first", [0, 1])
def test_a_device_that_refuses_every_page_gets_two_requests(first: int) -> None:
    asked = []

    def answer(page: int) -> None:
        asked.append(page)

    with pytest.raises(Refused):
        read(answer, first)
    assert asked == [first, 1 - first]


@pytest.mark.parametrize("first", [0, 1])
def test_a_later_refused_page_is_an_error(first: int) -> None:
    with pytest.raises(Refused):
        read(lambda page: Answered((page,), 9) if page == first else None, first)


@pytest.mark.parametrize("total", [None, 916])
@pytest.mark.parametrize("first", [0, 1])
def test_a_device_that_repeats_one_page_ends_the_list_at_once(
    first: int, total: int | None
) -> None:
    rows, asked = read(lambda _: Answered((1, 2, 3), total), first)
    assert rows == [1, 2, 3]
    assert len(asked) <= 3


def test_rows_that_move_to_the_next_page_are_returned_once() -> None:
    answers = {0: (1, 2, 3), 1: (3, 4, 5), 2: (5, 6)}
    rows, _ = read(lambda page: Answered(answers.get(page, ()), 8), 0)
    assert rows == [1, 2, 3, 4, 5, 6]


def test_a_row_twice_on_one_page_is_returned_once() -> None:
    assert read(lambda _: Answered((1, 1, 2), 2), 0) == ([1, 2], [0])


def test_unreadable_rows_count_for_the_total() -> None:
    pages: PageCursor[int] = PageCursor(0)
    assert pages.take(Answered((1, 2), 5, unreadable=1)) == (1, 2)
    assert pages.take(Answered((3,), 5, unreadable=1)) == (3,)
    assert (pages.wanted, pages.total, pages.read, pages.unreadable) == (None, 5, 3, 2)


def test_unreadable_rows_of_a_repeated_page_count_once() -> None:
    page = Answered((1, 2), 916, unreadable=1)
    pages: PageCursor[int] = PageCursor(0)
    pages.take(page)
    assert pages.take(page) == ()
    assert pages.unreadable == 1


def test_the_last_reported_total_stays() -> None:
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered((1,), 3))
    pages.take(Answered((2,)))
    assert (pages.total, pages.wanted) == (3, 2)
    pages.take(Answered((3,)))
    assert pages.wanted is None


def test_one_full_page_and_no_total_ends_with_the_empty_one() -> None:
    assert read(device(3, starts_at=0, reports_total=False), 0) == ([0, 1, 2], [0, 1])


def test_pages_without_readable_rows_end() -> None:
    _, asked = read(lambda _: Answered((), 916, unreadable=3), 0)
    assert len(asked) <= 3


@pytest.mark.parametrize("first", [0, 1])
def test_a_device_that_never_ends_reaches_the_page_limit(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "MAX_PAGES", 20)
    _, asked = read(lambda page: Answered((page,)), first)
    assert len(asked) == 20


def test_a_list_without_end_reaches_the_row_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_ROWS", 20)
    rows, _ = read(lambda page: Answered(tuple(range(page * 3, page * 3 + 3))), 0)
    assert len(rows) == 21


def test_a_list_continues_from_a_position() -> None:
    pages: PageCursor[int] = PageCursor(0, page=2, left=ListPosition(read=6))
    assert pages.wanted == 2
    assert pages.take(Answered((6, 7, 8), 10)) == (6, 7, 8)
    assert (pages.wanted, pages.read) == (3, 9)
    assert pages.take(Answered((9,), 10)) == (9,)
    assert (pages.wanted, pages.read) == (None, 10)


def test_rows_of_the_last_page_are_not_repeated_after_a_position() -> None:
    """A row was inserted before them and moved them on."""
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered((0, 1, 2), 10))
    pages.take(Answered((3, 4, 5), 10))
    pages = PageCursor(0, page=pages.wanted, left=pages.left)
    assert pages.take(Answered((5, 6, 7), 11)) == (6, 7)
    assert (pages.wanted, pages.read) == (3, 8)


def test_an_inserted_page_does_not_end_a_continued_list() -> None:
    """The rows read last are on the next page now, and more follow."""
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered((0, 1, 2), 9))
    pages.take(Answered((3, 4, 5), 9))
    pages = PageCursor(0, page=pages.wanted, left=pages.left)
    assert pages.take(Answered((3, 4, 5), 12)) == ()
    assert pages.wanted == 3
    assert pages.take(Answered((6, 7, 8), 12)) == (6, 7, 8)


def test_a_repeated_last_page_ends_the_list_despite_a_higher_total() -> None:
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered((0, 1, 2), 99))
    pages.take(Answered((3, 4, 5), 99))
    pages = PageCursor(0, page=pages.wanted, left=pages.left)
    for _ in range(2):
        assert pages.take(Answered((3, 4, 5), 99)) == ()
    assert pages.wanted is None


def test_a_repeated_last_page_ends_a_continued_list() -> None:
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered((0, 1, 2)))
    pages = PageCursor(0, page=pages.wanted, left=pages.left)
    pages.take(Answered((3,)))
    pages = PageCursor(0, page=pages.wanted, left=pages.left)
    assert pages.take(Answered((3,))) == ()
    assert (pages.wanted, pages.read) == (None, 4)


def test_a_position_remembers_a_limited_number_of_rows() -> None:
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered(tuple(range(1000)), 2000))
    assert len(pages.left.marks) == paging.MAX_MARKS
    pages = PageCursor(0, page=pages.wanted, left=pages.left)
    assert pages.take(Answered((999, 1000), 2000)) == (1000,)


def test_a_refused_page_of_a_continued_list_is_an_error() -> None:
    for page in (1, 2):
        pages: PageCursor[int] = PageCursor(1, page=page, left=ListPosition(read=3))
        assert not pages.refuse()
        assert pages.wanted is None


def test_the_last_guess_at_page_0_may_be_continued_later() -> None:
    pages: PageCursor[int] = PageCursor(1, page=0, left=ListPosition(read=4))
    assert pages.take(Answered((0, 1, 2), 9)) == (0, 1, 2)
    assert pages.wanted is None


def test_a_page_that_was_not_wanted_raises() -> None:
    pages: PageCursor[int] = PageCursor(0)
    pages.take(Answered(total=0))
    with pytest.raises(ValueError, match="no page was wanted"):
        pages.take(Answered())


ANY_ANSWER = st.none() | st.builds(
    Answered,
    rows=st.lists(st.integers(0, 30), max_size=5).map(tuple),
    total=st.none() | st.integers(0, 40),
    unreadable=st.integers(0, 3),
)


@given(first=st.integers(0, 1), answers=st.lists(ANY_ANSWER, max_size=40), ever=ANY_ANSWER)
def test_any_device_ends_and_no_row_is_returned_twice(
    first: int, answers: list[Answered | None], ever: Answered | None
) -> None:
    script = iter(answers)
    given_rows: list[int] = []
    pages: PageCursor[int] = PageCursor(first)
    for _ in range(len(answers) + 4):
        if pages.wanted is None:
            break
        if (answer := next(script, ever)) is None:
            pages.refuse()
        else:
            given_rows += pages.take(answer)
    assert pages.wanted is None
    assert len(given_rows) == len(set(given_rows))


@given(
    held=st.integers(0, 20),
    first=st.integers(0, 1),
    starts_at=st.integers(0, 1),
    beyond=st.sampled_from([None, Answered()]),
)
def test_no_row_is_missed_whether_pages_start_at_0_or_1(
    held: int, first: int, starts_at: int, beyond: Answered | None
) -> None:
    rows, _ = read(device(held, starts_at=starts_at, beyond=beyond), first)
    assert sorted(rows) == list(range(held))
