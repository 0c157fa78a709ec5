"""Who knocks without being let in, and why: bounded in number and in time.

Two things are kept. A row per unknown SN, for the installer who will accept it; and for each
enrolled device whose connects fail, the reason. Connections that knocked stay open until they
come in, end, or have to make room.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from hub import metrics
from hub.live.feed import Change, Feed
from hub.live.registry import Link
from hub.log import limited

log = logging.getLogger(__name__)

K = TypeVar("K")

ReasonCode = Literal[
    "unknown",
    "no-signature",
    "no-key",
    "code-mismatch",
    "clock-off",
    "replayed",
    "disabled",
    "foreign-did",
    "no-did",
]

#: The field of 1.1 to look at.
_FIELDS: dict[ReasonCode, str] = {
    "unknown": "sn",
    "no-signature": "sign",
    "no-key": "sign",
    "code-mismatch": "sign",
    "clock-off": "ts",
    "replayed": "ts",
    "disabled": "sn",
    "foreign-did": "did",
    "no-did": "did",
}

#: A row and a reason outlive the last knock by this much: the installer may be on the ladder.
KEPT_SECONDS = 3600

_SENTENCES: dict[ReasonCode, str] = {
    "unknown": "it is not known here: accept it with its security code",
    "no-signature": "it sends no signature",
    "no-key": "there is no key to check its signature: set the site key or give the device its own",
    "code-mismatch": "the code does not match the signature",
    "replayed": "it repeats a connect that was accepted before",
    "disabled": "it is disabled",
    "foreign-did": "it gives the did {did}, which is not its own",
    "no-did": "it does not know its did yet, and the hub wants it to",
}


class Reason(Struct, frozen=True):
    """Why a device is not let in. `args` holds what a translation needs.

    "clock-off": seconds, signed, positive where the device is ahead · "foreign-did": did ·
    the other codes: nothing.
    """

    code: ReasonCode
    args: dict[str, str] = {}

    @property
    def sentence(self) -> str:
        if self.code == "clock-off":
            return _clock_sentence(float(self.args["seconds"]))
        return _SENTENCES[self.code].format_map(self.args)

    @property
    def refusal(self) -> str:
        """What the device itself is told: the sentence, and which field it is about."""
        return f"{_FIELDS[self.code]}: {self.sentence}"


class Knock(Struct, frozen=True):
    """What a connect that was not answered 200 carried."""

    sn: str
    ip: str
    address: str
    sign: str | None
    ts_text: str


class Waiting(Struct, frozen=True):
    """A device that waits for enrolment. Times are UNIX milliseconds.

    `slowed_until`: its answers are held back until then, because it failed too often.
    """

    sn: str
    ip: str
    address: str
    first_seen: int
    last_seen: int
    reason: str
    reason_code: ReasonCode
    reason_args: dict[str, str]
    slowed_until: int | None = None


class _Row(Struct, frozen=True):
    waiting: Waiting
    knock: Knock
    connection: Link | None


class WaitingRoom:
    """Synchronous methods only. At most `most` rows, and `most` connections."""

    def __init__(self, most: int, changes: Feed[Change], now: Callable[[], float]) -> None:
        self._most = most
        self._changes = changes
        self._now = now
        #: By SN, the one that knocked last at the end.
        self._rows: OrderedDict[str, _Row] = OrderedDict()
        #: did -> why its last connect failed, and when.
        self._failing: dict[str, tuple[Reason, int]] = {}
        #: The open connections that knocked, oldest first, each with the SN that it gave last.
        self._open: dict[Link, str] = {}

    def knock_unknown(
        self, knock: Knock, reason: Reason, connection: Link, *, slowed_seconds: float
    ) -> None:
        """An SN that is not enrolled knocks."""
        now = self._now_ms()
        earlier = self._rows.pop(knock.sn, None)
        waiting = Waiting(
            sn=knock.sn,
            ip=knock.ip,
            address=knock.address,
            first_seen=earlier.waiting.first_seen if earlier else now,
            last_seen=now,
            reason=reason.sentence,
            reason_code=reason.code,
            reason_args=reason.args,
            slowed_until=now + int(slowed_seconds * 1000) if slowed_seconds else None,
        )
        self._rows[knock.sn] = _Row(waiting, knock, connection)
        self._drop_rows()
        self.hold(connection, knock.sn)
        if earlier is None or earlier.waiting.reason_code != reason.code:
            self._changed("waiting", knock.sn)

    def note_failing(self, did: str, reason: Reason) -> None:
        """An enrolled device's connect failed."""
        earlier = self._failing.get(did)
        self._failing[did] = (reason, self._now_ms())
        if earlier is None or earlier[0].code != reason.code:
            self._changed("device", did)

    def refine(self, sn: str, reason: Reason) -> None:
        """More is known about a row now: the code that was tried does not fit."""
        row = self._rows.get(sn)
        if row is None:
            return
        waiting = replace(
            row.waiting,
            reason=reason.sentence,
            reason_code=reason.code,
            reason_args=reason.args,
        )
        self._rows[sn] = replace(row, waiting=waiting)
        self._changed("waiting", sn)

    def hold(self, connection: Link, sn: str) -> None:
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

    def let_in(self, did: str, connection: Link) -> None:
        """The device's connect was answered 200."""
        self.leave(connection)
        self.forget_device(did)

    def waiting(self) -> list[Waiting]:
        """The devices that wait for enrolment, the one that knocked last at the end."""
        self._drop_rows()
        return [row.waiting for row in self._rows.values()]

    def last_knock(self, sn: str) -> Knock | None:
        self._drop_rows()
        row = self._rows.get(sn)
        return row.knock if row else None

    def holds(self, connection: Link) -> bool:
        return connection in self._open

    def connection_of(self, sn: str) -> Link | None:
        row = self._rows.get(sn)
        return row.connection if row else None

    def reason_of(self, did: str) -> Reason | None:
        """Why an enrolled device's connects fail, as far as known."""
        reason, at = self._failing.get(did, (None, 0))
        return reason if at > self._now_ms() - KEPT_SECONDS * 1000 else None

    def forget(self, sn: str) -> None:
        """The SN was enrolled: it is no row any more. Its connection stays."""
        if self._rows.pop(sn, None) is not None:
            self._changed("waiting", sn)

    def forget_device(self, did: str) -> None:
        self._failing.pop(did, None)

    def _drop_rows(self) -> None:
        """Those that were not heard for long, and those beyond the bound."""
        stale = self._now_ms() - KEPT_SECONDS * 1000
        while self._rows and next(iter(self._rows.values())).waiting.last_seen < stale:
            sn, _ = self._rows.popitem(last=False)
            self._changed("waiting", sn)
        while len(self._rows) > self._most:
            sn = _oldest_of_busiest((sn, row.waiting.address) for sn, row in self._rows.items())
            address = self._rows.pop(sn).waiting.address
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


def _oldest_of_busiest(items: Iterable[tuple[K, str]]) -> K:
    """The first of the address that has most: a flood makes room for itself, and for others."""
    listed = list(items)
    busiest = Counter(address for _, address in listed).most_common(1)[0][0]
    return next(key for key, address in listed if address == busiest)


def _clock_sentence(seconds: float) -> str:
    side = "ahead" if seconds > 0 else "behind"
    return f"its clock is {duration(abs(seconds))} {side}: set its time and time zone"


def duration(seconds: float) -> str:
    """The two largest units: "7 h 58 min"."""
    rest = round(seconds)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
