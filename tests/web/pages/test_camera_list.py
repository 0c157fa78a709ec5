"""The list of cameras: paged, searched by text, filtered by state."""

from __future__ import annotations

import html
import re

import pytest

from hub.live.refusal_reasons import RefusalReason
from tests.support.browsing import Visitor
from web.pages.cameras.camera_list import ROWS_PER_PAGE

_CAMERA = re.compile(r'<tr data-key="(\d+)">')
_NEXT = re.compile(r'<a class="button" rel="next" href="([^"]+)">')


async def list_page(visitor: Visitor, path: str) -> list[str]:
    await visitor.get(path)
    assert visitor.response.status_code == 200
    return _CAMERA.findall(visitor.text)


async def list_all_pages(visitor: Visitor, path: str = "/cameras") -> list[list[str]]:
    found = []
    while path:
        found.append(await list_page(visitor, path))
        further = _NEXT.search(visitor.text)
        path = html.unescape(further[1]) if further else ""
    return found


async def test_each_camera_is_on_one_page_in_the_order_of_names(guard: Visitor) -> None:
    # Cameras with equal or empty names are sorted by did.
    names = ["Gate", "gate", "", "Tür & Tor?"] * ROWS_PER_PAGE
    await guard.hub.enrol_many(names)
    found = await list_all_pages(guard)
    assert [len(page) for page in found] == [ROWS_PER_PAGE] * 4
    views = [guard.hub.services.cameras.devices.get(did) for page in found for did in page]
    assert len({view.did for view in views}) == len(names)
    keys = [((view.name or view.sn).casefold(), int(view.did)) for view in views]
    assert keys == sorted(keys)


async def test_the_next_page_continues_even_if_the_last_camera_of_this_one_is_removed(
    guard: Visitor,
) -> None:
    await guard.hub.enrol_many([f"Camera {n:03}" for n in range(1, 61)])
    last = (await list_page(guard, "/cameras"))[-1]
    further = _NEXT.search(guard.text)
    assert further
    await guard.hub.services.cameras.devices.remove(last)
    assert (await list_page(guard, html.unescape(further[1])))[0] == str(int(last) + 1)
    assert 'href="/cameras"' in guard.text.split("</table>")[1]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=gate", ["2", "1"]),
        ("name=TKM0003", ["3"]),
        ("name=192.168.1.12", ["2"]),
        ("state=offline", ["2", "3"]),
        ("state=offline&name=gate", ["2"]),
        ("state=nonsense", ["2", "1", "3"]),
        ("behind=nonsense", ["2", "1", "3"]),
        ("name=nobody", []),
    ],
)
async def test_cameras_are_found_by_name_number_address_and_state(
    guard: Visitor, query: str, found: list[str]
) -> None:
    await guard.hub.connect("South gate")
    for did, name in (("2", "North Gate"), ("3", "Yard")):
        await guard.hub.enrol(name, did=did)
    guard.hub.report("2", ip="192.168.1.12")
    assert await list_page(guard, f"/cameras?{query}") == found
    assert await list_page(guard, f"/cameras/table?{query}") == found


async def test_nothing_found_leads_back_to_all(guard: Visitor) -> None:
    await guard.hub.enrol()
    await guard.get("/cameras?name=nobody")
    assert "No camera matches." in guard.text
    assert "No cameras yet" not in guard.text
    assert 'value="nobody"' in guard.text


async def test_each_state_shows_how_many_of_the_cameras_found_are_in_it(guard: Visitor) -> None:
    await guard.hub.connect("Gate 1")
    await guard.hub.enrol("Gate 2", did="2", enabled=False)
    await guard.hub.connect("Yard", did="3")
    await guard.get("/cameras?name=gate&state=online")
    link = r'<a href="(/cameras\?[^"]+)"[^>]*><span>(\w+)</span> (\d+)</a>'
    counts = re.findall(link, guard.text)
    assert [(html.unescape(url), text, n) for url, text, n in counts] == [
        ("/cameras?name=gate", "All", "2"),
        ("/cameras?name=gate&state=online", "Online", "1"),
        ("/cameras?name=gate&state=offline", "Offline", "0"),
        ("/cameras?name=gate&state=disabled", "Disabled", "1"),
    ]


async def test_a_camera_that_is_not_let_in_is_refused_and_not_offline(guard: Visitor) -> None:
    hub = guard.hub
    for did, name in (("1", "Gate"), ("2", "Yard"), ("3", "Roof")):
        await hub.enrol(name, did=did)
    hub.refuse("2", "code-mismatch", "clock-off", seconds="28680")
    hub.refuse("3", "no-did")
    await guard.get("/cameras?state=refused")
    assert "<span>Refused</span> 1</a>" in guard.text
    assert "<span>Offline</span> 2</a>" in guard.text
    assert "last attempt " in guard.text
    assert " from 192.168.1.77" in guard.text
    assert 'href="/cameras/1"' not in guard.text
    row_of_the_help = 'href="/help/troubleshooting#help-code-mismatch"'
    assert row_of_the_help in guard.text
    await guard.get("/cameras/2/state")
    assert "#state-refused" in guard.text
    assert "<dt>Failed checks</dt><dd>Security code, Clock · " in guard.text
    assert row_of_the_help in guard.text
    await guard.get("/cameras/3/state")
    assert "#state-offline" in guard.text
    assert 'href="/help/troubleshooting#help-offline"' in guard.text
    await guard.get("/help/troubleshooting")
    assert '<span id="help-offline">' in guard.text


async def test_a_delay_is_told_on_the_page_of_the_camera_that_it_delays(guard: Visitor) -> None:
    await guard.hub.enrol()
    attempt = guard.hub.attempt(guard.hub.services.cameras.devices.get("1").sn)
    reasons = [RefusalReason("code-mismatch")]
    guard.hub.hub.pending_devices.record_failure("1", attempt, reasons, slowed_seconds=30)
    await guard.get("/cameras/1")
    assert "Answers are delayed until" in guard.text
    await guard.get("/cameras")
    assert "Answers are delayed" not in guard.text


async def test_two_thousand_cameras_and_hundreds_of_pending_ones_are_a_light_page(
    admin: Visitor,
) -> None:
    names = [f"Camera {n} in the northern hall" for n in range(1, 2001)]
    await admin.hub.enrol_many(names, online=True)
    for number in range(1, 200):
        admin.hub.pend(f"Y3CA{number:011}", "code-mismatch")
    await admin.get("/cameras")
    assert await admin.weight("codecheck.js", "keyfile.js", "qr.js") < 100_000


@pytest.mark.parametrize("path", ["/cameras", "/cameras?state=offline", "/cameras/table"])
async def test_a_long_list_has_a_search_field_on_every_page(guard: Visitor, path: str) -> None:
    await guard.hub.enrol_many(["Gate"] + [""] * (ROWS_PER_PAGE - 1))
    await guard.get(path)
    assert 'name="name"' not in guard.text
    await guard.hub.enrol("Yard", did="999")
    await guard.get(path)
    assert 'name="name"' in guard.text
