"""A new network address for a camera, and whether it came back by it (1.37 of edition 3, D12).

A camera takes a wrong address as well, and nothing rolls it back. What the hub can do is to wait
for the camera, and to say where it is. This is in memory: after a restart of the hub a camera is
online or not, as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct

from hub.errors import BadParameter, HubError, Unanswered
from hub.services.admission.unsigned.moves import ExpectedMoves
from hub.services.camera_functions.readings import CameraReadings
from hub.services.commands.calls import Commands
from hub.services.devices.directory import Devices
from hub.services.devices.views import DeviceView
from hub.wire.commands.edition_3_commands import GET_INTERFACES, SET_ETHERNET
from hub.wire.commands.edition_3_params import EthernetSet

#: How long a camera may take to come back before somebody should look (s).
PATIENCE_SECONDS = 180.0
#: Where there is no gateway or name server.
_NONE = IPv4Address(0)

MoveStage = Literal["waiting", "late", "back", "elsewhere", "held"]


class AddressMove(Struct, frozen=True):
    """A camera that was sent an address. `wanted`: "" for DHCP; `before`: where it was, or "".

    `sent_at`: UNIX milliseconds.
    """

    sn: str
    wanted: str
    before: str
    sent_at: int


class MoveState(Struct, frozen=True):
    """How far a move is. `address`: where the camera is, as far as that is known, or "".

    `held`: it has no signature, and came back from another address than it was sent to, or than it
    is held to if it was told to use DHCP: an administrator has to take that over.
    """

    stage: MoveStage
    address: str
    move: AddressMove


class AddressMoves:
    """The cameras that were sent an address since the hub has started: the last one of each."""

    def __init__(
        self,
        devices: Devices,
        commands: Commands,
        readings: CameraReadings,
        expected: ExpectedMoves,
        now: Callable[[], float],
    ) -> None:
        self._expected = expected
        self._devices = devices
        self._commands = commands
        self._readings = readings
        self._now = now
        self._moves: dict[str, AddressMove] = {}

    def check(self, did: str, param: EthernetSet) -> None:
        """Raise BadParameter if no camera can have this address, or another camera has it."""
        if param.dhcp:
            return
        try:
            network = IPv4Network(f"{param.addr}/{param.mask}", strict=False)
        except ValueError:
            raise BadParameter(
                "a subnet mask is expected", field="param.mask", fault="mask"
            ) from None
        address, gateway = IPv4Address(param.addr), IPv4Address(param.gateway)
        ends = (network.network_address, network.broadcast_address)
        is_usual = _is_usual(address, may_be_loopback=self._is_on_this_computer(did))
        if not 1 <= network.prefixlen <= 30 or address in ends or not is_usual:
            raise BadParameter(
                "an address of a device is expected", field="param.addr", fault="host"
            )
        if gateway != _NONE and (gateway not in network or gateway in (*ends, address)):
            raise BadParameter(
                "an address of the same network is expected", field="param.gateway", fault="gateway"
            )
        if any(one.ip == param.addr and one.did != did for one in self._devices.list()):
            raise BadParameter("another camera has this address", field="param.addr", fault="taken")

    async def send(self, did: str, param: EthernetSet) -> None:
        """Send a checked address. Raises what Commands.call raises, except Unanswered.

        A camera that changes its address at once cannot answer any more: it is waited for.
        """
        device = self._devices.get(did)
        wanted = "" if param.dhcp else param.addr
        move = AddressMove(device.sn, wanted, device.ip or "", int(self._now() * 1000))
        # Before it is sent: a camera may be there before it has answered.
        if wanted and device.connects == "unsigned":
            self._expected.expect(did, device.sn, wanted)
        else:
            self._expected.forget(did)
        try:
            await self._commands.call(did, SET_ETHERNET, param)
        except Unanswered:
            pass
        except HubError:
            self._expected.forget(did)
            raise
        self._moves[did] = move
        self._readings.forget(did, GET_INTERFACES)

    def state(self, did: str) -> MoveState | None:
        """How far the last move of this camera is, if there was one. Raises NoSuchResource."""
        device, move = self._devices.get(did), self._moves.get(did)
        if move is None or move.sn != device.sn:
            return None
        if (device.suspect_at or 0) >= move.sent_at and device.suspect == "address":
            return MoveState("held", device.suspect_address or "", move)
        if device.online_since is not None and device.online_since > move.sent_at:
            is_there = not move.wanted or move.wanted in self._addresses(device)
            return MoveState("back" if is_there else "elsewhere", device.ip or "", move)
        age = self._now() - move.sent_at / 1000
        return MoveState("waiting" if 0 <= age < PATIENCE_SECONDS else "late", "", move)

    def _is_on_this_computer(self, did: str) -> bool:
        """Whether it is a simulated camera, which connects by a loopback address."""
        link = self._devices.link(did)
        return link is not None and link.address.startswith("127.")

    def _addresses(self, device: DeviceView) -> tuple[str, ...]:
        """Where a camera that is online is, as it says, and as its connection shows."""
        link = self._devices.link(device.did)
        return (device.ip or "", link.address if link else "")


def _is_usual(address: IPv4Address, *, may_be_loopback: bool) -> bool:
    if address.is_loopback:
        return may_be_loopback
    return not (address.is_multicast or address.is_unspecified)
