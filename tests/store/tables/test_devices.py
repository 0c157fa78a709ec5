"""Enrolled devices and their secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.errors import AlreadyExists, HubError, NoSuchResource
from hub.store.db import Store
from hub.store.tables.devices import Device, DeviceChange, NewDevice, StatusUpdate
from tests.support.clock import FrozenClock
from tests.support.stores import batch, opened


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    async with opened(tmp_path / "data", clock) as store:
        yield store


def new(sn: str, **fields: object) -> NewDevice:
    return NewDevice(sn=sn, code="12345678", **fields)  # type: ignore[arg-type]


async def test_enrolment_assigns_a_did_names_and_a_secret(store: Store, clock: FrozenClock) -> None:
    (device,) = await store.devices.add([new("S1", name="Gate")])
    assert (device.did, device.sn, device.name, device.created_at) == ("1", "S1", "Gate", clock.ms)
    assert device.enabled
    assert device.clock_trusted
    assert device.did_state == "unknown"
    assert device.appid
    assert device.ota_id
    secrets = store.devices.secrets("1")
    assert secrets.code == "12345678"
    assert len(secrets.secret) == 32
    assert store.devices.by_sn("S1") == store.devices.by_did("1") == device
    assert store.devices.by_appid(device.appid) == device


async def test_unknown_devices_are_none(store: Store) -> None:
    assert store.devices.by_sn("S") is None
    assert store.devices.by_did("1") is None
    assert store.devices.by_appid("x") is None
    with pytest.raises(NoSuchResource):
        store.devices.secrets("1")


async def test_devices_survive_a_restart(tmp_path: Path, clock: FrozenClock) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.devices.add([new("S1", did="18446744073709551615", key="PEM"), new("S2")])
        await store.devices.change("1", DeviceChange(enabled=False, did_state="none"))
        await store.devices.update_status({"S1": StatusUpdate(ip="10.0.0.8", clock_offset=-2.5)})
        before = store.devices.all()
    async with opened(data, clock) as store:
        assert store.devices.all() == before
        assert [device.did for device in before] == ["1", "18446744073709551615"]
        assert store.devices.secrets("1").code == "12345678"


async def test_a_did_is_never_assigned_twice(store: Store, clock: FrozenClock) -> None:
    await store.devices.add([new("S1")])
    await store.devices.remove("1")
    await store.devices.add([new("S2", did="3")])
    await store.records.append(batch(clock, 1, did="4"))
    devices = await store.devices.add([new("S3"), new("S4"), new("S5", did="5")])
    assert [device.did for device in devices] == ["2", "6", "5"]


@pytest.mark.parametrize(
    ("second", "field"), [(new("S1"), "sn"), (new("S9", did="1"), "did")], ids=["sn", "did"]
)
async def test_devices_are_added_all_or_none(store: Store, second: NewDevice, field: str) -> None:
    await store.devices.add([new("S1")])
    with pytest.raises(AlreadyExists) as refusal:
        await store.devices.add([new("S2"), second])
    assert refusal.value.field == field
    assert [device.sn for device in store.devices.all()] == ["S1"]
    (third,) = await store.devices.add([new("S2")])
    assert third.did == "2"


async def test_two_concurrent_additions_cannot_take_the_same_sn(store: Store) -> None:
    outcomes: list[str] = []

    async def add() -> None:
        try:
            await store.devices.add([new("S1", did="5")])
            outcomes.append("added")
        except AlreadyExists as refusal:
            outcomes.append(refusal.field)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(add)
        nursery.start_soon(add)
    assert sorted(outcomes) == ["added", "sn"]


async def test_a_change_leaves_other_fields_as_they_are(store: Store) -> None:
    (before,) = await store.devices.add([new("S1", name="Gate", key="PEM")])
    after = await store.devices.change("1", DeviceChange(name="North", key=None, code="87654321"))
    assert after == store.devices.by_did("1")
    assert (after.name, after.key, after.sn, after.appid) == ("North", None, "S1", before.appid)
    assert store.devices.secrets("1").code == "87654321"


async def test_a_broken_camera_is_replaced_under_its_did(store: Store) -> None:
    await store.devices.add([new("S1"), new("S2")])
    await store.devices.change("1", DeviceChange(sn="S9"))
    assert store.devices.by_sn("S1") is None
    found = store.devices.by_sn("S9")
    assert found is not None
    assert found.did == "1"
    with pytest.raises(AlreadyExists) as refusal:
        await store.devices.change("1", DeviceChange(sn="S2"))
    assert refusal.value.field == "sn"
    await store.devices.add([new("S1")])


async def test_status_of_many_devices_is_saved_in_one_write(store: Store) -> None:
    await store.devices.add([new("S1"), new("S2")])
    await store.devices.update_status(
        {
            "S1": StatusUpdate(ip="10.0.0.1", last_seen=5, fw_ver="V1", sign_form="md5-digest"),
            "S2": StatusUpdate(did_state="known"),
            "S99": StatusUpdate(ip="10.0.0.9"),
        }
    )
    await store.devices.update_status({"S1": StatusUpdate(last_seen=9)})
    one, two = store.devices.all()
    assert (one.ip, one.last_seen, one.fw_ver, one.sign_form) == ("10.0.0.1", 9, "V1", "md5-digest")
    assert (two.ip, two.did_state) == (None, "known")
    assert store.devices.by_did("99") is None
    await store.devices.update_status({})


async def test_removing_a_device_removes_its_tokens_and_keeps_its_records(
    store: Store, clock: FrozenClock
) -> None:
    (device,) = await store.devices.add([new("S1")])
    await store.tokens.issue("1", b"t", expires_at=10**15, grace_until=0, accepted=None)
    await store.records.append(batch(clock, 1, did="1"))
    await store.devices.remove("1")
    assert store.devices.all() == ()
    assert store.devices.by_appid(device.appid) is None
    assert store.tokens.holder(b"t") is None
    assert await store.records.get(1) is not None
    for call in (store.devices.remove("1"), store.devices.change("1", DeviceChange(name="x"))):
        with pytest.raises(NoSuchResource):
            await call


async def test_memory_changes_only_after_the_commit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.devices.add([new("S1", name="Gate")])

    class Refused(HubError):
        pass

    def fail(*_: object) -> None:
        raise Refused

    monkeypatch.setattr("hub.store.tables.devices.save_device", fail)
    with pytest.raises(Refused):
        await store.devices.change("1", DeviceChange(name="North"))
    found = store.devices.by_did("1")
    assert isinstance(found, Device)
    assert found.name == "Gate"


async def test_status_is_reset_when_the_camera_is_replaced(store: Store) -> None:
    """D3: a new SN means that the camera was replaced."""
    await store.devices.add([new("S1", name="Gate", key="PEM")])
    seen = {"S1": StatusUpdate(ip="10.0.0.8", fw_ver="1.2", sign_form="md5-digest")}
    await store.devices.update_status(seen)
    await store.devices.change("1", DeviceChange(init_outcome="taken", did_state="known"))
    device = await store.devices.change("1", DeviceChange(sn="S2"))
    assert (device.did, device.name, device.key) == ("1", "Gate", "PEM")
    assert (device.ip, device.fw_ver, device.sign_form, device.init_outcome) == (None,) * 4
    assert device.did_state == "unknown"
    await store.devices.update_status(seen)
    assert store.devices.by_did("1") == device


async def test_tokens_and_secrets_of_a_replaced_camera_are_invalid(
    tmp_path: Path, clock: FrozenClock
) -> None:
    """The old camera could sign uploads as the new one (D5)."""
    async with opened(tmp_path / "data", clock) as store:
        (before,) = await store.devices.add([new("S1")])
        secret = store.devices.secrets("1").secret
        await store.tokens.issue("1", b"t", expires_at=10**15, grace_until=0, accepted=None)
        after = await store.devices.change("1", DeviceChange(sn="S2"))
        assert {before.appid, before.ota_id}.isdisjoint({after.appid, after.ota_id})
        assert store.devices.by_appid(before.appid) is None
        assert store.devices.by_appid(after.appid) == after
        assert store.tokens.holder(b"t") is None
    async with opened(tmp_path / "data", clock) as store:
        assert store.devices.by_did("1") == after
        assert store.devices.secrets("1").secret != secret
        assert store.tokens.holder(b"t") is None


async def test_previous_keys_are_kept_for_devices_without_their_own_key(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    later = clock.ms + 1000
    async with opened(data, clock) as store:
        await store.devices.add([new("S1"), new("S2", key="OWN"), new("S3")])
        in_use = DeviceChange(previous_key="IN USE", previous_key_until=later)
        await store.devices.change("3", in_use)
        await store.devices.keep_previous_key("SITE", later + 5)
        kept = [(d.previous_key, d.previous_key_until) for d in store.devices.all()]
        assert kept == [("SITE", later + 5), (None, None), ("IN USE", later + 5)]
        before = store.devices.all()
    async with opened(data, clock) as store:
        assert store.devices.all() == before
        await store.devices.forget_previous_keys()
        assert {device.previous_key for device in store.devices.all()} == {None}
