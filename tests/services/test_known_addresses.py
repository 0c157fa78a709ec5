"""Addresses that have connection slots of their own (hub.net.connection_slots), over a restart."""

from __future__ import annotations

from pathlib import Path

from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services


async def test_addresses_of_cameras_and_browsers_are_known_after_a_restart(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_user("ann")
        devices = hub.services.cameras.devices
        for number in (1, 2, 3, 4):
            await devices.add(NewDevice(sn=f"SN{number}", code="CODE1234", did=str(number)))
        devices.note("SN1", ip="192.168.0.1", address="10.0.0.8")
        devices.note("SN2", ip="192.168.0.2")
        devices.note("SN3", address="10.0.0.9")
        await devices._status.flush()
        await devices.change("3", DeviceChange(enabled=False))
    async with open_hub_services(tmp_path, clock) as hub:
        known = hub.services.access.known_addresses
        assert all(one in known for one in ("10.0.0.1", "10.0.0.8", "192.168.0.2"))
        assert not any(one in known for one in ("192.168.0.1", "10.0.0.9"))
