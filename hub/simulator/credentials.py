"""How a simulated camera identifies itself: signed connects (1.1), its did (D3) and its token."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from hub.simulator.faults import Quirks
from hub.simulator.identity import CameraIdentity
from hub.wire.signing import sign_connect


class Credentials:
    """Identity and token of a camera. `now` is its clock; `token` is None until it is admitted."""

    def __init__(self, identity: CameraIdentity, quirks: Quirks, now: Callable[[], float]) -> None:
        no_did = quirks.did == "never" or quirks.edition > 1
        self.identity = msgspec.structs.replace(identity, did=None) if no_did else identity
        self.token: str | None = None
        #: Set when an upload is answered 401, so that the link connects again.
        self.token_rejected = trio.Event()
        self._quirks = quirks
        self._now = now
        self._key = identity.signer()
        self._has_token = trio.Event()
        self._last_ts = 0
        self._last_param: dict[str, str | int] = {}

    @property
    def http_token(self) -> str | None:
        """The token that uploads carry."""
        return self.token if self._quirks.http_token else None

    def set_token(self, token: str) -> None:
        self.token = token
        self._has_token.set()

    def forget_token(self) -> None:
        self.token = None
        if self._has_token.is_set():
            self._has_token = trio.Event()

    async def wait_token(self) -> None:
        await self._has_token.wait()

    def set_did(self, did: str | None) -> None:
        if self._quirks.edition > 1:
            return
        self.identity = msgspec.structs.replace(self.identity, did=did)

    def who(self) -> dict[str, object]:
        """Return the fields that identify the camera in a request or an upload."""
        if self._quirks.edition > 1:
            return {"sn": self.identity.sn}
        return {"did": self.identity.did or "", "sn": self.identity.sn}

    def connect_param(self) -> dict[str, str | int]:
        """Return the param of the next connect (1.1), freshly signed."""
        if self._quirks.replays and self._last_param:
            return self._last_param
        identity = self.identity
        # The hub accepts each ts once (D2), so every connect needs a greater one.
        self._last_ts = max(int(self._now()), self._last_ts + 1)
        param: dict[str, str | int] = {"sn": identity.sn, "ts": self._last_ts}
        if self._quirks.edition == 3:
            return param
        if self._quirks.signs:
            code = f"not {identity.code}" if self._quirks.wrong_code else identity.code
            param["sign"] = sign_connect(self._key, sn=identity.sn, code=code, ts=self._last_ts)
        if self._quirks.tells_ip:
            param["ip"] = identity.ip
        if identity.did:
            param["did"] = identity.did
        self._last_param = param
        return param
