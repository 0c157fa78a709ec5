"""Problems of the hub, for /healthz and for the pages.

The codes, each with its `args` for the translation. Those marked ! are faults: the hub cannot do
its work.

    starting              !
    cannot-store          ! reason
    damaged               ! what
    clock-unset           ! clock
    clock-went-back         day
    certificate-ended     ! day
    certificate-early     ! day
    cameras-offline
    damaged-rows            where
    changes-lost            since
    pictures-lost           what
    certificate-ends        day, days
    certificate-stays       reason
    disk-low                free, wanted (GB)
    evidence-waits          what
    clock-doubted           clock, expected
    clock-off-long          days, clock
    clock-contradicted      off, devices
    people-wait             people
    retention-waits         days, records
    update-undone           version, reason
    backups-unreadable      folder, reason
    backup-failed           reason
    database-unread         reason
    backup-incomplete       days, bytes, records
    backup-overdue          days, day
    backup-missing          days
    restored-elsewhere      before, now (addresses)
    report-failed           reason
    erasure-refused         targets (names), reason
    target-held             targets (names), reason
    target-waiting          targets (names), reason
    target-gap              targets (names), records
    codes-guessed           devices (names)
    camera-suspect          camera, reason: one for each camera
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

import trio
from msgspec import Struct

from hub import metrics
from hub.live.feed import Change, Feed
from hub.live.registry import Registry
from hub.services.admission.code_guesses import CodeGuesses
from hub.services.doctor.findings import moment_text
from hub.services.forwarding.targets import TargetView
from hub.services.site.backups.backups import Backups
from hub.services.site.certificates.certificates import Certificates
from hub.services.site.clock.clock import SiteClock, steady_seconds
from hub.services.site.clock.plausibility import EARLIEST_PLAUSIBLE
from hub.services.site.disk_space import GB
from hub.services.site.maintenance import Maintenance
from hub.services.site.retention.retention import RetentionPolicy
from hub.services.site.status.damaged_data import NAMES, DamagedData, find_damaged
from hub.services.site.updates.updates import Updates
from hub.store.db import Store
from hub.store.tables.devices import Suspicion
from hub.wire.uploads.records import problem_key

# Both with the most serious first: in this order they are told.
FaultCode = Literal[
    "cannot-store",
    "damaged",
    "clock-unset",
    "certificate-ended",
    "certificate-early",
    "starting",
]
NoticeCode = Literal[
    "cameras-offline",
    "database-unread",
    "restored-elsewhere",
    "codes-guessed",
    "camera-suspect",
    "disk-low",
    "backups-unreadable",
    "backup-failed",
    "backup-missing",
    "backup-overdue",
    "backup-incomplete",
    "clock-off-long",
    "clock-doubted",
    "clock-contradicted",
    "clock-went-back",
    "people-wait",
    "retention-waits",
    "damaged-rows",
    "changes-lost",
    "pictures-lost",
    "evidence-waits",
    "certificate-stays",
    "certificate-ends",
    "update-undone",
    "erasure-refused",
    "target-held",
    "target-waiting",
    "target-gap",
    "report-failed",
]
#: Notices for which somebody has to do something at once. They are shown like faults.
_SERIOUS: tuple[NoticeCode, ...] = (
    *("cameras-offline", "database-unread", "backups-unreadable"),
    *("backup-failed", "backup-missing", "backup-overdue", "backup-incomplete"),
)
CODES: tuple[FaultCode | NoticeCode, ...] = (*get_args(FaultCode), *get_args(NoticeCode))

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
SUSPICIONS: dict[Suspicion, str] = {
    "address": "it connected from another address",
    "mac": "it connected with another MAC address",
    "facts": "something else claimed to be it",
}
TOKEN_COPIED = "its token was used from another address"
_ALSO_SUSPECT = "they do not fit their approval"


class HealthReason(Struct, frozen=True):
    """A problem that a person must solve. `text` is an English sentence with the values `args`.

    `damaged`: what stored data is damaged. `did`: of the camera that it is about, if there is one
    problem for each camera.
    """

    code: FaultCode | NoticeCode
    text: str
    args: dict[str, str] = {}
    damaged: tuple[DamagedData, ...] = ()
    did: str = ""

    @property
    def key(self) -> str:
        """What tells it from all other problems that there are at the same time."""
        return problem_key(self.code, self.did)

    @property
    def is_fault(self) -> bool:
        return self.code in get_args(FaultCode)

    @property
    def is_serious(self) -> bool:
        """Whether somebody has to do something at once: pages show it in red."""
        return self.is_fault or self.code in _SERIOUS

    @property
    def is_loss(self) -> bool:
        """Whether data is lost although the hub works."""
        return self.code in ("damaged-rows", "changes-lost", "pictures-lost")


class Health:
    """Finds problems of the hub. run() publishes a change whenever they change."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        certificates: Certificates,
        maintenance: Maintenance,
        clock: SiteClock,
        retention: RetentionPolicy,
        updates: Updates,
        backups: Backups,
        change_feed: Feed[Change],
        guesses: CodeGuesses,
        *,
        now: Callable[[], float],
        steady_now: Callable[[], float] = steady_seconds,
        report_failure: Callable[[], str] = lambda: "",
        targets: Callable[[], Sequence[TargetView]] = lambda: (),
        misused: Callable[[], Sequence[str]] = lambda: (),
        waiting_people: Callable[[], int] = lambda: 0,
    ) -> None:
        """`steady_now`: seconds that pass evenly, whatever the clock is set to.

        `report_failure`: why reports could not be sent, "" if they could. `misused`: the dids of
        devices whose tokens were used from other addresses (D12). `waiting_people`: of how many
        people nobody knows whether they are valid, see `PeopleSync`.
        """
        self._waiting_people = waiting_people
        self._misused = misused
        self._report_failure = report_failure
        self._targets = targets
        self._guesses = guesses
        self._store = store
        self._registry = registry
        self._certificates = certificates
        self._maintenance = maintenance
        self._clock = clock
        self._retention = retention
        self._updates = updates
        self._backups = backups
        self._change_feed = change_feed
        self._now = now
        self._steady_now = steady_now
        self._is_serving = False
        #: When a camera was last online, or none was expected to be.
        self._had_camera_at = 0.0

    def mark_serving(self) -> None:
        """Note that every port is open; until then the hub is "starting"."""
        self._is_serving = True
        self._had_camera_at = self._steady_now()

    def reasons(self) -> list[HealthReason]:
        """Return all problems, the most serious first: faults, then notices."""
        return sorted(
            self._find(), key=lambda reason: (not reason.is_serious, CODES.index(reason.code))
        )

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
            yield HealthReason("starting", "the hub is starting")
            return
        yield from self._check_store()
        if failure := self._updates.failure:
            yield HealthReason(
                "update-undone",
                f"the update to {failure.version} failed and was undone: {failure.reason}",
                {"version": failure.version, "reason": failure.reason},
            )
        if self._now() < EARLIEST_PLAUSIBLE:
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            text = f"the clock of this host is wrong: it shows {clock}"
            yield HealthReason("clock-unset", text, {"clock": clock})
        else:
            yield from self._check_clock()
            yield from self._check_record_days()
            yield from self._check_certificate()
        yield from self._check_people()
        yield from self._check_retention()
        yield from self._check_backups()
        if failure_of_reports := self._report_failure():
            yield HealthReason(
                "report-failed",
                f"the reports of yesterday could not be sent: {failure_of_reports}",
                {"reason": failure_of_reports},
            )
        yield from self._check_targets()
        yield from self._check_guesses()
        yield from self._check_suspects()
        yield from self._check_cameras()

    def _check_targets(self) -> Iterator[HealthReason]:
        views = self._targets()
        keeping = [view for view in views if view.refuses_erasure]
        if keeping:
            names, reason = _some([view.target.name for view in keeping]), keeping[0].reason
            yield HealthReason(
                "erasure-refused",
                f"{names} keeps people who were erased here, and nothing more is sent: {reason}",
                {"targets": names, "reason": reason},
            )
        held = [view for view in views if view.state == "held" and not view.refuses_erasure]
        if held:
            names, reason = _some([view.target.name for view in held]), held[0].reason
            yield HealthReason(
                "target-held",
                f"nothing is forwarded to {names} until somebody looks at it: {reason}",
                {"targets": names, "reason": reason},
            )
        waiting = [
            view
            for view in views
            if view.state == "waiting" and view.waiting_seconds > _WAITING_SECONDS
        ]
        if waiting:
            names, reason = _some([view.target.name for view in waiting]), waiting[0].reason
            yield HealthReason(
                "target-waiting",
                f"nothing could be forwarded to {names} for an hour: {reason}",
                {"targets": names, "reason": reason},
            )
        gaps = [view for view in views if view.unseen_gaps]
        if gaps:
            names = _some([view.target.name for view in gaps])
            records = str(sum(view.unseen_lost for view in gaps))
            yield HealthReason(
                "target-gap",
                # Without their number: more may follow, and an alarm keeps its first text.
                f"records were deleted before {names} had them; the Forwarding page counts them",
                {"targets": names, "records": records},
            )

    def _check_store(self) -> Iterator[HealthReason]:
        health = self._store.health
        if not health.can_store:
            yield HealthReason(
                "cannot-store",
                f"nothing can be stored now: {health.reason}",
                {"reason": health.reason},
            )
        if health.damaged:
            yield HealthReason(
                "damaged", f"the store is damaged: {health.damaged}", {"what": health.damaged}
            )
        if (since := self._store.changes_lost_since) is not None:
            moment = moment_text(since / 1000)
            yield HealthReason(
                "changes-lost",
                "the database lost changes: those of people, cameras, alarms and held evidence "
                f"since {moment} may be missing",
                {"since": moment},
            )
        if health.lost:
            yield HealthReason(
                "pictures-lost", f"pictures are lost: {health.lost}", {"what": health.lost}
            )
        if damaged := find_damaged(self._store.damaged_rows):
            where = ", ".join(f"{NAMES[one.kind]} ({one.count})" for one in damaged)
            yield HealthReason(
                "damaged-rows",
                f"stored data is damaged and cannot be read completely: {where}",
                {"where": where},
                tuple(damaged),
            )
        if shortage := self._maintenance.shortage:
            free, wanted = f"{shortage.free_bytes / GB:.1f}", f"{shortage.wanted_bytes / GB:g}"
            yield HealthReason(
                "disk-low",
                f"only {free} GB of disk space is free, {wanted} GB is needed, "
                "and dropping older days cannot free any",
                {"free": free, "wanted": wanted},
            )
        if problem := self._store.evidence.problem:
            yield HealthReason(
                "evidence-waits",
                f"a day stays, because what is held of it cannot be moved: {problem}",
                {"what": problem},
            )

    def _check_clock(self) -> Iterator[HealthReason]:
        agreement = self._clock.agreement
        if seconds := self._clock.doubted_off_seconds:
            days = f"{seconds / _DAY_SECONDS:.0f}"
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            yield HealthReason(
                "clock-off-long",
                f"by the clock of this host, {clock}, the hub was off for {days} days: until it "
                "has been steady for a day, or somebody confirms it, no records are deleted by age "
                "and cameras get no time from the hub",
                {"days": days, "clock": clock},
            )
        elif self._clock.is_doubted:
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            expected = f"{_utc(self._clock.likely_time()):%Y-%m-%d %H:%M} UTC"
            yield HealthReason(
                "clock-doubted",
                f"the clock of this host shows {clock}, but {expected} was expected: until it has "
                "been steady for a day, or somebody confirms it, no records are deleted by age and "
                "cameras get no time from the hub",
                {"clock": clock, "expected": expected},
            )
        elif self._clock.is_contradicted:
            off, devices = str(agreement.off), str(agreement.devices)
            yield HealthReason(
                "clock-contradicted",
                f"the clocks of {off} of {devices} cameras differ from the clock of this host by "
                "more than a day: no records are deleted by age",
                {"off": off, "devices": devices},
            )

    def _check_people(self) -> Iterator[HealthReason]:
        if waiting := self._waiting_people():
            people = str(waiting)
            yield HealthReason(
                "people-wait",
                f"{people} people who are valid from or until a time are neither put on cameras "
                "nor taken off, because nobody knows what time it is: until the clock of this host "
                "is right, or somebody confirms it",
                {"people": people},
            )

    def _check_retention(self) -> Iterator[HealthReason]:
        waiting = self._retention.waiting.waiting
        metrics.waiting_days.set(len(waiting))
        if waiting:
            days = str(len(waiting))
            records = str(sum(day.use.records for day in waiting))
            yield HealthReason(
                "retention-waits",
                f"{days} days with {records} records are too old, and wait for somebody to "
                "confirm that they may be deleted",
                {"days": days, "records": records},
            )

    def _check_record_days(self) -> Iterator[HealthReason]:
        days = self._store.retention.days()
        if days and date.fromisoformat(days[-1].day) > self._tomorrow():
            yield HealthReason(
                "clock-went-back",
                f"there are records dated {days[-1].day}, which is in the future: "
                "the clock of this host is wrong, or was wrong when they arrived",
                {"day": days[-1].day},
            )

    def _check_backups(self) -> Iterator[HealthReason]:
        problem, failure = self._backups.folder_problem, self._backups.last_failure
        if problem:
            folder = str(self._backups.folder)
            yield HealthReason(
                "backups-unreadable",
                f"no backup can be made: the folder {folder} cannot be used: {problem}",
                {"folder": folder, "reason": problem},
            )
        # A backup into a folder that cannot be used has failed for that reason.
        if failure and (failure.is_of_database or not problem):
            yield HealthReason(
                "database-unread" if failure.is_of_database else "backup-failed",
                f"the last backup failed: {failure.reason}",
                {"reason": failure.reason},
            )
        if (made := self._backups.last_incomplete) is not None:
            args = {
                "days": made.unread_days,
                "bytes": str(made.unread_bytes),
                "records": str(made.unread_records),
            }
            yield HealthReason(
                "backup-incomplete",
                "the last backup is incomplete: {bytes} bytes of the pictures of {days} cannot be "
                "read, which belong to {records} records".format(**args),
                args,
            )
        if (overdue := self._backups.overdue_days()) is not None:
            yield self._overdue(str(overdue))
        if (restored := self._backups.restored_from()) is not None:
            before = ", ".join(restored.addresses)
            after = ", ".join(restored.addresses_now)
            yield HealthReason(
                "restored-elsewhere",
                f"the hub was restored from a backup: cameras reached it at {before}, "
                f"this computer has {after}",
                {"before": before, "now": after},
            )

    def _overdue(self, days: str) -> HealthReason:
        newest = self._backups.last_complete
        if newest is None:
            text = f"there has been no good backup for {days} days: there is none"
            return HealthReason("backup-missing", text, {"days": days})
        day = f"{_utc(newest.made_at):%Y-%m-%d}"
        text = f"there has been no good backup for {days} days: the last good one is of {day}"
        return HealthReason("backup-overdue", text, {"days": days, "day": day})

    def _check_guesses(self) -> Iterator[HealthReason]:
        devices = [self._store.devices.by_did(did) for did in self._guesses.attacked()]
        names = [device.name or device.sn for device in devices if device is not None]
        if names:
            shown = _some(names)
            yield HealthReason(
                "codes-guessed",
                f"somebody who has the key of the cameras tries security codes for {shown}: "
                "their connects from other addresses are held back",
                {"devices": shown},
            )

    def _check_suspects(self) -> Iterator[HealthReason]:
        misused = frozenset(self._misused())
        found = [
            device
            for device in self._store.devices.all()
            if device.suspect is not None or device.did in misused
        ]
        # The oldest first, so that a further one takes nobody's place.
        found.sort(key=lambda device: device.suspect_at or 0)
        for device in found[:_MAX_SUSPECTS]:
            reason = SUSPICIONS[device.suspect] if device.suspect else TOKEN_COPIED
            yield _suspect(device.name or device.sn, reason, device.did)
        if others := [device.name or device.sn for device in found[_MAX_SUSPECTS:]]:
            yield _suspect(_some(others), _ALSO_SUSPECT)

    def _check_cameras(self) -> Iterator[HealthReason]:
        expected = [device for device in self._store.devices.all() if device.enabled]
        if not expected or any(self._registry.get(device.did) for device in expected):
            self._had_camera_at = self._steady_now()
        elif self._steady_now() - self._had_camera_at >= _OFFLINE_SECONDS:
            yield HealthReason("cameras-offline", "no camera is online: the hub sees nothing")

    def _tomorrow(self) -> date:
        return _utc(self._now()).date() + timedelta(days=1)

    def _check_certificate(self) -> Iterator[HealthReason]:
        # By the same time as they are renewed.
        now, certificates = self._clock.likely_time(), self._certificates
        left = certificates.expires_at - now
        day = f"{_utc(certificates.expires_at):%Y-%m-%d}"
        if left <= 0:
            yield HealthReason(
                "certificate-ended", f"the certificate expired on {day}", {"day": day}
            )
        elif left < _EXPIRY_NOTICE_DAYS * _DAY_SECONDS:
            days = f"{left / _DAY_SECONDS:.0f}"
            yield HealthReason(
                "certificate-ends",
                f"the certificate expires on {day}, in {days} days",
                {"day": day, "days": days},
            )
        if now < certificates.starts_at:
            begin = f"{_utc(certificates.starts_at):%Y-%m-%d}"
            yield HealthReason(
                "certificate-early", f"the certificate is not valid before {begin}", {"day": begin}
            )
        if certificates.problem:
            yield HealthReason(
                "certificate-stays",
                f"the certificate could not be renewed: {certificates.problem}",
                {"reason": certificates.problem},
            )


def _suspect(camera: str, reason: str, did: str = "") -> HealthReason:
    return HealthReason(
        "camera-suspect",
        f"{camera} connects without a signature, and {reason}: an administrator must look at it",
        {"camera": camera, "reason": reason},
        did=did,
    )


def _some(names: Sequence[str]) -> str:
    """Return the first names as text."""
    return ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
