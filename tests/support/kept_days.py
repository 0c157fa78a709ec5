"""The parts of the store that maintenance and health use, with days of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from types import SimpleNamespace

import trio

from hub.errors import CannotStoreNow, NoSuchResource
from hub.services.clock.plausibility import Agreement
from hub.store.health import StoreHealth
from hub.store.records.held_evidence import HeldUse
from hub.store.records.retention import DayUse
from hub.store.rows import DamagedRows
from hub.store.tables.clock_steps import ClockStep

GB = 1_000_000_000


class KeptDays:
    """A store and the free space of its disk, which grows with each dropped day."""

    def __init__(self) -> None:
        self.health = StoreHealth()
        self.free = 100 * GB
        self.kept: list[DayUse] = []
        self.dropped: list[str] = []
        self.checks = 0
        self.pruned: list[str] = []
        self.refuses = False
        self.retention = self
        self.tokens = _Prunable(self, "tokens")
        self.sessions = _Prunable(self, "sessions")
        self.keys = _Prunable(self, "keys")
        self.device_pictures = self
        self.enrolled: list[SimpleNamespace] = []
        self.devices = SimpleNamespace(all=lambda: self.enrolled)
        #: The arguments of `drop_older` (for device pictures), in UNIX milliseconds.
        self.dropped_older: list[int] = []
        self.settings = _Settings()
        self.clock_steps = _NoSteps()
        self.audit = _Audited()
        #: Days whose held evidence cannot be moved: they cannot be dropped.
        self.stuck: dict[str, str] = {}
        self.evidence = SimpleNamespace(
            problem="", problems=self.stuck, use=lambda: HeldUse(0, self.held)
        )
        self.damaged_rows = DamagedRows()
        self.changes_lost_since: int | None = None
        #: Bytes of held evidence.
        self.held = 0

    def enrol(self, did: str, *, enabled: bool = True) -> None:
        self.enrolled.append(
            SimpleNamespace(
                did=did, enabled=enabled, name="", sn=f"SN{did}", suspect=None, suspect_at=None
            )
        )

    def keep(self, newest: str, count: int, size: int = GB) -> None:
        """Hold `count` days of `size` bytes each, the last one `newest`."""
        end = date.fromisoformat(newest)
        days = [end - timedelta(days=back) for back in reversed(range(count))]
        self.kept = [
            DayUse(day.isoformat(), size, 10, 10 * number + 1, 10 * number + 10)
            for number, day in enumerate(days)
        ]

    @property
    def records(self) -> KeptDays:
        return self

    @property
    def last_seq(self) -> int:
        return max((use.last_seq for use in self.kept), default=0)

    def days(self) -> list[DayUse]:
        return list(self.kept)

    async def forget_day(self, day: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.refuses or day in self.stuck:
            raise CannotStoreNow("the disk does not answer")
        use = next((use for use in self.kept if use.day == day), None)
        if use is None:
            raise NoSuchResource(f"no records of {day}")
        self.kept.remove(use)
        self.dropped.append(day)
        await self.free_space(use.bytes)

    async def free_space(self, size: int) -> None:
        """What deleting a pack does to the disk."""
        self.free += size

    async def drop_older(self, before: int) -> None:
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise CannotStoreNow("the disk does not answer")
        self.dropped_older.append(before)

    async def check(self) -> str:
        await trio.lowlevel.checkpoint()
        self.checks += 1
        return ""

    def free_bytes(self) -> int:
        return self.free


class _Prunable:
    def __init__(self, store: KeptDays, name: str) -> None:
        self._store = store
        self._name = name

    async def prune(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._store.refuses:
            raise CannotStoreNow("the disk does not answer")
        self._store.pruned.append(self._name)


class _Settings:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.values.get(key)

    async def set(self, key: str, value: str | None) -> None:
        await trio.lowlevel.checkpoint()
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


class _NoSteps:
    def all(self) -> tuple[()]:
        return ()


class _Audited:
    def __init__(self) -> None:
        self.entries: list[tuple[str, str]] = []

    async def add_each(
        self, at: int, who: str, action: str, targets: Sequence[str], address: str
    ) -> None:
        await trio.lowlevel.checkpoint()
        self.entries += [(action, target) for target in targets]


class BelievedClock:
    """What retention and maintenance read of SiteClock; trusted unless a test says otherwise."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.is_trusted = True
        self.is_doubted = False
        self.has_settled = True
        self.agreement = Agreement()
        self.is_contradicted = False
        self.doubted_off_seconds = 0.0
        #: As if the hub had been installed when trio's clock began.
        self.counted_before = 0.0

    @property
    def counted_seconds(self) -> float:
        return self.counted_before + trio.current_time()

    def likely_time(self) -> float:
        return self._now()

    def steps(self) -> tuple[ClockStep, ...]:
        return ()
