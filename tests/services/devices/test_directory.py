"""The directory of devices: adding, importing, changing, removing, and their status."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

from hub.errors import AlreadyExists, BadParameter, HubError, NoSuchResource, NotAuthorised
from hub.live.feed import Change
from hub.services.devices.csv_import import DeviceCsv, ImportRow
from hub.store.tables.devices import DeviceChange, NewDevice
from tests.support.clock import FrozenClock
from tests.support.gate import CODE, SN, FakeLink, gate, public_pem


def new(sn: str = SN, **fields: Any) -> NewDevice:
    return NewDevice(**{"sn": sn, "code": CODE, **fields})


async def test_a_device_is_added_and_listed(clock: FrozenClock) -> None:
    site = gate(clock)
    with site.changes.subscribe() as changes:
        view = await site.devices.add(new(did="18446744073709551615", name="东门"))
        assert await changes.next() == [Change("device", view.did)]
    assert (view.did, view.sn, view.name) == ("18446744073709551615", SN, "东门")
    assert (view.state, view.enabled, view.waiting_reason) == ("offline", True, None)
    assert site.devices.list() == [view]
    assert site.devices.get(view.did) == view


async def test_the_list_continues_after_a_did_that_was_removed(clock: FrozenClock) -> None:
    site = gate(clock)
    for did in ("3", "20", "100"):
        await site.devices.add(new(f"SN{did}", did=did))
    page = site.devices.page(after="19", limit=1)
    assert ([view.did for view in page.items], page.next) == (["20"], "20")
    page = site.devices.page(after="20", limit=1)
    assert ([view.did for view in page.items], page.next) == (["100"], None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"did": "0"}, "did"),
        ({"did": "007"}, "did"),
        ({"did": "-1"}, "did"),
        ({"did": "12 "}, "did"),
        ({"did": "18446744073709551616"}, "did"),
        ({"did": "１２"}, "did"),
        ({"did": ""}, "did"),
        ({"sn": ""}, "sn"),
        ({"sn": "x" * 65}, "sn"),
        ({"sn": "A\nB"}, "sn"),
        ({"sn": " A"}, "sn"),
        ({"code": ""}, "code"),
        ({"code": "x" * 129}, "code"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"key": "no PEM"}, "key"),
        ({"key": "x" * 20_000}, "key"),
    ],
)
async def test_a_bad_field_is_named(clock: FrozenClock, fields: dict[str, str], field: str) -> None:
    site = gate(clock)
    with pytest.raises(BadParameter) as caught:
        await site.devices.add(new(**fields))
    assert caught.value.field == field
    assert caught.value.message.startswith(f"{field}: ")
    assert site.devices.list() == []


async def test_an_sn_or_a_did_that_is_taken_is_refused(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.devices.add(new(did="12"))
    for fields in ({}, {"sn": "OTHER", "did": "12"}):
        with pytest.raises(AlreadyExists):
            await site.devices.add(new(**fields))


async def test_an_import_is_all_or_nothing_and_names_the_line(clock: FrozenClock) -> None:
    site = gate(clock)
    await site.devices.add(new("TAKEN", did="1"))
    good = ImportRow(2, new("A", did="7"))
    for bad, text in (
        (new("B", code=""), "line 3: code: "),
        (new("TAKEN"), "line 3: sn: "),
        (new("B", did="1"), "line 3: did: "),
        (new("A"), "line 3: sn: A is already in line 2"),
        (new("B", did="7"), "line 3: did: 7 is already in line 2"),
        (new("B", key="x"), "line 3: key: "),
    ):
        with pytest.raises(BadParameter) as caught:
            await site.devices.import_csv(
                DeviceCsv(
                    (
                        good,
                        ImportRow(3, bad),
                    )
                )
            )
        assert caught.value.message.startswith(text)
        assert len(site.devices.list()) == 1
    added = await site.devices.import_csv(
        DeviceCsv(
            (
                good,
                ImportRow(3, new("B", name="Gate")),
            )
        )
    )
    assert [(view.sn, view.name) for view in added] == [("A", ""), ("B", "Gate")]


async def test_a_csv_file_is_read_and_checked_in_a_thread(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread is one of its own limiter."""
    sheet, worked_in = DeviceCsv((ImportRow(2, new("A")),)), []

    def work(*_: object) -> DeviceCsv:
        worked_in.append(threading.get_ident())
        shared = trio.from_thread.run_sync(trio.to_thread.current_default_thread_limiter)
        assert shared.borrowed_tokens == 0
        return sheet

    monkeypatch.setattr("hub.services.devices.directory.read_csv", work)
    monkeypatch.setattr("hub.services.devices.directory.check_csv", work)
    devices = gate(clock).devices
    await devices.import_csv(await devices.read_csv("sn,code"))
    assert len(worked_in) == 2
    assert threading.get_ident() not in worked_in


async def test_an_import_refused_by_the_store_adds_nothing(clock: FrozenClock) -> None:
    site = gate(clock)
    site.store.refuses = True
    with pytest.raises(HubError):
        await site.devices.import_csv(DeviceCsv((ImportRow(2, new("A")),)))
    assert site.devices.list() == []


@pytest.mark.parametrize(
    "change",
    [
        DeviceChange(enabled=False),
        DeviceChange(code="NEWCODE1"),
        DeviceChange(sn="NEW-SN"),
        DeviceChange(previous_key=None),
    ],
)
async def test_a_change_that_matters_for_admission_ends_connection_and_tokens(
    clock: FrozenClock, change: DeviceChange
) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    await site.devices.change(device.did, change)
    assert link.closed == "the device was changed"
    with pytest.raises(NotAuthorised):
        site.authentication.by_token(token)


@pytest.mark.parametrize(
    "change", [DeviceChange(name="New"), DeviceChange(clock_trusted=False), DeviceChange()]
)
async def test_other_changes_keep_the_connection(clock: FrozenClock, change: DeviceChange) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    with site.changes.subscribe() as changes:
        await site.devices.change(device.did, change)
        assert await changes.next() == [Change("device", device.did)]
    assert link.closed is None
    site.authentication.by_token(token)


async def test_a_change_with_a_bad_field_changes_nothing(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    await site.enrol("TAKEN")
    before = site.devices.get(device.did)
    for change in (
        DeviceChange(sn=""),
        DeviceChange(code="a\n"),
        DeviceChange(name="x" * 101),
        DeviceChange(name="fine", key="bad"),
        DeviceChange(sn="TAKEN"),
    ):
        with pytest.raises(BadParameter):
            await site.devices.change(device.did, change)
    assert site.devices.get(device.did) == before
    with pytest.raises(NoSuchResource):
        await site.devices.change("999", DeviceChange(name="x"))


async def test_a_camera_replaces_a_broken_one(clock: FrozenClock) -> None:
    """D3: by giving its did a new SN, code and key."""
    site = gate(clock, require_did="auto")
    device = await site.enrol(name="Gate")
    await site.enrolment.provisioning.settle_did(device.did, "none")
    await site.connect(FakeLink(), site.connect_param())
    change = DeviceChange(sn="NEW-SN", code="NEWCODE1", key=public_pem(1))
    view = await site.devices.change(device.did, change)
    assert (view.did, view.name, view.sign_form) == (device.did, "Gate", None)
    assert site.devices.device(device.did).did_state == "unknown"
    with pytest.raises(HubError):
        await site.connect(FakeLink(), site.connect_param())
    replacement = site.connect_param("NEW-SN", code="NEWCODE1", key=1, did=device.did)
    assert (await site.connect(FakeLink(), replacement)).device.did == device.did


async def test_the_reason_of_a_failed_connect_is_shown_while_the_device_is_offline(
    clock: FrozenClock,
) -> None:
    site = gate(clock)
    device = await site.enrol()
    with pytest.raises(HubError):
        await site.connect(FakeLink(), site.connect_param(code="WRONG"))
    view = site.devices.get(device.did)
    assert view.waiting_reason == "the code does not match the signature"
    await site.devices.change(device.did, DeviceChange(code="WRONG"))
    assert site.devices.get(device.did).waiting_reason is None
    await site.connect(FakeLink(), site.connect_param(code="WRONG"))
    with pytest.raises(HubError):
        await site.connect(FakeLink("10.6.6.6"), site.connect_param())
    assert site.devices.get(device.did).waiting_reason is None


async def test_removing_a_device_removes_everything_of_it(clock: FrozenClock) -> None:
    site = gate(clock)
    device = await site.enrol()
    link = FakeLink()
    token = (await site.connect(link, site.connect_param())).result.token
    await site.devices.remove(device.did)
    assert link.closed is not None
    for did in (device.did, "999"):
        with pytest.raises(NoSuchResource):
            await site.devices.remove(did)
    with pytest.raises(NoSuchResource):
        site.devices.get(device.did)
    with pytest.raises(NotAuthorised):
        site.authentication.by_token(token)


async def test_changes_are_told_apart_and_forgotten_with_their_device(clock: FrozenClock) -> None:
    site = gate(clock)
    seen: list[int] = []
    for _ in range(3):
        device = await site.enrol(did="7")
        seen.append(site.devices.change_number("7"))
        await site.devices.change("7", DeviceChange(code="OTHER123"))
        seen.append(site.devices.change_number("7"))
        await site.devices.remove(device.did)
        seen.append(site.devices.change_number("7"))
    enrolled = [number for index, number in enumerate(seen) if index % 3 < 2]
    assert len(set(enrolled)) == 6
    assert not set(enrolled) & set(seen[2::3])
    assert not site.devices._change_numbers


@pytest.mark.parametrize("is_removed", [False, True])
async def test_the_traced_frames_of_a_camera_are_dropped_with_it(
    clock: FrozenClock, is_removed: bool
) -> None:
    site = gate(clock)
    device = await site.enrol()
    site.traces.admitted(site.traces.open(), device.sn).received("a")
    await site.devices.change(device.did, DeviceChange(name="Gate"))
    assert len(site.traces.entries(device.sn, "")) == 1
    if is_removed:
        await site.devices.remove(device.did)
    else:
        await site.devices.change(device.did, DeviceChange(sn="NEW-SN"))
    assert site.traces.entries(device.sn, "") == []


async def test_the_site_key_is_checked_before_it_is_set(clock: FrozenClock) -> None:
    site = gate(clock)
    with pytest.raises(BadParameter):
        await site.devices.set_site_key("no PEM")
    assert site.devices.site_key() is None
    await site.devices.set_site_key(public_pem())
    assert site.devices.site_key() == public_pem()
