"""The months that records are partitioned by: one table for each, by when the hub received them."""

from __future__ import annotations

from datetime import datetime

#: What is dated outside goes to the table for the rest: a clock that is wrong makes no tables.
FIRST_YEAR, LAST_YEAR = 2020, 2049

Month = tuple[int, int]


def month_of(moment: datetime) -> Month | None:
    """Return year and month of a time in UTC; None if it has no table of its own."""
    return (moment.year, moment.month) if FIRST_YEAR <= moment.year <= LAST_YEAR else None


def table_of(month: Month) -> str:
    year, number = month
    return f"record_{year:04}_{number:02}"


def bounds_of(month: Month) -> tuple[str, str]:
    """Return the first moment of a month and of the next one."""
    year, number = month
    following = (year, number + 1) if number < 12 else (year + 1, 1)
    return _first_moment((year, number)), _first_moment(following)


def _first_moment(month: Month) -> str:
    return f"{month[0]:04}-{month[1]:02}-01 00:00:00+00"
