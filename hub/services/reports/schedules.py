"""When people of departments are to be here, and how that compares to when they were seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from hub.errors import BadParameter
from hub.store.people.person_rows import fold_text
from hub.store.tables.alarm_rules import Weekday

#: Each is a pass over the records of a day.
MAX_SCHEDULES = 10
MAX_DEPARTMENTS = 50

HourOfDay = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Department = Annotated[str, Meta(min_length=1, max_length=128)]
#: single: seen once, so that nobody knows when they left. due: not seen, and it is not over yet.
Outcome = Literal["present", "single", "absent", "due"]
_Late = int | None

_DAY_MS = 86_400_000


class Schedule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shift. `departments`: of the register; none: everybody who is in no other schedule.

    `days`: 1 is Monday. From `start` to `end`, in the site's zone; across midnight if `end` is not
    later, and the night belongs to the day on which it begins. Of an hour that a change of the
    clock repeats, it begins with the first and ends with the second. Who comes up to
    `grace_minutes` after the start is not late, and who leaves so much before the end not early.
    """

    departments: Annotated[tuple[Department, ...], Meta(max_length=MAX_DEPARTMENTS)] = ()
    days: Annotated[tuple[Weekday, ...], Meta(min_length=1, max_length=7)]
    start: HourOfDay
    end: HourOfDay
    grace_minutes: Annotated[int, Meta(ge=0, le=240)] = 0


class Member(Struct, frozen=True, gc=False):
    """Somebody of a schedule, and from when until when in the register and valid (UNIX ms)."""

    pid: str
    name: str
    department: str
    since: int
    until: int


class Shift(Struct, frozen=True):
    """A schedule on one day, in UNIX milliseconds.

    Sightings from `since` until before `until` belong to it: a day around its middle, so that those
    of the same schedule on the days beside it do not.
    """

    date: date
    schedule: Schedule
    start: int
    end: int

    @property
    def since(self) -> int:
        return (self.start + self.end - _DAY_MS) // 2

    @property
    def until(self) -> int:
        return self.since + _DAY_MS

    def expects(self, one: Member) -> bool:
        """Whether somebody was in the register, and valid, at some time of the shift."""
        return one.since < self.end and one.until > self.start

    def judge(self, count: int, first: int, last: int, now: int) -> tuple[Outcome, _Late, _Late]:
        """Return what became of it, for somebody who was seen so often, first and last at these.

        And how many seconds after the start they came and before the end they left, if that is
        more than the grace. Before its end nobody is absent or has left.
        """
        is_over = now >= self.end
        if not count:
            return ("absent" if is_over else "due"), None, None
        late = self._seconds(first - self.start)
        if not is_over:
            return "present", late, None
        return ("single", late, None) if count == 1 else ("present", late, self._early(last))

    def _early(self, last: int) -> _Late:
        return self._seconds(self.end - last)

    def _seconds(self, ms: int) -> _Late:
        return ms // 1000 if ms > self.schedule.grace_minutes * 60_000 else None


def shift_on(day: date, schedule: Schedule, zone: ZoneInfo) -> Shift | None:
    """Return the shift that begins on a day; None if there is none on it."""
    if day.isoweekday() not in schedule.days:
        return None
    over = schedule.end <= schedule.start
    start, end = time.fromisoformat(schedule.start), time.fromisoformat(schedule.end)
    begins = _ms(datetime.combine(day, start, zone))
    ends = datetime.combine(day + timedelta(days=over), end, zone)
    # Of a repeated hour the second; of a skipped one the first, which is the later. A clock that is
    # put forward can leave nothing of a short shift.
    return Shift(day, schedule, begins, max(begins, _ms(ends), _ms(ends.replace(fold=1))))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def by_department(schedules: Sequence[Schedule]) -> dict[str, Schedule]:
    """Return the schedule of each department, folded; of "", that of everybody else."""
    return {fold_text(name): one for one in schedules for name in one.departments or ("",)}


def check_schedules(schedules: Sequence[Schedule]) -> None:
    """Check what the shape of each does not tell. Raises BadParameter."""
    if len(schedules) > MAX_SCHEDULES:
        raise BadParameter(f"at most {MAX_SCHEDULES} schedules are expected", field="items")
    taken: set[str] = set()
    for number, one in enumerate(schedules):
        if one.start == one.end:
            raise BadParameter("another time than start is expected", field=f"items[{number}].end")
        for name in map(fold_text, one.departments or ("",)):
            if name in taken:
                raise BadParameter(
                    f"{name or 'everybody else'} has a schedule already",
                    field=f"items[{number}].departments",
                )
            taken.add(name)
