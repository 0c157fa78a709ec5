"""What must survive a restart, on the real store: tokens, accepted connects, device status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio

from hub.errors import HubError, NotAuthorised, WrongSignature
from hub.services.devices.csv_import import DeviceCsv, ImportRow
from hub.store.opening import open_store
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.gate import CODE, SN, FakeLink, Gate


@asynccontextmanager
async def running(data_dir: Path, clock: FrozenClock) -> AsyncIterator[Gate]:
    """One run of the hub on the data of the run before."""
    async with open_store(data_dir, now=clock, on_records=lambda _: None) as store:
        yield Gate(store, clock, require_did="auto")


async def test_tokens_survive_a_restart(clock: FrozenClock, tmp_path: Path) -> None:
    async with running(tmp_path, clock) as site:
        device = await site.enrol(did="12")
        link = FakeLink()
        first = (await site.connect(link, site.connect_param(did="12"))).result.token
        second = (await site.connect(link, site.connect_param(did="12"))).result.token
    clock.advance(30)
    async with running(tmp_path, clock) as site:
        assert site.authentication.by_token(first).did == device.did
        assert site.authentication.by_token(second).did == device.did
        clock.advance(31)
        with pytest.raises(NotAuthorised):
            site.authentication.by_token(first)
        site.authentication.by_token(second)


async def test_a_replayed_connect_is_refused_after_a_restart(
    clock: FrozenClock, tmp_path: Path
) -> None:
    async with running(tmp_path, clock) as site:
        await site.enrol(did="12")
        param = site.connect_param(did="12")
        await site.connect(FakeLink(), param)
    async with running(tmp_path, clock) as site:
        with pytest.raises(WrongSignature, match="repeats"):
            await site.connect(FakeLink(), param)


async def test_one_of_many_equal_simultaneous_connects_is_admitted(
    clock: FrozenClock, tmp_path: Path
) -> None:
    async with running(tmp_path, clock) as site:
        await site.enrol(did="12")
        param = site.connect_param(did="12")
        codes: list[int] = []

        async def connect() -> None:
            try:
                await site.connect(FakeLink(), param)
            except HubError as error:
                codes.append(error.code)
            else:
                codes.append(200)

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(connect)
        assert sorted(codes) == [200] + [423] * 19


async def test_what_is_known_of_a_device_survives_a_restart(
    clock: FrozenClock, tmp_path: Path
) -> None:
    async with running(tmp_path, clock) as site:
        device = await site.enrol(name="Gate")
        with pytest.raises(HubError):
            await site.connect(FakeLink(), site.connect_param())
        await site.enrolment.provisioning.settle_did(device.did, "none")
        await site.connect(FakeLink(), site.connect_param(form="md5-hex-lower", ip="192.168.1.5"))
        await site.devices.flush()
        before = site.devices.get(device.did)
    async with running(tmp_path, clock) as site:
        after = site.devices.get(device.did)
        assert after.sign_form == "md5-hex-lower"
        assert (after.ip, after.last_seen) == ("192.168.1.5", before.last_seen)
        await site.connect(FakeLink(), site.connect_param(ts=int(clock.seconds) - 9))


async def test_a_device_disabled_while_it_connects_gets_no_lasting_token(
    clock: FrozenClock, tmp_path: Path
) -> None:
    async with running(tmp_path, clock) as site:
        await site.enrol(did="12")
        tokens: list[str] = []

        async def connect() -> None:
            with suppress(HubError):
                admitted = await site.connect(FakeLink(), site.connect_param(did="12"))
                tokens.append(admitted.result.token)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.devices.change, "12", DeviceChange(enabled=False))
            nursery.start_soon(connect)
        assert site.devices.get("12").state == "disabled"
        for token in tokens:
            with pytest.raises(NotAuthorised):
                site.authentication.by_token(token)


async def test_an_import_of_a_thousand_devices_is_one_write(
    clock: FrozenClock, tmp_path: Path
) -> None:
    async with running(tmp_path, clock) as site:
        rows = [
            ImportRow(number + 2, NewDevice(sn=f"{SN}{number}", code=CODE))
            for number in range(1000)
        ]
        await site.devices.import_csv(DeviceCsv(tuple(rows)))
        assert len(site.devices.list()) == 1000
