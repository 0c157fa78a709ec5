"""Alarms as a mail tells them: with what, where, when, and the address of their page."""

from __future__ import annotations

from collections.abc import Sequence

from hub.services.forwarding.mail.options import MailFacts
from hub.store.alarms.alarm import Alarm
from web import language
from web.language import gettext, ngettext
from web.pages.shown import alarm_labels as labels
from web.pages.shown.alarm_cards import alarm_title, kind_text

#: Names of cameras of one alarm.
_MAX_NAMES = 3


def write_mail(alarms: Sequence[Alarm], facts: MailFacts) -> tuple[str, str]:
    """Return subject and text, the alarms in their order. Called in a thread.

    Without alarms: what tries out the way to the reader.
    """
    # Within the context of this thread only.
    language.use(language.LANGUAGES[facts.language], facts.zone)
    if not alarms:
        return (
            gettext("%(site)s: test") % {"site": facts.site},
            gettext("This is a test. Alarms of this site arrive here.") + f"\n\n{facts.url}/\n",
        )
    told = [_lines(alarm, facts) for alarm in alarms]
    first, *_ = told[0]
    what = ngettext("%(count)s alarm", "%(count)s alarms", len(alarms)) % {"count": len(alarms)}
    head = first if len(alarms) == 1 else f"{what} · {first}"
    text = "\n\n".join("\n".join(filter(None, lines)) for lines in told)
    return f"{facts.site}: {head}", f"{text}\n\n{facts.site}\n{facts.url}/alarms\n"


def _lines(alarm: Alarm, facts: MailFacts) -> tuple[str, str, str]:
    """Return what is said of one alarm."""
    place = gettext(", ").join(_names(alarm, facts))
    title = alarm_title(alarm, place) or alarm.detail.plate
    severity = gettext(labels.SEVERITIES[alarm.severity])
    kind = "" if alarm.kind in ("offline", "hub") else kind_text(alarm)
    where = "" if alarm.kind == "offline" else place
    state = "" if alarm.state == "new" else gettext(labels.STATES[alarm.state])
    when = language.moment(alarm.last_at)
    return (
        " · ".join(filter(None, (severity, title, where))),
        " · ".join(filter(None, (kind, when, state))),
        f"{facts.url}/alarms/{alarm.seq}",
    )


def _names(alarm: Alarm, facts: MailFacts) -> list[str]:
    """Return what the cameras are called today, the latest first; of removed ones what is kept."""
    kept = alarm.detail.device_name if len(alarm.dids) == 1 else ""
    names = [facts.names.get(did) or kept or did for did in reversed(alarm.dids)]
    more = [gettext("%(n)s more") % {"n": len(names) - _MAX_NAMES}] * (len(names) > _MAX_NAMES)
    return names[:_MAX_NAMES] + more
