"""Finds what is wrong with the hub, for /healthz, the pages, alarms and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import trio

from hub import metrics
from hub.live.feed import Change
from hub.live.registry import Registry
from hub.reasons import Reason, Value
from hub.services.admission.code_guesses import CodeGuesses
from hub.services.admission.unsigned.misuse import Misuse
from hub.services.backups.backups import Backups
from hub.services.certificates.certificates import Certificates
from hub.services.clock.plausibility import EARLIEST_PLAUSIBLE
from hub.services.disk_space import GB
from hub.services.doctor.findings import moment_text
from hub.services.forwarding.targets import Targets
from hub.services.forwarding.views import TargetView
from hub.services.people.sync.people_sync import PeopleSync
from hub.services.problems import PROBLEMS, HealthReason
from hub.services.reports.delivery import ReportDelivery
from hub.services.retention.retention import RetentionPolicy
from hub.services.updates.updates import Updates
from hub.services.upkeep.maintenance import Maintenance
from hub.store.tables.devices import Suspicion

if TYPE_CHECKING:
    from hub.services.core import Core

_RANK = {code: place for place, code in enumerate(PROBLEMS)}
_CHECK_SECONDS = 2
_DAY_SECONDS = 86_400
#: A target that gets nothing for so long is a problem: until then it may be a restart or a cable.
_WAITING_SECONDS = 3_600
_MAX_NAMES = 3
#: Cameras without a signature of which each is a problem of its own; of further ones, all together.
_MAX_SUSPECTS = 50
#: Cameras connect again within this time after a start, or after the network was away.
_OFFLINE_SECONDS = 180
#: The hub renews its certificate 30 days before it expires. With fewer days left than this,
#: something prevents the renewal.
_EXPIRY_NOTICE_DAYS = 14


#: What is wrong with a camera without a signature.
_SUSPICIONS: dict[Suspicion, Reason] = {
    "address": Reason("it connected from a different address"),
    "mac": Reason("it connected with a different MAC address"),
    "facts": Reason("another device claimed to be it"),
}
_TOKEN_COPIED = Reason("its token was used from a different address")
_ALSO_SUSPECT = Reason("they do not match the approved details")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What can have problems, beside the store and the clock."""

    registry: Registry
    certificates: Certificates
    maintenance: Maintenance
    retention: RetentionPolicy
    updates: Updates
    backups: Backups
    guesses: CodeGuesses
    misuse: Misuse
    delivery: ReportDelivery
    targets: Targets
    people_sync: PeopleSync


class Health:
    """Finds problems of the hub. run() publishes a change whenever they change."""

    def __init__(self, core: Core, watched: Watched) -> None:
        self._store = core.store
        self._clock = core.clock
        self._change_feed = core.changes
        self._now = core.now
        self._steady_now = core.outside.steady_now
        self._watched = watched
        self._is_serving = False
        #: When a camera was last online, or none was expected to be.
        self._had_camera_at = 0.0

    def mark_serving(self) -> None:
        """Note that every port is open; until then the hub is "starting"."""
        self._is_serving = True
        self._had_camera_at = self._steady_now()

    def reasons(self) -> list[HealthReason]:
        """Return all problems, the most serious first: faults, then notices."""
        return sorted(self._find(), key=lambda reason: (not reason.is_serious, _RANK[reason.code]))

    def faults(self) -> list[HealthReason]:
        """Return the problems for which /healthz answers 503."""
        return [reason for reason in self._find() if reason.is_fault]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check every 2 s, until cancelled, and publish a change when the problems change."""
        task_status.started()
        shown = self.reasons()
        while True:
            await trio.sleep(_CHECK_SECONDS)
            if (current := self.reasons()) != shown:
                self._change_feed.publish([Change("health")])
            shown = current

    def _find(self) -> Iterator[HealthReason]:
        if not self._is_serving:
            yield HealthReason("starting")
            return
        yield from self._check_store()
        if failure := self._watched.updates.failure:
            why = Reason(failure.reason)
            yield _problem("update-undone", version=failure.version, reason=why)
        if self._now() < EARLIEST_PLAUSIBLE:
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            yield _problem("clock-unset", clock=clock)
        else:
            yield from self._check_clock()
            yield from self._check_record_days()
            yield from self._check_certificate()
        yield from self._check_people()
        yield from self._check_retention()
        yield from self._check_backups()
        if failure_of_reports := self._watched.delivery.failure:
            yield _problem("report-failed", reason=failure_of_reports)
        yield from self._check_targets()
        yield from self._check_guesses()
        yield from self._check_suspects()
        yield from self._check_cameras()

    def _check_targets(self) -> Iterator[HealthReason]:
        views = self._watched.targets.list()
        keeping = [view for view in views if view.refuses_erasure]
        asking = [view for view in views if view.waits_after_restore]
        held = [view for view in views if view.state == "held"]
        waiting = [
            view
            for view in views
            if view.state == "waiting"
            and view.waiting_seconds > _WAITING_SECONDS
            and view.target.kind != "mail"
        ]
        for code, found in (
            ("erasure-refused", keeping),
            ("target-held", [view for view in held if view not in (*keeping, *asking)]),
            ("target-waiting", waiting),
        ):
            if found:
                yield _of_targets(code, found, reason=found[0].reason or "")
        if asking:
            yield _of_targets("targets-restored", asking)
        if mails := [view for view in views if view.mail_failure]:
            yield _of_targets("mail-failed", mails, reason=mails[0].mail_failure or "")
        if gaps := [view for view in views if view.unseen_gaps]:
            records = str(sum(view.unseen_lost for view in gaps))
            yield _of_targets("target-gap", gaps, records=records)

    def _check_store(self) -> Iterator[HealthReason]:
        health = self._store.health
        if not health.can_store:
            yield _problem("cannot-store", reason=health.reason or "")
        if health.damaged:
            yield _problem("damaged", what=health.damaged)
        if (since := self._store.changes_lost_since) is not None:
            moment = moment_text(since / 1000)
            yield _problem("changes-lost", since=moment)
        if health.lost:
            yield _problem("pictures-lost", what=health.lost)
        damaged = self._store.damaged_rows
        if where := ", ".join(damaged.tables()):
            rows = ", ".join(damaged.names())
            yield HealthReason("damaged-rows", {"where": where}, rows=rows)
        if shortage := self._watched.maintenance.shortage:
            free, wanted = f"{shortage.free_bytes / GB:.1f}", f"{shortage.wanted_bytes / GB:g}"
            yield _problem("disk-low", free=free, wanted=wanted)
        if problem := self._store.evidence.problem:
            yield _problem("evidence-waits", what=problem)

    def _check_clock(self) -> Iterator[HealthReason]:
        agreement = self._clock.agreement
        if seconds := self._clock.doubted_off_seconds:
            days = f"{seconds / _DAY_SECONDS:.0f}"
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            yield _problem("clock-off-long", days=days, clock=clock)
        elif self._clock.is_doubted:
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            expected = f"{_utc(self._clock.likely_time()):%Y-%m-%d %H:%M} UTC"
            yield _problem("clock-doubted", clock=clock, expected=expected)
        elif self._clock.is_contradicted:
            off, devices = str(agreement.off), str(agreement.devices)
            yield _problem("clock-contradicted", off=off, devices=devices)

    def _check_people(self) -> Iterator[HealthReason]:
        if waiting := self._watched.people_sync.waiting_for_clock:
            people = str(waiting)
            yield _problem("people-wait", people=people)

    def _check_retention(self) -> Iterator[HealthReason]:
        waiting = self._watched.retention.waiting.waiting
        metrics.waiting_days.set(len(waiting))
        if waiting:
            days = str(len(waiting))
            records = str(sum(day.use.records for day in waiting))
            yield _problem("retention-waits", days=days, records=records)

    def _check_record_days(self) -> Iterator[HealthReason]:
        days = self._store.retention.days()
        if days and date.fromisoformat(days[-1].day) > self._tomorrow():
            yield _problem("clock-went-back", day=days[-1].day)

    def _check_backups(self) -> Iterator[HealthReason]:
        problem, failure = self._watched.backups.folder_problem, self._watched.backups.last_failure
        if problem:
            folder = str(self._watched.backups.folder)
            yield _problem("backups-unreadable", folder=folder, reason=problem)
        # A backup into a folder that cannot be used has failed for that reason.
        if failure and (failure.is_of_database or not problem):
            yield _problem(
                "database-unread" if failure.is_of_database else "backup-failed",
                reason=failure.reason,
            )
        if (made := self._watched.backups.last_incomplete) is not None:
            yield _problem(
                "backup-incomplete",
                days=made.unread_days,
                bytes=str(made.unread_bytes),
                records=str(made.unread_records),
            )
        if (overdue := self._watched.backups.overdue_days()) is not None:
            yield self._overdue(str(overdue))
        if (restored := self._watched.backups.restored_from()) is not None:
            before = ", ".join(restored.addresses)
            after = ", ".join(restored.addresses_now)
            yield _problem("restored-elsewhere", before=before, now=after)

    def _overdue(self, days: str) -> HealthReason:
        newest = self._watched.backups.last_complete
        if newest is None:
            return _problem("backup-missing", days=days)
        day = f"{_utc(newest.made_at):%Y-%m-%d}"
        return _problem("backup-overdue", days=days, day=day)

    def _check_guesses(self) -> Iterator[HealthReason]:
        devices = [self._store.devices.by_did(did) for did in self._watched.guesses.attacked()]
        names = [device.name or device.sn for device in devices if device is not None]
        if names:
            shown = _some(names)
            yield _problem("codes-guessed", devices=shown)

    def _check_suspects(self) -> Iterator[HealthReason]:
        misused = frozenset(self._watched.misuse.devices())
        found = [
            device
            for device in self._store.devices.all()
            if device.suspect is not None or device.did in misused
        ]
        # The oldest first, so that a further one takes nobody's place.
        found.sort(key=lambda device: device.suspect_at or 0)
        for device in found[:_MAX_SUSPECTS]:
            reason = _SUSPICIONS[device.suspect] if device.suspect else _TOKEN_COPIED
            yield _suspect(device.name or device.sn, reason, device.did)
        if others := [device.name or device.sn for device in found[_MAX_SUSPECTS:]]:
            yield _suspect(_some(others), _ALSO_SUSPECT)

    def _check_cameras(self) -> Iterator[HealthReason]:
        expected = [device for device in self._store.devices.all() if device.enabled]
        if not expected or any(self._watched.registry.get(device.did) for device in expected):
            self._had_camera_at = self._steady_now()
        elif self._steady_now() - self._had_camera_at >= _OFFLINE_SECONDS:
            yield HealthReason("cameras-offline")

    def _tomorrow(self) -> date:
        return _utc(self._now()).date() + timedelta(days=1)

    def _check_certificate(self) -> Iterator[HealthReason]:
        # By the same time as they are renewed.
        now, certificates = self._clock.likely_time(), self._watched.certificates
        left = certificates.expires_at - now
        day = f"{_utc(certificates.expires_at):%Y-%m-%d}"
        if left <= 0:
            yield _problem("certificate-ended", day=day)
        elif left < _EXPIRY_NOTICE_DAYS * _DAY_SECONDS:
            days = f"{left / _DAY_SECONDS:.0f}"
            yield _problem("certificate-ends", day=day, days=days)
        if now < certificates.starts_at:
            begin = f"{_utc(certificates.starts_at):%Y-%m-%d}"
            yield _problem("certificate-early", day=begin)
        if certificates.problem:
            yield _problem("certificate-stays", reason=certificates.problem)


def _suspect(camera: str, reason: Reason, did: str = "") -> HealthReason:
    return HealthReason(
        "camera-suspect",
        {"camera": camera, "reason": reason},
        did=did,
    )


def _problem(code: str, **args: Value) -> HealthReason:
    return HealthReason(code, args)


def _of_targets(code: str, views: Sequence[TargetView], **args: Value) -> HealthReason:
    return _problem(code, targets=_some([view.target.name for view in views]), **args)


def _some(names: Sequence[str]) -> str:
    """Return the first names as text."""
    return ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
