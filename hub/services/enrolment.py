"""Enrolment (D3): devices that knock, accepting one, and handing it its initial parameters."""

from __future__ import annotations

import logging
from typing import Literal

from msgspec import UNSET, Struct

from hub.config import Devices as DevicesConfig
from hub.errors import (
    OK,
    AlreadyExists,
    DeviceBusy,
    DeviceSilent,
    HubError,
    NoSuchResource,
    WrongSignature,
)
from hub.live.registry import Answer, Link
from hub.live.waiting import Knock, Reason, WaitingRoom
from hub.live.waiting import Waiting as Waiting
from hub.services.connectsign import sign_form_or_reason
from hub.services.devices import (
    Device,
    DeviceBook,
    DeviceChange,
    DeviceView,
    NewDevice,
    check_new,
)
from hub.store.db import Store
from hub.wire.session import InitParam

log = logging.getLogger(__name__)

DidState = Literal["unknown", "sent", "none", "known"]
Outcome = Literal["taken", "refused", "silent", "not-sent"]

#: D2: so long a device may take to answer the initial parameters.
INIT_SECONDS = 10.0

#: The specification's own answers say 200; its storage commands use 0 (D3).
_TAKEN = (OK, 0)


class Accepted(Struct, frozen=True):
    """The new device, and how it took its initial parameters; `message` says it in words."""

    device: DeviceView
    outcome: Outcome
    message: str


class _Delivery(Struct, frozen=True):
    outcome: Outcome
    message: str


_NOT_SENT_UNSIGNED = _Delivery(
    "not-sent", "no signature was seen yet: the parameters follow after a good connect"
)
_NOT_SENT_TWICE = _Delivery(
    "not-sent", "the device has connected again, and is being sent its parameters already"
)
_NOT_SENT_CLOSED = _Delivery(
    "not-sent",
    "it waits no longer on an open connection: the parameters follow when the device connects",
)


class Enrolment:
    def __init__(
        self, store: Store, devices: DeviceBook, room: WaitingRoom, config: DevicesConfig
    ) -> None:
        self._store = store
        self._devices = devices
        self._room = room
        self._config = config
        #: Devices whose initial parameters are on their way.
        self._offering: set[str] = set()
        #: What an answer or a connect has just told, while it is being stored.
        self._settling: dict[str, DidState] = {}

    def waiting(self) -> list[Waiting]:
        """The devices that wait for enrolment, the one that knocked last at the end."""
        return self._room.waiting()

    async def accept(
        self,
        sn: str,
        code: str,
        *,
        key: str | None = None,
        name: str = "",
        did: str | None = None,
    ) -> Accepted:
        """Enrol a device that waits, and send it its initial parameters.

        Raises NoSuchResource where no such device waits, BadParameter, AlreadyExists, and
        WrongSignature where its last signature does not fit code and key: it still waits then.
        """
        knock = self._knock_of(sn)
        new = NewDevice(sn=sn, code=code, did=did, name=name, key=key)
        check_new(new)
        form = self._form_of(knock, new)
        connection = self._room.connection_of(sn)
        device = await self._devices.add(new)
        if form is None:
            delivery = _NOT_SENT_UNSIGNED
        else:
            self._devices.note(device.did, sign_form=form)
            delivery = await self._deliver_if_open(device.did, connection)
        log.info("device %s (%s) was accepted: %s", device.did, name or sn, delivery.message)
        return Accepted(self._devices.get(device.did), delivery.outcome, delivery.message)

    async def offer(self, did: str, connection: Link) -> None:
        """D2: send the initial parameters to an enrolled device that does not know its did."""
        if did in self._offering:
            return
        try:
            delivery = await self._deliver(did, connection)
        except NoSuchResource:
            return  # It was removed meanwhile.
        log.info("device %s was sent its initial parameters: %s", did, delivery.message)

    def is_offering(self, did: str) -> bool:
        return did in self._offering

    def did_state(self, device: Device) -> DidState:
        """Whether the device can keep a did, as far as is known this very moment."""
        return self._settling.get(device.did, device.did_state)

    async def settle_did(self, did: str, state: DidState) -> None:
        """Remember, durably, whether the device can keep a did."""
        await self._settle(did, DeviceChange(did_state=state), state)

    def _knock_of(self, sn: str) -> Knock:
        if self._store.devices.by_sn(sn) is not None:
            raise AlreadyExists(f"{sn} is enrolled already", field="sn")
        knock = self._room.last_knock(sn)
        if knock is None:
            raise NoSuchResource(f"no device with sn {sn} waits")
        return knock

    def _form_of(self, knock: Knock, new: NewDevice) -> str | None:
        """The form of its signature; None where it sends none (D3)."""
        fit = sign_form_or_reason(
            knock.sign,
            key=new.key or self._devices.site_key(),
            code=new.code,
            sn=new.sn,
            ts_text=knock.ts_text,
        )
        if not isinstance(fit, Reason):
            return fit
        if fit.code == "no-signature":
            return None
        self._room.refine(new.sn, fit)
        raise WrongSignature(fit.sentence)

    async def _deliver_if_open(self, did: str, connection: Link | None) -> _Delivery:
        if connection is None or not self._room.holds(connection):
            return _NOT_SENT_CLOSED
        if self.is_offering(did):
            return _NOT_SENT_TWICE
        return await self._deliver(did, connection)

    async def _deliver(self, did: str, connection: Link) -> _Delivery:
        """Send the parameters, wait for the answer, and store what it means."""
        self._offering.add(did)
        try:
            delivery = await self._ask(did, connection)
            await self._keep_outcome(did, delivery)
            return delivery
        finally:
            self._offering.discard(did)
            self._settling.pop(did, None)

    async def _ask(self, did: str, connection: Link) -> _Delivery:
        def settle(answer: Answer) -> None:
            # Now, for the device's next connect may stand right behind its answer.
            self._settling[did] = _meaning_of(answer)

        try:
            answer = await connection.request(
                self._config.init_uri,
                self._parameters_of(did),
                seconds=INIT_SECONDS,
                on_answer=settle,
            )
        except DeviceSilent:
            return _Delivery("silent", f"no answer within {INIT_SECONDS:g} s")
        except DeviceBusy:
            return _Delivery("silent", "the connection ended before an answer came")
        if answer.code in _TAKEN:
            return _Delivery("taken", "taken")
        return _Delivery("refused", f"refused with {answer.code} {answer.msg}"[:200].rstrip())

    def _parameters_of(self, did: str) -> InitParam:
        device = self._devices.device(did)
        secret = self._store.devices.secrets(did).secret
        return InitParam(did=did, otaId=device.ota_id, appid=device.appid, secret=secret)

    async def _keep_outcome(self, did: str, delivery: _Delivery) -> None:
        try:
            await self._store_outcome(did, delivery)
        except HubError as error:
            # Removed meanwhile, or nothing can be stored: the next connect tells it again.
            log.warning("cannot keep how device %s took its parameters: %s", did, error)

    async def _store_outcome(self, did: str, delivery: _Delivery) -> None:
        state: DidState = "sent" if delivery.outcome == "taken" else "none"
        change = DeviceChange(did_state=state, init_outcome=delivery.message)
        if self._is_overtaken(did, delivery, state):
            change = DeviceChange(init_outcome=delivery.message)
        await self._settle(did, change, state)

    def _is_overtaken(self, did: str, delivery: _Delivery, state: DidState) -> bool:
        """Has a later connect told more than the answer, or than its absence?"""
        if delivery.outcome == "silent":
            return self.did_state(self._devices.device(did)) == "known"
        return self._settling.get(did) != state

    async def _settle(self, did: str, change: DeviceChange, state: DidState) -> None:
        if change.did_state is not UNSET:
            self._settling[did] = state
        try:
            await self._store.devices.change(did, change)
        finally:
            if self._settling.get(did) == state:
                del self._settling[did]


def _meaning_of(answer: Answer) -> DidState:
    return "sent" if answer.code in _TAKEN else "none"
