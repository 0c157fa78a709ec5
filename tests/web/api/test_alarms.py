"""Alarms, their rules and watch lists by the API."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from hub.errors import TooManyRequests
from hub.services.alarms.alarms import Unstored
from hub.services.audit import COMMAND_LINE
from hub.store.alarms.alarm import Move
from hub.store.records.record_log import RecordLog
from hub.store.tables.plate_lists import MAX_ENTRIES
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail, FaceDetail, Plate, VehicleDetail
from tests.support.hub_services import HubServices
from tests.support.sse import Event, EventReader, open_event_stream
from tests.web.api.test_api import Client, refusal
from web.app import create_app


async def event(hub: HubServices, type: int, *, did: str = "1") -> int:
    at = int(hub.services.core.clock.likely_time() * 1000)
    upload = CheckedUpload(kind="event", occurred_at=at, detail=EventDetail(type))
    return await hub.add(upload, did=did)


async def person(hub: HubServices, uuid: str, name: str = "Zhang San") -> int:
    at = int(hub.services.core.clock.likely_time() * 1000)
    detail = FaceDetail(name=name, uuid=uuid, category=2)
    return await hub.add(CheckedUpload(kind="face", occurred_at=at, detail=detail))


async def seqs(api: Client, query: str = "") -> list[int]:
    return [item["seq"] for item in (await api.get(f"alarms?{query}"))["items"]]


async def test_an_alarm_has_its_record(api: Client, hub: HubServices) -> None:
    seq = await person(hub, "8")
    await person(hub, "8")
    (alarm,) = (await api.get("alarms"))["items"]
    assert alarm.pop("record") == await api.get(f"records/{seq}")
    assert alarm == {
        "seq": seq,
        "kind": "blacklist",
        "subject": "8",
        "severity": "critical",
        "state": "new",
        "count": 2,
        "first_at": "2026-11-25T12:00:00.000Z",
        "last_at": "2026-11-25T12:00:00.000Z",
        "last_seq": seq + 1,
        "new_since": "2026-11-25T12:00:00.000Z",
        "escalated_at": None,
        "over_at": None,
        "dids": ["1"],
        "detail": {
            "name": "Zhang San",
            "uuid": "8",
            "category": 2,
            "device_name": "Gate",
        },
        "note": "",
    }


async def test_alarms_are_filtered_and_paged(api: Client, hub: HubServices) -> None:
    found = [await event(hub, type, did=did) for type in (1, 8) for did in ("1", "2")]
    await api.send("POST", f"alarms/{found[0]}/ack", {})
    assert await seqs(api, "state=new") == found[1:]
    assert await seqs(api, "state=acknowledged") == found[:1]
    assert await seqs(api, "severity=critical&did=2") == found[3:]
    assert await seqs(api, "kind=plate") == []
    assert await seqs(api, "since=2026-11-25T12:00:01Z") == []
    assert await seqs(api, "until=2026-11-25T12:00:01Z") == found
    page = await api.get("alarms?limit=3")
    assert ([one["seq"] for one in page["items"]], page["next"]) == (found[:3], found[2])
    page = await api.get(f"alarms?limit=3&after={page['next']}")
    assert ([one["seq"] for one in page["items"]], page["next"]) == (found[3:], None)
    assert await seqs(api, f"order=desc&before={found[2]}") == found[1::-1]


async def test_an_alarm_is_acknowledged_and_closed(api: Client, hub: HubServices) -> None:
    seq = await event(hub, 2)
    alarm = await api.send("POST", f"alarms/{seq}/ack", {"note": "on my way"})
    assert (alarm["state"], alarm["note"]) == ("acknowledged", "on my way")
    assert alarm["record"]["seq"] == seq
    alarm = await api.send("POST", f"alarms/{seq}/close", {"note": "a cat"})
    assert (alarm["state"], alarm["note"]) == ("closed", "a cat")
    whole = await api.get(f"alarms/{seq}")
    assert [(step["step"], step["note"]) for step in whole["history"]] == [
        ("raised", ""),
        ("acknowledged", "on my way"),
        ("closed", "a cat"),
    ]
    assert whole["history"][0]["who"] == "by itself"
    assert whole["history"][1]["who"].startswith("key ")
    assert whole["evidence"] == [seq]
    _, code, message = await refusal(await api.raw("POST", f"alarms/{seq}/ack", {}))
    assert (code, message) == (420, "alarm: this alarm is closed")
    again = await api.send("POST", f"alarms/{seq}/close", {})
    assert again["state"] == "closed"


async def test_the_body_of_an_acknowledgement_may_be_left_out(
    api: Client, hub: HubServices
) -> None:
    seq = await event(hub, 2)
    client = create_app(hub.services).test_client(use_cookies=False)
    response = await client.post(f"/api/hub/v1/alarms/{seq}/ack", headers=await hub.bearer())
    assert (response.status_code, (await response.get_json())["state"]) == (200, "acknowledged")


async def test_many_are_acknowledged_and_closed_at_once(api: Client, hub: HubServices) -> None:
    found = [await event(hub, type) for type in (1, 2, 3)]
    done = await api.send("POST", "alarms/ack", {"seqs": [*found[:2], 99], "note": "drill"})
    assert [(one["seq"], one["state"]) for one in done["items"]] == [
        (found[0], "acknowledged"),
        (found[1], "acknowledged"),
    ]
    done = await api.send("POST", "alarms/close", {"seqs": found})
    assert {one["state"] for one in done["items"]} == {"closed"}
    assert await seqs(api, "state=new") == []


async def test_what_is_no_alarm_is_refused(api: Client, hub: HubServices) -> None:
    seq = (await hub.add_faces("Ada"))[0]
    for method, path in (("GET", ""), ("POST", "/ack"), ("POST", "/close")):
        body = {} if method == "POST" else None
        response = await api.raw(method, f"alarms/{seq}{path}", body)
        assert response.status_code == 404
    response = await api.raw("POST", "alarms/ack", {"seqs": [-1]})
    assert response.status_code == 400


async def test_alarms_are_exported_as_csv(api: Client, hub: HubServices) -> None:
    await event(hub, 2)
    seq = await person(hub, "8", "=1+1")
    await api.send("POST", f"alarms/{seq}/ack", {"note": "known"})
    response = await api.raw("GET", "alarms.csv?kind=blacklist")
    assert response.content_type == "text/csv; charset=utf-8"
    text = (await response.get_data()).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["seq"], row["state"], row["what"], row["note"]) == (
        *(str(seq), "acknowledged", "'=1+1"),
        "known",
    )
    assert row["acknowledged_by"].startswith("key ")
    actions = [entry.action for entry in await hub.services.core.audit.oldest()]
    assert actions[-1] == "alarm.export"


async def test_rules_are_replaced_as_a_whole(api: Client, hub: HubServices) -> None:
    assert await api.get("alarm-rules") == {"items": [], "raised_by": "all"}
    rule = {"types": [2], "severity": "none", "start": "08:00", "end": "18:00", "days": [1, 2]}
    put = await api.send("PUT", "alarm-rules", {"items": [rule]})
    assert put["items"][0] == {"kind": "event", "dids": [], "groups": [], **rule}
    assert await api.get("alarm-rules") == put
    renewing = put | {"items": [put["items"][0] | {"severity": "minor", "renew": True}]}
    assert await api.send("PUT", "alarm-rules", renewing) == renewing
    await api.send("PUT", "alarm-rules", put)
    for wrong in (
        {"severity": "huge"},
        {"severity": "minor", "start": "24:00"},
        {"severity": "minor", "days": [0]},
        {"severity": "minor", "kind": "plate"},
        {"severity": "minor", "types": [2], "kind": "hub"},
        {"severity": "minor", "renew": True, "kind": "hub"},
        {},
    ):
        response = await api.raw("PUT", "alarm-rules", {"items": [wrong]})
        assert response.status_code == 400, wrong
    assert await api.get("alarm-rules") == put


async def test_what_raises_an_alarm_without_rules_stays_unless_it_is_given(api: Client) -> None:
    few = {"items": [], "raised_by": "few"}
    assert await api.send("PUT", "alarm-rules", few) == few
    assert await api.send("PUT", "alarm-rules", {"items": []}) == few
    response = await api.raw("PUT", "alarm-rules", {"items": [], "raised_by": "most"})
    assert response.status_code == 400
    assert await api.get("alarm-rules") == few


async def test_the_longest_plate_list_is_read_and_written_back(api: Client) -> None:
    plates = [
        {"pattern": f"A{number}", "note": "white van", "until": "2027-12-31T16:00:00.000Z"}
        for number in range(MAX_ENTRIES)
    ]
    added = await api.send("POST", "plate-lists", {"name": "Stolen", "entries": plates})
    assert await api.send("PUT", f"plate-lists/{added['id']}", without_id(added)) == added


def without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "id"}


async def test_plate_lists_are_made_changed_and_removed(api: Client, hub: HubServices) -> None:
    body = {
        "name": "Stolen",
        "severity": "major",
        "entries": [{"pattern": "粤b·1*", "note": "van", "until": "2027-01-01T00:00:00Z"}],
    }
    added = await api.send("POST", "plate-lists", body)
    entry = {"pattern": "粤B1*", "note": "van", "until": "2027-01-01T00:00:00.000Z"}
    assert added == {**body, "id": added["id"], "entries": [entry]}
    assert await api.get("plate-lists") == {"items": [added]}
    assert await api.get(f"plate-lists/{added['id']}") == added
    at = int(hub.services.core.clock.likely_time() * 1000)
    detail = VehicleDetail(Plate("粤B 12345"))
    await hub.add(CheckedUpload(kind="vehicle", occurred_at=at, detail=detail))
    (alarm,) = (await api.get("alarms?kind=plate"))["items"]
    assert (alarm["severity"], alarm["detail"]["list"]) == ("major", "Stolen")
    changed = await api.send("PUT", f"plate-lists/{added['id']}", {"name": "Found"})
    assert (changed["name"], changed["severity"], changed["entries"]) == ("Found", "critical", [])
    assert (await api.raw("POST", "plate-lists", {"name": "Found"})).status_code == 409
    assert await api.send("DELETE", f"plate-lists/{added['id']}", None) == changed
    assert (await api.raw("DELETE", f"plate-lists/{added['id']}", None)).status_code == 404
    wrong = {"name": "x", "entries": [{"pattern": "A", "until": "tomorrow"}]}
    _, code, message = await refusal(await api.raw("POST", "plate-lists", wrong))
    assert code == 420
    assert message.startswith("entries[0].until")


async def next_alarm(reader: EventReader) -> Event:
    """The alarm of a record, after both have come, in whichever order."""
    events = {one.name: one for one in [await reader.next() for _ in range(2)]}
    assert set(events) == {"record", "alarm"}
    return events["alarm"]


async def test_the_stream_asks_again_for_the_record_of_an_alarm_while_many_others_ask(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    some, busy = RecordLog.some, [True, True]

    async def busy_twice(*args: Any) -> Any:
        if busy:
            busy.pop()
            raise TooManyRequests
        return await some(*args)

    monkeypatch.setattr(RecordLog, "some", busy_twice)
    key = await hub.bearer()
    app = create_app(hub.services)
    async with open_event_stream(app, "/api/hub/v1/stream", "", key) as reader:
        seq = await person(hub, "8")
        data: Any = (await next_alarm(reader)).data
        assert data["record"]["seq"] == seq


async def test_the_record_of_an_alarm_is_asked_for_once_for_all_readers(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = RecordLog.some
    asked: list[list[int]] = []

    async def count(log: RecordLog, seqs: Sequence[int]) -> Any:
        asked.append(list(seqs))
        return await some(log, seqs)

    monkeypatch.setattr(RecordLog, "some", count)
    monkeypatch.setattr("hub.services.rounds.PAUSE_SECONDS", (0.0, 0.0))
    key = await hub.bearer()
    app = create_app(hub.services)
    async with AsyncExitStack() as streams:
        enter = streams.enter_async_context
        opened = [open_event_stream(app, "/api/hub/v1/stream", "", key) for _ in range(20)]
        readers = [await enter(one) for one in opened]
        seq = await person(hub, "8")
        alarms = [(await next_alarm(reader)).data for reader in readers]
    assert all(alarm == alarms[0] for alarm in alarms)
    assert asked == [[seq]]


async def test_the_stream_tells_of_each_change(hub: HubServices) -> None:
    key = await hub.bearer()
    app = create_app(hub.services)
    alarms = hub.services.alarms.raised
    async with open_event_stream(app, "/api/hub/v1/stream", "", key) as reader:
        seq = await person(hub, "8")
        alarm = await next_alarm(reader)
        assert alarm.id in (None, "", str(seq))
        data: Any = alarm.data
        assert (data["change"], data["seq"], data["record"]["seq"]) == ("raised", seq, seq)
        await person(hub, "8")
        data = (await next_alarm(reader)).data
        assert (data["change"], data["count"]) == ("repeated", 2)
        at = int(hub.services.core.clock.likely_time() * 1000)
        await hub.store.alarms.move([seq], Move("escalated", at))
        data = (await reader.next()).data
        assert (data["change"], data["state"]) == ("escalated", "new")
        assert data["escalated_at"] == "2026-11-25T12:00:00.000Z"
        await alarms.acknowledge([seq], "seen", COMMAND_LINE)
        data = (await reader.next()).data
        assert (data["change"], data["state"], data["note"]) == (
            *("acknowledged", "acknowledged", "seen"),
        )
        await alarms.close([seq], "", COMMAND_LINE)
        data = (await reader.next()).data
        assert (data["change"], data["state"]) == ("closed", "closed")
        other = await event(hub, 2)
        assert (await next_alarm(reader)).data["seq"] == other
        await hub.store.alarms.move([other], Move("over", at))
        data = (await reader.next()).data
        assert (data["change"], data["seq"], data["state"]) == ("over", other, "new")


async def test_the_stream_tells_of_an_escalation_that_cannot_be_stored(hub: HubServices) -> None:
    key = await hub.bearer()
    app = create_app(hub.services)
    seq = await event(hub, 2)
    async with open_event_stream(app, "/api/hub/v1/stream", "", key) as reader:
        at = int(hub.services.core.clock.likely_time() * 1000)
        hub.services.alarms.raised.hold(Unstored((), {seq: at}))
        data = (await reader.next()).data
        assert (data["change"], data["seq"]) == ("escalated", seq)


async def test_a_stream_of_one_camera_tells_of_its_alarms_alone(hub: HubServices) -> None:
    key = await hub.bearer()
    app = create_app(hub.services)
    async with open_event_stream(app, "/api/hub/v1/stream", "did=2", key) as reader:
        await event(hub, 2, did="1")
        seq = await event(hub, 2, did="2")
        events = [await reader.next() for _ in range(2)]
        # The one may come before the other.
        assert {(one.name, one.data["seq"]) for one in events} == {("record", seq), ("alarm", seq)}
