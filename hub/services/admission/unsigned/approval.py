"""A person approves a camera that connects without a signature, by the code of its label (D12)."""

from __future__ import annotations

import hmac
import secrets

from msgspec.structs import replace

from hub.errors import BadParameter, DeviceNonsense, NoSuchResource, WrongSignature
from hub.live.pending_devices import PendingDevices
from hub.live.refusal_reasons import RefusalCode, RefusalReason
from hub.services.admission.unsigned.facts import Facts, Unproven, ask_facts, pins_of
from hub.services.admission.unsigned.quarantine import Claim, Quarantine
from hub.services.devices.directory import DeviceChange, Devices, NewDevice
from hub.services.devices.views import DeviceView
from hub.store.db import Store
from hub.store.tables.devices import UnsignedPins


def unknown_code() -> str:
    """A security code that nobody knows, so that no signature of the device can be right."""
    return secrets.token_hex(16)


class Approval:
    """Enrols cameras in quarantine, and looks after those that are enrolled."""

    def __init__(
        self, store: Store, devices: Devices, pending: PendingDevices, quarantine: Quarantine
    ) -> None:
        self._store = store
        self._devices = devices
        self._pending = pending
        self._quarantine = quarantine

    async def approve(self, new: NewDevice, replaces: str | None) -> DeviceView:
        """Enrol the camera that waits with this SN and is connected now.

        `replaces`: the did of a broken camera whose place it takes. Its label's code, `new.code`,
        is compared with what the camera says; then it connects again. Raises NoSuchResource if it
        is not connected, WrongSignature if the code is another one, DeviceNonsense if the camera
        does not say what it should, BadParameter and AlreadyExists.
        """
        claim = self._claim(new.sn)
        try:
            facts = await ask_facts(claim.link)
        except Unproven as error:
            self._refuse(new.sn, "not-proved")
            raise DeviceNonsense(str(error)) from None
        if not self._quarantine.is_current(claim):
            raise NoSuchResource(_NOT_CONNECTED)
        self._check(new, facts)
        pins = self.pins(facts, claim.link.address)
        approved = replace(new, code=unknown_code(), key=None, pins=pins)
        device = await self._enrol(approved, replaces)
        claim.link.close("it was approved: it connects again")
        return device

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
            raise NoSuchResource(_NOT_CONNECTED)
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

    async def _enrol(self, new: NewDevice, replaces: str | None) -> DeviceView:
        if replaces is None:
            return await self._devices.add(new)
        assert new.pins is not None
        change = DeviceChange(sn=new.sn, code=new.code, key=None, pins=new.pins)
        return await self._devices.change(
            replaces, replace(change, name=new.name) if new.name else change
        )


_NOT_CONNECTED = "it is not connected now: wait until it connects again"
_NOT_SUSPECT = DeviceChange(suspect=None, suspect_address=None, suspect_mac=None, suspect_at=None)
