"""Cameras without a signature that an administrator sends to another address (D12)."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from hub.services.admission.unsigned.moves import EXPECTED_SECONDS, ExpectedMoves
from hub.services.admission.unsigned.paths import hash_secret
from hub.store.tables.devices import DeviceChange
from tests.support.gate import ADDRESS, SN
from tests.support.plug import Port, device_port
from tests.support.unsigned_camera import (
    ASK,
    UnsignedCamera,
    approved,
    approved_camera,
    is_online,
    settle,
    unsigned_camera,
)

pytestmark = pytest.mark.jumping_clock

NEW, ELSEWHERE, OUTSIDE = "10.0.0.88", "10.0.0.66", "10.9.9.9"


def device(port: Port) -> Any:
    return port.site.store.devices.by_sn(SN)


async def send_away(port: Port, address: str = NEW) -> UnsignedCamera:
    """An approved camera that was sent to an address, and has left."""
    camera = await approved(port)
    port.site.enrolment.moves.expect(device(port).did, SN, address)
    await camera.camera.socket.aclose()
    await settle()
    return camera


async def come_back(port: Port, address: str = NEW, **more: Any) -> UnsignedCamera:
    camera = await unsigned_camera(port, address=address, **more)
    await camera.connect()
    await settle()
    return camera


async def test_it_is_admitted_at_its_new_address_and_held_to_it() -> None:
    async with device_port(**ASK) as port:
        await send_away(port)
        camera = await come_back(port)
        assert is_online(port.site)
        assert (device(port).pinned_address, device(port).suspect) == (NEW, None)
        assert port.site.authentication.by_token(camera.token, NEW).sn == SN
        await camera.camera.socket.aclose()
        await settle()
        # The old address is that of another one now.
        await come_back(port, ADDRESS)
        assert not is_online(port.site)
        assert device(port).suspect == "address"


async def test_one_whose_old_connection_is_still_open_is_admitted() -> None:
    """A camera that changes its address at once closes nothing."""
    async with approved_camera() as (port, older):
        port.site.enrolment.moves.expect(device(port).did, SN, NEW)
        older.answers = False
        await come_back(port)
        await trio.sleep(10)
        link = port.site.registry.get(device(port).did)
        assert link is not None
        assert link.address == NEW


async def test_one_that_stays_where_it_was_is_admitted_there() -> None:
    async with device_port(**ASK) as port:
        await send_away(port)
        await come_back(port, ADDRESS)
        assert is_online(port.site)
        assert device(port).pinned_address == ADDRESS


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        ({"auth_code": "WRONG123"}, "facts"),
        ({"devid": "9"}, "facts"),
        ({"mac": "00:00:00:00:00:01"}, "mac"),
    ],
)
async def test_who_is_there_before_the_camera_needs_all_that_it_has(
    facts: dict[str, str], mark: str
) -> None:
    async with device_port(**ASK) as port:
        await send_away(port)
        fake = await come_back(port, **facts)
        assert not is_online(port.site)
        assert fake.uris == ["/system/device/get_info", "/net/ifconfig_get_inet"]
        assert (device(port).suspect, device(port).pinned_address) == (mark, ADDRESS)
        # And takes nothing away from the camera.
        await come_back(port)
        assert is_online(port.site)
        assert device(port).pinned_address == NEW


async def test_at_any_other_address_it_stays_in_quarantine() -> None:
    async with device_port(**ASK) as port:
        await send_away(port)
        await come_back(port, ELSEWHERE)
        assert not is_online(port.site)
        assert (device(port).suspect, device(port).suspect_address) == ("address", ELSEWHERE)
        assert device(port).pinned_address == ADDRESS


async def test_after_its_time_it_stays_in_quarantine() -> None:
    async with device_port(**ASK) as port:
        await send_away(port)
        await trio.sleep(EXPECTED_SECONDS)
        await come_back(port)
        assert not is_online(port.site)
        assert device(port).suspect == "address"


async def test_an_address_outside_the_networks_is_refused_all_the_same() -> None:
    async with device_port(**ASK) as port:
        await send_away(port, OUTSIDE)
        camera = await come_back(port, OUTSIDE)
        assert camera.asked == []
        assert not is_online(port.site)


async def test_a_secret_address_is_needed_at_the_new_address_too() -> None:
    async with device_port(**ASK) as port:
        await send_away(port)
        secret = "s" * 22
        change = DeviceChange(path_hash=hash_secret(secret))
        await port.site.store.devices.change(device(port).did, change)
        camera = await come_back(port)
        assert camera.asked == []
        assert not is_online(port.site)
        await come_back(port, path=f"/c/{secret}")
        assert is_online(port.site)


async def test_a_replaced_camera_is_not_expected_where_the_old_one_was_sent() -> None:
    moves = ExpectedMoves(lambda: 0.0)
    moves.expect("1", SN, NEW)
    assert moves.is_expected("1", SN, NEW)
    assert not moves.is_expected("1", "OTHER", NEW)
    assert not moves.is_expected("2", SN, NEW)
    moves.forget("1")
    assert not moves.is_expected("1", SN, NEW)
