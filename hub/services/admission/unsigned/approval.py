"""A person approves a camera that connects without a signature, by the code of its label (D12)."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace

from hub.errors import (
    AlreadyExists,
    BadParameter,
    DeviceNonsense,
    HubError,
    NoSuchResource,
    WrongSignature,
)
from hub.live.pending_devices import PendingDevices
from hub.live.refusal_reasons import RefusalCode, RefusalReason
from hub.services.admission.unsigned.expected import ExpectedCamera, ExpectedCameras
from hub.services.admission.unsigned.facts import Facts, Unproven, ask_facts, pins_of
from hub.services.admission.unsigned.quarantine import Claim, Quarantine
from hub.services.audit import Actor
from hub.services.changes import CarryOut
from hub.services.devices.directory import Devices
from hub.services.devices.views import DeviceView
from hub.store.db import Store
from hub.store.tables.devices import DeviceChange, NewDevice, UnsignedPins

log = logging.getLogger(__name__)

#: Is told which device was approved when it connected, and who has approved it.
Approved = Callable[[DeviceView, Actor], Awaitable[None]]


def unknown_code() -> str:
    """A security code that nobody knows, so that no signature of the device can be right."""
    return secrets.token_hex(16)


class NotConnected(NoSuchResource):
    """The camera to be approved is not connected at this moment."""


class Approval:
    """Enrols cameras in quarantine, and looks after those that are enrolled."""

    def __init__(
        self,
        store: Store,
        devices: Devices,
        pending: PendingDevices,
        quarantine: Quarantine,
        carry_out: CarryOut,
    ) -> None:
        self._store = store
        self._devices = devices
        self._pending = pending
        self._quarantine = quarantine
        self._carry_out = carry_out
        self.expected = ExpectedCameras()

    async def approve(self, new: NewDevice, replaces: str | None) -> DeviceView:
        """Enrol the camera that waits with this SN and is connected now.

        `replaces`: the did of a broken camera whose place it takes. Its label's code, `new.code`,
        is compared with what the camera says; then it connects again. Raises NotConnected,
        NoSuchResource for `replaces`, WrongSignature if the code is another one, DeviceNonsense if
        the camera does not say what it should, BadParameter and AlreadyExists.
        """
        claim = self._claim(new.sn)
        pins = await self._prove(claim, new)
        device = await self._enrol(new, pins, replaces)
        claim.link.close(_APPROVED)
        return device

    def expect(self, new: NewDevice, replaces: str | None, by: Actor) -> None:
        """Approve the camera with this SN and code as soon as it connects, for a few minutes.

        `new` is checked. Raises NoSuchResource for `replaces`, AlreadyExists for the did of `new`,
        and TooManyRequests.
        """
        if replaces is not None:
            self._devices.device(replaces)
        if new.did is not None and self._store.devices.by_did(new.did) is not None:
            raise AlreadyExists(f"did {new.did} is taken", field="did")
        self.expected.add(new, replaces, by)

    def is_expected(self, claim: Claim) -> bool:
        """Whether somebody has approved a camera with the SN of this claim: one not enrolled."""
        return not claim.did and self.expected.find(claim.sn) is not None

    async def approve_expected(self, claim: Claim, note: Approved) -> None:
        """Approve the camera of this claim if it is expected, and has the code that was typed.

        `note` is told of it before the connection ends. Others who claim this SN change nothing,
        but too many other codes end the time.
        """
        expected = self.expected.find(claim.sn)
        if expected is None:
            return
        try:
            pins = await self._prove(claim, expected.new)
            if self.expected.find(claim.sn) is not expected:
                return
            # The camera may hang up.
            await self._carry_out(partial(self._enrol_expected, claim, expected, pins, note))
        except HubError as error:
            if isinstance(error, WrongSignature):
                self.expected.note_wrong_code(expected)
            log.warning("%s at %s is not approved: %s", claim.sn, claim.link.address, error)

    async def _enrol_expected(
        self, claim: Claim, expected: ExpectedCamera, pins: UnsignedPins, note: Approved
    ) -> None:
        await note(await self._enrol(expected.new, pins, expected.replaces), expected.by)
        claim.link.close(_APPROVED)

    async def _prove(self, claim: Claim, new: NewDevice) -> UnsignedPins:
        """Return what the camera is held to if it has this SN and code. Raises as `approve`."""
        try:
            facts = await ask_facts(claim.link)
        except Unproven as error:
            self._refuse(new.sn, "not-proved")
            raise DeviceNonsense(str(error)) from None
        if not self._quarantine.is_current(claim):
            raise NotConnected(_NOT_CONNECTED)
        self._check(new, facts)
        return self.pins(facts, claim.link.address)

    def pins(self, facts: Facts, address: str) -> UnsignedPins:
        """What is kept of a camera that says this of itself, at this address."""
        return pins_of(self._store.auth_code_key, facts, address)

    async def take_over(self, did: str) -> None:
        """Pin the address and the MAC that did not fit, because a person knows of the change.

        Only if the camera was known by its code. Raises BadParameter, NoSuchResource.
        """
        device = self._devices.device(did)
        if device.suspect not in ("address", "mac"):
            raise BadParameter("nothing can be taken over")
        change = replace(
            _NOT_SUSPECT,
            pinned_address=device.suspect_address or "",
            pinned_mac=device.suspect_mac or "",
        )
        await self._devices.change(did, change)

    async def dismiss(self, did: str) -> None:
        """Forget what did not fit: it was not this camera. Raises NoSuchResource."""
        await self._devices.change(did, _NOT_SUSPECT)

    def _claim(self, sn: str) -> Claim:
        claim = self._quarantine.of_sn(sn, self._pending.connection_of(sn))
        if claim is None:
            raise NotConnected(_NOT_CONNECTED)
        return claim

    def _check(self, new: NewDevice, facts: Facts) -> None:
        """Compare what the camera says with its SN and the label. Raises WrongSignature."""
        typed, told = (
            f"{sn}\n{code.strip().upper()}".encode()
            for sn, code in ((new.sn, new.code), (facts.sn, facts.auth_code))
        )
        if not hmac.compare_digest(typed, told):
            raise self._refuse(new.sn, "label-mismatch")
        if not (facts.auth_code and facts.devid):
            raise self._refuse(new.sn, "not-proved")

    def _refuse(self, sn: str, code: RefusalCode) -> WrongSignature:
        reason = RefusalReason(code)
        self._pending.set_reasons(sn, (RefusalReason("unsigned"), reason))
        return WrongSignature(reason.sentence)

    async def _enrol(self, new: NewDevice, pins: UnsignedPins, replaces: str | None) -> DeviceView:
        new = replace(new, code=unknown_code(), key=None, pins=pins)
        if replaces is None:
            device = await self._devices.add(new)
        else:
            change = DeviceChange(sn=new.sn, code=new.code, key=None, pins=pins)
            device = await self._devices.change(
                replaces, replace(change, name=new.name) if new.name else change
            )
        if (expected := self.expected.find(new.sn)) is not None:
            self.expected.remove(expected)
        return device


_APPROVED = "it was approved: it connects again"
_NOT_CONNECTED = "it is not connected now: wait until it connects again"
_NOT_SUSPECT = DeviceChange(suspect=None, suspect_address=None, suspect_mac=None, suspect_at=None)
