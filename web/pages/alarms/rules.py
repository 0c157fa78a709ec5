"""Rules: which events of cameras raise an alarm, how severe, and when; and what does without."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import time
from typing import Literal, get_args

import msgspec
from msgspec import UNSET, Struct
from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from hub.errors import BadParameter
from hub.services.devices.views import DeviceView
from hub.store.alarms.alarm import Severity
from hub.store.tables.alarm_rules import MAX_RULES, AlarmRule
from hub.wire import code_tables
from web import auth, language
from web.language import N_, gettext
from web.pages.choices import Choice, choices
from web.pages.faults import NotHere
from web.pages.layout import page, redirect_to
from web.pages.shown.alarm_labels import SEVERITIES
from web.pages.shown.camera_names import CameraName, camera_name
from web.pages.shown.ready_sets import may_choose, ready_set_choices
from web.pages.times import now_here, read_moment, to_ms

blueprint = Blueprint("site_alarm_rules", __name__, url_prefix="/alarms/rules")

RuleKind = Literal["event", "offline", "hub"]

_KIND_CODES: tuple[RuleKind, ...] = ("event", "offline", "hub")
_KINDS = {
    "event": N_("Camera events"),
    "offline": N_("Camera offline"),
    "hub": N_("Problems of this hub"),
}
_SEVERITIES = {**SEVERITIES, "none": N_("No alarm")}
#: What `AlarmRule.renew` says of an event that happens again after the alarm was acknowledged.
_RENEWALS = {
    "": N_("The alarm is new again if it is critical or major"),
    "yes": N_("The alarm is new again"),
    "no": N_("The alarm stays acknowledged"),
}
#: What `AlarmRule.otherwise` says. A new rule leaves other times as they were.
_OTHERWISE = {"default": N_("As without rules"), "none": N_("No alarm")}


class RuleRow(Struct, frozen=True):
    """A rule as the list shows it. `number`: its place, from 1.

    `again`: only if it says so. `otherwise`: only if there are other times.
    """

    number: int
    what: str
    severity: str
    severity_text: str
    again: str
    when: str
    otherwise: str
    where: list[CameraName]


#: What the form of a new rule begins with.
_NEW = AlarmRule(severity="minor", otherwise="default")


@blueprint.get("", role="admin")
async def rules() -> Response:
    return await _page()


async def _page(
    number: int | None = None, rule: AlarmRule = _NEW, *, fault: str = "", rule_fault: str = ""
) -> Response:
    """The rules, with the form of one. `number`: its place; None for a new one."""
    found = auth.services().alarms.rules.all()
    days = enumerate(language.current().weekdays(), 1)
    at, did = now_here(), request.args.get("did", "")
    with suppress(BadParameter):
        at = read_moment(request.args.get("at", ""), "at", language.zone()) or at
    is_any_of_some = any(rule.dids or rule.groups for rule in found)
    return await page(
        "alarms/rules.html",
        status=400 if fault or rule_fault else 200,
        fault=fault,
        ready_sets=ready_set_choices(auth.services().alarms.rules.raised_by),
        may_choose=may_choose(),
        rows=[_row(number, rule) for number, rule in enumerate(found, 1)],
        is_full=len(found) >= MAX_RULES,
        at=f"{at:%Y-%m-%dT%H:%M}",
        cameras=_cameras((did,)) if is_any_of_some else [],
        happens=_what_happens(to_ms(at), did),
        rule_fault=rule_fault,
        number=number,
        rule=rule,
        seen=_fingerprint(),
        kinds=choices(_KINDS, rule.kind),
        severities=choices(_SEVERITIES, rule.severity),
        renewals=choices(_RENEWALS, _renewal(rule)),
        otherwise=choices(_OTHERWISE, rule.otherwise or "none"),
        types=[
            Choice(str(code), _event_name(code), code in rule.types)
            for code in code_tables.EVENT_TYPES
        ],
        days=[Choice(str(day), full, day in rule.days) for day, (_, full) in days],
        rule_cameras=_cameras(rule.dids),
        groups=[
            Choice(str(one.id), one.name, one.id in rule.groups)
            for one in auth.services().people.groups.list()
        ],
    )


def _what_happens(at: int, did: str) -> list[tuple[str, str, str]]:
    """The severities that there are at a time: their code, their text, and what has it."""
    kinds = {kind: gettext(text) for kind, text in _KINDS.items() if kind != "event"}
    events = {type: _event_name(type) for type in code_tables.EVENT_TYPES}
    # A name has its place once, though problems of the hub may differ in severity.
    found: dict[str, dict[str, None]] = {severity: {} for severity in _SEVERITIES}
    for one in auth.services().alarms.rules.tried(at, did):
        text = kinds[one.kind] if one.detail.type is None else events[one.detail.type]
        found[one.severity][text] = None
    raised = {text for texts in found.values() for text in texts}
    quiet = (text for text in (*events.values(), *kinds.values()) if text not in raised)
    found["none"] = dict.fromkeys(quiet)
    return [
        (severity, gettext(_SEVERITIES[severity]), _list(texts))
        for severity, texts in found.items()
        if texts
    ]


def _row(number: int, rule: AlarmRule) -> RuleRow:
    return RuleRow(
        number=number,
        what=_what(rule),
        severity=rule.severity,
        severity_text=gettext(_SEVERITIES[rule.severity]),
        again="" if rule.renew is UNSET else gettext(_RENEWALS[_renewal(rule)]),
        when=_when(rule),
        otherwise=gettext("at other times: %(what)s")
        % {"what": gettext(_OTHERWISE[rule.otherwise or "none"])}
        if rule.days or rule.start or rule.end
        else "",
        where=_where(rule),
    )


def _what(rule: AlarmRule) -> str:
    if rule.kind != "event":
        return gettext(_KINDS[rule.kind])
    if not rule.types:
        return gettext("All events")
    return _list(map(_event_name, rule.types))


def _event_name(type: int) -> str:
    return code_tables.event_name(type, language.current().code)


def _renewal(rule: AlarmRule) -> str:
    if rule.renew is UNSET:
        return ""
    return "yes" if rule.renew else "no"


def _when(rule: AlarmRule) -> str:
    names = [short for short, _ in language.current().weekdays()]
    days = _list(names[day - 1] for day in rule.days) if rule.days else gettext("every day")
    if not rule.start and not rule.end:
        return days
    hours = f"{rule.start or '00:00'}–{rule.end or '24:00'}"
    return f"{days} {hours}"


def _where(rule: AlarmRule) -> list[CameraName]:
    if not rule.dids and not rule.groups:
        return [CameraName(gettext("all cameras"), "")]
    groups = {one.id: one.name for one in auth.services().people.groups.list()}
    return [
        *(
            CameraName(groups.get(id, f"#{id}"), f"/cameras/groups/{id}" if id in groups else "")
            for id in rule.groups
        ),
        *(camera_name(auth.services(), did) for did in rule.dids),
    ]


def _display_name(device: DeviceView) -> str:
    return device.name or device.sn


def _list(names: Iterable[str]) -> str:
    return gettext(", ").join(names)


@blueprint.post("/ready-set", role="admin")
async def choose_ready_set() -> Response:
    """Choose what raises an alarm where no rule decides."""
    form = await request.form
    try:
        await auth.services().alarms.rules.choose(form.get("raised_by", ""), by=auth.actor())
    except BadParameter as error:
        return await _page(fault=error.message)
    return redirect_to("/alarms/rules?done=rules-changed")


@blueprint.get("/<int:number>", role="admin")
async def one(number: int) -> Response:
    return await _page(number, _get(number))


def _get(number: int) -> AlarmRule:
    """The rule at this place, from 1. Raises NoSuchResource."""
    found = auth.services().alarms.rules.all()
    if not 1 <= number <= len(found):
        raise NotHere(gettext("There is no rule %(id)s.") % {"id": number})
    return found[number - 1]


def _cameras(chosen: Collection[str]) -> list[Choice]:
    devices = auth.services().cameras.devices.list()
    found = [Choice(one.did, _display_name(one), one.did in chosen) for one in devices]
    return sorted(found, key=lambda one: one.text.casefold())


def _fingerprint() -> str:
    """What the rules are now: rules have no names, and a form must not change another one."""
    return f"{zlib.crc32(msgspec.json.encode(auth.services().alarms.rules.all())):08x}"


@blueprint.post("/save", role="admin")
async def save() -> Response:
    """Add a rule, or replace the one with this number."""
    form = await request.form
    number, rule = form.get("number", type=int), _read(form)
    if form.get("seen") != _fingerprint():
        return await _page(number, rule, rule_fault=_changed_meanwhile())
    found = list(auth.services().alarms.rules.all())
    if number is None:
        found.append(rule)
    else:
        _get(number)
        found[number - 1] = rule
    try:
        await _put(found)
    except BadParameter as error:
        return await _page(number, rule, rule_fault=_describe(error))
    return redirect_to("/alarms/rules?done=rules-changed")


@blueprint.post("/<int:number>/move", role="admin")
async def move(number: int) -> Response:
    """Let a rule be decided before the one above it."""
    found = list(auth.services().alarms.rules.all())
    if 2 <= number <= len(found):
        found[number - 2], found[number - 1] = found[number - 1], found[number - 2]
        await _put(found)
    return redirect_to("/alarms/rules?done=rules-changed")


async def _ask_to_remove(number: int) -> Response:
    row = _row(number, _get(number))
    return await page("alarms/rule_remove.html", row=row, seen=_fingerprint())


@blueprint.post("/<int:number>/remove", role="admin", confirm=_ask_to_remove)
async def remove(number: int) -> Response:
    form = await request.form
    if form.get("seen") == _fingerprint():
        _get(number)
        found = list(auth.services().alarms.rules.all())
        del found[number - 1]
        await _put(found)
    return redirect_to("/alarms/rules?done=rules-changed")


async def _put(rules: list[AlarmRule]) -> None:
    await auth.services().alarms.rules.put(tuple(rules), by=auth.actor())


def _read(form: MultiDict[str, str]) -> AlarmRule:
    """The rule of a form. What is not valid is left out: browsers send none of it."""
    kind: RuleKind = next((one for one in _KIND_CODES if one == form.get("kind")), "event")
    severity: Severity | Literal["none"] = next(
        (one for one in get_args(Severity) if one == form.get("severity")), "none"
    )
    return AlarmRule(
        kind=kind,
        types=_numbers(form, "type") if kind == "event" else (),
        severity=severity,
        renew={"yes": True, "no": False}.get(form.get("renew", ""), UNSET)
        if kind == "event"
        else UNSET,
        days=tuple(day for day in _numbers(form, "day") if 1 <= day <= 7),
        start=_hour(form.get("start", "")),
        end=_hour(form.get("end", "")),
        otherwise="none" if form.get("otherwise") == "none" else "default",
        dids=() if kind == "hub" else tuple(form.getlist("did")),
        groups=() if kind == "hub" else _numbers(form, "group"),
    )


def _numbers(form: MultiDict[str, str], name: str) -> tuple[int, ...]:
    return tuple(form.getlist(name, type=int))


def _hour(text: str) -> str:
    """A time field as rules have it. Some browsers send seconds."""
    try:
        return f"{time.fromisoformat(text):%H:%M}" if text else ""
    except ValueError:
        return ""


def _changed_meanwhile() -> str:
    return gettext("The rules were changed in the meantime. Check this one and save it again.")


def _describe(error: BadParameter) -> str:
    if error.field.endswith(".end"):
        return gettext("The end must differ from the start. For the whole day, leave both blank.")
    if error.field == "rules":
        return gettext("There are too many rules. Remove some first.")
    return str(error)
