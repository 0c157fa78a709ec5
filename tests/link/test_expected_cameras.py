"""Cameras without a signature that are approved before they connect again (D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from hub.errors import AlreadyExists, BadParameter, NoSuchResource, TooManyRequests
from hub.services.admission.unsigned.expected import (
    MAX_EXPECTED,
    MAX_WRONG_CODES,
    WINDOW_SECONDS,
    ExpectedCameras,
)
from hub.services.audit import Actor
from hub.store.tables.devices import NewDevice
from tests.support.gate import CODE, SN, pending_codes
from tests.support.plug import Port, device_port
from tests.support.unsigned_camera import ASK, UnsignedCamera, is_online, settle, unsigned_camera

pytestmark = pytest.mark.jumping_clock

ELSEWHERE, OUTSIDE = "10.0.0.66", "10.9.9.9"
FACTS = ["/system/device/get_info", "/net/ifconfig_get_inet"]
ADA = Actor("user ada", "10.0.0.2")


@asynccontextmanager
async def site() -> AsyncIterator[Port]:
    """A site to which a camera with SN has connected, and from which it has gone."""
    async with device_port(**ASK) as port:
        camera = await connected(port)
        await camera.camera.socket.aclose()
        await settle()
        yield port


async def connected(port: Port, address: str = "10.0.0.7", **facts: str) -> UnsignedCamera:
    camera = await unsigned_camera(port, address=address, **facts)
    await camera.connect()
    await settle()
    return camera


def expect(port: Port, **more: Any) -> None:
    port.site.enrolment.expect(SN, more.pop("code", CODE), by=ADA, **more)


def device(port: Port) -> Any:
    return port.site.store.devices.by_sn(SN)


async def test_a_camera_that_is_away_is_approved_when_it_connects() -> None:
    async with site() as port:
        with pytest.raises(NoSuchResource, match="not connected"):
            await port.site.enrolment.accept(SN, CODE)
        expect(port, name="Gate", code=CODE.lower())
        await trio.sleep(WINDOW_SECONDS - 30)
        camera = await connected(port)
        assert camera.uris == FACTS
        await camera.closed.wait()
        assert (device(port).name, device(port).connects) == ("Gate", "unsigned")
        assert not is_online(port.site)
        (entry,) = await port.site.audit.newest()
        assert (entry.who, entry.action, entry.target) == ("user ada", "device.accept", "1")
        # It is asked again, as at each connect.
        camera = await connected(port)
        assert camera.uris == FACTS
        assert is_online(port.site)


async def test_after_its_time_nobody_is_approved_or_asked() -> None:
    async with site() as port:
        expect(port)
        await trio.sleep(WINDOW_SECONDS + 1)
        camera = await connected(port)
        assert camera.asked == []
        assert device(port) is None


async def test_who_has_another_code_changes_nothing() -> None:
    async with site() as port:
        expect(port)
        fake = await connected(port, ELSEWHERE, auth_code="WRONG123")
        assert fake.uris == FACTS
        assert device(port) is None
        assert pending_codes(port.site) == ["unsigned", "label-mismatch"]
        camera = await connected(port)
        await camera.closed.wait()
        assert device(port).pinned_address == "10.0.0.7"


async def test_what_is_typed_while_the_camera_is_asked_counts() -> None:
    async with site() as port:
        expect(port)
        camera = await unsigned_camera(port)
        camera.may_answer = trio.Event()
        await camera.connect()
        expect(port, code="OTHER123")
        camera.may_answer.set()
        await settle()
        assert camera.uris == FACTS
        assert device(port) is None


async def test_an_approval_is_used_up_by_the_camera() -> None:
    async with site() as port:
        expect(port)
        camera = await connected(port)
        await camera.closed.wait()
        await port.site.devices.remove(device(port).did)
        again = await connected(port)
        assert again.asked == []
        assert device(port) is None


async def test_who_says_nothing_holds_nobody_up() -> None:
    async with site() as port:
        expect(port)
        silent = await unsigned_camera(port, address=ELSEWHERE)
        silent.answers = False
        await silent.connect()
        camera = await connected(port)
        await camera.closed.wait()
        assert device(port) is not None


async def test_codes_cannot_be_tried_against_it() -> None:
    async with site() as port:
        expect(port)
        for number in range(MAX_WRONG_CODES):
            fake = await connected(port, ELSEWHERE, auth_code=f"WRONG{number:03}")
            await fake.camera.socket.aclose()
        fake = await connected(port, ELSEWHERE, auth_code=CODE)
        assert fake.asked == []
        assert device(port) is None


async def test_from_outside_the_networks_nobody_is_asked() -> None:
    async with site() as port:
        expect(port)
        outside = await unsigned_camera(port, address=OUTSIDE)
        assert (await outside.connect())["code"] == 421
        await settle()
        assert outside.asked == []
        assert device(port) is None


async def test_of_two_that_have_the_code_one_is_approved() -> None:
    async with site() as port:
        expect(port)
        cameras = [
            await unsigned_camera(port, address="10.0.0.7"),
            await unsigned_camera(port, address=ELSEWHERE),
        ]
        for camera in cameras:
            camera.may_answer = trio.Event()
            await camera.connect()
        for camera in cameras:
            camera.may_answer.set()
        await settle()
        assert sum(camera.closed.is_set() for camera in cameras) == 1
        assert len(port.site.store.devices.all()) == 1


async def test_the_last_code_that_was_typed_counts() -> None:
    async with site() as port:
        expect(port, code="WRONG123")
        expect(port)
        camera = await connected(port)
        await camera.closed.wait()
        assert device(port) is not None


async def test_only_what_can_be_enrolled_is_expected() -> None:
    async with site() as port:
        await port.site.enrol("OTHER", did="7")
        with pytest.raises(AlreadyExists):
            expect(port, did="7")
        with pytest.raises(NoSuchResource):
            expect(port, replaces="99")
        with pytest.raises(BadParameter):
            expect(port, replaces="7", did="8")
        with pytest.raises(BadParameter):
            expect(port, code="")
        with pytest.raises(NoSuchResource):
            port.site.enrolment.expect("NEVER-SEEN", CODE, by=ADA)
        with pytest.raises(AlreadyExists):
            port.site.enrolment.expect("OTHER", CODE, by=ADA)
        camera = await connected(port)
        assert camera.asked == []


async def test_a_camera_takes_the_place_of_a_broken_one_when_it_connects() -> None:
    async with site() as port:
        await port.site.enrol("OTHER", did="7", name="Yard")
        expect(port, replaces="7")
        camera = await connected(port)
        await camera.closed.wait()
        assert (device(port).did, device(port).name) == ("7", "Yard")


def test_how_many_are_expected_is_bounded_and_no_code_is_shown() -> None:
    now = 0.0
    expected = ExpectedCameras(lambda: now)
    for number in range(MAX_EXPECTED):
        expected.add(NewDevice(sn=f"SN{number}", code="SECRET01"), None, ADA)
    with pytest.raises(TooManyRequests):
        expected.add(NewDevice(sn="ONE-MORE", code="SECRET01"), None, ADA)
    expected.add(NewDevice(sn="SN0", code="SECRET01"), None, ADA)
    assert "SECRET01" not in repr(expected.find("SN0"))
    now = WINDOW_SECONDS
    expected.add(NewDevice(sn="ONE-MORE", code="SECRET01"), None, ADA)
    assert expected.find("SN0") is None
