"""/metrics: the figures of the site, as a program reads them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub import __version__
from hub.errors import CannotStoreNow
from hub.reasons import Reason
from hub.services.audit import COMMAND_LINE
from hub.services.problems import HealthReason
from hub.services.upkeep import exposition
from hub.services.upkeep.exposition import read_metrics
from hub.store.alarms.alarm import Move
from hub.store.people.people import PersonPut
from hub.store.people.person_rows import PersonChange
from hub.store.targets.target import DeadLetter
from hub.wire.uploads.records import EventDetail
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site

Figures = dict[tuple[str, ...], float]


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> Any:
    async with open_page_site(tmp_path, clock) as hub:
        dates = cast(Any, SimpleNamespace(expires_at=clock() + 86_400))
        upkeep = replace(hub.services.upkeep, certificates=dates)
        hub.services = replace(hub.services, upkeep=upkeep)
        yield hub


async def read(hub: PageSite) -> Figures:
    """The samples by name and values of labels."""
    text = (await read_metrics(hub.services)).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_figures_of_the_site_are_read_when_they_are_asked_for(
    hub: PageSite, clock: FrozenClock
) -> None:
    await hub.connect("Gate", did="1")
    await hub.enrol("Door", did="2")
    hub.report("2", clock_offset=-12.5)
    hub.pend("NEW")
    await hub.add_record(pictures=("face",))
    clock.advance(60)
    last = await hub.add_record()
    found = await read(hub)
    assert found["sitehub_build_info", __version__] == 1
    assert found["sitehub_start_time_seconds",] == clock() - 60
    assert [found["sitehub_devices", state] for state in ("online", "offline", "waiting")] == [
        *(1, 1, 1)
    ]
    assert found["sitehub_device_clock_offset_seconds", "2"] == -12.5
    assert found["sitehub_last_seq",] == last
    assert found["sitehub_oldest_record_timestamp_seconds",] == clock() - 60
    assert found["sitehub_newest_record_timestamp_seconds",] == clock()
    assert found["sitehub_days",] == 1
    assert found["sitehub_keep_days",] == 30
    assert found["sitehub_certificate_expiry_timestamp_seconds",] == clock() - 60 + 86_400
    for name in ("disk_free_bytes", "disk_needed_bytes", "pictures_bytes", "database_bytes"):
        assert found[f"sitehub_{name}",] > 0
    assert found["sitehub_store_queue_writes",] == 0


async def test_how_far_targets_are_is_told_by_target(hub: PageSite) -> None:
    url = "nats://127.0.0.1:9"
    targets = hub.services.forwarding.targets
    for name, begin in (("Wall", "beginning"), ("Centre", "now")):
        await targets.add("nats", url, name=name, begin=begin, by=COMMAND_LINE)  # type: ignore[arg-type]
        await hub.add_record()
    await hub.hub.store.targets.hold(targets.get(1).target, Reason("somebody must look"))
    log_id = hub.services.records.log.log_id
    await hub.hub.store.targets.add_dead_letter(
        DeadLetter(2, "record", log_id, 2, Reason("large"), 0)
    )
    found = await read(hub)
    assert [found["sitehub_target_behind_records", "nats", id] for id in "12"] == [2, 1]
    assert [found["sitehub_target_parked_records", "nats", id] for id in "12"] == [0, 1]
    assert found["sitehub_target_state", "nats", "held", "1"] == 1
    assert found["sitehub_target_state", "nats", "behind", "2"] == 1
    await targets.remove(1, by=COMMAND_LINE)
    assert ("sitehub_target_behind_records", "nats", "1") not in await read(hub)


async def test_problems_are_figures_as_long_as_they_last(hub: PageSite) -> None:
    assert (await read(hub))["sitehub_healthy",] == 1
    hub.health_reasons = [HealthReason("cannot-store"), HealthReason("disk-low")]
    found = await read(hub)
    assert found["sitehub_healthy",] == 0
    assert found["sitehub_problem", "cannot-store", "fault"] == 1
    assert found["sitehub_problem", "disk-low", "notice"] == 1
    hub.health_reasons = []
    assert not any(name == "sitehub_problem" for name, *_ in await read(hub))


async def test_what_is_not_known_is_nan(hub: PageSite) -> None:
    found = await read(hub)
    assert math.isnan(found["sitehub_newest_record_timestamp_seconds",])
    assert math.isnan(found["sitehub_oldest_record_timestamp_seconds",])


async def test_a_figure_that_cannot_be_read_does_not_hide_the_others(
    hub: PageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(services: object) -> None:
        raise CannotStoreNow("the disk is not responding")

    monkeypatch.setattr(exposition, "_UPDATES", (fail, *exposition._UPDATES))
    assert (await read(hub))["sitehub_healthy",] == 1


async def test_only_the_clocks_that_are_off_the_most_are_shown(
    hub: PageSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "_MOST_DEVICES", 2)
    for did, offset in ((1, 3.0), (2, -60.0), (3, 10.0)):
        await hub.enrol(f"camera {did}", did=str(did))
        hub.report(str(did), clock_offset=offset)
    shown = {key[1] for key in await read(hub) if key[0] == "sitehub_device_clock_offset_seconds"}
    assert shown == {"2", "3"}


async def test_people_on_devices_are_counted_by_state(hub: PageSite) -> None:
    await hub.enrol("Gate", did="1")
    puts = [
        PersonPut(pid=pid, change=PersonChange(name="Ada", photo=b"jpeg")) for pid in ("1", "2")
    ]
    await hub.services.people.register.put_many(puts, by=COMMAND_LINE)
    found = await read(hub)
    states = ("held", "pending", "failed", "unknown")
    assert [found["sitehub_device_people", state] for state in states] == [0, 2, 0, 0]


async def test_alarms_are_counted_by_state_and_severity(hub: PageSite) -> None:
    found = await read(hub)
    assert math.isnan(found["sitehub_alarm_oldest_new_timestamp_seconds",])
    fire, *_ = [await hub.add_record("event", EventDetail(type=type)) for type in (8, 1, 3)]
    await hub.services.alarms.raised.acknowledge([fire], "", by=COMMAND_LINE)
    hub.clock.advance(60)
    late = await hub.add_record("event", EventDetail(type=2))
    await hub.hub.store.alarms.move([late], Move("escalated", hub.clock.ms))
    found = await read(hub)
    counts = {key[1:]: count for key, count in found.items() if key[0] == "sitehub_alarms"}
    assert {key: count for key, count in counts.items() if count} == {
        ("critical", "acknowledged"): 1,
        ("major", "new"): 2,
        ("minor", "new"): 1,
    }
    escalated = {key[1]: n for key, n in found.items() if key[0] == "sitehub_alarms_escalated"}
    assert escalated == {"critical": 0, "major": 1, "minor": 0}
    oldest = found["sitehub_alarm_oldest_new_timestamp_seconds",]
    assert oldest == min(one.new_since for one in hub.services.alarms.raised.active()[1:]) / 1000
    assert oldest <= hub.clock() - 60
