"""What is not well with the hub, in plain words: for /healthz and for the page.

Codes, and what their `args` hold for a translation; those marked ! are faults, with which the hub
does not do its work:

    starting              !
    cannot-store          ! reason
    damaged               ! what
    clock-unset           ! clock
    clock-went-back         day
    certificate-ended     ! day
    certificate-early     ! day
    certificate-ends        day, days
    certificate-stays       reason
    disk-low                free, wanted (GB)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

import trio
from msgspec import Struct

from hub.live.feed import Change, Feed
from hub.services.site.certificate_authority import EARLIEST_PLAUSIBLE
from hub.services.site.certificates import Certificates
from hub.services.site.disk_space import GB
from hub.services.site.maintenance import Maintenance
from hub.store.db import Store

Fault = Literal[
    "starting",
    "cannot-store",
    "damaged",
    "clock-unset",
    "certificate-ended",
    "certificate-early",
]
Notice = Literal["clock-went-back", "certificate-ends", "certificate-stays", "disk-low"]

_LOOK_SECONDS = 2
_DAY_SECONDS = 86_400
#: A certificate of ours is renewed 30 days before its end: so late, something prevents it.
_CERTIFICATE_DAYS = 14


class HealthReason(Struct, frozen=True):
    """Something that a person should see to; `text` is a plain English sentence."""

    code: Fault | Notice
    text: str
    args: dict[str, str] = {}

    @property
    def is_fault(self) -> bool:
        return self.code in get_args(Fault)


class Health:
    """Looks at the parts when it is asked; run() tells the pages when the answer changes."""

    def __init__(
        self,
        store: Store,
        certificates: Certificates,
        maintenance: Maintenance,
        change_feed: Feed[Change],
        *,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._certificates = certificates
        self._maintenance = maintenance
        self._change_feed = change_feed
        self._now = now
        self._serves = False

    def serving(self) -> None:
        """Every port is open: what /healthz waits for."""
        self._serves = True

    def reasons(self) -> list[HealthReason]:
        """All that is not well, the worst first; empty when all is."""
        found = list(self._look())
        return sorted(found, key=lambda reason: not reason.is_fault)

    def faults(self) -> list[HealthReason]:
        """What keeps the hub from its work, so that /healthz says 503."""
        return [reason for reason in self._look() if reason.is_fault]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        shown = self.reasons()
        while True:
            await trio.sleep(_LOOK_SECONDS)
            if (current := self.reasons()) != shown:
                self._change_feed.publish([Change("health")])
            shown = current

    def _look(self) -> Iterator[HealthReason]:
        if not self._serves:
            yield HealthReason("starting", "the hub is starting")
            return
        yield from self._look_at_the_store()
        if self._now() < EARLIEST_PLAUSIBLE:
            clock = f"{_utc(self._now()):%Y-%m-%d %H:%M} UTC"
            text = f"the clock of this host is wrong: it says {clock}"
            yield HealthReason("clock-unset", text, {"clock": clock})
        else:
            yield from self._look_at_the_calendar()
            yield from self._look_at_the_certificate()

    def _look_at_the_store(self) -> Iterator[HealthReason]:
        health = self._store.health
        if not health.storable:
            yield HealthReason(
                "cannot-store",
                f"nothing can be stored now: {health.reason}",
                {"reason": health.reason},
            )
        if health.damaged:
            yield HealthReason(
                "damaged", f"the store is damaged: {health.damaged}", {"what": health.damaged}
            )
        if shortage := self._maintenance.shortage:
            free, wanted = f"{shortage.free_bytes / GB:.1f}", f"{shortage.wanted_bytes / GB:g}"
            yield HealthReason(
                "disk-low",
                f"only {free} GB are free on the disk, {wanted} GB should be, "
                "and no older day can be dropped",
                {"free": free, "wanted": wanted},
            )

    def _look_at_the_calendar(self) -> Iterator[HealthReason]:
        days = self._store.retention.days()
        if days and date.fromisoformat(days[-1].day) > self._tomorrow():
            yield HealthReason(
                "clock-went-back",
                f"there are records of {days[-1].day}, which is yet to come: "
                "the clock of this host is wrong, or was when they came",
                {"day": days[-1].day},
            )

    def _tomorrow(self) -> date:
        return _utc(self._now()).date() + timedelta(days=1)

    def _look_at_the_certificate(self) -> Iterator[HealthReason]:
        now, certificates = self._now(), self._certificates
        left = certificates.expires_at - now
        day = f"{_utc(certificates.expires_at):%Y-%m-%d}"
        if left <= 0:
            yield HealthReason("certificate-ended", f"the certificate ended on {day}", {"day": day})
        elif left < _CERTIFICATE_DAYS * _DAY_SECONDS:
            days = f"{left / _DAY_SECONDS:.0f}"
            yield HealthReason(
                "certificate-ends",
                f"the certificate ends on {day}, in {days} days",
                {"day": day, "days": days},
            )
        if now < certificates.starts_at:
            begin = f"{_utc(certificates.starts_at):%Y-%m-%d}"
            yield HealthReason(
                "certificate-early", f"the certificate holds from {begin} on", {"day": begin}
            )
        if certificates.trouble:
            yield HealthReason(
                "certificate-stays",
                f"the certificate stays as it is: {certificates.trouble}",
                {"reason": certificates.trouble},
            )


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
