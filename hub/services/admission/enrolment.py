"""Enrolment (D3): listing pending devices, checking a code against one, and accepting it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import (
    AlreadyExists,
    BadParameter,
    CannotStoreNow,
    TooManyRequests,
    existing,
)
from hub.live.pending_devices import PendingDevice, PendingDevices
from hub.live.refusal_reasons import RefusalCode, RefusalReason
from hub.live.registry import Link
from hub.net.rate_limits import TokenBucket
from hub.services.admission.ignored import IgnoredDevices
from hub.services.admission.provisioning import (
    GONE,
    NOT_SENT_CLOSED,
    NOT_SENT_EVER,
    NOT_SENT_TWICE,
    NOT_SENT_UNSIGNED,
    SILENT,
    Delivery,
    DeliveryOutcome,
    Provisioning,
)
from hub.services.admission.unsigned.approval import Approval
from hub.services.admission.unsigned.moves import ExpectedMoves
from hub.services.admission.unsigned.policy import UnsignedPolicy
from hub.services.admission.unsigned.quarantine import Quarantine
from hub.services.audit import Actor
from hub.services.changes import CarryOut
from hub.services.devices.directory import Devices
from hub.services.devices.validation import MAX_CODE_LENGTH, check_key, check_new, check_text
from hub.services.devices.verification import VerifiedSign, all_reasons, verify_connect
from hub.services.devices.views import DeviceView
from hub.store.tables.devices import DeviceChange, NewDevice

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: For all callers together: too few to guess a code, but plenty for pages that check at each pause
#: in typing.
CHECKS_PER_SECOND = 20

CodeMatch = Literal[
    "fits", "code-mismatch", "key-mismatch", "bad-signature", "no-key", "no-signature"
]

#: The reasons that concern the signature itself.
_MISMATCHES: dict[RefusalCode, CodeMatch] = {
    "code-mismatch": "code-mismatch",
    "key-mismatch": "key-mismatch",
    "bad-signature": "bad-signature",
    "no-key": "no-key",
    "no-signature": "no-signature",
}


class AcceptedDevice(Struct, frozen=True):
    """The new device, and how the delivery of its initial parameters went, with a `message`."""

    device: DeviceView
    outcome: DeliveryOutcome
    message: str


class CodeCheck(Struct, frozen=True):
    """Whether code and key match a device's last signature, and all reasons to refuse it.

    `form`: the form of the signature (D2) if it matches, otherwise None.
    """

    outcome: CodeMatch
    reasons: tuple[RefusalReason, ...]
    form: str | None = None


class Enrolment:
    """Turns pending devices into enrolled ones."""

    def __init__(
        self, core: Core, devices: Devices, pending: PendingDevices, carry_out: CarryOut
    ) -> None:
        self._store = store = core.store
        self._devices = devices
        self._pending = pending
        self.provisioning = Provisioning(core, devices)
        self.ignored = IgnoredDevices(store.settings, pending.publish)
        #: Connects without a signature (D12); admission uses both.
        self.policy, self.quarantine = UnsignedPolicy(core.settings), Quarantine()
        self.moves = ExpectedMoves()
        self.approval = Approval(store, devices, pending, self.quarantine, carry_out)
        self._checks = TokenBucket(CHECKS_PER_SECOND, burst=CHECKS_PER_SECOND)

    def waiting(self) -> list[PendingDevice]:
        """Return the devices that wait for enrolment; the most recent attempt comes last.

        Those that are ignored are left out.
        """
        return [one for one in self._pending.pending() if one.sn not in self.ignored]

    def last_attempt(self, sn: str) -> PendingDevice | None:
        """Return the last connect of a device that waits for enrolment, ignored or not."""
        return self._pending.find(sn)

    def check_code(self, sn: str, code: str, key: str | None = None) -> CodeCheck:
        """Check a code against the last signature of a device; nothing is stored or sent.

        The device is pending, or enrolled but its connects fail. The key is `key`, by default the
        device's own or the site key. Raises NoSuchResource, BadParameter, and TooManyRequests.
        """
        check_text(code, "code", max_length=MAX_CODE_LENGTH)
        if key is not None:
            check_key(key)
        self._limit_checks()
        waiting = self._last_failure(sn)
        if self._is_unsigned(waiting):
            # The camera is asked for it when it is accepted, not at each key.
            return CodeCheck("no-signature", (RefusalReason("unsigned"),))
        verified = verify_connect(waiting.attempt, keys=self._keys_for(sn, key), code=code)
        reasons = all_reasons(verified, waiting.time_reason)
        if isinstance(verified, VerifiedSign):
            return CodeCheck("fits", reasons, verified.form)
        return CodeCheck(_MISMATCHES[verified.code], reasons)

    def wrong_codes(self, new: Iterable[NewDevice]) -> list[str]:
        """Return the sns of those new devices that wait now and sign with another code.

        Without a key, nothing can be said. Raises TooManyRequests.
        """
        self._limit_checks()
        wrong = []
        for device in new:
            waiting = self._pending.find(device.sn)
            keys = self._keys_for(device.sn, device.key)
            if waiting is None or not keys:
                continue
            found = verify_connect(waiting.attempt, keys=keys, code=device.code)
            if isinstance(found, RefusalReason) and found.code == "code-mismatch":
                wrong.append(device.sn)
        return wrong

    async def accept(
        self,
        sn: str,
        code: str,
        *,
        key: str | None = None,
        name: str = "",
        did: str | None = None,
        replaces: str | None = None,
    ) -> AcceptedDevice:
        """Enrol a pending device, and send it its initial parameters.

        `replaces`: the did of a broken camera. The new one takes over its did and history, and its
        name unless `name` is given. Raises NoSuchResource if no such device is pending,
        BadParameter, AlreadyExists, and WrongSignature if code and key do not match its last
        signature; it then stays pending. A camera without a signature is approved (D12).
        """
        waiting = self._waiting_of(sn)
        new = NewDevice(sn=sn, code=code, did=did, name=name, key=key)
        check_new(new)
        if self._is_unsigned(waiting):
            return await self._approve(new, replaces)
        verified = self._devices.refusals.verify_pending(waiting, key=key, code=code)
        connection = self._pending.connection_of(sn)
        if replaces is None:
            device = await self._devices.add(new)
        else:
            device = await self._devices.change(replaces, _replacement(new))
        await self._show_again(sn)
        if verified is None:
            delivery = NOT_SENT_UNSIGNED
        else:
            self._devices.note(device.sn, sign_form=verified.form)
            delivery = await self._deliver_if_open(device.did, connection, waiting)
        log.info("device %s (%s) was accepted: %s", device.did, name or sn, delivery.message)
        return AcceptedDevice(self._devices.get(device.did), delivery.outcome, delivery.message)

    def expect(
        self,
        sn: str,
        code: str,
        *,
        name: str = "",
        did: str | None = None,
        replaces: str | None = None,
        by: Actor,
    ) -> None:
        """Approve a camera without a signature that waits, but is not connected at this moment.

        It is approved in the name of `by` as soon as it connects and has this code, within
        WINDOW_SECONDS (D12). Raises as `accept`, and BadParameter if the camera signs.
        """
        waiting = self._waiting_of(sn)
        new = NewDevice(sn=sn, code=code, did=did, name=name)
        check_new(new)
        if not self._is_unsigned(waiting):
            raise BadParameter("only a device that connects without a signature is expected")
        self._limit_checks()
        if replaces is not None:
            _replacement(new)  # checks that no did is given
        self.approval.expect(new, replaces, by)

    def _is_unsigned(self, waiting: PendingDevice) -> bool:
        """Whether a device waits that may connect without a signature, and does."""
        attempt = waiting.attempt
        return not attempt.sign and self.policy.objection(attempt.address) is None

    async def _approve(self, new: NewDevice, replaces: str | None) -> AcceptedDevice:
        self._limit_checks()
        if replaces is not None:
            _replacement(new)  # checks that no did is given
        device = await self.approval.approve(new, replaces)
        await self._show_again(new.sn)
        log.info("device %s (%s) was approved without a signature", device.did, device.sn)
        return AcceptedDevice(device, "not-sent", NOT_SENT_EVER.message)

    async def _show_again(self, sn: str) -> None:
        if sn in self.ignored:
            with suppress(CannotStoreNow):
                await self.ignored.remove(sn)

    def _limit_checks(self) -> None:
        if self._checks.take(trio.current_time(), max_wait=0):
            raise TooManyRequests("too many codes are being checked at once: try again in a second")

    def _waiting_of(self, sn: str) -> PendingDevice:
        if self._store.devices.by_sn(sn) is not None:
            raise AlreadyExists(f"{sn} is already enrolled", field="sn")
        return existing(self._pending.find(sn), "waiting device", sn=sn)

    def _last_failure(self, sn: str) -> PendingDevice:
        """Return the last failed connect of a device, enrolled or not."""
        device = self._store.devices.by_sn(sn)
        waiting = self._pending.failure(device.did) if device else self._pending.find(sn)
        return existing(waiting, "waiting device", sn=sn)

    def _keys_for(self, sn: str, key: str | None) -> tuple[str, ...]:
        if key is not None:
            return (key,)
        device = self._store.devices.by_sn(sn)
        if device is not None:
            return self._devices.keys.of(device)
        return self._devices.keys.or_site_key(None)

    async def _deliver_if_open(
        self, did: str, connection: Link | None, waiting: PendingDevice
    ) -> Delivery:
        if connection is None or not self._pending.is_pending(connection):
            return NOT_SENT_CLOSED
        if self.provisioning.is_offering(did):
            return NOT_SENT_TWICE
        # A camera whose answer is held back may have given the connection up already.
        lost = (GONE,) if waiting.slowed_until is None else (GONE, SILENT)
        return await self.provisioning.deliver(did, connection, lost=lost)


def _replacement(new: NewDevice) -> DeviceChange:
    if new.did is not None:
        raise BadParameter("a replacement camera gets the did of the old one", field="did")
    change = DeviceChange(sn=new.sn, code=new.code, key=new.key)
    return replace(change, name=new.name) if new.name else change
