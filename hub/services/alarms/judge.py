"""Decides which records raise an alarm, and how severe it is (D11). Pure but for the time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from hub.clock_reading import Reading
from hub.config import RaisedBy
from hub.services.alarms.ready_sets import BLACKLIST, is_raised_by
from hub.services.problems import PROBLEMS
from hub.store.alarms.alarm import (
    LISTED_PERSON,
    SEVERITIES,
    STRAY_MS,
    AlarmDetail,
    AlarmKind,
    Severity,
    Sighting,
)
from hub.store.alarms.raising import Blacklisted, pid_of
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.plate_lists import PlateEntry, PlateList
from hub.wire.person_numbers import canonical_number, names_nobody
from hub.wire.plates import PlateMatcher, reduce_plate
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    HubDetail,
    Record,
    VehicleDetail,
    problem_key,
)

#: Severities of events without a rule; of others "minor".
_EVENT_SEVERITIES: Mapping[int, Severity] = {
    2: "major",  # intrusion
    3: "major",  # camera covered
    8: "critical",  # fire
    13: "major",  # post left
    16: "major",  # fall
    17: "major",  # vital signs
}
#: What is "offline" among the causes of records of kind hub.
OFFLINE = "offline"
#: Text of devices in an alarm is cut off; its record has all of it.
_MAX_TEXT = 200
#: An acknowledged alarm of such an event is new again after a quiet time, unless a rule decides.
_SEVERE: tuple[Severity, ...] = ("critical", "major")


class Watch(Struct, frozen=True):
    """An entry of a watch list, with the list's name and severity."""

    list: str
    severity: Severity
    entry: PlateEntry


class _ScopedRule(Struct, frozen=True):
    """A rule, and the cameras that it is about; None: all."""

    rule: AlarmRule
    dids: frozenset[str] | None


def watched_plates(plate_lists: Sequence[PlateList]) -> PlateMatcher[Watch]:
    """Return what finds the entries that a plate matches. Takes 50 ms for the longest lists."""
    return PlateMatcher(
        (entry.pattern, Watch(one.name, one.severity, entry))
        for one in plate_lists
        for entry in one.entries
    )


#: Nothing is watched for.
NO_PLATES: PlateMatcher[Watch] = PlateMatcher([])


#: The most severe first.
_RANKS: tuple[Severity | Literal["none"], ...] = (*SEVERITIES, "none")


class _Verdict(Struct, frozen=True):
    """How severe an alarm is, and whether it renews. "none": there is none."""

    severity: Severity | Literal["none"]
    renews: bool


class AlarmJudge:
    """The rules, the ready set, the watch lists and the site's zone at one moment."""

    def __init__(
        self,
        reading: Callable[[], Reading],
        rules: Sequence[AlarmRule] = (),
        plates: PlateMatcher[Watch] = NO_PLATES,
        zone: tzinfo = UTC,
        groups: Mapping[int, Collection[str]] = {},
        raised_by: RaisedBy = "all",
    ) -> None:
        """`reading`: what time it is. `groups`: the dids of each camera group that rules name."""
        self._reading = reading
        self._rules = tuple(_ScopedRule(rule, _dids_of(rule, groups)) for rule in rules)
        self._zone = zone
        self._plates = plates
        self._raised_by = raised_by

    def judge(self, record: Record, blacklisted: Blacklisted) -> Sequence[Sighting]:
        """Return what a record should raise alarms for: see `Judge`."""
        found = self._found(record, blacklisted)
        if not found:
            return ()
        at = occurred_at(record, self._reading())
        return tuple(replace(sighting, at=at) for sighting in found)

    def _found(self, record: Record, blacklisted: Blacklisted) -> Sequence[Sighting]:
        match record.detail:
            case FaceDetail() as detail:
                return _one(_person(record, detail, blacklisted))
            case EventDetail() as detail:
                return self._events(record, detail, blacklisted)
            case VehicleDetail() as detail if detail.plate.id and self._plates:
                return _one(self._plate(record, detail.plate.id))
            case AccessDetail() as detail if blacklisted:
                return _one(_person(record, detail, blacklisted))
            case HubDetail() as detail:
                return _one(self._hub(record, detail))
        return ()

    def _events(
        self, record: Record, detail: EventDetail, blacklisted: Blacklisted
    ) -> Sequence[Sighting]:
        """Return what happened, and the blacklisted person whom it names.

        That a person of a list was seen is nothing beside the person.
        """
        # Each blacklisted person has an alarm of its own, which no rule suppresses.
        person = _person(record, detail, blacklisted, must_be_known=True)
        if person is not None and detail.type == LISTED_PERSON:
            return (person,)
        return (*_one(self._event(record, detail)), *_one(person))

    def _event(self, record: Record, detail: EventDetail) -> Sighting | None:
        default = _event_severity(self._raised_by, detail)
        verdict = self._by_rule("event", record, detail.type, default)
        if verdict.severity == "none":
            return None
        about = AlarmDetail(
            type=detail.type,
            name=_cut(detail.name),
            uuid=_cut(detail.uuid),
            category=detail.category,
            device_name=record.device_name,
        )
        subject = f"{record.did} {detail.type}"
        return _sighting(record, "event", subject, verdict.severity, about, renews=verdict.renews)

    def _plate(self, record: Record, sent: str) -> Sighting | None:
        plate = reduce_plate(sent)
        found = [
            watch
            for watch in (self._plates.find(plate) if plate else ())
            if watch.entry.until is None or self._reading().earliest < watch.entry.until
        ]
        if not found:
            return None
        watch = min(found, key=lambda one: SEVERITIES.index(one.severity))
        about = AlarmDetail(
            plate=_cut(sent),
            list=watch.list,
            entry_note=watch.entry.note,
            device_name=record.device_name,
        )
        return _sighting(record, "plate", plate, watch.severity, about, renews=True)

    def _hub(self, record: Record, detail: HubDetail) -> Sighting | None:
        is_offline = detail.cause == OFFLINE
        kind: Literal["offline", "hub"] = "offline" if is_offline else "hub"
        default: Severity = "major"
        if not is_offline:  # Another version may tell of other problems.
            default = PROBLEMS[detail.cause].alarm if detail.cause in PROBLEMS else "minor"
        severity = self._by_rule(kind, record, None, default).severity
        if severity == "none":
            return None
        about = AlarmDetail(
            cause=detail.cause,
            text=detail.text,
            args=detail.args,
            device_name=record.device_name,
        )
        subject = record.did if is_offline else problem_key(detail.cause, record.did)
        return _sighting(record, kind, subject, severity, about, renews=False)

    def _by_rule(
        self,
        kind: Literal["event", "offline", "hub"],
        record: Record,
        type: int | None,
        default: Severity | Literal["none"],
    ) -> _Verdict:
        """Return what the first rule says whose hours it is; else, what the first says of that.

        If nobody knows what time it is, it is the hour of what is most severe.
        """
        about = [
            scoped.rule
            for scoped in self._rules
            if scoped.rule.kind == kind
            and (type is None or not scoped.rule.types or type in scoped.rule.types)
            and (scoped.dids is None or record.did in scoped.dids)
        ]
        otherwise = _Verdict(default, renews=default in _SEVERE)
        if not about:
            return otherwise
        if about[0].otherwise != "default":
            otherwise = _Verdict("none", renews=False)
        now = self._reading()
        if now.earliest != now.latest and _is_stray(record, now):
            verdicts = (otherwise, *map(_verdict, about))
            return min(verdicts, key=lambda one: _RANKS.index(one.severity))
        local = datetime.fromtimestamp(occurred_at(record, now) / 1000, self._zone)
        rule = next((rule for rule in about if is_in_hours(rule, local)), None)
        return otherwise if rule is None else _verdict(rule)


def _one(sighting: Sighting | None) -> tuple[Sighting, ...]:
    return () if sighting is None else (sighting,)


def _verdict(rule: AlarmRule) -> _Verdict:
    renews = rule.severity in _SEVERE if rule.renew is UNSET else rule.renew
    return _Verdict(rule.severity, renews)


def occurred_at(record: Record, now: Reading) -> int:
    """Return when a record occurred that arrived now; now if its device's clock is far off."""
    return now.likely if _is_stray(record, now) else record.occurred_at


def _is_stray(record: Record, now: Reading) -> bool:
    return abs(record.occurred_at - now.likely) > STRAY_MS


def is_in_hours(rule: AlarmRule, local: datetime) -> bool:
    """Return whether a rule applies at a time of the site's zone."""
    now, day = f"{local:%H:%M}", local.isoweekday()
    start, end = rule.start or "00:00", rule.end or "24:00"
    if start < end:
        return start <= now < end and _is_day(rule, day)
    # Across midnight: the night belongs to the day on which it begins.
    if now >= start:
        return _is_day(rule, day)
    return now < end and _is_day(rule, (day - 2) % 7 + 1)


def _is_day(rule: AlarmRule, day: int) -> bool:
    return not rule.days or day in rule.days


def _dids_of(rule: AlarmRule, groups: Mapping[int, Collection[str]]) -> frozenset[str] | None:
    if not rule.dids and not rule.groups:
        return None
    return frozenset(rule.dids).union(*(groups.get(group, ()) for group in rule.groups))


def _event_severity(raised_by: RaisedBy, detail: EventDetail) -> Severity | Literal["none"]:
    if not is_raised_by(raised_by, detail.type, detail.category):
        return "none"
    if detail.type == LISTED_PERSON and detail.category == BLACKLIST:
        return "critical"
    return _EVENT_SEVERITIES.get(detail.type, "minor")


def _person(
    record: Record,
    detail: FaceDetail | EventDetail | AccessDetail,
    blacklisted: Blacklisted,
    *,
    must_be_known: bool = False,
) -> Sighting | None:
    """Return the sighting of a blacklisted person, by what was sent or by the register.

    `must_be_known`: only if it is known who it is.
    """
    category, sent_name = None, ""
    if not isinstance(detail, AccessDetail):
        category, sent_name = detail.category, detail.name or ""
    pid = pid_of(record) if blacklisted else ""
    pid = pid if pid in blacklisted else ""
    if category != BLACKLIST and not pid:
        return None
    who = pid or _who(detail.uuid or "", sent_name)
    if not who and must_be_known:
        return None
    about = AlarmDetail(
        name=_cut(blacklisted.get(pid) or sent_name),
        uuid=_cut(detail.uuid),
        pid=pid,
        category=category,
        device_name=record.device_name,
    )
    subject = who or f"device {record.did}"
    return _sighting(record, "blacklist", subject, "critical", about, renews=True)


def _who(uuid: str, name: str) -> str:
    """Return what tells one person from another; "" if nothing does."""
    if not names_nobody(uuid):
        return _cut(canonical_number(uuid))
    return f"name {_cut(_cut(name).casefold())}" if name.strip() else ""


def _sighting(
    record: Record,
    kind: AlarmKind,
    subject: str,
    severity: Severity,
    detail: AlarmDetail,
    *,
    renews: bool,
) -> Sighting:
    return Sighting(
        kind=kind,
        subject=subject,
        severity=severity,
        detail=detail,
        seq=record.seq,
        at=record.occurred_at,
        did=record.did,
        renews=renews,
    )


def _cut(text: str | None) -> str:
    return (text or "")[:_MAX_TEXT]
