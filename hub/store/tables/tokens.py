"""Tokens of devices, and the replay window: `(sn, ts)` of accepted connects (D2).

Both are held in memory, so that checking an upload's token costs no query, and both are bounded.
Tokens are stored as hashes only.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, Missing, TooManyRequests, WrongSignature
from hub.store.rows import TableRows
from hub.store.sqlite.sql import execute
from hub.store.tables.table import Engine, RowSource, Saving, Table
from hub.wire.signing import ts_seconds
from hub.wire.times import Moment

#: Accepted connects remembered per device: D2 for untrusted clocks, and a limit for all others.
_MAX_ACCEPTED = 10_000
#: Tokens kept for one device, including earlier ones in their grace period.
_MAX_TOKENS = 64

_PUT_TOKEN = "INSERT INTO token (token_hash, did, issued_at, expires_at) VALUES (?, ?, ?, ?)"
_SHORTEN = "UPDATE token SET expires_at = ? WHERE did = ? AND expires_at > ?"
_DROP_TOKEN = "DELETE FROM token WHERE token_hash = ?"
_DROP_DEVICE = "DELETE FROM token WHERE did = ?"
_DROP_EXPIRED = "DELETE FROM token WHERE expires_at < ?"
_PUT_ACCEPTED = "INSERT INTO accepted (sn, ts_text, keep_until) VALUES (?, ?, ?)"
_FORGET_ACCEPTED = "DELETE FROM accepted WHERE sn = ? AND ts_text = ?"


class TokenRow(Struct, frozen=True):
    """A token's device and expiry in UNIX milliseconds, which the caller checks."""

    did: str
    expires_at: int


class AcceptedConnect(Struct, frozen=True):
    """The `(sn, ts)` of an accepted connect, which must not be accepted again.

    Remembered until `keep_until` (UNIX milliseconds); if None, among the device's last 10,000.
    """

    sn: str
    ts_text: str
    keep_until: Moment | None


class StoredToken(Struct, frozen=True):
    """A token's row. Times in UNIX milliseconds."""

    token_hash: bytes
    did: str
    issued_at: Moment
    expires_at: Moment


_token_rows = TableRows("token", StoredToken, key=("did",))
_accepted_rows = TableRows("accepted", AcceptedConnect, key=("sn",))
_TOKENS = f"{_token_rows.select} ORDER BY issued_at"
_ACCEPTED = f"{_accepted_rows.select} ORDER BY id"


class TokenTable(Table[tuple[list[StoredToken], list[AcceptedConnect]]]):
    """All tokens and accepted connects, in memory. Changes are durable on return."""

    queries = ((_token_rows, _TOKENS), (_accepted_rows, _ACCEPTED))

    def __init__(
        self, engine: Engine, loaded: tuple[list[StoredToken], list[AcceptedConnect]]
    ) -> None:
        super().__init__(engine, loaded)
        self._now = engine.now
        self._holders: dict[bytes, TokenRow] = {}
        #: did -> hashes of its tokens, oldest first.
        self._tokens: dict[str, list[bytes]] = {}
        #: By sn.
        self._accepted: dict[str, _RememberedConnects] = {}
        for token in loaded[0]:
            self._put(token)
        for one in loaded[1]:
            self._remember(one)

    @classmethod
    def load(cls, source: RowSource) -> tuple[list[StoredToken], list[AcceptedConnect]]:
        execute, damaged = source.connection.execute, source.damaged
        return (
            _token_rows.read_all(execute(_TOKENS), damaged),
            _accepted_rows.read_all(execute(_ACCEPTED), damaged),
        )

    def holder(self, token_hash: bytes) -> TokenRow | None:
        return self._holders.get(token_hash)

    def was_accepted(self, sn: str, ts_text: str) -> bool:
        return sn in self._accepted and ts_text in self._accepted[sn].keep_until

    def newest_accepted(self, sn: str, until: float) -> float | None:
        """Return the newest accepted time of a device up to `until` (UNIX seconds), else None.

        It is known however long ago it was.
        """
        return self._accepted[sn].newest(until) if sn in self._accepted else None

    async def issue(
        self,
        did: str,
        token_hash: bytes,
        *,
        expires_at: int,
        grace_until: int,
        accepted: AcceptedConnect | None,
        forget_before: int | None = None,
        also: Saving | None = None,
    ) -> None:
        """Store a new token; the device's earlier ones expire at `grace_until` or before.

        `accepted`: the connect that the token is issued for. Earlier ones of the device whose
        `keep_until` is before `forget_before` (by default: now) are forgotten, but for the newest.
        Times in UNIX milliseconds. `also` is stored with it, or neither. Raises what that does,
        WrongSignature if that connect was accepted before, even if that is still being written;
        NoSuchResource if the device is gone; TooManyRequests if it connects so often that replays
        could no longer be recognised.
        """
        now = self._now_ms()
        before = now if forget_before is None else forget_before
        outdated = self._outdated(accepted, before) if accepted else []
        # Counts committed tokens only: concurrent calls may exceed the limit for a while.
        crowded = self._tokens.get(did, [])[: 1 - _MAX_TOKENS]
        token = StoredToken(token_hash, did, now, expires_at)

        def job(connection: sqlite3.Connection) -> None:
            if accepted is not None:
                _put_accepted(connection, accepted)
                connection.executemany(_FORGET_ACCEPTED, [(accepted.sn, ts) for ts in outdated])
            connection.execute(_SHORTEN, (grace_until, did, grace_until))
            connection.executemany(_DROP_TOKEN, [(old,) for old in crowded])
            _put_token(connection, token)
            if also is not None:
                also.job(connection)

        def issued(_: None) -> None:
            self._forget(crowded)
            for old in self._tokens.get(did, ()):
                row = self._holders[old]
                self._holders[old] = replace(row, expires_at=min(row.expires_at, grace_until))
            self._put(token)
            if accepted is not None:
                self._remember(accepted)
                for ts_text in outdated:
                    self._forget_connect(accepted.sn, ts_text)
            if also is not None:
                also.on_commit()

        await self._writer.write(job, issued)

    async def drop(self, did: str) -> None:
        """Revoke all tokens of a device."""
        await self._writer.write(
            partial(execute, _DROP_DEVICE, (did,)), lambda _: self.forget_camera(did)
        )

    async def prune(
        self, *, tokens_before: int | None = None, connects_before: int | None = None
    ) -> None:
        """Remove the tokens that expired before this time, by default now, and accepted connects.

        Tokens end by another clock than connects: `connects_before`, by default now as well.
        """
        now = self._now_ms()
        forgotten = now if connects_before is None else connects_before
        expired = now if tokens_before is None else tokens_before
        tokens = [hash_ for hash_, row in self._holders.items() if row.expires_at < expired]
        accepted = [
            (sn, ts_text)
            for sn, remembered in self._accepted.items()
            for ts_text in remembered.expired(forgotten)
        ]

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_DROP_EXPIRED, (expired,))
            connection.executemany(_FORGET_ACCEPTED, accepted)

        def pruned(_: None) -> None:
            self._forget(tokens)
            for sn, ts_text in accepted:
                self._forget_connect(sn, ts_text)

        if tokens or accepted:
            await self._writer.write(job, pruned)

    def forget_camera(self, did: str) -> None:
        self._forget(list(self._tokens.get(did, ())))

    def _outdated(self, accepted: AcceptedConnect, now: int) -> list[str]:
        """Return the timestamps of this SN that need not be remembered any more."""
        remembered = self._accepted.get(accepted.sn)
        if remembered is None:
            return []
        outdated = remembered.expired(now, accepted)
        if accepted.keep_until is None:
            lasting = [ts for ts, until in remembered.keep_until.items() if until is None]
            outdated += lasting[: max(0, len(lasting) + 1 - _MAX_ACCEPTED)]
        if len(remembered.keep_until) - len(outdated) >= _MAX_ACCEPTED:
            raise TooManyRequests("this device connects too often", retry_after=60)
        return outdated

    def _remember(self, accepted: AcceptedConnect) -> None:
        remembered = self._accepted.setdefault(accepted.sn, _RememberedConnects())
        remembered.add(accepted.ts_text, accepted.keep_until)

    def _forget_connect(self, sn: str, ts_text: str) -> None:
        remembered = self._accepted.get(sn)
        if remembered is not None:
            remembered.forget(ts_text)
            if not remembered.keep_until:
                del self._accepted[sn]

    def _put(self, token: StoredToken) -> None:
        self._holders[token.token_hash] = TokenRow(token.did, token.expires_at)
        self._tokens.setdefault(token.did, []).append(token.token_hash)

    def _forget(self, tokens: Iterable[bytes]) -> None:
        for token_hash in tokens:
            row = self._holders.pop(token_hash, None)
            if row is not None:
                mine = self._tokens[row.did]
                mine.remove(token_hash)
                if not mine:
                    del self._tokens[row.did]

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


class _RememberedConnects:
    """The accepted connects of one SN."""

    def __init__(self) -> None:
        #: ts as sent -> keep_until; oldest first.
        self.keep_until: dict[str, int | None] = {}
        #: The same ts in UNIX seconds, sorted: to read all of them at each connect takes too long.
        self._times: array[float] = array("d")

    def add(self, ts_text: str, keep_until: int | None) -> None:
        if ts_text not in self.keep_until:
            insort(self._times, _seconds(ts_text))
        self.keep_until[ts_text] = keep_until

    def forget(self, ts_text: str) -> None:
        if ts_text in self.keep_until:
            del self.keep_until[ts_text]
            del self._times[bisect_left(self._times, _seconds(ts_text))]

    def newest(self, until: float) -> float | None:
        """Return the newest time up to `until`, both in UNIX seconds, else None."""
        at = bisect_right(self._times, until)
        return self._times[at - 1] if at and self._times[at - 1] > 0 else None

    def expired(self, before: int, accepted: AcceptedConnect | None = None) -> list[str]:
        """Return the timestamps that need not be remembered after `before` (UNIX milliseconds).

        The newest one that is not in the future stays, unless `accepted`, which is going to be
        remembered as well, is newer.
        """
        expired = [
            ts for ts, until in self.keep_until.items() if until is not None and until < before
        ]
        newest = self.newest(before / 1000) if expired else None
        if newest is None:
            return expired
        if accepted is not None and newest < _seconds(accepted.ts_text) <= before / 1000:
            return expired
        return [ts for ts in expired if _seconds(ts) != newest]


def _seconds(ts_text: str) -> float:
    """Return an accepted timestamp in UNIX seconds; 0 if its row is damaged."""
    try:
        return ts_seconds(ts_text)
    except BadParameter:
        return 0.0


def _put_accepted(connection: sqlite3.Connection, accepted: AcceptedConnect) -> None:
    values = (accepted.sn, accepted.ts_text, accepted.keep_until)
    try:
        connection.execute(_PUT_ACCEPTED, values)
    except sqlite3.IntegrityError as error:
        raise WrongSignature("ts: this sn and ts were accepted before") from error


def _put_token(connection: sqlite3.Connection, token: StoredToken) -> None:
    values = (token.token_hash, token.did, token.issued_at, token.expires_at)
    try:
        connection.execute(_PUT_TOKEN, values)
    except sqlite3.IntegrityError as error:
        raise Missing("device", did=token.did) from error
