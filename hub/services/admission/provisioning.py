"""Provisioning: send a device its initial parameters (D3), and interpret its answer (D2)."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Literal

from msgspec import UNSET, Struct

from hub.errors import (
    OK,
    DeviceLeft,
    DeviceNonsense,
    DeviceSilent,
    HubError,
    NoSuchResource,
    NotSent,
)
from hub.live.registry import DeviceAnswer, Link
from hub.services.devices.directory import Devices
from hub.store.tables.devices import Device, DeviceChange
from hub.wire.session import InitParam

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

DidState = Literal["unknown", "sent", "none", "known"]
DeliveryOutcome = Literal["taken", "refused", "silent", "not-sent"]

#: D2: how long a device may take to answer the initial parameters.
INIT_SECONDS = 10.0

#: The answers in the specification have 200; its storage commands use 0 (D3).
_TAKEN = (OK, 0)

_REFUSED = re.compile(r"refused with (?P<code>-?[0-9]+) ?(?P<msg>.*)", re.DOTALL)


class Delivery(Struct, frozen=True):
    """The outcome of sending a device its initial parameters; `message` is stored."""

    outcome: DeliveryOutcome
    message: str

    @property
    def code(self) -> str:
        """Return the code of the device's refusal; empty if it did not refuse."""
        refused = _REFUSED.fullmatch(self.message)
        return refused["code"] if refused else ""

    @property
    def device_msg(self) -> str:
        """Return the message of the device's refusal; empty if it did not refuse."""
        refused = _REFUSED.fullmatch(self.message)
        return refused["msg"] if refused else ""


SILENT = Delivery("silent", f"no answer within {INIT_SECONDS:g} s")
GONE = Delivery("silent", "the connection ended before an answer came")
_UNREADABLE = Delivery("silent", "no answer that can be read")
NOT_SENT_UNSIGNED = Delivery(
    "not-sent", "no signature was seen yet: the parameters follow after a good connect"
)
NOT_SENT_EVER = Delivery(
    "not-sent", "the device connects without a signature, and is sent none: it connects again now"
)
NOT_SENT_TWICE = Delivery(
    "not-sent", "the device has connected again and is being sent its parameters already"
)
NOT_SENT_CLOSED = Delivery(
    "not-sent",
    "its connection has ended: the parameters follow when the device connects",
)
NOT_SENT_LOST = Delivery(
    "not-sent",
    "they were lost with its connection: the parameters follow when the device connects",
)
NOT_SENT_OFFLINE = Delivery(
    "not-sent", "it is offline: the parameters follow when it connects without its did"
)


def stored_delivery(message: str) -> Delivery:
    """Return the delivery whose `message` was stored."""
    if message == "taken":
        return Delivery("taken", message)
    return Delivery("refused" if _REFUSED.fullmatch(message) else "silent", message)


class Provisioning:
    """Sends initial parameters, and stores whether each device keeps its did."""

    def __init__(self, core: Core, devices: Devices) -> None:
        self._store = core.store
        self._devices = devices
        self._settings = core.settings
        #: Devices that were sent their initial parameters and have not answered.
        self._offering: set[str] = set()
        #: did -> the state that an answer or a connect has just shown, until it is stored.
        self._unsaved_states: dict[str, DidState] = {}

    async def offer(self, did: str, connection: Link) -> None:
        """D2: send the parameters to an enrolled device that does not know its did."""
        if did in self._offering:
            return
        try:
            delivery = await self.deliver(did, connection)
        except NoSuchResource:
            return  # It was removed meanwhile.
        log.info("device %s was sent its initial parameters: %s", did, delivery.message)

    async def send_again(self, did: str) -> Delivery:
        """Send the parameters now if the device is online, or when it next connects without a did.

        Raises NoSuchResource.
        """
        device = self._devices.device(did)
        if device.connects == "unsigned":
            return NOT_SENT_EVER
        connection = self._devices.link(did)
        if connection is not None:
            if self.is_offering(did):
                return NOT_SENT_TWICE
            return await self.deliver(did, connection)
        if self.did_state(device) != "known":
            await self.settle_did(did, "unknown")
        return NOT_SENT_OFFLINE

    def is_offering(self, did: str) -> bool:
        """Whether the device was sent its parameters and has not answered."""
        return did in self._offering

    def did_state(self, device: Device) -> DidState:
        """Return whether the device can keep a did, including what is not stored yet."""
        return self._unsaved_states.get(device.did, device.did_state)

    async def settle_did(self, did: str, state: DidState) -> None:
        """Store whether the device can keep a did."""
        await self._settle(did, DeviceChange(did_state=state), state)

    async def deliver(
        self, did: str, connection: Link, *, lost: Collection[Delivery] = ()
    ) -> Delivery:
        """Send the parameters, wait for the answer, and store what it means.

        A result in `lost` shows nothing about the device: nothing is stored, and its next connect
        is offered the parameters. Raises NoSuchResource.
        """
        sn = self._devices.device(did).sn
        self._offering.add(did)
        try:
            delivery = await self._ask(did, connection)
            if delivery in lost:
                return NOT_SENT_LOST
            camera = self._store.devices.by_did(did)
            # If another camera has replaced it meanwhile, the outcome is not that camera's.
            if camera is None or camera.sn == sn:
                await self._store_outcome_or_log(did, delivery)
            return delivery
        finally:
            self._offering.discard(did)
            self._unsaved_states.pop(did, None)

    async def _ask(self, did: str, connection: Link) -> Delivery:
        def settle(answer: DeviceAnswer) -> None:
            # Not later: the device's next connect may follow its answer immediately.
            self._unsaved_states[did] = _meaning_of(answer)

        try:
            answer = await connection.request(
                self._settings.current.devices.init_uri,
                self._parameters_of(did),
                seconds=INIT_SECONDS,
                on_answer=settle,
            )
        except DeviceSilent:
            return SILENT
        except (NotSent, DeviceLeft):
            return GONE
        except DeviceNonsense:
            return _UNREADABLE
        if answer.code in _TAKEN:
            return Delivery("taken", "taken")
        return Delivery("refused", f"refused with {answer.code} {answer.msg}"[:200].rstrip())

    def _parameters_of(self, did: str) -> InitParam:
        device = self._devices.device(did)
        secret = self._store.devices.secrets(did).secret
        return InitParam(did=did, otaId=device.ota_id, appid=device.appid, secret=secret)

    async def _store_outcome_or_log(self, did: str, delivery: Delivery) -> None:
        try:
            await self._store_outcome(did, delivery)
        except HubError as error:
            # Removed meanwhile, or nothing can be stored: the next connect will show the state.
            log.warning("cannot store the outcome of provisioning device %s: %s", did, error)

    async def _store_outcome(self, did: str, delivery: Delivery) -> None:
        state: DidState = "sent" if delivery.outcome == "taken" else "none"
        change = DeviceChange(did_state=state, init_outcome=delivery.message)
        if self._is_superseded(did, delivery, state):
            change = DeviceChange(init_outcome=delivery.message)
        await self._settle(did, change, state)

    def _is_superseded(self, did: str, delivery: Delivery, state: DidState) -> bool:
        """Whether a later connect has already shown a newer state."""
        if delivery.outcome == "silent":
            return self.did_state(self._devices.device(did)) == "known"
        return self._unsaved_states.get(did) != state

    async def _settle(self, did: str, change: DeviceChange, state: DidState) -> None:
        if change.did_state is not UNSET:
            self._unsaved_states[did] = state
        try:
            tell = partial(self._devices.publish_change, did)
            await self._store.devices.change(did, change, on_commit=tell)
        finally:
            if self._unsaved_states.get(did) == state:
                del self._unsaved_states[did]


def _meaning_of(answer: DeviceAnswer) -> DidState:
    return "sent" if answer.code in _TAKEN else "none"
