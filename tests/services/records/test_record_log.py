from __future__ import annotations

import pytest
from msgspec import Raw

from hub.errors import NoSuchResource
from hub.services.feeds import record_weight
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import EventDetail, Record
from tests.support.hub_services import HubServices


async def test_a_record_is_found_by_seq_and_by_filter(hub: HubServices) -> None:
    await hub.add_faces("Li Lei", "Han Meimei")
    log = hub.services.records.log
    assert (await log.get(2)).seq == 2
    page = await log.page(RecordFilter(name="li l"))
    assert [record.seq for record in page.items] == [1]
    with pytest.raises(NoSuchResource):
        await log.get(3)


async def test_a_picture_is_returned_as_it_was_sent(hub: HubServices) -> None:
    await hub.add_faces("a", pictures=True)
    picture = await hub.services.records.log.picture(1, "face")
    assert (picture.mime, picture.data) == ("image/jpeg", b"\xff\xd8\xffa")
    for seq, name in [(1, "body"), (2, "face")]:
        with pytest.raises(NoSuchResource):
            await hub.services.records.log.picture(seq, name)


def test_the_weight_of_a_record_counts_what_the_device_decides() -> None:
    record = Record(
        seq=1,
        kind="event",
        did="1",
        sn="SN",
        device_name="",
        occurred_at=0,
        received_at=0,
        detail=EventDetail(type=1, data=Raw(b'{"a":1}')),
        extra=Raw(b'{"b":22}'),
        images=(),
    )
    assert record_weight(record) == 7 + 8
