"""Admission (D2): who may come in, with which token, and how failing peers are slowed down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from msgspec import Struct

from hub import metrics
from hub.config import DevicesConfig as DevicesConfig
from hub.errors import (
    BadParameter,
    DeviceNotRegistered,
    HubError,
    InvalidAppId,
    NotAuthorised,
    WrongSignature,
)
from hub.live.feed import Change, Feed
from hub.live.pending_devices import ConnectAttempt, PendingDevice, PendingDevices, RefusalReason
from hub.live.registry import Link, Registry
from hub.log import limited
from hub.net.rate_limits import Backoff
from hub.services.devices.directory import Device, Devices
from hub.services.devices.enrolment import Enrolment
from hub.services.devices.tokens import DeviceTokens
from hub.services.devices.verification import Fit, all_reasons, fit_or_reason
from hub.store.db import Store
from hub.store.tables.tokens import Accepted, TokenRow
from hub.wire.session import (
    ConnectParam,
    ConnectResult,
    HeartbeatResult,
    KeepaliveParam,
    TokenResult,
)
from hub.wire.signing import is_within_skew, ts_seconds, verify_params_sign

log = logging.getLogger(__name__)

#: Connects this far apart have not the same time in seconds (1.1) unless it stands still.
_SAME_TIME_MS = 2000
#: D2: so many failures within a minute are answered at once.
FREE_FAILURES = 5
_FAILURE_WINDOW_SECONDS = 60.0


class Admitted(Struct, frozen=True):
    device: Device
    result: ConnectResult


class MissingDid(DeviceNotRegistered):
    """D2: a good connect without a did. `offer`: send it its initial parameters now."""

    def __init__(self, did: str, *, offer: bool) -> None:
        super().__init__("did: missing: take the initial parameters, then connect with it")
        self.did = did
        self.offer = offer


class _NotLetIn(Exception):
    """A check failed. `signed`: after a good signature, which is never held back (D2)."""

    def __init__(self, error: HubError, *reasons: RefusalReason, signed: bool = True) -> None:
        super().__init__(reasons[0].sentence)
        self.error = error
        self.reasons = reasons
        self.signed = signed


class Admission:
    """Tokens are looked up in memory: only what must survive a restart waits for the store."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        room: PendingDevices,
        devices: Devices,
        enrolment: Enrolment,
        changes: Feed[Change],
        config: DevicesConfig,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._registry = registry
        self._room = room
        self._devices = devices
        self._enrolment = enrolment
        self._changes = changes
        self._config = config
        self._now = now
        self._tokens = DeviceTokens(store.tokens, config.token_ttl, now)
        self._backoff = Backoff(now, free=FREE_FAILURES, window=_FAILURE_WINDOW_SECONDS)

    async def connect(self, param: ConnectParam, link: Link) -> Admitted:
        """1.1, with the checks of D2 in their order.

        Raises DeviceNotRegistered, WrongSignature, NotAuthorised or MissingDid, and CannotStoreNow.
        The answer to a peer that fails too often is held back in here.
        """
        device = self._store.devices.by_sn(param.sn)
        if device is None:
            await self._turn_away_unknown(param, link)
            raise DeviceNotRegistered(f"sn: no device with {param.sn} is registered")
        shut_outs = self._devices.shut_outs(device.did)
        try:
            fit = self._check(device, param)
            await self._check_empty_did(device, param)
            await self._devices.settle_key(device, fit.key)
            token = await self._issue(device, param)
        except _NotLetIn as refusal:
            await self._turn_away(device, param, link, refusal)
            raise refusal.error from None
        if self._devices.shut_outs(device.did) != shut_outs:
            # It was checked against what it no longer is.
            await self._store.tokens.drop(device.did)
            raise NotAuthorised("the device was changed meanwhile")
        ip, offset = param.ip or link.address, param.ts - self._now()
        self._devices.note(device.sn, ip=ip, clock_offset=offset, sign_form=fit.form)
        result = ConnectResult(token, self._config.token_ttl, self._config.heartbeat_interval)
        return Admitted(device, result)

    def enter(self, link: Link) -> None:
        """The device's connect was answered 200: it is online on this link, and on no other."""
        was_in = self._registry.get(link.did) is link
        older = self._registry.attach(link)
        self._registry.touch(link.did)
        self._room.admitted(link.did, link)
        if older is not None:
            older.close("the device connected again")
        if not was_in:
            log.info("%s is online from %s", self._named(link), link.address)
            self._changes.publish([Change("device", link.did)])

    def leave(self, link: Link, why: str) -> None:
        """The connection has ended."""
        self._room.leave(link)
        if self._registry.detach(link):
            log.info("%s is offline: %s", self._named(link), why)
            self._changes.publish([Change("device", link.did)])

    def heartbeat(self, token: str | None, param: KeepaliveParam, link: Link) -> HeartbeatResult:
        """1.3: the seconds that the token still has. Raises NotAuthorised, DeviceNotRegistered."""
        row = self.check_token(token, link)
        self._check_own(param, link)
        self._registry.touch(link.did)
        if param.ip and param.ip != link.ip:
            link.ip = param.ip
            self._devices.note(link.sn, ip=param.ip)
        return HeartbeatResult(self._tokens.seconds_left(row))

    async def renew(self, token: str | None, param: KeepaliveParam, link: Link) -> TokenResult:
        """1.2: a new token. Raises NotAuthorised, DeviceNotRegistered and CannotStoreNow."""
        self.check_token(token, link)
        self._check_own(param, link)
        self._registry.touch(link.did)
        return TokenResult(await self._tokens.issue(link.did), self._config.token_ttl)

    def check_token(self, token: str | None, link: Link) -> TokenRow:
        """Is it the link's own? Raises NotAuthorised."""
        row = self._tokens.lookup(token)
        if row.did != link.did:
            raise NotAuthorised("the token is another device's")
        return row

    def holder(self, token: str | None) -> Device:
        """The device that a token was issued to. Raises NotAuthorised."""
        return self._heard(self._store.devices.by_did(self._tokens.lookup(token).did))

    def holder_by_sign(self, query: Mapping[str, str], body_md5: str | None) -> Device:
        """The device that signed a request as in 三, with the appid and secret of D3.

        Raises InvalidAppId, WrongSignature, NotAuthorised.
        """
        device = self._store.devices.by_appid(query.get("appid", ""))
        if device is None:
            raise InvalidAppId()
        if not verify_params_sign(query, self._store.devices.secrets(device.did).secret):
            raise WrongSignature("the signature does not fit the parameters")
        self._check_signed_at(device, query.get("ts", ""))
        if "body_md5" in query and query["body_md5"] != body_md5:
            raise WrongSignature("body_md5 does not fit the body")
        return self._heard(device)

    def holder_by_address(self, sn: str, did: str, address: str) -> Device | None:
        """D8: the device with this SN, where it is online from this very address.

        Raises DeviceNotRegistered where it says a did that is nobody's: no token contradicts (D5).
        """
        if not self._registry.is_online_from(sn, address):
            return None
        if did and self._store.devices.by_did(did) is None:
            raise DeviceNotRegistered(f"did: no device with {did} is registered")
        return self._heard(self._store.devices.by_sn(sn))

    def expects_from(self, address: str) -> bool:
        """Is any device online from this address?"""
        return self._registry.is_any_online_from(address)

    def _check(self, device: Device, param: ConnectParam) -> Fit:
        """Everything up to the foreign did."""
        fit = fit_or_reason(
            param,
            keys=self._devices.keys_of(device),
            code=self._store.devices.secrets(device.did).code,
        )
        time = None
        if device.clock_trusted:
            time = self._time_reason(param, self._room.failure(device.did))
        if isinstance(fit, RefusalReason):
            reasons = all_reasons(fit, time)
            raise _NotLetIn(WrongSignature(fit.refusal), *reasons, signed=False)
        if time is not None:
            if time.code == "clock-off":
                self._devices.note(device.sn, clock_offset=param.ts - self._now())
            raise _NotLetIn(WrongSignature(time.refusal), time)
        if self._store.tokens.was_accepted(param.sn, param.ts_text):
            raise _replayed()
        if not device.enabled:
            reason = RefusalReason("disabled")
            raise _NotLetIn(NotAuthorised(reason.refusal), reason)
        if param.did and param.did != device.did:
            reason = RefusalReason("foreign-did", {"did": param.did})
            raise _NotLetIn(DeviceNotRegistered(reason.refusal), reason)
        return fit

    def _time_reason(
        self, param: ConnectParam, before: PendingDevice | None
    ) -> RefusalReason | None:
        """What is wrong with the time of a connect: the clock is off, or it is an earlier one's.

        `before` is the connect before it, where that failed.
        """
        if is_within_skew(param.ts, self._now(), self._config.clock_skew):
            return None
        stands_still = (
            before is not None
            and before.attempt.ts_text == param.ts_text
            and self._now_ms() - before.last_seen > _SAME_TIME_MS
        )
        # An earlier connect's time says nothing of how the clock is now.
        if stands_still or self._store.tokens.was_accepted(param.sn, param.ts_text):
            return RefusalReason("replayed")
        return RefusalReason("clock-off", {"seconds": f"{param.ts - self._now():.0f}"})

    async def _check_empty_did(self, device: Device, param: ConnectParam) -> None:
        state = self._enrolment.initial.did_state(device)
        if param.did:
            if state in ("sent", "none"):
                await self._enrolment.initial.settle_did(device.did, "known")
            return
        mode = self._config.require_did
        if mode == "never" or (mode == "auto" and state == "none"):
            return
        if mode == "auto" and state == "sent":
            # It took the parameters, and comes without a did all the same: it has none.
            await self._enrolment.initial.settle_did(device.did, "none")
            return
        offer = not self._enrolment.initial.is_offering(device.did)
        raise _NotLetIn(MissingDid(device.did, offer=offer), RefusalReason("no-did"))

    async def _issue(self, device: Device, param: ConnectParam) -> str:
        keep_until = self._now_ms() + 2000 * self._config.clock_skew
        accepted = Accepted(param.sn, param.ts_text, keep_until if device.clock_trusted else None)
        try:
            return await self._tokens.issue(device.did, accepted)
        except WrongSignature:
            # The same connect came twice at once.
            raise _replayed() from None

    async def _turn_away_unknown(self, param: ConnectParam, link: Link) -> None:
        hold = self._backoff.failed(link.address)
        knock = self._knock(param, link)
        time = self._time_reason(param, self._room.find(param.sn))
        reasons = self._devices.reasons_of_unknown(knock, time)
        self._room.record_unknown(knock, reasons, link, slowed_seconds=hold)
        limited(
            log,
            logging.INFO,
            # A line for each device that knocks; one for all of an address that floods.
            f"knock {link.address if hold else param.sn}",
            "an unknown device %s knocks from %s: %s",
            param.sn,
            link.address,
            reasons[0].sentence,
        )
        await self._hold_back(link, hold)

    async def _turn_away(
        self, device: Device, param: ConnectParam, link: Link, refusal: _NotLetIn
    ) -> None:
        hold = 0.0
        if not refusal.signed:
            # Whoever it is. A device that proved itself takes nobody's place in the waiting room.
            self._room.keep_open(link, param.sn)
            hold = self._backoff.failed((param.sn, link.address))
        knock = self._knock(param, link)
        self._room.record_failure(device.did, knock, refusal.reasons, slowed_seconds=hold)
        if isinstance(refusal.error, MissingDid):
            return
        limited(
            log,
            logging.WARNING,
            f"refused {device.did} {link.address}",
            "device %s (%s) at %s is not let in: %s",
            device.did,
            device.name or device.sn,
            link.address,
            "; ".join(reason.sentence for reason in refusal.reasons),
        )
        await self._hold_back(link, hold)

    def _knock(self, param: ConnectParam, link: Link) -> ConnectAttempt:
        return ConnectAttempt(
            sn=param.sn,
            ip=param.ip or link.address,
            address=link.address,
            sign=param.sign,
            ts_text=param.ts_text,
            clock_offset=param.ts - self._now(),
        )

    async def _hold_back(self, link: Link, seconds: float) -> None:
        if seconds:
            metrics.limits_reached.labels("failing_connects").inc()
            await link.delay_answer(seconds)

    def _check_own(self, param: KeepaliveParam, link: Link) -> None:
        for field, sent, own in (("did", param.did, link.did), ("sn", param.sn, link.sn)):
            if sent and sent != own:
                raise DeviceNotRegistered(f"{field}: {sent} is not this connection's")

    def _check_signed_at(self, device: Device, ts_text: str) -> None:
        try:
            signed_at = ts_seconds(ts_text)
        except BadParameter:
            raise WrongSignature("ts: UNIX time in seconds is required") from None
        if device.clock_trusted and not is_within_skew(
            signed_at, self._now(), self._config.clock_skew
        ):
            raise WrongSignature("ts is too far from the hub's time")

    def _heard(self, device: Device | None) -> Device:
        if device is None or not device.enabled:
            raise NotAuthorised("the device is disabled")
        self._registry.touch(device.did)
        return device

    def _named(self, link: Link) -> str:
        device = self._store.devices.by_did(link.did)
        return f"device {link.did} ({(device and device.name) or link.sn})"

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _replayed() -> _NotLetIn:
    reason = RefusalReason("replayed")
    return _NotLetIn(WrongSignature(reason.refusal), reason)
