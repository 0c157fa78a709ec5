"""A camera that was sent another address is waited for (D12)."""

from __future__ import annotations

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from hub.errors import BadParameter, DeviceLeft, DeviceOffline, DeviceRefused, HubError
from hub.live.registry import DeviceAnswer
from hub.services.admission.unsigned.moves import ExpectedMoves
from hub.services.camera_functions.moves import PATIENCE_SECONDS, AddressMoves, MoveState
from hub.services.camera_functions.readings import CameraReadings
from hub.store.tables.devices import DeviceChange, UnsignedPins
from hub.wire.commands.edition_3_commands import SET_ETHERNET
from hub.wire.commands.edition_3_params import EthernetSet
from tests.support.clock import FrozenClock
from tests.support.commanded_device import CommandedDevice, commanded_device
from tests.support.commanded_link import AskedLink, answer

FIXED = SET_ETHERNET.example
DHCP = replace(FIXED, dhcp=True)


async def camera(
    clock: FrozenClock, nursery: trio.Nursery, outcome: DeviceAnswer | HubError | None = None
) -> tuple[CommandedDevice, AddressMoves]:
    """A camera that answers everything so; None: with success."""
    device = await commanded_device(clock, nursery, lambda uri, param: outcome or answer(0))
    readings = CameraReadings(device.site.devices, device.commands, clock)
    return device, AddressMoves(
        device.site.devices, device.commands, readings, ExpectedMoves(), clock
    )


def come_back(device: CommandedDevice, clock: FrozenClock, address: str) -> None:
    device.leave()
    clock.advance(20)
    link = AskedLink(device.did)
    link.since, link.address = int(clock() * 1000), address
    device.connect(link)


def stage(moves: AddressMoves, device: CommandedDevice) -> str:
    state = moves.state(device.did)
    return state.stage if isinstance(state, MoveState) else ""


@pytest.mark.parametrize("outcome", [None, DeviceLeft("it left")])
async def test_a_camera_that_was_sent_an_address_is_waited_for_until_it_is_there(
    clock: FrozenClock, nursery: trio.Nursery, outcome: HubError | None
) -> None:
    device, moves = await camera(clock, nursery, outcome)
    assert stage(moves, device) == ""
    await moves.send(device.did, FIXED)
    assert stage(moves, device) == "waiting"
    come_back(device, clock, FIXED.addr)
    assert stage(moves, device) == "back"


async def test_one_that_comes_back_elsewhere_is_told_apart(
    clock: FrozenClock, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    device, moves = await camera(clock, nursery)
    await moves.send(device.did, FIXED)
    come_back(device, clock, "192.168.1.99")
    assert stage(moves, device) == "elsewhere"
    await moves.send(device.did, DHCP)
    come_back(device, clock, "192.168.1.98")
    assert stage(moves, device) == "back"


async def test_a_camera_that_takes_the_place_of_one_that_was_sent_an_address_is_not_waited_for(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device, moves = await camera(clock, nursery)
    await moves.send(device.did, FIXED)
    device.leave()
    await device.site.devices.change(device.did, DeviceChange(sn="OTHER", code="AB12CD34"))
    assert stage(moves, device) == ""


async def test_after_a_while_somebody_should_look(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device, moves = await camera(clock, nursery)
    await moves.send(device.did, FIXED)
    device.leave()
    clock.advance(PATIENCE_SECONDS)
    assert stage(moves, device) == "late"
    come_back(device, clock, FIXED.addr)
    assert stage(moves, device) == "back"


async def test_one_that_has_to_be_approved_again_says_so(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device, moves = await camera(clock, nursery)
    await moves.send(device.did, FIXED)
    clock.advance(20)
    mark = DeviceChange(
        suspect="address", suspect_address=FIXED.addr, suspect_at=int(clock() * 1000)
    )
    await device.site.devices.change(device.did, mark)
    state = moves.state(device.did)
    assert state is not None
    assert (state.stage, state.address) == ("held", FIXED.addr)


@pytest.mark.parametrize(
    ("outcome", "error"), [(answer(420), DeviceRefused), (DeviceOffline("off"), DeviceOffline)]
)
async def test_an_address_that_was_not_taken_is_not_waited_for(
    clock: FrozenClock,
    nursery: trio.Nursery,
    outcome: DeviceAnswer | HubError,
    error: type[HubError],
) -> None:
    device, moves = await camera(clock, nursery, outcome)
    with pytest.raises(error):
        await moves.send(device.did, FIXED)
    assert stage(moves, device) == ""


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mask": "255.0.255.0"}, "param.mask"),
        ({"mask": "255.255.255.255"}, "param.addr"),
        ({"mask": "0.0.0.0"}, "param.addr"),
        ({"addr": "192.168.1.0"}, "param.addr"),
        ({"addr": "192.168.1.255"}, "param.addr"),
        ({"addr": "127.0.0.5", "gateway": "0.0.0.0"}, "param.addr"),
        ({"gateway": "192.168.2.1"}, "param.gateway"),
        ({"gateway": "192.168.1.20"}, "param.gateway"),
    ],
)
async def test_an_address_that_no_camera_can_have_is_not_sent(
    clock: FrozenClock, nursery: trio.Nursery, change: dict[str, str], field: str
) -> None:
    device, moves = await camera(clock, nursery)
    wrong: EthernetSet = replace(FIXED, **change)
    with pytest.raises(BadParameter) as caught:
        moves.check(device.did, wrong)
    assert caught.value.field == field
    moves.check(device.did, replace(wrong, dhcp=True))
    moves.check(device.did, FIXED)
    moves.check(device.did, replace(FIXED, gateway="0.0.0.0"))


async def test_the_address_of_another_camera_is_not_sent(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device, moves = await camera(clock, nursery)
    other = await device.site.enrol("2")
    device.site.devices.note(other.sn, ip=FIXED.addr)
    with pytest.raises(BadParameter, match="another camera"):
        moves.check(device.did, FIXED)
    moves.check(other.did, FIXED)


async def test_of_a_camera_without_a_signature_the_new_address_is_expected(
    clock: FrozenClock, nursery: trio.Nursery
) -> None:
    device = await commanded_device(clock, nursery, lambda uri, param: answer(0))
    readings = CameraReadings(device.site.devices, device.commands, clock)
    expected = ExpectedMoves()
    moves = AddressMoves(device.site.devices, device.commands, readings, expected, clock)
    sn = device.site.devices.get(device.did).sn

    def is_expected(address: str) -> bool:
        return expected.is_expected(device.did, sn, address)

    await moves.send(device.did, FIXED)
    assert not is_expected(FIXED.addr)
    pins = UnsignedPins("192.168.1.77", "00:1b:2c:3d:4e:5f", "3001", "ab" * 32)
    await device.site.store.devices.change(device.did, DeviceChange(pins=pins))
    await moves.send(device.did, FIXED)
    assert is_expected(FIXED.addr)
    assert not is_expected("192.168.1.99")
    # Nobody knows which address it will have.
    await moves.send(device.did, DHCP)
    assert not is_expected(FIXED.addr)


@pytest.mark.parametrize("outcome", [DeviceAnswer(420, "no"), DeviceOffline("gone")])
async def test_an_address_that_was_not_taken_is_not_expected(
    clock: FrozenClock, nursery: trio.Nursery, outcome: DeviceAnswer | HubError
) -> None:
    device = await commanded_device(clock, nursery, lambda uri, param: outcome)
    readings = CameraReadings(device.site.devices, device.commands, clock)
    expected = ExpectedMoves()
    moves = AddressMoves(device.site.devices, device.commands, readings, expected, clock)
    pins = UnsignedPins("192.168.1.77", "00:1b:2c:3d:4e:5f", "3001", "ab" * 32)
    await device.site.store.devices.change(device.did, DeviceChange(pins=pins))
    with pytest.raises(HubError):
        await moves.send(device.did, FIXED)
    sn = device.site.devices.get(device.did).sn
    assert not expected.is_expected(device.did, sn, FIXED.addr)
