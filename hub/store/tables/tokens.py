"""The devices' tokens, by hash alone, and which `(sn, ts)` were accepted (D2).

Both live in memory too, so that an upload's token costs no query; both are bounded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import NoSuchResource, TooManyRequests, WrongSignature
from hub.store.commit.group_commit import GroupCommit
from hub.store.sql import execute

#: D2: what is remembered of a device whose clock is not trusted; nobody gets more than this.
_MOST_ACCEPTED = 10_000
#: Tokens of one device that are alive at once, within the grace of the earlier ones.
_MOST_TOKENS = 64

_TOKENS = "SELECT token_hash, did, issued_at, expires_at FROM token ORDER BY issued_at"
_PUT_TOKEN = "INSERT INTO token (token_hash, did, issued_at, expires_at) VALUES (?, ?, ?, ?)"
_SHORTEN = "UPDATE token SET expires_at = ? WHERE did = ? AND expires_at > ?"
_DROP_TOKEN = "DELETE FROM token WHERE token_hash = ?"
_DROP_DEVICE = "DELETE FROM token WHERE did = ?"
_DROP_EXPIRED = "DELETE FROM token WHERE expires_at < ?"
_ACCEPTED = "SELECT sn, ts_text, keep_until FROM accepted ORDER BY id"
_PUT_ACCEPTED = "INSERT INTO accepted (sn, ts_text, keep_until) VALUES (?, ?, ?)"
_FORGET_ACCEPTED = "DELETE FROM accepted WHERE sn = ? AND ts_text = ?"


class TokenRow(Struct, frozen=True):
    """Whose token it is, and until when, in milliseconds. The caller compares the time."""

    did: str
    expires_at: int


class Accepted(Struct, frozen=True):
    """A `(sn, ts)` that a good connect used up. `keep_until` None: one of the last 10,000."""

    sn: str
    ts_text: str
    keep_until: int | None


class StoredToken(Struct, frozen=True):
    token_hash: bytes
    did: str
    issued_at: int
    expires_at: int


def load_tokens(connection: sqlite3.Connection) -> list[StoredToken]:
    return [StoredToken(*row) for row in connection.execute(_TOKENS)]


def load_accepted(connection: sqlite3.Connection) -> list[Accepted]:
    return [Accepted(*row) for row in connection.execute(_ACCEPTED)]


class TokenTable:
    """`holder` and `was_accepted` answer from memory; changes are durable on return."""

    def __init__(
        self,
        writer: GroupCommit,
        tokens: Iterable[StoredToken],
        accepted: Iterable[Accepted],
        now: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._now = now
        self._holders: dict[bytes, TokenRow] = {}
        #: did -> its tokens, oldest first.
        self._tokens: dict[str, list[bytes]] = {}
        #: sn -> ts as sent -> until when it is kept; oldest first.
        self._accepted: dict[str, dict[str, int | None]] = {}
        for token in tokens:
            self._put(token)
        for one in accepted:
            self._accepted.setdefault(one.sn, {})[one.ts_text] = one.keep_until

    def holder(self, token_hash: bytes) -> TokenRow | None:
        return self._holders.get(token_hash)

    def was_accepted(self, sn: str, ts_text: str) -> bool:
        return ts_text in self._accepted.get(sn, ())

    async def issue(
        self,
        did: str,
        token_hash: bytes,
        *,
        expires_at: int,
        grace_until: int,
        accepted: Accepted | None,
    ) -> None:
        """Store a new token; the device's earlier ones end at `grace_until` or before.

        WrongSignature where the `(sn, ts)` is used up, also by an issue that is being written;
        NoSuchResource where the device is gone; TooManyRequests where it connects so often that
        its replays could no longer be told.
        """
        now = self._now_ms()
        over = self._over(accepted, now) if accepted else []
        # Judged by what is committed: a device that issues many at once has a few more for a while.
        crowded = self._tokens.get(did, [])[: 1 - _MOST_TOKENS]
        token = StoredToken(token_hash, did, now, expires_at)

        def job(connection: sqlite3.Connection) -> None:
            if accepted is not None:
                _use_up(connection, accepted)
                connection.executemany(_FORGET_ACCEPTED, [(accepted.sn, ts) for ts in over])
            connection.execute(_SHORTEN, (grace_until, did, grace_until))
            connection.executemany(_DROP_TOKEN, [(old,) for old in crowded])
            _put_token(connection, token)

        def issued(_: None) -> None:
            self._forget(crowded)
            for old in self._tokens.get(did, ()):
                row = self._holders[old]
                self._holders[old] = replace(row, expires_at=min(row.expires_at, grace_until))
            self._put(token)
            if accepted is not None:
                remembered = self._accepted.setdefault(accepted.sn, {})
                remembered[accepted.ts_text] = accepted.keep_until
                for ts_text in over:
                    remembered.pop(ts_text, None)

        await self._writer.write(job, issued)

    async def drop(self, did: str) -> None:
        """End all tokens of a device at once."""
        await self._writer.write(
            partial(execute, _DROP_DEVICE, (did,)), lambda _: self.forget_device(did)
        )

    async def prune(self) -> None:
        """Forget what has expired, tokens and accepted `(sn, ts)` alike."""
        now = self._now_ms()
        tokens = [hash_ for hash_, row in self._holders.items() if row.expires_at < now]
        accepted = [
            (sn, ts_text)
            for sn, remembered in self._accepted.items()
            for ts_text, keep_until in remembered.items()
            if keep_until is not None and keep_until < now
        ]

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_DROP_EXPIRED, (now,))
            connection.executemany(_FORGET_ACCEPTED, accepted)

        def pruned(_: None) -> None:
            self._forget(tokens)
            for sn, ts_text in accepted:
                self._accepted.get(sn, {}).pop(ts_text, None)
                if not self._accepted.get(sn, True):
                    del self._accepted[sn]

        if tokens or accepted:
            await self._writer.write(job, pruned)

    def forget_device(self, did: str) -> None:
        """The device's rows are gone: memory follows."""
        self._forget(list(self._tokens.get(did, ())))

    def _over(self, accepted: Accepted, now: int) -> list[str]:
        """What need no longer be remembered of this SN."""
        remembered = self._accepted.get(accepted.sn, {})
        over = [ts for ts, until in remembered.items() if until is not None and until < now]
        if accepted.keep_until is None:
            lasting = [ts for ts, until in remembered.items() if until is None]
            over += lasting[: max(0, len(lasting) + 1 - _MOST_ACCEPTED)]
        if len(remembered) - len(over) >= _MOST_ACCEPTED:
            raise TooManyRequests("this device connects too often", retry_after=60)
        return over

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


def _use_up(connection: sqlite3.Connection, accepted: Accepted) -> None:
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
        raise NoSuchResource(f"no device {token.did}") from error
