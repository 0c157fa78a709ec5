"""Doors and relays of cameras: over real connections to a simulated camera's own HTTP (D12)."""

from __future__ import annotations

import sqlite3
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from hub.errors import (
    BadParameter,
    DeviceBusy,
    DeviceOffline,
    NoSuchResource,
    TooManyRequests,
)
from hub.net.http_client import HttpConnection, HttpPlace, open_connection
from hub.services.audit import Actor
from hub.services.camera_functions.relays.faults import RelayFault
from hub.services.camera_functions.relays.relays import Relays, RelaySettings
from hub.simulator.camera_web import CameraWeb, Pulse, WebFault
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.certificates import self_signed
from tests.support.clock import FrozenClock
from tests.support.gate import FakeLink
from tests.support.hub_services import HubServices, open_hub_services

USER, PASSWORD = "operator", "Kl9-gate"
BY = Actor("user mei", "10.0.0.5")
DOOR = RelaySettings(name="Front door", seconds=5, username=USER, password=PASSWORD)


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    """Camera 1 is connected from this computer."""
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.cameras.devices.add(
            NewDevice(sn="SN1", code="12345678", did="1", name="Gate")
        )
        attach(hub)
        yield hub


def attach(hub: HubServices, address: str = "127.0.0.1") -> FakeLink:
    link = FakeLink(address)
    link.did, link.sn = "1", "SN1"
    hub.registry.attach(link)
    return link


@asynccontextmanager
async def camera_web(
    fault: WebFault = "none", context: ssl.SSLContext | None = None
) -> AsyncIterator[CameraWeb]:
    web = CameraWeb(USER, PASSWORD, fault=fault, context=context)
    async with trio.open_nursery() as nursery:
        await nursery.start(web.serve)
        yield web
        nursery.cancel_scope.cancel()


async def audited(hub: HubServices) -> list[tuple[str, str]]:
    return [(one.action, one.target) for one in await hub.services.core.audit.oldest()]


async def test_a_door_is_opened_for_as_long_as_it_is_set_to(hub: HubServices) -> None:
    relays = hub.services.cameras.relays
    async with camera_web() as web:
        await relays.set("1", replace(DOOR, port=web.port), by=BY)
        await relays.switch("1", on=True, by=BY)
        assert web.relay == [Pulse(True, 5)]
        await relays.switch("1", on=False, by=BY)
        assert web.relay[1:] == [Pulse(False, 5)]
    assert await audited(hub) == [
        ("device.relay_set", "1 Front door"),
        ("device.relay_on", "1 Front door"),
        ("device.relay_off", "1 Front door"),
    ]


@pytest.mark.parametrize(
    ("fault", "reason", "status"),
    [
        ("unset", "default-password", 502),
        ("redirect", "redirect", 502),
        ("nonsense", "nonsense", 502),
        ("huge", "nonsense", 502),
        ("no-relay", "no-relay", 502),
        ("refuses", "refused", 502),
        ("drops", "unanswered", 504),
    ],
)
async def test_what_the_camera_did_wrong_is_told_and_audited(
    hub: HubServices, fault: WebFault, reason: str, status: int
) -> None:
    relays = hub.services.cameras.relays
    async with camera_web(fault) as web:
        await relays.set("1", replace(DOOR, port=web.port), by=BY)
        with pytest.raises(RelayFault) as raised:
            await relays.switch("1", on=True, by=BY)
        assert len(web.relay) == (fault == "drops")
    assert (raised.value.reason, raised.value.status) == (reason, status)
    assert (await audited(hub))[-1] == ("device.relay_failed", f"1 Front door ({reason})")


async def test_a_camera_that_never_answers_is_given_up_and_nothing_was_switched(
    hub: HubServices, mock_clock: trio.testing.MockClock
) -> None:
    relays = with_network(hub, silent_connection)
    await relays.set("1", DOOR, by=BY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail, relays, "silent")
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(9.9)
        await trio.testing.wait_all_tasks_blocked()
        assert await audited(hub) == [("device.relay_set", "1 Front door")]
        mock_clock.jump(0.1)
    assert (await audited(hub))[-1] == ("device.relay_failed", "1 Front door (silent)")


async def test_a_camera_that_cannot_be_reached_is_told_apart(hub: HubServices) -> None:
    relays = hub.services.cameras.relays
    async with camera_web() as web:
        port = web.port
    await relays.set("1", replace(DOOR, port=port), by=BY)
    with pytest.raises(RelayFault) as raised:
        await relays.switch("1", on=True, by=BY)
    assert (raised.value.reason, raised.value.status) == ("unreachable", 409)


async def test_a_refused_password_is_not_tried_again_before_somebody_saves_it(
    hub: HubServices,
) -> None:
    relays = hub.services.cameras.relays
    async with camera_web() as web:
        await relays.set("1", replace(DOOR, port=web.port, password="Wrong-1"), by=BY)
        reasons = []
        for _ in range(3):
            with pytest.raises(RelayFault) as raised:
                await relays.switch("1", on=False, by=BY)
            reasons.append(raised.value.reason)
        assert reasons == ["password", "password-before", "password-before"]
        assert web.refused_logins == 1
        await relays.set("1", replace(DOOR, port=web.port), by=BY)
        await relays.switch("1", on=True, by=BY)
        assert web.relay == [Pulse(True, 5)]


async def test_a_relay_is_switched_on_once_in_two_seconds(
    hub: HubServices, mock_clock: trio.testing.MockClock
) -> None:
    web = CameraWeb(USER, PASSWORD)
    async with trio.open_nursery() as nursery:

        async def connect(place: HttpPlace) -> HttpConnection:
            ours, camera = trio.testing.memory_stream_pair()
            nursery.start_soon(web.answer, camera)
            return HttpConnection(ours)

        relays = with_network(hub, connect)
        await relays.set("1", DOOR, by=BY)
        await relays.switch("1", on=True, by=BY)
        with pytest.raises(TooManyRequests):
            await relays.switch("1", on=True, by=BY)
        mock_clock.jump(2)
        await relays.switch("1", on=True, by=BY)
    assert len(web.relay) == 2


async def test_a_camera_is_asked_one_thing_at_a_time(
    hub: HubServices, mock_clock: trio.testing.MockClock
) -> None:
    relays = with_network(hub, silent_connection)
    await relays.set("1", DOOR, by=BY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail, relays)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(DeviceBusy):
            await relays.switch("1", on=False, by=BY)
        mock_clock.jump(10)


async def test_a_camera_that_moved_or_left_gets_no_password(hub: HubServices) -> None:
    """Somebody else may have the address that it had."""
    relays = hub.services.cameras.relays
    async with camera_web() as web:
        await relays.set("1", replace(DOOR, port=web.port), by=BY)
        hub.registry.detach(hub.registry.get("1"))  # type: ignore[arg-type]
        with pytest.raises(DeviceOffline):
            await relays.switch("1", on=True, by=BY)
        attach(hub, "192.168.1.99")
        with pytest.raises(RelayFault) as raised:
            await relays.switch("1", on=False, by=BY)
        assert (raised.value.reason, web.logins) == ("moved", 0)


async def test_a_disabled_camera_is_not_asked(hub: HubServices) -> None:
    relays = hub.services.cameras.relays
    await relays.set("1", replace(DOOR, address="192.168.1.7"), by=BY)
    await hub.services.cameras.devices.change("1", DeviceChange(enabled=False))
    with pytest.raises(DeviceOffline):
        await relays.switch("1", on=True, by=BY)


async def test_a_replaced_camera_does_not_get_the_password_of_the_old_one(
    hub: HubServices,
) -> None:
    devices, relays = hub.services.cameras.devices, hub.services.cameras.relays
    await relays.set("1", DOOR, by=BY)
    await devices.change("1", DeviceChange(sn="SN2", code="87654321"))
    assert relays.get("1") is None
    assert await hub.store.read(count_relays) == 0
    with pytest.raises(NoSuchResource):
        await relays.switch("1", on=True, by=BY)


async def test_a_removed_camera_takes_its_relay_with_it(hub: HubServices) -> None:
    await hub.services.cameras.relays.set("1", DOOR, by=BY)
    await hub.services.cameras.devices.remove("1")
    assert hub.store.relays.get("1") is None
    assert await hub.store.read(count_relays) == 0


async def test_a_relay_can_be_removed(hub: HubServices) -> None:
    relays = hub.services.cameras.relays
    await relays.set("1", DOOR, by=BY)
    await relays.remove("1", by=BY)
    assert relays.get("1") is None
    assert (await audited(hub))[-1] == ("device.relay_remove", "1 Front door")


@pytest.mark.parametrize(
    "password",
    [
        "",
        "admin",
        "ADMIN",
        "123456",
        "operator",
        "Operator",
        "aaaaaaaa",
        "short",
        "x" * 65,
        "a\x07bcdef",
    ],
)
async def test_a_password_that_everybody_tries_is_refused(hub: HubServices, password: str) -> None:
    with pytest.raises(BadParameter) as raised:
        await hub.services.cameras.relays.set("1", replace(DOOR, password=password), by=BY)
    assert raised.value.field == "password"
    assert hub.services.cameras.relays.get("1") is None


async def test_a_password_is_kept_only_for_the_place_that_it_is_of(hub: HubServices) -> None:
    relays = hub.services.cameras.relays
    await relays.set("1", DOOR, by=BY)
    await relays.set("1", replace(DOOR, password="", name="Back door", seconds=9), by=BY)
    assert hub.store.relays.password("1") == PASSWORD
    for change in (
        {"address": "192.168.1.7"},
        {"port": 81},
        {"tls": True},
        {"username": "other"},
    ):
        with pytest.raises(BadParameter) as raised:
            await relays.set("1", replace(DOOR, password="", **change), by=BY)
        assert raised.value.field == "password"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "169.254.1.1",
        "fe80::1",
        "224.0.0.1",
        "0.0.0.0",
        "8.8.8.8",
        "gate",
        "1.2.3",
    ],
)
async def test_an_address_outside_the_site_is_refused(hub: HubServices, address: str) -> None:
    attach(hub, "192.168.1.77")
    relays = with_network(hub, open_connection, allow_loopback=False)
    with pytest.raises(BadParameter) as raised:
        await relays.set("1", replace(DOOR, address=address), by=BY)
    assert raised.value.field == "address"


async def test_an_address_of_this_hub_is_refused(hub: HubServices) -> None:
    attach(hub, "192.168.1.77")

    async def is_ours(address: str, port: int) -> bool:
        return address == "192.168.1.7"

    relays = Relays(hub.services.core, hub.services.cameras.devices, is_ours=is_ours)
    with pytest.raises(BadParameter):
        await relays.set("1", replace(DOOR, address="192.168.1.7"), by=BY)
    assert (await relays.set("1", DOOR, by=BY)).address == "192.168.1.77"


async def test_the_address_is_that_from_which_the_camera_is_connected(hub: HubServices) -> None:
    attach(hub, "::ffff:203.0.113.9")
    relay = await hub.services.cameras.relays.set("1", DOOR, by=BY)
    assert (relay.address, relay.is_own) == ("203.0.113.9", True)
    typed = await hub.services.cameras.relays.set("1", replace(DOOR, address="10.1.2.3"), by=BY)
    assert (typed.address, typed.is_own) == ("10.1.2.3", False)


async def test_another_certificate_than_the_first_one_gets_no_password(
    hub: HubServices, tmp_path: Path
) -> None:
    relays, context = (
        hub.services.cameras.relays,
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
    )
    context.load_cert_chain(*self_signed(tmp_path))
    async with camera_web(context=context) as web:
        await relays.set("1", replace(DOOR, port=web.port, tls=True), by=BY)
        await relays.switch("1", on=True, by=BY)
        assert web.relay == [Pulse(True, 5)]
        relay = relays.get("1")
        assert relay is not None
        assert len(relay.certificate) == 64
        await hub.store.relays.put(replace(relay, certificate="ab" * 32), PASSWORD, "SN1")
        with pytest.raises(RelayFault) as raised:
            await relays.switch("1", on=False, by=BY)
        assert (raised.value.reason, web.logins) == ("certificate", 1)
        # Who enters the password again takes the camera's present certificate for good.
        await relays.set("1", replace(DOOR, port=web.port, tls=True), by=BY)
        await relays.switch("1", on=False, by=BY)


async def test_no_secret_is_in_the_database_the_log_or_the_audit_log(
    hub: HubServices, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    relays = hub.services.cameras.relays
    async with camera_web() as web:
        await relays.set("1", replace(DOOR, port=web.port), by=BY)
        await relays.switch("1", on=True, by=BY)
        tokens = [PASSWORD, "1795608001"]
    files = [(tmp_path / name).read_bytes() for name in ("hub.sqlite", "hub.sqlite-wal")]
    told = caplog.text + str(await audited(hub))
    for secret in tokens:
        assert secret not in told
        assert not any(secret.encode() in content for content in files)


async def test_a_password_of_another_place_cannot_be_opened(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """Who writes another address into the database is not sent the password."""
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="12345678", did="1"))
        await hub.services.cameras.relays.set("1", replace(DOOR, address="192.168.1.7"), by=BY)
        await hub.store.write(repoint)
    async with open_hub_services(tmp_path, clock) as hub:
        with pytest.raises(NoSuchResource):
            await hub.services.cameras.relays.switch("1", on=True, by=BY)


def with_network(
    hub: HubServices,
    connect: Callable[[HttpPlace], Awaitable[HttpConnection]],
    *,
    allow_loopback: bool = True,
) -> Relays:
    services = hub.services
    return Relays(
        services.core,
        services.cameras.devices,
        connect=connect,
        allow_loopback=allow_loopback,
    )


async def silent_connection(place: HttpPlace) -> HttpConnection:
    ours, _ = trio.testing.memory_stream_pair()
    return HttpConnection(ours)


async def fail(relays: Relays, reason: str = "silent") -> None:
    with pytest.raises(RelayFault) as raised:
        await relays.switch("1", on=True, by=BY)
    assert raised.value.reason == reason


def repoint(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE device_relay SET address = '192.168.1.66'")


def count_relays(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM device_relay").fetchone()[0])
