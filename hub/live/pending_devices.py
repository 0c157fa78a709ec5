"""Who knocks without being let in, and why: bounded in number and in time.

Two things are kept. A row per unknown SN, for the installer who will accept it; and the last
connect of each enrolled device where it failed. Both say every reason. Connections that knocked
stay open until they come in, end, or have to make room.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hub import metrics
from hub.live.feed import Change, Feed
from hub.live.registry import Link
from hub.log import limited

log = logging.getLogger(__name__)

K = TypeVar("K")

RefusalCode = Literal[
    "unknown",
    "no-signature",
    "bad-signature",
    "no-key",
    "key-mismatch",
    "code-mismatch",
    "clock-off",
    "replayed",
    "disabled",
    "foreign-did",
    "no-did",
    "slowed",
]

#: The field of 1.1 to look at.
_FIELDS: dict[RefusalCode, str] = {
    "unknown": "sn",
    "no-signature": "sign",
    "bad-signature": "sign",
    "no-key": "sign",
    "key-mismatch": "sign",
    "code-mismatch": "sign",
    "clock-off": "ts",
    "replayed": "ts",
    "disabled": "sn",
    "foreign-did": "did",
    "no-did": "did",
    "slowed": "sn",
}

_OF_TIME: tuple[RefusalCode, ...] = ("clock-off", "replayed")

#: Who is kept out for one of these has not shown that it holds a key.
_WITHOUT_KEY: tuple[RefusalCode, ...] = ("no-signature", "bad-signature", "no-key", "key-mismatch")

#: A row and a reason outlive the last knock by this much: the installer may be on the ladder.
KEPT_SECONDS = 3600
#: That somebody tries once more is told this often at most: many may knock all the time.
_TOLD_SECONDS = 10

_SENTENCES: dict[RefusalCode, str] = {
    "unknown": "it is not known here: accept it with its security code",
    "no-signature": "it sends no signature",
    "bad-signature": "its signature cannot be read: it is no Base64",
    "no-key": "there is no key to check its signature: set the site key or give the device its own",
    "key-mismatch": "the key does not match the signature: the device has another one",
    "code-mismatch": "the code does not match the signature",
    "replayed": "it repeats an earlier connect",
    "disabled": "it is disabled",
    "foreign-did": "it gives the did {did}, which is not its own",
    "no-did": "it does not know its did yet, and the hub wants it to",
}


class RefusalReason(Struct, frozen=True):
    """Why a device is not let in. `args` holds what a translation needs.

    "clock-off": seconds, signed, positive where the device is ahead · "foreign-did": did ·
    "slowed": until, in UNIX milliseconds · the other codes: nothing.
    """

    code: RefusalCode
    args: dict[str, str] = {}

    @property
    def sentence(self) -> str:
        if self.code == "clock-off":
            return _clock_sentence(float(self.args["seconds"]))
        if self.code == "slowed":
            return _slowed_sentence(int(self.args["until"]))
        return _SENTENCES[self.code].format_map(self.args)

    @property
    def refusal(self) -> str:
        """What the device itself is told: the sentence, and which field it is about."""
        return f"{_FIELDS[self.code]}: {self.sentence}"


class ConnectAttempt(Struct, frozen=True):
    """What a connect that was not answered 200 carried.

    `clock_offset`: seconds, positive where the device's clock is ahead.
    """

    sn: str
    ip: str
    address: str
    sign: str | None
    ts_text: str
    clock_offset: float


class PendingDevice(Struct, frozen=True):
    """A device that knocks in vain, enrolled or not, and every reason. Times in milliseconds.

    `slowed_until`: its answers are held back until then, because it failed too often.
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
        """The reason that the time of its connect is: of a clock that is off, or of another one."""
        return next((reason for reason in self.reasons if reason.code in _OF_TIME), None)

    @property
    def all_reasons(self) -> tuple[RefusalReason, ...]:
        """All that is to be said of it, what to look at first at the beginning."""
        if self.slowed_until is None:
            return self.reasons
        return (*self.reasons, RefusalReason("slowed", {"until": str(self.slowed_until)}))

    @property
    def reason(self) -> str:
        return "; ".join(reason.sentence for reason in self.all_reasons)


class _Row(Struct, frozen=True):
    waiting: PendingDevice
    connection: Link | None


class PendingDevices:
    """Synchronous methods only. At most `most` rows, and `most` connections."""

    def __init__(self, most: int, changes: Feed[Change], now: Callable[[], float]) -> None:
        self._most = most
        self._changes = changes
        self._now = now
        #: By SN, the one that knocked last at the end.
        self._rows: OrderedDict[str, _Row] = OrderedDict()
        #: did -> its last connect, which failed.
        self._failing: dict[str, PendingDevice] = {}
        #: The open connections that knocked, oldest first, each with the SN that it gave last.
        self._open: dict[Link, str] = {}
        #: When it was told last that one tries once more.
        self._told_at = 0

    def record_unknown(
        self,
        attempt: ConnectAttempt,
        reasons: Sequence[RefusalReason],
        connection: Link,
        *,
        slowed_seconds: float = 0,
    ) -> None:
        """An SN that is not enrolled knocks.

        Anybody can use its SN: while the row is of one that holds the key, it stays that one's.
        """
        self._drop_rows()
        row = self._rows.get(attempt.sn)
        if (
            row is not None
            and not has_proved_key(reasons)
            and _is_anothers(row, attempt, connection)
        ):
            self.keep_open(connection, attempt.sn)
            return
        self._rows.pop(attempt.sn, None)
        earlier = row.waiting if row else None
        waiting = self._once_more(earlier, attempt, reasons, slowed_seconds)
        self._rows[attempt.sn] = _Row(waiting, connection)
        self._drop_rows()
        self.keep_open(connection, attempt.sn)
        if self._is_news(earlier, waiting):
            self._changed("waiting", attempt.sn)

    def record_failure(
        self,
        did: str,
        attempt: ConnectAttempt,
        reasons: Sequence[RefusalReason],
        *,
        slowed_seconds: float = 0,
    ) -> None:
        """An enrolled device's connect failed."""
        earlier = self._failing.get(did)
        waiting = self._once_more(earlier, attempt, reasons, slowed_seconds)
        self._failing[did] = waiting
        if self._is_news(earlier, waiting):
            self._changed("device", did)

    def reassess_failure(
        self, did: str, waiting: PendingDevice, reasons: Sequence[RefusalReason]
    ) -> None:
        """The last connect of an enrolled device, seen by what holds now; no reason: it is good."""
        if reasons:
            self._failing[did] = replace(waiting, reasons=tuple(reasons))
        else:
            self._failing.pop(did, None)
        self._changed("device", did)

    def set_reasons(self, sn: str, reasons: Sequence[RefusalReason]) -> None:
        """More is known about a row now: the code that was tried does not fit."""
        row = self._rows.get(sn)
        if row is not None:
            waiting = replace(row.waiting, reasons=tuple(reasons))
            self._rows[sn] = replace(row, waiting=waiting)
            self._changed("waiting", sn)

    def keep_open(self, connection: Link, sn: str) -> None:
        """Keep the connection open as waiting; the one that must make room is closed."""
        if connection.did:
            return  # It is in, whatever else it tries.
        self._open[connection] = sn
        if len(self._open) > self._most:
            oldest = _oldest_of_busiest((other, other.address) for other in self._open)
            self.leave(oldest)
            self._count_overflow("connections", oldest.address)
            oldest.close("too many devices wait for enrolment")

    def leave(self, connection: Link) -> None:
        """The connection came in or ended; its row stays for a while."""
        sn = self._open.pop(connection, None)
        row = self._rows.get(sn) if sn is not None else None
        if row is not None and row.connection is connection:
            self._rows[row.waiting.sn] = replace(row, connection=None)

    def admitted(self, did: str, connection: Link) -> None:
        """The device's connect was answered 200."""
        self.leave(connection)
        self.forget_failure(did)

    def pending(self) -> list[PendingDevice]:
        """The devices that wait for enrolment, the one that knocked last at the end."""
        self._drop_rows()
        return [self._as_of_now(row.waiting) for row in self._rows.values()]

    def find(self, sn: str) -> PendingDevice | None:
        """The row of an SN that waits for enrolment."""
        self._drop_rows()
        row = self._rows.get(sn)
        return self._as_of_now(row.waiting) if row else None

    def failure(self, did: str) -> PendingDevice | None:
        """An enrolled device's last connect where it failed, as far as known."""
        waiting = self._failing.get(did)
        if waiting is None or waiting.last_seen <= self._now_ms() - KEPT_SECONDS * 1000:
            return None
        return self._as_of_now(waiting)

    def is_pending(self, connection: Link) -> bool:
        return connection in self._open

    def has_row(self, sn: str) -> bool:
        """Whether there is a row of it."""
        return sn in self._rows

    def connection_of(self, sn: str) -> Link | None:
        row = self._rows.get(sn)
        return row.connection if row else None

    def forget(self, sn: str) -> None:
        """The SN was enrolled: it is no row any more. Its connection stays."""
        if self._rows.pop(sn, None) is not None:
            self._changed("waiting", sn)

    def forget_failure(self, did: str) -> None:
        self._failing.pop(did, None)

    def _once_more(
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

    def _is_news(self, earlier: PendingDevice | None, waiting: PendingDevice) -> bool:
        """Whether who looks should look again: for another reason, or now and then."""
        same = earlier is not None and _gist(self._as_of_now(earlier)) == _gist(waiting)
        if same and 0 <= waiting.last_seen - self._told_at < _TOLD_SECONDS * 1000:
            return False
        self._told_at = waiting.last_seen
        return True

    def _as_of_now(self, waiting: PendingDevice) -> PendingDevice:
        if waiting.slowed_until is not None and waiting.slowed_until <= self._now_ms():
            return replace(waiting, slowed_until=None)
        return waiting

    def _drop_rows(self) -> None:
        """Those that were not heard for long, and those beyond the bound."""
        stale = self._now_ms() - KEPT_SECONDS * 1000
        while self._rows and next(iter(self._rows.values())).waiting.last_seen < stale:
            sn, _ = self._rows.popitem(last=False)
            self._changed("waiting", sn)
        while len(self._rows) > self._most:
            rows = self._rows.items()
            sn = _oldest_of_busiest((sn, row.waiting.attempt.address) for sn, row in rows)
            address = self._rows.pop(sn).waiting.attempt.address
            self._count_overflow("rows", address)
            self._changed("waiting", sn)
        metrics.devices_waiting.set(len(self._rows))

    def _count_overflow(self, what: str, address: str) -> None:
        metrics.limits_reached.labels("waiting").inc()
        limited(
            log,
            logging.WARNING,
            f"waiting {what}",
            "more than %d devices wait for enrolment: the oldest from %s made room",
            self._most,
            address,
        )

    def _changed(self, kind: Literal["device", "waiting"], key: str) -> None:
        metrics.devices_waiting.set(len(self._rows))
        self._changes.publish([Change(kind, key)])

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def has_proved_key(reasons: Iterable[RefusalReason]) -> bool:
    """Whether a device that is kept out for these reasons signed with a key that is known here."""
    return all(reason.code not in _WITHOUT_KEY for reason in reasons)


def _is_anothers(row: _Row, attempt: ConnectAttempt, connection: Link) -> bool:
    """Whether the row is of one that holds the key, and did not send this knock itself."""
    if row.connection is None:
        is_its_own = attempt.address == row.waiting.attempt.address
    else:
        is_its_own = connection is row.connection
    return has_proved_key(row.waiting.reasons) and not is_its_own


def _oldest_of_busiest(items: Iterable[tuple[K, str]]) -> K:
    """The first of the address that has most: a flood makes room for itself, and for others."""
    listed = list(items)
    busiest = Counter(address for _, address in listed).most_common(1)[0][0]
    return next(key for key, address in listed if address == busiest)


def _gist(waiting: PendingDevice) -> tuple[RefusalCode, ...]:
    return tuple(reason.code for reason in waiting.all_reasons)


def _clock_sentence(seconds: float) -> str:
    side = "ahead" if seconds > 0 else "behind"
    return f"its clock is {duration(abs(seconds))} {side}: set its time and time zone"


def _slowed_sentence(until: int) -> str:
    at = datetime.fromtimestamp(until / 1000, UTC)
    return (
        "too many tries failed, its own or those of unknown devices behind its address: "
        f"answers are held back until {at:%H:%M:%S} UTC"
    )


def duration(seconds: float) -> str:
    """The two largest units: "7 h 58 min"."""
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
