"""Holds as the pages show them."""

from __future__ import annotations

from msgspec import Struct

from hub.store.tables.holds import Hold
from web import language
from web.language import gettext
from web.pages.actors import actor_text
from web.pages.evidence.times import last_day_field


class HoldRow(Struct, frozen=True, kw_only=True):
    """A hold in words. `until`: empty if it has no end; `ended`: empty while it is in force."""

    id: int
    url: str
    reason: str
    records: int
    by: str
    since: str
    until: str
    last_day: str
    ended: str
    in_force: bool


def hold_row(hold: Hold) -> HoldRow:
    words, zone = language.current(), language.zone()
    ended = ""
    if hold.ended_at is not None:
        moment = words.moment(hold.ended_at, zone)
        if hold.ended_by:
            ended = gettext("released by %(who)s, %(time)s") % {
                "who": actor_text(hold.ended_by),
                "time": moment,
            }
        else:
            ended = gettext("expired, %(time)s") % {"time": moment}
    return HoldRow(
        id=hold.id,
        url=f"/search/kept/{hold.id}",
        reason=hold.reason or gettext("Evidence %(id)s") % {"id": hold.id},
        records=hold.records,
        by=actor_text(hold.created_by),
        since=words.moment(hold.created_at, zone),
        until="" if hold.until is None else words.date(hold.until - 1, zone),
        last_day=last_day_field(hold.until),
        ended=ended,
        in_force=hold.is_in_force,
    )
