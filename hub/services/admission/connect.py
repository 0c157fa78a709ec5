"""Admission (D2): decide which devices may connect, issue tokens, and slow down failing peers."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from hub import metrics
from hub.errors import (
    CannotStoreNow,
    DeviceNotRegistered,
    HubError,
    NotAuthorised,
    WrongSignature,
)
from hub.live.feed import Change
from hub.live.pending_devices import ConnectAttempt
from hub.live.presence import Presence
from hub.live.refusal_reasons import RefusalReason
from hub.live.registry import Link
from hub.log import limited
from hub.net.networks import network_of
from hub.net.rate_limits import MAX_BACKOFF_SECONDS, Backoff
from hub.services.admission.code_guesses import CodeGuesses, Guessed
from hub.services.admission.connect_checks import (
    ConnectChecks,
    ConnectRefused,
    MissingDid,
    replayed,
)
from hub.services.admission.enrolment import Enrolment
from hub.services.admission.tokens import DeviceTokens
from hub.services.admission.unsigned_connects import UnsignedConnects
from hub.services.audit import Actor
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.services.devices.views import DeviceView
from hub.store.tables.devices import Device
from hub.store.tables.table import Saving
from hub.store.tables.tokens import AcceptedConnect, TokenRow
from hub.wire.commands.capabilities import connect_shape, with_connect
from hub.wire.session import (
    ConnectParam,
    ConnectResult,
    HeartbeatResult,
    KeepaliveParam,
    TokenResult,
)

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: D2: failures within a minute that are answered without a delay.
FREE_FAILURES = 5
_FAILURE_WINDOW_SECONDS = 60.0
#: How often a camera in quarantine that waits for its approval is to send a heartbeat, at most.
_WAITING_INTERVAL_SECONDS = 60


class Admitted(Struct, frozen=True):
    device: Device
    result: ConnectResult


class Quarantined(Struct, frozen=True):
    """The camera may be answered 200, but is not admitted: its token is good for nothing (D12)."""

    result: ConnectResult


class Admission:
    """Connects (1.1), token renewals (1.2) and heartbeats (1.3).

    Tokens are looked up in memory; only what must survive a restart waits for the store.
    """

    def __init__(
        self,
        core: Core,
        presence: Presence,
        devices: Devices,
        enrolment: Enrolment,
        tokens: DeviceTokens,
        guesses: CodeGuesses,
        capabilities: CameraCapabilities,
    ) -> None:
        self._guesses = guesses
        self._audit = core.audit
        self._store = core.store
        self._registry = presence.registry
        self._pending = presence.pending
        self._devices = devices
        self._checks = ConnectChecks(core, presence.pending, devices, enrolment.provisioning)
        self._tokens = tokens
        self._changes = core.changes
        self._settings = core.settings
        self._now = core.now
        self._enrolment = enrolment
        self._quarantine = enrolment.quarantine
        self._unsigned = UnsignedConnects(
            core, presence.registry, devices, enrolment, tokens, capabilities
        )
        self._capabilities = capabilities
        self._backoff = Backoff(core.now, free=FREE_FAILURES, window=_FAILURE_WINDOW_SECONDS)

    async def follow_settings(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Disconnect the devices that the settings do not allow any more, until cancelled."""
        await self._settings.follow(
            lambda config: self._unsigned.close_refused(), task_status=task_status
        )

    async def connect(self, param: ConnectParam, link: Link) -> Admitted | Quarantined:
        """1.1: run the checks of D2 in their order, and issue a token.

        A connect without a signature is at most put into quarantine (D12); see `prove`. Raises
        DeviceNotRegistered, WrongSignature, NotAuthorised or MissingDid, after a delay if the peer
        fails too often; and CannotStoreNow.
        """
        device = self._store.devices.by_sn(param.sn)
        if not param.sign and (unsigned := await self._connect_unsigned(device, param, link)):
            return unsigned
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
            shape = connect_shape(sign=param.sign, did=param.did)
            async with self._capabilities.learning(
                device.did, lambda known: with_connect(known, shape), "connect"
            ) as learnt:
                token = await self._issue(device, param, learnt)
        except ConnectRefused as refusal:
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
        return Admitted(device, self._result(token))

    def enter(self, link: Link) -> None:
        """Put the device online on this link, whose connect got a 200; close an older link."""
        was_online = self._registry.get(link.did) is link
        self._quarantine.leave(link)
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
        self._quarantine.leave(link)
        if self._registry.detach(link):
            log.info("%s is offline: %s", self._label(link), why)
            self._changes.publish([Change("device", link.did)])

    def needs_proof(self, link: Link) -> bool:
        """Whether the link is in quarantine, as a device that nobody is asking who it is.

        Or as a camera that somebody has approved already.
        """
        claim = self._quarantine.of_link(link)
        if claim is None or claim.is_checked:
            return False
        return bool(claim.did) or self._enrolment.approval.is_expected(claim)

    async def prove(self, link: Link) -> Admitted | None:
        """D12: ask the camera in quarantine who it is.

        One that is not enrolled is approved if it is expected, and connects again. Returns None if
        it is not what was approved; its connection is then closed, after a delay if it fails too
        often. Not to be called in the task that reads the link.
        """
        claim = self._quarantine.of_link(link)
        if claim is None or claim.is_checked:
            return None
        claim.is_checked = True
        try:
            if not claim.did:
                await self._enrolment.approval.approve_expected(claim, self._note_approved)
                return None
            proved = await self._unsigned.prove(claim)
        except ConnectRefused as refusal:
            self._pending.keep_open(link, claim.sn)
            delay = self._note_refusal(claim.did, claim.attempt, refusal)
            await trio.sleep(delay)
            if self._quarantine.is_current(claim):
                link.close(str(refusal))
        except HubError as error:
            link.close(error.message)
        else:
            return Admitted(proved.device, self._result(proved.token))
        finally:
            claim.is_checked = False
        return None

    async def _note_approved(self, device: DeviceView, by: Actor) -> None:
        log.info("device %s (%s) was approved when it connected", device.did, device.sn)
        with suppress(CannotStoreNow):
            await self._audit.add(by, "device.accept", device.did)

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
        return TokenResult(
            await self._tokens.issue(link.did), self._settings.current.devices.token_ttl
        )

    def check_token(self, token: str | None, link: Link) -> TokenRow:
        """Check that the token belongs to the link's device. Raises NotAuthorised."""
        row = self._tokens.lookup(token)
        if row.did != link.did:
            raise NotAuthorised("the token belongs to another device")
        return row

    async def _connect_unsigned(
        self, device: Device | None, param: ConnectParam, link: Link
    ) -> Admitted | Quarantined | None:
        """D12: put a connect without a signature into quarantine; None leaves it to the checks."""
        if device is None:
            if link.did or self._enrolment.policy.objection(link.address) is not None:
                return None
            return await self._enter_unknown(param, link)
        if device.connects == "signed":
            return None
        if link.did == device.did and self._registry.get(device.did) is link:
            return Admitted(device, self._result(await self._tokens.issue(device.did)))
        if link.did:
            raise NotAuthorised("another device is admitted on this connection")
        attempt = self._attempt(param, link)
        self._pending.keep_open(link, param.sn)
        try:
            claim = await self._unsigned.enter(device, attempt, link)
        except ConnectRefused as refusal:
            await self._delay(link, self._note_refusal(device.did, attempt, refusal))
            raise refusal.error from None
        return Quarantined(self._result(claim.token))

    async def _enter_unknown(self, param: ConnectParam, link: Link) -> Quarantined:
        """Put a camera that somebody may approve into quarantine.

        Its heartbeats are refused there, and it connects again: seldom, and counted for itself, so
        that many cameras that wait at one address do not slow each other.
        """
        delay = self._backoff.failed((param.sn, network_of(link.address)))
        attempt = self._attempt(param, link)
        reasons = (RefusalReason("unsigned"),)
        self._pending.record_unknown(attempt, reasons, link, slowed_seconds=delay)
        claim = self._unsigned.enter_unknown(attempt, link)
        await self._delay(link, delay)
        interval = max(_WAITING_INTERVAL_SECONDS, self._settings.current.devices.heartbeat_interval)
        return Quarantined(
            ConnectResult(claim.token, self._settings.current.devices.token_ttl, interval)
        )

    def _note_refusal(self, did: str, attempt: ConnectAttempt, refusal: ConnectRefused) -> float:
        """Note why an unsigned connect of a device is refused; return the delay in seconds."""
        delay = self._backoff.failed((attempt.sn, network_of(attempt.address)))
        self._pending.record_failure(did, attempt, refusal.reasons, slowed_seconds=delay)
        limited(
            log,
            logging.WARNING,
            f"refused {did} {network_of(attempt.address)}",
            "refused device %s (%s) at %s: %s",
            did,
            attempt.sn,
            attempt.address,
            refusal,
        )
        return delay

    def _result(self, token: str) -> ConnectResult:
        return ConnectResult(
            token,
            self._settings.current.devices.token_ttl,
            self._settings.current.devices.heartbeat_interval,
        )

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
                await self._audit.add(Actor("camera port", address), "device.guessed", device.did)

    async def _issue(self, device: Device, param: ConnectParam, learnt: Saving | None) -> str:
        # Its time may be right, and the hub's clock behind.
        latest = max(self._now_ms(), int(param.ts * 1000))
        keep_until = latest + 2000 * self._settings.current.devices.clock_skew
        accepted = AcceptedConnect(
            param.sn, param.ts_text, keep_until if device.clock_trusted else None
        )
        try:
            return await self._tokens.issue(device.did, accepted, also=learnt)
        except WrongSignature:
            # The same connect arrived twice at the same time.
            raise replayed() from None

    async def _refuse_unknown(self, param: ConnectParam, link: Link) -> None:
        source = network_of(link.address)
        delay = self._backoff.failed(source)
        attempt = self._attempt(param, link)
        time = self._checks.time_reason(param, self._pending.find(param.sn))
        reasons = self._devices.refusals.of_unknown(attempt, time)
        if not param.sign and (objection := self._enrolment.policy.objection(link.address)):
            reasons = (RefusalReason(objection),)
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
        refusal: ConnectRefused,
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
