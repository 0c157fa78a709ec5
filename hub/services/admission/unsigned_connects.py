"""Connects without a signature (D12): what is looked at before quarantine, and in it."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from hub.errors import CannotStoreNow, HubError, NoSuchResource, NotAuthorised, WrongSignature
from hub.live.pending_devices import ConnectAttempt
from hub.live.refusal_reasons import RefusalCode, RefusalReason
from hub.live.registry import Link, Registry
from hub.net.rate_limits import TokenBuckets
from hub.services.admission.connect_checks import ConnectRefused
from hub.services.admission.enrolment import Enrolment
from hub.services.admission.tokens import DeviceTokens
from hub.services.admission.unsigned.facts import (
    Facts,
    Unproven,
    ask_facts,
    find_suspicion,
    is_alive,
)
from hub.services.admission.unsigned.paths import hash_path, is_next, may_come_by
from hub.services.admission.unsigned.quarantine import Claim
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.store.tables.devices import Device, DeviceChange, Suspicion
from hub.wire.commands.capabilities import (
    Capabilities,
    with_connect,
    with_firmware,
    with_group,
)

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: Marks of suspicion of one device that are stored, with and without its code: anybody in the
#: networks may cause the latter.
_MARKS_PER_SECOND = 0.1
_MARKS_AT_ONCE = 3

_CODES: dict[Suspicion, RefusalCode] = {
    "facts": "changed-facts",
    "mac": "changed-mac",
    "address": "changed-address",
}


class Proved(Struct, frozen=True):
    """A camera that is what was approved; its token is stored."""

    device: Device
    token: str


class UnsignedConnects:
    """Checks connects without a signature. A check that fails raises Refused."""

    def __init__(
        self,
        core: Core,
        registry: Registry,
        devices: Devices,
        enrolment: Enrolment,
        tokens: DeviceTokens,
        capabilities: CameraCapabilities,
    ) -> None:
        self._store = core.store
        self._registry = registry
        self._devices = devices
        self._tokens = tokens
        self._capabilities = capabilities
        self._quarantine = enrolment.quarantine
        self._now = core.now
        self._moves = enrolment.moves
        self.policy = enrolment.policy
        #: Devices whose earlier connection is being asked whether it is alive.
        self._asked: set[str] = set()
        #: Devices of which a connection is being admitted.
        self._admitting: set[str] = set()
        self._marks = TokenBuckets(_MARKS_PER_SECOND, _MARKS_AT_ONCE)

    def close_refused(self) -> None:
        """Disconnect the devices that may not connect any more, after a change of the settings."""
        for device in self._store.devices.all():
            link = self._registry.get(device.did)
            if link is None or device.connects == "signed":
                continue
            if self.policy.objection(link.address) is not None:
                link.close("it connects without a signature, which is not allowed any more")

    def enter_unknown(self, attempt: ConnectAttempt, link: Link) -> Claim:
        """Put the connection of a camera that is not enrolled into quarantine."""
        return self._quarantine.enter(link, attempt, "", hash_path(link.path), own=None)

    async def enter(self, device: Device, attempt: ConnectAttempt, link: Link) -> Claim:
        """Run the checks that need no answer of the camera; then it is in quarantine.

        Raises Refused. An earlier connection of the device is asked whether it is alive.
        """
        self._check_known(device, link)
        if (older := self._other_link(device.did, link)) is not None:
            await self._check_silent(device, older)
            # Something may have changed meanwhile.
            self._check_known(self._current(device), link)
        path_hash, own = hash_path(link.path), device.pinned_address
        claim = self._quarantine.enter(link, attempt, device.did, path_hash, own=own)
        claim.older = older
        return claim

    async def prove(self, claim: Claim) -> Proved:
        """Ask the camera in quarantine who it is; if it is what was approved, store its token.

        Returns without waiting any more, so that the caller can put it online at once. Raises
        Refused, with the device marked if something does not fit; and CannotStoreNow.
        """
        changes = self._devices.change_number(claim.did)
        device = self._enrolled(claim.did)
        try:
            facts = await ask_facts(claim.link)
        except Unproven as error:
            log.info("%s at %s is not admitted: %s", device.sn, claim.link.address, error)
            raise _refused("not-proved") from None
        device = self._current(device)
        address = claim.link.address
        suspicion = find_suspicion(self._store.auth_code_key, device, facts, address)
        if suspicion == "address" and self._moves.is_expected(device.did, device.sn, address):
            # All else fits, and an administrator has sent it to this address.
            suspicion = None
        if suspicion is not None:
            await self._mark(device, suspicion, facts, claim.link.address)
            raise _refused(_CODES[suspicion])
        return await self._admit(claim, device, facts, changes)

    def _check_known(self, device: Device, link: Link) -> None:
        """Raise Refused unless a connect of this device may go into quarantine."""
        objection = self.policy.objection(link.address)
        if objection is not None:
            raise _refused(objection)
        if not may_come_by(device, hash_path(link.path)):
            raise _refused("other-path")
        if not device.enabled:
            reason = RefusalReason("disabled")
            raise ConnectRefused(NotAuthorised(reason.refusal), reason, signed=False)

    async def _check_silent(self, device: Device, older: Link) -> None:
        """Raise Refused if the earlier connection of the device is alive.

        If it is not, it stays all the same until the new one has proved who it is: the camera may
        only be slow.
        """
        if device.did in self._asked:
            # One question at a time: the answer to it counts for the next connect.
            raise _refused("still-online")
        self._asked.add(device.did)
        try:
            if await is_alive(older):
                raise _refused("still-online")
        finally:
            self._asked.discard(device.did)

    async def _admit(self, claim: Claim, device: Device, facts: Facts, changes: int) -> Proved:
        did = device.did
        other = self._other_link(did, claim.link)
        if did in self._admitting or (other is not None and other is not claim.older):
            raise _refused("still-online")
        self._admitting.add(did)
        try:
            if is_next(device, claim.path_hash):
                change = DeviceChange(path_hash=claim.path_hash, next_path_hash=None)
                device = await self._store.devices.change(did, change)
            if claim.link.address != device.pinned_address:
                device = await self._pin_moved(device, claim.link.address)
            await self._learn(did, facts)
            # A token that is stored late is good all the same: the camera knows it already. What
            # changes from here on drops it.
            if (refusal := self._changed_meanwhile(claim, changes)) is not None:
                raise refusal
            token = await self._tokens.issue(did, token=claim.token)
            if (refusal := self._changed_meanwhile(claim, changes)) is not None:
                await self._store.tokens.drop(did)
                raise refusal
        except NoSuchResource:
            raise _refused("not-proved") from None
        finally:
            self._admitting.discard(did)
        self._devices.note_facts(device, address=claim.link.address, firmware=facts.firmware)
        return Proved(device, token)

    async def _pin_moved(self, device: Device, address: str) -> Device:
        """Hold the camera to the address that an administrator has sent it to, from now on."""
        if not self._moves.is_expected(device.did, device.sn, address):
            raise _refused("changed-address")

        def moved() -> None:
            self._moves.forget(device.did)
            log.info("device %s is at the address that it was sent to: %s", device.did, address)

        change = DeviceChange(pinned_address=address)
        return await self._store.devices.change(device.did, change, on_commit=moved)

    def _changed_meanwhile(self, claim: Claim, changes: int) -> ConnectRefused | None:
        """Why a camera is not admitted though it has proved who it is; None if it is.

        It takes half a minute to ask it: the settings or the device may have been changed since,
        or its connection has ended.
        """
        objection = self.policy.objection(claim.link.address)
        if objection is not None:
            return _refused(objection)
        is_changed = self._devices.change_number(claim.did) != changes
        if is_changed or not self._quarantine.is_current(claim):
            return _refused("not-proved")
        return None

    async def _learn(self, did: str, facts: Facts) -> None:
        def information(known: Capabilities) -> Capabilities:
            known = with_firmware(known, facts.firmware)
            known = with_group(known, "information", is_known=True)
            return with_group(known, "network", is_known=True)

        learn = self._capabilities.learn
        await learn(did, lambda known: with_connect(known, "unsigned"), "connect")
        await learn(did, information, "get_info")

    async def _mark(self, device: Device, suspicion: Suspicion, facts: Facts, address: str) -> None:
        """Store what does not fit, for an administrator to look at, and for the alarm."""
        log.warning(
            "a camera at %s claims to be %s without a signature, but its %s differs: quarantine",
            address,
            device.name or device.sn,
            "address" if suspicion == "address" else "MAC" if suspicion == "mac" else "identity",
        )
        mark = (suspicion, address, facts.mac)
        if mark == (device.suspect, device.suspect_address, device.suspect_mac):
            return
        has_code = suspicion != "facts"
        if not has_code and device.suspect in ("address", "mac"):
            # Who knows the SN only must not hide a change that an administrator can take over.
            return
        if self._marks.take((device.did, has_code), trio.current_time(), max_wait=0):
            return
        change = DeviceChange(
            suspect=suspicion,
            suspect_address=address,
            suspect_mac=facts.mac,
            suspect_at=int(self._now() * 1000),
        )
        try:
            tell = partial(self._devices.publish_change, device.did)
            await self._store.devices.change(device.did, change, on_commit=tell)
        except (CannotStoreNow, NoSuchResource) as error:
            log.warning("cannot store that %s is suspect: %s", device.sn, error)

    def _other_link(self, did: str, link: Link) -> Link | None:
        found = self._registry.get(did)
        return None if found is link else found

    def _enrolled(self, did: str) -> Device:
        device = self._store.devices.by_did(did)
        if device is None or device.connects != "unsigned":
            raise _refused("not-proved")
        return device

    def _current(self, device: Device) -> Device:
        """The device as it is now, if its camera is the same one. Raises Refused."""
        current = self._enrolled(device.did)
        if current.sn != device.sn:
            raise _refused("not-proved")
        return current


def _refused(code: RefusalCode) -> ConnectRefused:
    reason = RefusalReason(code)
    error: HubError = WrongSignature(reason.refusal)
    return ConnectRefused(error, reason, signed=False)
