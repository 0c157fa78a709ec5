"""Who acknowledged an alarm, and since when it is new again, as pages say it."""

from __future__ import annotations

from hub.services import Services
from hub.services.alarms.answers import Answer, last_answer, may_have_answer
from hub.store.alarms.alarm import Alarm
from web import language
from web.language import gettext
from web.pages.actors import actor_text


async def answer_texts(hub: Services, alarms: list[Alarm]) -> dict[int, str]:
    """The answers of alarms, by their seqs; "" where nobody has answered."""
    answered = [alarm for alarm in alarms if may_have_answer(alarm)]
    if not answered:
        return {}
    histories = await hub.alarms.raised.histories([alarm.seq for alarm in answered])
    return {
        alarm.seq: _answer_text(last_answer(alarm, histories.get(alarm.seq, ())))
        for alarm in answered
    }


def _answer_text(answer: Answer | None) -> str:
    if answer is None:
        return ""
    who = actor_text(answer.who) if answer.who else gettext("automatically")
    texts = {"who": who, "time": language.moment(answer.at)}
    if answer.again_at is None:
        return gettext("%(who)s, %(time)s") % texts
    texts["again"] = language.moment(answer.again_at)
    return gettext("Acknowledged by %(who)s, %(time)s. New again since %(again)s.") % texts
