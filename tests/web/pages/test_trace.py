"""The trace in the API and on the page, and the HTTP requests in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from hub.errors import CannotStoreNow
from hub.store.tables.devices import NewDevice
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.device_call import FACE, Call, ask
from tests.support.exchanges import EXCHANGES, SECRETS, SN, record_exchange
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer
from tests.support.web import GATE, services
from web.app import create_app
from web.device_api.uploads import device_api
from web.http.bodies import Bodies
from web.pages.camera.trace import ENDINGS

API = "/api/hub/v1/devices"
LINK = Path(__file__).parents[3] / "hub" / "link"


@pytest.fixture
async def real_hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


async def get(hub: HubServices, path: str, headers: dict[str, str]) -> tuple[int, Any]:
    client = create_app(hub.services).test_client(use_cookies=False)
    response = await client.get(path, headers=headers)
    return response.status_code, await response.get_json()


async def test_the_api_returns_frames_and_the_next_position(real_hub: HubServices) -> None:
    added = await real_hub.services.cameras.devices.add(NewDevice(sn=SN, code="12345678"))
    key = await real_hub.bearer(read_only=True)
    path = f"{API}/{added.did}/trace"
    assert await get(real_hub, path, key) == (200, {"items": [], "next": 0})
    traces = real_hub.services.cameras.presence.traces
    ring = traces.admitted(traces.open(), SN)
    for exchange in EXCHANGES:
        record_exchange(ring, exchange, "m1")
    status, first = await get(real_hub, path, key)
    assert status == 200
    assert len(first["items"]) == 2 * len(EXCHANGES)
    assert first["next"] == first["items"][-1]["number"]
    request, answer = first["items"][:2]
    assert request["time"] == "2026-11-25T12:00:00.000Z"
    assert (request["direction"], request["kind"], request["uri"]) == ("in", "request", "/connect")
    assert (answer["matched"], answer["code"]) == (request["number"], 200)
    assert [secret for secret in SECRETS if secret in str(first)] == []
    assert await get(real_hub, f"{path}?after={first['next']}", key) == (
        200,
        {"items": [], "next": first["next"]},
    )


async def test_the_api_returns_the_trace_of_a_pending_device(hub: PageSite) -> None:
    hub.pend(SN)
    traces = hub.services.cameras.presence.traces
    ring = traces.open()
    traces.attempted(ring, SN)
    record_exchange(ring, EXCHANGES[0], "m1")
    visitor = await Visitor.signed_in(hub)
    response = await visitor.get(f"{API}/waiting/{SN}/trace")
    assert [item["uri"] for item in (await response.get_json())["items"]] == ["/connect"] * 2


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("99/trace", 404),
        ("waiting/NOBODY/trace", 404),
        ("1/trace?wait=26", 400),
        ("1/trace?after=x", 400),
    ],
)
async def test_the_api_refuses_unknown_devices_and_bad_waits(
    real_hub: HubServices, path: str, status: int
) -> None:
    assert (await get(real_hub, f"{API}/{path}", await real_hub.bearer()))[0] == status


@pytest.fixture
async def admin(hub: PageSite, admin: Photographer) -> Photographer:
    await hub.enrol(sn=SN)
    return admin


def open_ring(hub: PageSite) -> Any:
    """The trace ring of the camera, on an admitted connection."""
    traces = hub.services.cameras.presence.traces
    return traces.admitted(traces.open(), SN)


async def test_an_empty_trace_says_so(admin: Photographer) -> None:
    await admin.get("/cameras/1/trace")
    assert "No messages since the hub was started" in admin.text
    assert 'data-after="0"' in admin.text


async def test_the_page_shows_each_answer_with_its_request_and_no_secret(
    admin: Photographer,
) -> None:
    ring = open_ring(admin.hub)
    for exchange in EXCHANGES:
        record_exchange(ring, exchange, exchange.uri)
    await admin.get("/cameras/1/trace")
    assert admin.text.count('<li class="exchange">') == len(EXCHANGES)
    assert admin.text.count("frame-answer") == len(EXCHANGES)
    assert admin.text.index("/storage/get_file_by_path") < admin.text.index("/heartbeat")
    assert [secret for secret in SECRETS if secret in admin.text] == []


async def test_the_page_shows_the_latest_and_links_to_the_rest(admin: Photographer) -> None:
    ring = open_ring(admin.hub)
    for number in range(50):
        record_exchange(ring, EXCHANGES[2], str(number))
    await admin.get("/cameras/1/trace")
    assert admin.text.count('<li class="exchange">') == 30
    assert await admin.weight("trace.js") < 100_000
    await admin.get("/cameras/1/trace?all=1")
    assert admin.text.count('<li class="exchange">') == 50


async def test_a_script_gets_an_answer_with_the_number_of_its_request(admin: Photographer) -> None:
    ring = open_ring(admin.hub)
    ring.received('{"msgid": "7", "data": {"uri": "/heartbeat", "param": {}}}')
    (asked,) = admin.hub.services.cameras.trace.frames("1")
    ring.sent('{"msgid": "7", "data": {"uri": "/heartbeat", "code": 200}}')
    await admin.get(f"/cameras/1/trace/news?after={asked.number}")
    assert f'data-of="{asked.number}"' in admin.text
    assert admin.text.count("data-number=") == 1


async def test_the_end_of_a_connection_is_told_in_the_language_of_the_page(
    admin: Photographer,
) -> None:
    for reason in ("the peer ended the connection", "out of order", ""):
        admin.hub.services.cameras.presence.traces.ended(open_ring(admin.hub), reason)
    await admin.get("/cameras/1/trace", Accept_Language="zh")
    assert "摄像机断开了连接。" in admin.text
    assert "out of order" in admin.text
    assert "the peer" not in admin.text


def test_the_reasons_that_are_translated_are_those_of_the_link() -> None:
    source = "".join(one.read_text(encoding="utf-8") for one in LINK.glob("*.py"))
    assert [reason for reason in ENDINGS if f'"{reason}"' not in source] == []


async def test_text_of_a_device_is_escaped(admin: Photographer) -> None:
    ring = open_ring(admin.hub)
    ring.received('{"msgid": "7", "data": {"uri": "/<b>", "param": {"a": "<script>"}}}')
    await admin.get("/cameras/1/trace")
    assert "<script>" not in admin.text.partition("<ol")[2]
    assert "&lt;script&gt;" in admin.text


async def test_a_pending_device_has_a_trace_that_it_keeps_when_enrolled(
    admin: Photographer,
) -> None:
    hub = admin.hub
    hub.pend("SN/2")
    traces = hub.services.cameras.presence.traces
    ring = traces.open()
    traces.attempted(ring, "SN/2")
    record_exchange(ring, EXCHANGES[0]._replace(code=421, result=None), "m1")
    await admin.get("/cameras")
    assert 'href="/cameras/waiting/SN/2/trace"' in admin.text
    await admin.get("/cameras/waiting/SN/2/trace")
    assert "421" in admin.text
    await admin.get("/cameras/waiting/SN/2/trace/news?after=0")
    assert "421" in admin.text
    await hub.enrol("Bay", did="2", sn="SN/2")
    await admin.get("/cameras/waiting/SN/2/trace")
    assert admin.goes_to == "/cameras/2/trace"


async def test_requests_over_http_are_shown_with_their_size_and_outcome(
    autojump_clock: MockClock,
) -> None:
    parts = services()
    api = device_api(parts, Bodies(parts.config.web))
    await ask(api, b'{"a": 1}')
    parts.records.ingest.before = refuse
    await ask(api, b"{}", query="appid=1", path=f"{FACE}/")
    await ask(api, b"{}", token="unknown")
    await ask(api, b"{}", path="/api/v1/elsewhere")
    left = Call(length=10)
    left.hang_up()
    await api(left.scope, left.receive, left.send)
    traced = [
        (did, address, u.method, u.path, u.status, u.code, u.size)
        for did, address, u in parts.cameras.trace.uploads
    ]
    assert traced == [
        (GATE.did, "10.0.0.8", "POST", FACE, 200, 200, 8),
        (GATE.did, "10.0.0.8", "POST", f"{FACE}/", 503, 503, 2),
        ("", "10.0.0.8", "POST", FACE, 401, 401, 0),
        ("", "10.0.0.8", "POST", "/api/v1/elsewhere", 404, 404, 0),
        (GATE.did, "10.0.0.8", "POST", FACE, 0, 0, 0),
    ]


async def refuse() -> None:
    raise CannotStoreNow
