"""Connections in quarantine: their token is not stored, and so is good for nothing (D12).

Synchronous methods only. PendingDevices bounds how many there are at all; here, how many claim one
serial number.
"""

from __future__ import annotations

from msgspec import Struct

from hub.live.pending_devices import ConnectAttempt
from hub.live.registry import Link
from hub.services.admission.tokens import new_token

#: Connections that claim one serial number. A further one takes the place of the oldest one from
#: the address that has the most, and of the camera's own address last.
MAX_CLAIMS = 8


class Claim(Struct, eq=False):
    """A connection that claims to be the camera with this SN.

    `did`: of the device that it claims to be; "" if it is not enrolled. `token`: what it was
    given. `path_hash`: of the secret in the path by which it came; "" without one. `is_checked`:
    whether somebody is asking it who it is. `older`: the connection of the device that was asked
    whether it is alive, and did not answer.
    """

    link: Link
    attempt: ConnectAttempt
    did: str
    token: str
    path_hash: str
    is_checked: bool = False
    older: Link | None = None

    @property
    def sn(self) -> str:
        return self.attempt.sn


class Quarantine:
    """The claims, by connection."""

    def __init__(self) -> None:
        #: The oldest one first.
        self._claims: dict[Link, Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def enter(
        self, link: Link, attempt: ConnectAttempt, did: str, path_hash: str, *, own: str | None
    ) -> Claim:
        """Put a connection into quarantine, with a new token.

        `own`: the address of the camera, as far as it is known. If too many claim this SN, another
        connection is closed.
        """
        token, claim = new_token(), self._claims.get(link)
        if claim is not None and (claim.sn, claim.did) == (attempt.sn, did):
            claim.token, claim.attempt = token, attempt
            return claim
        self._claims.pop(link, None)
        claim = self._claims[link] = Claim(link, attempt, did, token, path_hash)
        self._make_room(claim, own)
        return claim

    def of_link(self, link: Link) -> Claim | None:
        """Return the claim of a connection, if it is in quarantine."""
        return self._claims.get(link)

    def of_sn(self, sn: str, link: Link | None) -> Claim | None:
        """Return the claim of this connection, if it claims this SN."""
        claim = None if link is None else self._claims.get(link)
        return claim if claim is not None and claim.sn == sn else None

    def is_current(self, claim: Claim) -> bool:
        """Whether the connection is still in quarantine with this claim."""
        return self._claims.get(claim.link) is claim

    def leave(self, link: Link) -> None:
        """Forget a connection: it was admitted, claims something else, or has ended."""
        self._claims.pop(link, None)

    def _make_room(self, newest: Claim, own: str | None) -> None:
        claims = [one for one in self._claims.values() if one.sn == newest.sn]
        if len(claims) <= MAX_CLAIMS:
            return
        addresses = [one.link.address for one in claims]
        oldest = min(
            claims,
            key=lambda one: (one.link.address == own, -addresses.count(one.link.address)),
        )
        self.leave(oldest.link)
        oldest.link.close("too many connections claim this sn")
