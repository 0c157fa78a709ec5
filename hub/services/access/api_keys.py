"""API keys of integrators: creating and removing them, and checking requests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter, InvalidAppId, NotAllowed, NotAuthorised, WrongSignature
from hub.services.access.validation import check_name
from hub.services.audit import Actor
from hub.services.signed_times import SignedTimes
from hub.store.commit.patience import waits_with
from hub.store.tables.api_keys import ApiKey
from hub.store.tables.used_signatures import UsedSignature
from hub.wire.signing import ts_seconds, verify_params_sign

if TYPE_CHECKING:
    from hub.services.core import Core

#: Longer than any clock skew that can be set, in which a signature is good.
_KEEP_USED_MS = 2 * 86_400_000


class NewApiKey(Struct, frozen=True):
    """A new key. The secret is shown only this once."""

    appid: str
    secret: str


class ApiKeys:
    """Creates and checks API keys."""

    def __init__(self, core: Core) -> None:
        self._keys = core.store.api_keys
        self._used_signatures = core.store.used_signatures
        self._audit = core.audit
        self._hub = core.settings
        self._now = core.now
        self._times = SignedTimes(core)
        #: When keys were used, in UNIX milliseconds, by appid. Saved at intervals, because a write
        #: for each request would be too many.
        self._used: dict[str, int] = {}

    def all(self) -> tuple[ApiKey, ...]:
        """Return all keys, without their secrets."""
        return tuple(self._up_to_date(key) for key in self._keys.all())

    def get(self, appid: str) -> ApiKey | None:
        """Return the key, without its secret; None if there is none."""
        return self._keys.get(appid)

    async def add(
        self, name: str, read_only: bool, *, targets: bool = False, by: Actor
    ) -> NewApiKey:
        """Create a key. `targets`: it may also say where records are sent.

        Raises BadParameter for "name", and for "targets" of a key that only reads.
        """
        if targets and read_only:
            raise BadParameter("a key that only reads cannot change targets", field="targets")
        name = check_name(name)
        new = NewApiKey(appid=secrets.token_hex(8), secret=secrets.token_urlsafe(24))
        created_at = int(self._now() * 1000)
        key = ApiKey(new.appid, name, read_only, created_at, targets=targets)
        await self._keys.add(key, new.secret)
        suffix = " read-only" if read_only else " targets" if targets else ""
        await self._audit.add(by, "apikey.add", f"{new.appid} {name}{suffix}")
        return new

    async def remove(self, appid: str, *, by: Actor) -> None:
        """Remove a key, which stops working at once. Raises NoSuchResource."""
        await self._keys.remove(appid)
        self._used.pop(appid, None)
        await self._audit.add(by, "apikey.remove", appid)

    async def save_used(self) -> None:
        """Save when keys were last used. Called at intervals."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._keys.save_used(used)
        except BaseException:
            self._used = used | self._used
            raise

    def _up_to_date(self, key: ApiKey) -> ApiKey:
        return replace(key, last_used_at=self._used.get(key.appid, key.last_used_at))

    def _note_use(self, key: ApiKey) -> ApiKey:
        self._used[key.appid] = int(self._now() * 1000)
        return key

    def authenticate(self, bearer: str) -> ApiKey:
        """Return the key of `Authorization: Bearer APPID:SECRET`. Raises NotAuthorised."""
        appid, _, secret = bearer.partition(":")
        key = self._keys.get(appid)
        if key is None or not self._keys.fits(appid, secret):
            raise NotAuthorised("unknown API key, or wrong secret")
        return self._note_use(key)

    def authenticate_signed(self, params: Mapping[str, str], method: str, path: str) -> ApiKey:
        """Return the key that signed `params`, all parameters of the query of a request (三).

        If `method` or `path` are among them, they must be those of the request; the path of a read
        may be another, since calls have a parameter of that name (a picture on a device). Raises
        InvalidAppId, and WrongSignature if the signature or its time is wrong (D6).
        """
        appid = params.get("appid", "")
        key = self._keys.get(appid)
        if key is None:
            raise InvalidAppId("appid: there is no such API key")
        if not params.get("sign") or not params.get("ts"):
            raise WrongSignature("a signed request needs appid, ts and sign")
        if not verify_params_sign(params, self._keys.secret(appid)):
            raise WrongSignature("sign: does not match the parameters")
        self._check_time(key, _seconds(params["ts"]))
        for name, used in (("method", method), ("path", path)):
            signed = params.get(name, "")
            if name == "path" and method in ("GET", "HEAD") and "method" not in params:
                continue
            if signed.strip() and signed != used:
                raise WrongSignature(f"{name}: another one was signed; this is {used}")
        return self._note_use(key)

    def _check_time(self, key: ApiKey, signed_at: float) -> None:
        skew = self._hub.current.devices.clock_skew
        if not self._times.is_near(signed_at, skew):
            raise WrongSignature(f"ts: more than {skew:g} s off the hub's clock")
        newest = self._times.newest(partial(self._used_signatures.newest, key.appid), skew)
        if newest is not None and signed_at < newest - skew:
            raise WrongSignature("ts: older than that of an earlier change")

    async def authenticate_signed_change(
        self, params: Mapping[str, str], method: str, path: str
    ) -> ApiKey:
        """Return the key that signed a request that changes something; use its signature up.

        `method` and `path` must be among `params`. The use is durable on return. Raises as
        `authenticate_signed`, also if the signature was used before; NotAllowed for a read-only
        key; CannotStoreNow.
        """
        for name in ("method", "path"):
            if not params.get(name, "").strip():
                raise WrongSignature(f"{name}: missing; a change signs its method and path as well")
        key = self.authenticate_signed(params, method, path)
        if key.read_only:
            raise NotAllowed("this API key is read-only")
        ts = int(_seconds(params["ts"]) * 1000)
        # The change has not begun: if this is slow, nothing happens.
        with waits_with(None):
            await self._used_signatures.use(UsedSignature(key.appid, params["sign"], ts))
        return key

    async def forget_used_signatures(self) -> None:
        """Forget signatures that no clock accepts any more. Called at intervals."""
        await self._used_signatures.prune(int(self._now() * 1000) - _KEEP_USED_MS)


def _seconds(ts: str) -> float:
    try:
        return ts_seconds(ts)
    except BadParameter as error:
        raise WrongSignature(error.message) from None
