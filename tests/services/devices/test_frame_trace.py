from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.errors import NoSuchResource
from hub.live.frame_ring import FrameRing, TracedUpload
from hub.live.frame_trace import FrameTraces
from hub.live.presence import Presence
from hub.services.devices.frame_trace import Trace, TracedFrame
from tests.support.clock import NOON, FrozenClock
from tests.support.core import core_of
from tests.support.exchanges import (
    EXCHANGES,
    SECRETS,
    SN,
    TOKEN,
    Exchange,
    answer_of,
    record_exchange,
)
from tests.support.traces import new_traces

pytestmark = pytest.mark.jumping_clock

ADDRESS = "192.168.1.20"


class Site:
    """An enrolled device, a pending one, and their frames."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.traces: FrameTraces = new_traces(self.clock)
        self.closing = trio.Event()
        self.known = {"1": SimpleNamespace(sn=SN, ip=ADDRESS)}
        self.waiting = {"SN2": SimpleNamespace(attempt=SimpleNamespace(address=ADDRESS))}
        devices: Any = SimpleNamespace(get=self._get)
        room: Any = SimpleNamespace(find=self.waiting.get)
        nobody: Any = None
        self.trace = Trace(
            core_of(None, self.clock, closing=self.closing),
            Presence(nobody, room, self.traces),
            devices,
        )

    def _get(self, did: str) -> Any:
        if did not in self.known:
            raise NoSuchResource(f"no device with did {did}")
        return self.known[did]

    def ring(self, sn: str = SN) -> FrameRing:
        return self.traces.admitted(self.traces.open(), sn)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize("said", EXCHANGES, ids=[said.uri for said in EXCHANGES])
def test_answers_are_matched_to_requests_and_secrets_are_redacted(
    site: Site, said: Exchange
) -> None:
    record_exchange(site.ring(), said, "m1")
    asked, answered = site.trace.frames("1")
    ways = ("in", "out") if said.by == "device" else ("out", "in")
    assert (asked.direction, answered.direction) == ways
    assert (asked.kind, answered.kind) == ("request", "answer")
    assert asked.uri == answered.uri == said.uri
    assert answered.code == said.code
    assert answered.matched == asked.number
    assert answered.size == len(answer_of(said, "m1").encode())
    shown = f"{asked}{answered}"
    assert [secret for secret in SECRETS if secret in shown] == []


def test_the_time_between_a_request_and_its_answer_is_returned(site: Site) -> None:
    ring = site.ring()
    ring.received('{"msgid": "7", "data": {"uri": "/heartbeat", "param": {}}}')
    site.clock.seconds += 0.0123
    ring.sent('{"msgid": "7", "data": {"code": 200}}')
    asked, answered = site.trace.frames("1")
    assert asked.at == NOON * 1000
    assert answered.duration_ms == 12.3
    site.clock.seconds -= 100
    ring.sent('{"msgid": "8", "data": {"uri": "/x", "param": {}}}')
    assert site.trace.frames("1")[-1].duration_ms is None


def test_a_reused_msgid_matches_the_latest_open_request(site: Site) -> None:
    ring = site.ring()
    for _ in range(2):
        ring.received('{"msgid": 7, "data": {"uri": "/heartbeat", "param": {}}}')
        ring.sent('{"msgid": "7", "data": {"code": 200}}')
    ring.sent('{"msgid": "7", "data": {"code": 200}}')
    first, one, second, two, stray = site.trace.frames("1")
    assert (one.matched, two.matched, stray.matched) == (first.number, second.number, None)


def test_an_answer_matches_a_request_of_the_other_side_only(site: Site) -> None:
    ring = site.ring()
    ring.sent('{"msgid": "1", "data": {"uri": "/person/query", "param": {}}}')
    ring.received('{"msgid": "1", "data": {"uri": "/heartbeat", "param": {}}}')
    ring.sent('{"msgid": "1", "data": {"code": 200}}')
    ring.received('{"msgid": "1", "data": {"code": 0}}')
    ours, theirs, to_them, to_us = site.trace.frames("1")
    assert (to_them.matched, to_us.matched) == (theirs.number, ours.number)


def test_text_that_is_no_frame_is_returned_with_its_answer(site: Site) -> None:
    ring = site.ring()
    ring.received(f'{{"msgid": "7", "token": "{TOKEN}"}}')
    ring.sent('{"msgid": "7", "data": {"code": 420, "msg": "data: is required"}}')
    ring.received(f"{{'token': '{TOKEN}'")
    bad, answer, worse = site.trace.frames("1")
    assert (bad.kind, bad.uri, bad.text) == ("bad", "", '{"msgid": "7", "token": "***"}')
    assert answer.matched == bad.number
    assert (worse.kind, worse.text) == ("bad", "{'token': '***'")


def test_the_beginning_of_an_oversized_frame_is_kept(site: Site) -> None:
    ring = site.ring()
    frame = f'{{"token": "{TOKEN}", "data": [' + "1," * 500_000 + '0], "msgid": "1"}'
    ring.received(frame)
    (part,) = site.trace.frames("1")
    assert (part.kind, part.size) == ("part", len(frame))
    assert part.text.startswith('{"token": "***", "data": [1,1,')
    assert len(part.text) < 1000


def test_uploads_and_the_end_of_the_connection_are_entries(site: Site) -> None:
    device: Any = site.known["1"]
    upload = TracedUpload("POST", "/api/v1/vehicle/capture", 200, 200, "OK", 0.0421, 213_000)
    site.trace.add_upload(device, ADDRESS, upload)
    ring = site.ring()
    site.traces.ended(ring, "no frame came in time")
    assert site.trace.frames("1") == [
        TracedFrame(
            number=site.trace.frames("1")[0].number,
            at=round(NOON * 1000),
            direction="in",
            kind="upload",
            size=213_000,
            uri="POST /api/v1/vehicle/capture",
            code=200,
            duration_ms=42.1,
            text="HTTP 200 OK",
        ),
        TracedFrame(
            number=site.trace.frames("1")[1].number,
            at=round(NOON * 1000),
            direction="in",
            kind="ended",
            size=0,
            text="no frame came in time",
        ),
    ]


def test_a_request_without_a_token_is_shown_with_the_devices_of_its_address(site: Site) -> None:
    upload = TracedUpload("POST", "/api/v1/vehicle/capture", 401, 401, "not authorised", 0.001, 0)
    site.trace.add_upload(None, ADDRESS, upload)
    for frames in (site.trace.frames("1"), site.trace.pending_frames("SN2")):
        assert [(frame.kind, frame.code) for frame in frames] == [("upload", 401)]


def test_frames_after_a_number_are_matched_with_those_before_it(site: Site) -> None:
    ring = site.ring()
    ring.received('{"msgid": "7", "data": {"uri": "/heartbeat", "param": {}}}')
    (asked,) = site.trace.frames("1")
    ring.sent('{"msgid": "7", "data": {"code": 200}}')
    (answered,) = site.trace.frames("1", asked.number)
    assert answered.matched == asked.number


def test_entries_returned_before_are_not_redacted_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = site.ring()
    record_exchange(ring, EXCHANGES[0], "m1")
    last = site.trace.frames("1")[-1]
    monkeypatch.setattr("hub.services.devices.frame_trace.redact_frame", lambda frame: "masked")
    record_exchange(ring, EXCHANGES[2], "m2")
    assert [frame.text for frame in site.trace.frames("1", last.number)] == ["masked"] * 2

    monkeypatch.setattr("hub.services.devices.frame_trace.redact_frame", None)
    newest = site.traces.entries(SN, "")[-1].number
    assert site.trace.frames("1", newest) == []


def test_the_answer_text_of_an_upload_is_bounded(site: Site) -> None:
    upload = TracedUpload("POST", "/x", 404, 404, "no such path: /" + "1" * 60_000, 0.001, 0)
    site.trace.add_upload(None, ADDRESS, upload)
    (entry,) = site.traces.entries("", ADDRESS)
    assert len(str(entry.kept)) < 1000


def test_only_enrolled_and_pending_devices_have_a_trace(site: Site) -> None:
    site.ring("SN3").received("{}")
    for ask in (lambda: site.trace.frames("9"), lambda: site.trace.pending_frames("SN3")):
        with pytest.raises(NoSuchResource):
            ask()


async def test_waiting_returns_a_new_entry_with_those_that_follow_at_once(site: Site) -> None:
    ring = site.ring()
    got: list[TracedFrame] = []

    async def wait() -> None:
        got.extend(await site.trace.wait("1", 0, 20))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(5)
        record_exchange(ring, EXCHANGES[0], "m1")
    assert [frame.kind for frame in got] == ["request", "answer"]
    assert trio.current_time() < 6


async def test_waiting_returns_at_once_if_there_are_entries(site: Site) -> None:
    site.ring().received("{}")
    started = trio.current_time()
    assert len(await site.trace.wait("1", 0, 20)) == 1
    assert await site.trace.wait("1", 2**62, 0) == []
    assert trio.current_time() == started


async def test_waiting_ends_after_the_given_time(site: Site) -> None:
    assert await site.trace.wait_for_pending("SN2", 0, 3) == []
    assert trio.current_time() == pytest.approx(3)
    assert site.traces.watched == {}


async def test_an_anonymous_connection_wakes_no_reader(site: Site) -> None:
    site.known["1"].ip = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.trace.wait, "1", 0, 20.0)
        await wait_all_tasks_blocked()
        site.traces.open().received("{}")
    assert trio.current_time() == pytest.approx(20)


async def test_waiting_ends_when_the_hub_shuts_down(site: Site) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(site.trace.wait, "1", 0, 20.0)
        await wait_all_tasks_blocked()
        site.closing.set()
    assert trio.current_time() < 1
