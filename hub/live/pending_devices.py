"""Devices that connect and are refused, and why: bounded in number and in time.

There are two tables: one has a row for each unknown serial number, for the installer who will
accept the device; the other has the last connect of each enrolled device, if it failed. Both keep
every reason. The connections of pending devices stay open until they are admitted, end, or have to
make room.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hub import metrics
from hub.live.feed import Change, Feed
from hub.live.refusal_reasons import RefusalCode, RefusalReason, has_proved_key
from hub.live.registry import Link
from hub.log import limited
from hub.net.networks import network_of

log = logging.getLogger(__name__)

K = TypeVar("K")

#: How long a row is kept after the last attempt: an installer may open the page late.
KEPT_SECONDS = 3600
#: Repeated attempts are published at most this often: many devices may retry constantly.
_REPEAT_SECONDS = 10
_TIME_CODES = ("clock-off", "replayed")


class ConnectAttempt(Struct, frozen=True):
    """The data of a refused connect. `clock_offset`: seconds, positive if the device is ahead."""

    sn: str
    ip: str
    address: str
    sign: str | None
    ts_text: str
    clock_offset: float


class PendingDevice(Struct, frozen=True):
    """A device, enrolled or not, whose last connect was refused, and every reason.

    Times are UNIX milliseconds. `tries`: attempts so far. `slowed_until`: its answers are delayed
    until then, because it failed too often.
    """

    attempt: ConnectAttempt
    reasons: tuple[RefusalReason, ...]
    first_seen: int
    last_seen: int
    tries: int = 1
    slowed_until: int | None = None

    @property
    def sn(self) -> str:
        return self.attempt.sn

    @property
    def time_reason(self) -> RefusalReason | None:
        """Why the connect's timestamp was refused (clock off, or replayed); None if it was not."""
        return next((reason for reason in self.reasons if reason.code in _TIME_CODES), None)

    @property
    def is_refused(self) -> bool:
        """Whether it is not let in. One that lacks its did was sent one, and comes back with it."""
        return any(reason.code != "no-did" for reason in self.reasons)

    @property
    def may_be_unsigned(self) -> bool:
        """Whether it connects without a signature, and may be approved so (D12)."""
        return any(reason.code == "unsigned" for reason in self.reasons)

    @property
    def all_reasons(self) -> tuple[RefusalReason, ...]:
        """Every reason, the most important first, and the backoff."""
        if self.slowed_until is None:
            return self.reasons
        return (*self.reasons, RefusalReason("slowed", {"until": str(self.slowed_until)}))

    @property
    def reason(self) -> str:
        """All reasons as one line of text."""
        return "; ".join(reason.sentence for reason in self.all_reasons)


class _PendingRow(Struct, frozen=True):
    device: PendingDevice
    #: The open connection of the last attempt.
    connection: Link | None


class PendingDevices:
    """The two tables. Synchronous methods only. At most `limit` rows and `limit` connections."""

    def __init__(self, limit: int, changes: Feed[Change], now: Callable[[], float]) -> None:
        self._limit = limit
        self._changes = changes
        self._now = now
        #: By SN, the latest attempt at the end.
        self._rows: OrderedDict[str, _PendingRow] = OrderedDict()
        #: did -> its last connect, if that failed; the latest at the end.
        self._failing: OrderedDict[str, PendingDevice] = OrderedDict()
        #: Open connection of a pending device -> the SN that it gave last; oldest connection first.
        self._open: dict[Link, str] = {}
        #: When a change was published last.
        self._published_at = 0

    def record_unknown(
        self,
        attempt: ConnectAttempt,
        reasons: Sequence[RefusalReason],
        connection: Link,
        *,
        slowed_seconds: float = 0,
    ) -> None:
        """Record an attempt with an SN that is not enrolled, and keep its connection open.

        Anybody can send any SN, so the row of a device that signed with a known key is replaced
        only by that device itself, or by another that also signed with one.
        """
        self._drop_rows()
        row = self._rows.get(attempt.sn)
        if (
            row is not None
            and not has_proved_key(reasons)
            and _belongs_to_another(row, attempt, connection)
        ):
            self.keep_open(connection, attempt.sn)
            return
        self._rows.pop(attempt.sn, None)
        earlier = row.device if row else None
        device = self._next_attempt(earlier, attempt, reasons, slowed_seconds)
        self._rows[attempt.sn] = _PendingRow(device, connection)
        self._drop_rows()
        self.keep_open(connection, attempt.sn)
        if self._should_publish(earlier, device):
            self._changed("waiting", attempt.sn)

    def record_failure(
        self,
        did: str,
        attempt: ConnectAttempt,
        reasons: Sequence[RefusalReason],
        *,
        slowed_seconds: float = 0,
    ) -> None:
        """Record an enrolled device's failed connect."""
        earlier = self._failing.get(did)
        device = self._next_attempt(earlier, attempt, reasons, slowed_seconds)
        self._failing[did] = device
        self._failing.move_to_end(did)
        self._drop_failures()
        if self._should_publish(earlier, device):
            self._changed("device", did)

    def reassess_failure(
        self, did: str, device: PendingDevice, reasons: Sequence[RefusalReason]
    ) -> None:
        """Replace the reasons of an enrolled device's last connect; without any, forget it."""
        if reasons:
            self._failing[did] = replace(device, reasons=tuple(reasons))
        else:
            self._failing.pop(did, None)
        self._changed("device", did)

    def set_reasons(self, sn: str, reasons: Sequence[RefusalReason]) -> None:
        """Replace the reasons of a row, for example after a security code was tried."""
        row = self._rows.get(sn)
        if row is not None:
            device = replace(row.device, reasons=tuple(reasons))
            self._rows[sn] = replace(row, device=device)
            self._changed("waiting", sn)

    def keep_open(self, connection: Link, sn: str) -> None:
        """Count the connection as pending. If there are too many, one is closed to make room."""
        if connection.did:
            return  # An admitted link stays admitted, even if a later attempt fails.
        self._open[connection] = sn
        if len(self._open) > self._limit:
            oldest = _oldest_of_busiest((other, other.address) for other in self._open)
            self.leave(oldest)
            self._count_overflow("connections", oldest.address)
            oldest.close("too many devices wait for enrolment")

    def leave(self, connection: Link) -> None:
        """Stop counting a connection as pending: it was admitted or has ended. Its row remains."""
        sn = self._open.pop(connection, None)
        row = self._rows.get(sn) if sn is not None else None
        if row is not None and row.connection is connection:
            self._rows[row.device.sn] = replace(row, connection=None)

    def admitted(self, did: str, connection: Link) -> None:
        """Update both tables: the device was admitted on this connection."""
        self.leave(connection)
        self.forget_failure(did)

    def pending(self) -> list[PendingDevice]:
        """The devices that wait for enrolment, the latest attempt at the end."""
        self._drop_rows()
        return [self._as_of_now(row.device) for row in self._rows.values()]

    def find(self, sn: str) -> PendingDevice | None:
        """The row of an SN, if it waits for enrolment."""
        self._drop_rows()
        row = self._rows.get(sn)
        return self._as_of_now(row.device) if row else None

    def failure(self, did: str) -> PendingDevice | None:
        """An enrolled device's last connect, if it failed within the last hour."""
        device = self._failing.get(did)
        if device is None or device.last_seen <= self._now_ms() - KEPT_SECONDS * 1000:
            return None
        return self._as_of_now(device)

    def is_pending(self, connection: Link) -> bool:
        """Whether this open connection is a pending device's."""
        return connection in self._open

    def has_row(self, sn: str) -> bool:
        """Whether this SN has a row."""
        return sn in self._rows

    def connection_of(self, sn: str) -> Link | None:
        """The open connection of the row's last attempt."""
        row = self._rows.get(sn)
        return row.connection if row else None

    def forget(self, sn: str) -> None:
        """Remove the row of an SN that was enrolled. Its connection stays open."""
        if self._rows.pop(sn, None) is not None:
            self._changed("waiting", sn)

    def publish(self, sn: str) -> None:
        """Tell subscribers that what is shown of an SN has changed."""
        self._changed("waiting", sn)

    def forget_failure(self, did: str) -> None:
        """Remove an enrolled device's failed connect."""
        self._failing.pop(did, None)

    def _next_attempt(
        self,
        earlier: PendingDevice | None,
        attempt: ConnectAttempt,
        reasons: Sequence[RefusalReason],
        slowed_seconds: float,
    ) -> PendingDevice:
        now = self._now_ms()
        return PendingDevice(
            attempt=attempt,
            reasons=tuple(reasons),
            first_seen=earlier.first_seen if earlier else now,
            last_seen=now,
            tries=earlier.tries + 1 if earlier else 1,
            slowed_until=now + int(slowed_seconds * 1000) if slowed_seconds else None,
        )

    def _should_publish(self, earlier: PendingDevice | None, device: PendingDevice) -> bool:
        """Whether to publish a change: always if the reasons differ, else only now and then."""
        same = earlier is not None and _codes(self._as_of_now(earlier)) == _codes(device)
        if same and 0 <= device.last_seen - self._published_at < _REPEAT_SECONDS * 1000:
            return False
        self._published_at = device.last_seen
        return True

    def _as_of_now(self, device: PendingDevice) -> PendingDevice:
        if device.slowed_until is not None and device.slowed_until <= self._now_ms():
            return replace(device, slowed_until=None)
        return device

    def _drop_failures(self) -> None:
        """Drop failed connects that are too old to be shown."""
        stale = self._now_ms() - KEPT_SECONDS * 1000
        while next(iter(self._failing.values())).last_seen <= stale:
            self._failing.popitem(last=False)

    def _drop_rows(self) -> None:
        """Drop the rows whose last attempt is too old, and those beyond the limit."""
        stale = self._now_ms() - KEPT_SECONDS * 1000
        while self._rows and next(iter(self._rows.values())).device.last_seen < stale:
            sn, _ = self._rows.popitem(last=False)
            self._changed("waiting", sn)
        while len(self._rows) > self._limit:
            rows = self._rows.items()
            sn = _oldest_of_busiest((sn, row.device.attempt.address) for sn, row in rows)
            address = self._rows.pop(sn).device.attempt.address
            self._count_overflow("rows", address)
            self._changed("waiting", sn)
        metrics.devices_waiting.set(len(self._rows))

    def _count_overflow(self, what: str, address: str) -> None:
        metrics.limits_reached.labels("waiting").inc()
        limited(
            log,
            logging.WARNING,
            f"waiting {what}",
            "more than %d devices wait for enrolment: dropped the oldest from %s",
            self._limit,
            address,
        )

    def _changed(self, kind: Literal["device", "waiting"], key: str) -> None:
        metrics.devices_waiting.set(len(self._rows))
        self._changes.publish([Change(kind, key)])

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _belongs_to_another(row: _PendingRow, attempt: ConnectAttempt, connection: Link) -> bool:
    """Whether the row belongs to a device that proved its key and did not send this attempt."""
    if row.connection is None:
        is_its_own = attempt.address == row.device.attempt.address
    else:
        is_its_own = connection is row.connection
    return has_proved_key(row.device.reasons) and not is_its_own


def _oldest_of_busiest(items: Iterable[tuple[K, str]]) -> K:
    """The oldest item of the address that has the most, so that a flood evicts its own items.

    It is one of the network that has the most, since a host may have many addresses of IPv6.
    """
    listed = _of_busiest([(key, address, network_of(address)) for key, address in items])
    return _of_busiest([(key, address, address) for key, address, _ in listed])[0][0]


def _of_busiest(items: Sequence[tuple[K, str, str]]) -> list[tuple[K, str, str]]:
    """The items whose last field is the most frequent one, in their order."""
    busiest = Counter(source for *_, source in items).most_common(1)[0][0]
    return [item for item in items if item[-1] == busiest]


def _codes(device: PendingDevice) -> tuple[RefusalCode, ...]:
    return tuple(reason.code for reason in device.all_reasons)
