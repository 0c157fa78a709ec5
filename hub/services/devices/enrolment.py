"""Enrolment (D3): devices that knock, trying a code on one, and accepting it."""

from __future__ import annotations

import logging
from typing import Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.config import DevicesConfig
from hub.errors import AlreadyExists, BadParameter, NoSuchResource, TooManyRequests
from hub.live.pending_devices import PendingDevice as PendingDevice
from hub.live.pending_devices import PendingDevices, RefusalCode
from hub.live.pending_devices import RefusalReason as RefusalReason
from hub.live.registry import Link
from hub.net.rate_limits import TokenBucket
from hub.services.devices.directory import DeviceChange, Devices, NewDevice
from hub.services.devices.provisioning import (
    NOT_SENT_CLOSED,
    NOT_SENT_TWICE,
    NOT_SENT_UNSIGNED,
    Delivery,
    Outcome,
    Provisioning,
)
from hub.services.devices.validation import check_key, check_new, check_text
from hub.services.devices.verification import Fit, all_reasons, fit_or_reason
from hub.services.devices.views import DeviceView
from hub.store.db import Store

log = logging.getLogger(__name__)

#: So many codes may be tried in a second, by all together: nobody guesses one so, and a page that
#: asks at each pause in typing stays far below.
CHECKS_PER_SECOND = 20

CodeFit = Literal[
    "fits", "code-mismatch", "key-mismatch", "bad-signature", "no-key", "no-signature"
]

#: What a signature itself can be refused for, of all the reasons that there are.
_UNFIT: dict[RefusalCode, CodeFit] = {
    "code-mismatch": "code-mismatch",
    "key-mismatch": "key-mismatch",
    "bad-signature": "bad-signature",
    "no-key": "no-key",
    "no-signature": "no-signature",
}


class Accepted(Struct, frozen=True):
    """The new device, and how it took its initial parameters; `message` says it in words."""

    device: DeviceView
    outcome: Outcome
    message: str


class CodeCheck(Struct, frozen=True):
    """Whether code and key fit a device's last signature, and what keeps it out besides.

    `form`: that of the signature (D2), where it fits.
    """

    outcome: CodeFit
    reasons: tuple[RefusalReason, ...]
    form: str | None = None


class Enrolment:
    def __init__(
        self, store: Store, devices: Devices, room: PendingDevices, config: DevicesConfig
    ) -> None:
        self._store = store
        self._devices = devices
        self._room = room
        self.initial = Provisioning(store, devices, config)
        self._checks = TokenBucket(CHECKS_PER_SECOND, burst=CHECKS_PER_SECOND)

    def waiting(self) -> list[PendingDevice]:
        """The devices that wait for enrolment, the one that knocked last at the end."""
        return self._room.pending()

    def check_code(self, sn: str, code: str, key: str | None = None) -> CodeCheck:
        """Would the last signature of a device fit this code? Nothing is stored or sent.

        Of one that waits, or of an enrolled one whose connects fail; without a `key` its own
        counts, else the site's. Raises NoSuchResource, BadParameter, and TooManyRequests.
        """
        check_text(code, "code", most=128)
        if key is not None:
            check_key(key)
        self._count_check()
        waiting = self._in_vain(sn)
        fit = fit_or_reason(waiting.attempt, keys=self._keys_for(sn, key), code=code)
        reasons = all_reasons(fit, waiting.time_reason)
        if isinstance(fit, Fit):
            return CodeCheck("fits", reasons, fit.form)
        return CodeCheck(_UNFIT[fit.code], reasons)

    async def accept(
        self,
        sn: str,
        code: str,
        *,
        key: str | None = None,
        name: str = "",
        did: str | None = None,
        replaces: str | None = None,
    ) -> Accepted:
        """Enrol a device that waits, and send it its initial parameters.

        `replaces`: the did of a broken camera, whose place it takes: did, history, and the name
        unless one is given. Raises NoSuchResource where no such device waits, BadParameter,
        AlreadyExists, and WrongSignature where its last signature does not fit code and key: it
        still waits then.
        """
        waiting = self._waiting_of(sn)
        new = NewDevice(sn=sn, code=code, did=did, name=name, key=key)
        check_new(new)
        fit = self._devices.fit_of_waiting(waiting, key=key, code=code)
        connection = self._room.connection_of(sn)
        if replaces is None:
            device = await self._devices.add(new)
        else:
            device = await self._devices.change(replaces, _replacement(new))
        if fit is None:
            delivery = NOT_SENT_UNSIGNED
        else:
            self._devices.note(device.sn, sign_form=fit.form)
            delivery = await self._deliver_if_open(device.did, connection)
        log.info("device %s (%s) was accepted: %s", device.did, name or sn, delivery.message)
        return Accepted(self._devices.get(device.did), delivery.outcome, delivery.message)

    def _count_check(self) -> None:
        if self._checks.take(trio.current_time(), max_wait=0):
            raise TooManyRequests("too many codes are tried at once")

    def _waiting_of(self, sn: str) -> PendingDevice:
        if self._store.devices.by_sn(sn) is not None:
            raise AlreadyExists(f"{sn} is enrolled already", field="sn")
        waiting = self._room.find(sn)
        if waiting is None:
            raise NoSuchResource(f"no device with sn {sn} waits")
        return waiting

    def _in_vain(self, sn: str) -> PendingDevice:
        """The last connect of a device, enrolled or not, that did not come in."""
        device = self._store.devices.by_sn(sn)
        waiting = self._room.failure(device.did) if device else self._room.find(sn)
        if waiting is None:
            raise NoSuchResource(f"no device with sn {sn} waits")
        return waiting

    def _keys_for(self, sn: str, key: str | None) -> tuple[str, ...]:
        if key is not None:
            return (key,)
        device = self._store.devices.by_sn(sn)
        if device is not None:
            return self._devices.keys_of(device)
        site_key = self._devices.site_key()
        return () if site_key is None else (site_key,)

    async def _deliver_if_open(self, did: str, connection: Link | None) -> Delivery:
        if connection is None or not self._room.is_pending(connection):
            return NOT_SENT_CLOSED
        if self.initial.is_offering(did):
            return NOT_SENT_TWICE
        return await self.initial.deliver(did, connection)


def _replacement(new: NewDevice) -> DeviceChange:
    if new.did is not None:
        raise BadParameter("a camera that takes another's place has its number", field="did")
    change = DeviceChange(sn=new.sn, code=new.code, key=new.key)
    return replace(change, name=new.name) if new.name else change
