"""Who answered an alarm, and whether it has come back since."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from hub.store.alarms.alarm import Alarm, AlarmStep


class Answer(Struct, frozen=True):
    """The first acknowledgement of an alarm, or its closing, after it was new for the last time.

    `who` is "" if it happened by itself. `again_at`: since when the alarm is new again; None if it
    is not. Times are UNIX milliseconds.
    """

    who: str
    at: int
    again_at: int | None = None


def may_have_answer(alarm: Alarm) -> bool:
    """Whether the history of an alarm has to be read to know its answer."""
    return alarm.state != "new" or alarm.count > 1


def last_answer(alarm: Alarm, steps: Iterable[AlarmStep]) -> Answer | None:
    """Return the answer that the history of an alarm tells; None if nobody has answered."""
    answer: Answer | None = None
    for step in steps:
        if step.step == "again" and answer is not None:
            answer = replace(answer, again_at=step.at)
        elif step.step in ("acknowledged", "closed") and _is_open(answer):
            answer = Answer(step.who, step.at)
    if answer is None or (answer.again_at is None) == (alarm.state == "new"):
        return None  # what is stored of it is damaged
    return answer


def _is_open(answer: Answer | None) -> bool:
    return answer is None or answer.again_at is not None
