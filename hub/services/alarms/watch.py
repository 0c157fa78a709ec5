"""What happens to alarms by itself (D11), and the alarms of the hub itself.

The hub's own alarms are raised like all others, by records: of kind `hub`, for a device that stays
offline and for each problem of the hub. While nothing can be stored, these alarms and escalations
are kept in memory and shown from there.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.clock_reading import is_past
from hub.errors import HubError
from hub.live.registry import Registry
from hub.log import limited
from hub.services.alarms.alarms import RaisedAlarms, Unstored
from hub.services.alarms.judge import OFFLINE
from hub.services.problems import HealthReason
from hub.store.alarms.alarm import Alarm, Move, raised
from hub.store.commit.record_batch import RecordBatch
from hub.store.tables.devices import Device
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import HubDetail, Record, problem_key

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_CHECK_SECONDS = 2.0
#: What takes longer to store is shown before.
_PATIENCE_SECONDS = 5.0
_TIDY_SECONDS = 3600.0
_DAY_MS = 86_400_000
#: Until then no problem of the hub is known.
_STARTING = "starting"
#: Of each camera that is offline there is an alarm already.
_NO_ALARM = (_STARTING, "cameras-offline")
#: A problem of the hub is over once it was not seen for so long: some come and go.
_OVER_SECONDS = 60.0


class _Cause(Struct, frozen=True):
    """Something that the hub should raise an alarm for. `did`: of the device that it is about."""

    detail: HubDetail
    did: str = ""
    sn: str = ""
    device_name: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """At most one alarm of a key is active."""
        if self.detail.cause == OFFLINE:
            return ("offline", self.did)
        return ("hub", problem_key(self.detail.cause, self.did))


class _Untold(Struct, frozen=True):
    """A cause whose alarm is not stored yet. `number`: in memory in place of its seq.

    `at`: when it was noticed; `over_at`: when it had passed. UNIX milliseconds. `digest`: by it the
    store knows a record that it has, although the write was given up.
    """

    cause: _Cause
    number: int
    at: int
    digest: bytes
    over_at: int | None = None


class AlarmWatch:
    """Escalates alarms, closes what is over, removes old ones, and watches devices and the hub."""

    def __init__(
        self,
        core: Core,
        registry: Registry,
        reasons: Callable[[], Sequence[HealthReason]],
        alarms: RaisedAlarms,
    ) -> None:
        """`reasons`: the problems of the hub."""
        self._store = core.store
        self._registry = registry
        self._clock = core.clock
        self._settings = core.settings
        self._now = core.now
        self._reasons = reasons
        self._alarms = alarms
        self._steady_now = core.outside.steady_now
        self._has_started = False
        #: When each device was noticed to be offline, by did.
        self._offline_since: dict[str, float] = {}
        #: The dids of those that were online since the start, or since an alarm told of them.
        self._was_online: set[str] = set()
        #: When each problem of the hub was seen last, by its key.
        self._problem_at: dict[str, float] = {}
        #: What an alarm was raised for, as long as it lasts: a person who closes it knows of it.
        self._told: set[tuple[str, str]] = set()
        #: What could not be stored yet; it is told even if it is over by then.
        self._untold: dict[tuple[str, str], _Untold] = {}
        self._last_number = 0
        #: When stored alarms escalated, by seq, until that is stored.
        self._escalated: dict[int, int] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check every 2 s, until cancelled; remove old alarms every hour."""
        task_status.started()
        tidy_at = trio.current_time()
        while True:
            try:
                await self.check()
                if trio.current_time() >= tidy_at:
                    tidy_at = trio.current_time() + _TIDY_SECONDS
                    await self.tidy()
            except HubError as error:
                limited(log, logging.WARNING, "alarms", "alarms are checked later: %s", error)
            await trio.sleep(_CHECK_SECONDS)

    async def check(self) -> None:
        """Do the work of run() once, but for removing. Raises CannotStoreNow."""
        causes = [*self._offline(), *self._problems()]
        lasting = self._lasting()
        self._told &= lasting
        self._note_escalations()
        self._note_causes(causes, lasting)
        if not self._store.health.can_store:
            self._alarms.hold(self._unstored())
            return
        if (error := await self._store_all(lasting)) is not None:
            raise error

    async def _store_all(self, lasting: Collection[tuple[str, str]]) -> HubError | None:
        """Store what is due, and show it from memory as long as it cannot be stored."""
        error = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hold_soon)
            try:
                await self._escalate()
                await self._end(lasting)
                await self._tell_all()
            except HubError as caught:
                error = caught
            nursery.cancel_scope.cancel()
        self._alarms.hold(self._unstored())
        return error

    async def _hold_soon(self) -> None:
        """A disk that hangs must not delay what guards see."""
        await trio.sleep(_PATIENCE_SECONDS)
        self._alarms.hold(self._unstored())

    def _note_escalations(self) -> None:
        now = int(self._now() * 1000)
        self._escalated = {
            alarm.seq: self._escalated.get(alarm.seq, now)
            for alarm in self._store.alarms.active()
            if alarm.state == "new"
            and alarm.escalated_at is None
            and self._is_due(alarm.new_since, now)
        }

    def _is_due(self, since: int, now: int) -> bool:
        return is_past(since, now, self._settings.current.alarms.escalate_seconds * 1000)

    def _note_causes(self, causes: Sequence[_Cause], lasting: Collection[tuple[str, str]]) -> None:
        now = int(self._now() * 1000)
        for cause in causes:
            if cause.key not in self._told and cause.key not in self._untold:
                self._last_number -= 1
                self._untold[cause.key] = _Untold(
                    cause, self._last_number, now, secrets.token_bytes(16)
                )
        for key, untold in self._untold.items():
            over_at = None if key in lasting else untold.over_at or now
            self._untold[key] = replace(untold, over_at=over_at)

    def _unstored(self) -> Unstored:
        """Return what is to be shown although it is not stored."""
        telling = {
            (one.kind, one.subject) for one in self._store.alarms.active() if _still_tells(one)
        }
        untold = [one for key, one in self._untold.items() if key not in telling]
        alarms = [alarm for one in untold if (alarm := self._in_memory(one)) is not None]
        return Unstored(tuple(alarms), self._escalated)

    def _in_memory(self, untold: _Untold) -> Alarm | None:
        """Return an alarm that cannot be stored; None if the rules want none."""
        cause, now = untold.cause, int(self._now() * 1000)
        record = Record(
            seq=untold.number,
            kind="hub",
            did=cause.did,
            sn=cause.sn,
            device_name=cause.device_name,
            occurred_at=untold.at,
            received_at=untold.at,
            detail=cause.detail,
            extra=msgspec.Raw(b"{}"),
            images=(),
        )
        found = self._store.alarms.judge(record)
        if not found:
            return None
        return replace(
            raised(found[0], untold.at),
            over_at=untold.over_at,
            escalated_at=self._escalation_of(untold) if self._is_due(untold.at, now) else None,
        )

    def _escalation_of(self, untold: _Untold) -> int:
        return untold.at + self._settings.current.alarms.escalate_seconds * 1000

    async def tidy(self) -> None:
        """Remove closed alarms that are too old. Raises CannotStoreNow."""
        # A clock that is wrong must not remove them.
        if not self._clock.is_trusted:
            return
        before = int(self._now() * 1000) - self._settings.current.alarms.keep_days * _DAY_MS
        while await self._store.alarms.forget_before(before):
            pass
        await self._store.alarms.forget_excess()
        await self._store.evidence.remove_released()

    async def _escalate(self) -> None:
        by_time: dict[int, list[int]] = {}
        for seq, at in self._escalated.items():
            by_time.setdefault(at, []).append(seq)
        for at, seqs in by_time.items():
            await self._store.alarms.move(seqs, Move("escalated", at))
        self._escalated = {}

    def _offline(self) -> list[_Cause]:
        """Return the devices that have been offline for long enough.

        A device that was never online has not been put up yet.
        """
        steady = self._steady_now()
        devices = self._store.devices.all()
        self._was_online |= {one.did for one in devices if self._registry.get(one.did) is not None}
        expected = {device.did: device for device in devices if self._is_expected(device)}
        self._offline_since = {did: self._offline_since.get(did, steady) for did in expected}
        return [
            _offline_cause(expected[did])
            for did, since in self._offline_since.items()
            if steady - since >= self._settings.current.alarms.offline_minutes * 60
        ]

    def _is_expected(self, device: Device) -> bool:
        """Whether a device is offline, and should not be."""
        if not device.enabled or self._registry.get(device.did) is not None:
            return False
        return device.last_seen is not None or self._registry.last_seen(device.did) is not None

    def _problems(self) -> list[_Cause]:
        reasons, steady = self._reasons(), self._steady_now()
        if any(reason.code == _STARTING for reason in reasons):
            return []
        self._has_started = True
        problems = [reason for reason in reasons if reason.code not in _NO_ALARM]
        self._problem_at |= {reason.key: steady for reason in problems}
        return [self._problem_cause(one) for one in problems]

    def _problem_cause(self, reason: HealthReason) -> _Cause:
        detail = HubDetail(reason.code, reason.text, reason.args)
        device = self._store.devices.by_did(reason.did) if reason.did else None
        if device is None:
            return _Cause(detail, reason.did)
        return _Cause(detail, device.did, device.sn, device.name)

    def _lasting(self) -> set[tuple[str, str]]:
        """Return what is not over: also a device that is offline since less than an alarm takes."""
        steady = self._steady_now()
        self._problem_at = {
            key: at for key, at in self._problem_at.items() if steady - at < _OVER_SECONDS
        }
        return {
            *(("offline", did) for did in self._offline_since),
            *(("hub", key) for key in self._problem_at),
        }

    async def _end(self, lasting: Collection[tuple[str, str]]) -> None:
        """Note which alarms tell of what has passed."""
        over = [
            alarm.seq
            for alarm in self._store.alarms.active()
            if (alarm.kind == "offline" or (alarm.kind == "hub" and self._has_started))
            and alarm.over_at is None
            and (alarm.kind, alarm.subject) not in lasting
            and (alarm.kind, alarm.subject) not in self._untold
        ]
        if over:
            await self._store.alarms.move(over, Move("over", int(self._now() * 1000)))

    async def _tell_all(self) -> None:
        for key, untold in list(self._untold.items()):
            await self._tell(untold)
            if untold.cause.detail.cause == OFFLINE:
                self._was_online.discard(untold.cause.did)
            del self._untold[key]
            self._told.add(key)

    async def _tell(self, untold: _Untold) -> None:
        """Store the record that raises the alarm, unless one tells of this already."""
        cause, now = untold.cause, int(self._now() * 1000)
        if await self._is_known(cause):
            return
        stored = await self._store.records.append(
            RecordBatch(
                [CheckedUpload(kind="hub", occurred_at=untold.at, detail=cause.detail)],
                did=cause.did,
                sn=cause.sn,
                device_name=cause.device_name,
                digest=untold.digest,
                arrived_at=now,
            )
        )
        if self._is_due(untold.at, now):
            # It was shown so already.
            escalation = Move("escalated", self._escalation_of(untold))
            await self._store.alarms.move(stored.seqs, escalation)

    async def _is_known(self, cause: _Cause) -> bool:
        """Whether an alarm tells of this since before the hub's last start."""
        kind, subject = cause.key
        latest = await self._store.alarms.latest("offline" if kind == "offline" else "hub", subject)
        if latest is None:
            return False
        return _still_tells(latest) or (kind == "offline" and self._is_same_absence(cause, latest))

    def _is_same_absence(self, cause: _Cause, alarm: Alarm) -> bool:
        """Whether the device was not seen since the alarm, which somebody has closed.

        If the clock was ahead when the alarm was raised, that is not known.
        """
        if cause.did in self._was_online:
            return False
        device = self._store.devices.by_did(cause.did)
        seen = self._registry.last_seen(cause.did) or (device.last_seen if device else None) or 0
        return seen < alarm.last_at <= int(self._now() * 1000)


def _still_tells(alarm: Alarm) -> bool:
    return alarm.is_active and alarm.over_at is None


def _offline_cause(device: Device) -> _Cause:
    name = device.name or device.sn
    return _Cause(
        HubDetail(OFFLINE, f"{name} is offline", {"camera": name}),
        device.did,
        device.sn,
        device.name,
    )
