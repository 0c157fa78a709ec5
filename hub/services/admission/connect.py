"""Admission (D2): decide which devices may connect, issue tokens, and slow down failing peers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from hub import metrics
from hub.config import DevicesConfig
from hub.errors import CannotStoreNow, DeviceNotRegistered, NotAuthorised, WrongSignature
from hub.live.feed import Change, Feed
from hub.live.pending_devices import ConnectAttempt, PendingDevices
from hub.live.registry import Link, Registry
from hub.log import limited
from hub.net.networks import network_of
from hub.net.rate_limits import MAX_BACKOFF_SECONDS, Backoff
from hub.services.access.audit import Actor, Audit
from hub.services.admission.code_guesses import CodeGuesses, Guessed
from hub.services.admission.connect_checks import ConnectChecks, MissingDid, Refused, replayed
from hub.services.admission.enrolment import Enrolment
from hub.services.admission.tokens import DeviceTokens
from hub.services.devices.directory import Device, Devices
from hub.services.signed_times import SignedTimes
from hub.store.db import Store
from hub.store.tables.tokens import AcceptedConnect, TokenRow
from hub.wire.session import (
    ConnectParam,
    ConnectResult,
    HeartbeatResult,
    KeepaliveParam,
    TokenResult,
)

log = logging.getLogger(__name__)

#: D2: failures within a minute that are answered without a delay.
FREE_FAILURES = 5
_FAILURE_WINDOW_SECONDS = 60.0


class Admitted(Struct, frozen=True):
    device: Device
    result: ConnectResult


class Admission:
    """Connects (1.1), token renewals (1.2) and heartbeats (1.3).

    Tokens are looked up in memory; only what must survive a restart waits for the store.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        pending: PendingDevices,
        devices: Devices,
        enrolment: Enrolment,
        tokens: DeviceTokens,
        changes: Feed[Change],
        config: DevicesConfig,
        now: Callable[[], float],
        *,
        guesses: CodeGuesses,
        audit: Audit,
        times: SignedTimes | None = None,
    ) -> None:
        """`now` is the wall clock, which may be wrong; `times` judges what is signed by it."""
        times = times or SignedTimes(now)
        self._guesses = guesses
        self._audit = audit
        self._store = store
        self._registry = registry
        self._pending = pending
        self._devices = devices
        self._checks = ConnectChecks(
            store, pending, devices, enrolment.provisioning, config, now, times
        )
        self._tokens = tokens
        self._changes = changes
        self._config = config
        self._now = now
        self._backoff = Backoff(now, free=FREE_FAILURES, window=_FAILURE_WINDOW_SECONDS)

    def configure(self, config: DevicesConfig) -> None:
        """Take over new settings."""
        self._config = config
        self._checks.configure(config)

    async def connect(self, param: ConnectParam, link: Link) -> Admitted:
        """1.1: run the checks of D2 in their order, and issue a token.

        Raises DeviceNotRegistered, WrongSignature, NotAuthorised or MissingDid, after a delay if
        the peer fails too often; and CannotStoreNow.
        """
        device = self._store.devices.by_sn(param.sn)
        if device is None:
            await self._refuse_unknown(param, link)
            raise DeviceNotRegistered(f"sn: no device with sn {param.sn} is registered")
        changes = self._devices.change_number(device.did)
        self._guesses.start_afresh(device.did, changes)
        guessed = Guessed(device.did, changes, self._is_own_address(device, link.address))
        await self._await_turn(device, guessed, link)
        try:
            verified = self._checks.run(device, param)
            await self._checks.check_empty_did(device, param)
            await self._devices.keys.settle(device, verified.key)
            token = await self._issue(device, param)
        except Refused as refusal:
            await self._refuse(device, guessed, param, link, refusal)
            raise refusal.error from None
        if self._devices.change_number(device.did) != changes:
            # It was changed while the checks waited for the store: their result no longer holds.
            await self._store.tokens.drop(device.did)
            raise NotAuthorised("the device was changed meanwhile")
        ip, offset = param.ip or link.address, param.ts - self._now()
        self._devices.note(
            device.sn,
            ip=ip,
            address=link.address,
            clock_offset=offset,
            sign_form=verified.form,
        )
        result = ConnectResult(token, self._config.token_ttl, self._config.heartbeat_interval)
        return Admitted(device, result)

    def enter(self, link: Link) -> None:
        """Put the device online on this link, whose connect got a 200; close an older link."""
        was_online = self._registry.get(link.did) is link
        older = self._registry.attach(link)
        self._registry.touch(link.did)
        self._pending.admitted(link.did, link)
        if older is not None:
            older.close("the device connected again")
        if not was_online:
            log.info("%s is online from %s", self._label(link), link.address)
            self._changes.publish([Change("device", link.did)])

    def leave(self, link: Link, why: str) -> None:
        """Take the device offline: the connection has ended."""
        self._pending.leave(link)
        if self._registry.detach(link):
            log.info("%s is offline: %s", self._label(link), why)
            self._changes.publish([Change("device", link.did)])

    def heartbeat(self, token: str | None, param: KeepaliveParam, link: Link) -> HeartbeatResult:
        """1.3: return how many seconds the token is still valid.

        Raises NotAuthorised, DeviceNotRegistered.
        """
        row = self.check_token(token, link)
        _check_identity(param, link)
        self._registry.touch(link.did)
        if param.ip and param.ip != link.ip:
            link.ip = param.ip
            self._devices.note(link.sn, ip=param.ip)
        return HeartbeatResult(self._tokens.seconds_left(row))

    async def renew(self, token: str | None, param: KeepaliveParam, link: Link) -> TokenResult:
        """1.2: issue a new token. Raises NotAuthorised, DeviceNotRegistered, CannotStoreNow."""
        self.check_token(token, link)
        _check_identity(param, link)
        self._registry.touch(link.did)
        return TokenResult(await self._tokens.issue(link.did), self._config.token_ttl)

    def check_token(self, token: str | None, link: Link) -> TokenRow:
        """Check that the token belongs to the link's device. Raises NotAuthorised."""
        row = self._tokens.lookup(token)
        if row.did != link.did:
            raise NotAuthorised("the token belongs to another device")
        return row

    async def _await_turn(self, device: Device, guessed: Guessed, link: Link) -> None:
        """Hold the connect back, without looking at it, while codes of its device are guessed.

        Raises WrongSignature if there are guesses enough after the delay too.
        """
        wait = self._guesses.ask(guessed, link.address)
        if not wait:
            return
        await self._report_guesses(device, guessed, link.address)
        self._pending.keep_open(link, device.sn)
        await link.delay_answer(min(wait, MAX_BACKOFF_SECONDS))
        # Of those that have waited, the first one takes the turn. The others keep their places.
        if self._guesses.ask(guessed, link.address):
            raise WrongSignature("sign: too many codes were tried for this sn: try again later")

    def _is_own_address(self, device: Device, address: str) -> bool:
        """Whether the camera is there, or was there last, also before the hub was restarted."""
        link = self._registry.get(device.did)
        return (link is not None and link.address == address) or self._devices.device(
            device.did
        ).address == address

    async def _report_guesses(self, device: Device, guessed: Guessed, address: str) -> None:
        limited(
            log,
            logging.WARNING,
            f"guesses {device.did}",
            "the security code of device %s (%s) is being guessed, also from %s: its connects are "
            "held back",
            device.did,
            device.name or device.sn,
            address,
        )
        if self._guesses.held_back(guessed):
            with suppress(CannotStoreNow):
                await self._audit.add(Actor("device port", address), "device.guessed", device.did)

    async def _issue(self, device: Device, param: ConnectParam) -> str:
        # Its time may be right, and the hub's clock behind.
        latest = max(self._now_ms(), int(param.ts * 1000))
        keep_until = latest + 2000 * self._config.clock_skew
        accepted = AcceptedConnect(
            param.sn, param.ts_text, keep_until if device.clock_trusted else None
        )
        try:
            return await self._tokens.issue(device.did, accepted)
        except WrongSignature:
            # The same connect arrived twice at the same time.
            raise replayed() from None

    async def _refuse_unknown(self, param: ConnectParam, link: Link) -> None:
        source = network_of(link.address)
        delay = self._backoff.failed(source)
        attempt = self._attempt(param, link)
        time = self._checks.time_reason(param, self._pending.find(param.sn))
        reasons = self._devices.refusals.of_unknown(attempt, time)
        self._pending.record_unknown(attempt, reasons, link, slowed_seconds=delay)
        limited(
            log,
            logging.INFO,
            # One line per unknown device, but only one for an address that floods.
            f"unknown {source if delay else param.sn}",
            "unknown device %s tried to connect from %s: %s",
            param.sn,
            link.address,
            reasons[0].sentence,
        )
        await self._delay(link, delay)

    async def _refuse(
        self,
        device: Device,
        guessed: Guessed,
        param: ConnectParam,
        link: Link,
        refusal: Refused,
    ) -> None:
        delay = 0.0
        if not refusal.signed:
            # Anyone may have sent it. A device with a good signature takes no pending place.
            self._pending.keep_open(link, param.sn)
            delay = self._backoff.failed((param.sn, network_of(link.address)))
            if any(reason.code == "code-mismatch" for reason in refusal.reasons):
                self._guesses.failed(guessed, link.address)
        attempt = self._attempt(param, link)
        self._pending.record_failure(device.did, attempt, refusal.reasons, slowed_seconds=delay)
        if isinstance(refusal.error, MissingDid):
            return
        limited(
            log,
            logging.WARNING,
            f"refused {device.did} {network_of(link.address)}",
            "refused device %s (%s) at %s: %s",
            device.did,
            device.name or device.sn,
            link.address,
            "; ".join(reason.sentence for reason in refusal.reasons),
        )
        await self._delay(link, delay)

    def _attempt(self, param: ConnectParam, link: Link) -> ConnectAttempt:
        return ConnectAttempt(
            sn=param.sn,
            ip=param.ip or link.address,
            address=link.address,
            sign=param.sign,
            ts_text=param.ts_text,
            clock_offset=param.ts - self._now(),
        )

    async def _delay(self, link: Link, seconds: float) -> None:
        if seconds:
            metrics.limits_reached.labels("failing_connects").inc()
            await link.delay_answer(seconds)

    def _label(self, link: Link) -> str:
        device = self._store.devices.by_did(link.did)
        return f"device {link.did} ({(device and device.name) or link.sn})"

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


def _check_identity(param: KeepaliveParam, link: Link) -> None:
    for field, sent, own in (("did", param.did, link.did), ("sn", param.sn, link.sn)):
        if sent and sent != own:
            raise DeviceNotRegistered(f"{field}: {sent} is not the device of this connection")
