"""The list of cameras: a page of them at a time, found by a word or by state."""

from __future__ import annotations

import html
import re

import pytest

from tests.support.browsing import Visitor
from tests.support.fake_services import FakeServices, device, waiting
from web.pages.cameras.camera_list import ROWS_PER_PAGE

_CAMERA = re.compile(r'<tr data-key="(\d+)">')
_NEXT = re.compile(r'<a class="button" rel="next" href="([^"]+)">')


@pytest.fixture
def hub() -> FakeServices:
    return FakeServices()


@pytest.fixture
async def guard(hub: FakeServices) -> Visitor:
    visitor = Visitor(hub)
    await visitor.sign_in("guard")
    return visitor


async def stream_list(visitor: Visitor, path: str) -> list[str]:
    await visitor.get(path)
    assert visitor.response.status_code == 200
    return _CAMERA.findall(visitor.text)


async def pages(visitor: Visitor, path: str = "/cameras") -> list[list[str]]:
    found = []
    while path:
        found.append(await stream_list(visitor, path))
        further = _NEXT.search(visitor.text)
        path = html.unescape(further[1]) if further else ""
    return found


async def test_each_camera_is_on_one_page_in_the_order_of_names(guard: Visitor) -> None:
    # Names of the same letters, and none at all, are told apart by their numbers.
    names = ["Gate", "gate", "", "Tür & Tor?"] * ROWS_PER_PAGE
    guard.hub.devices.put(*(device(str(n), name, "online") for n, name in enumerate(names, 1)))
    found = await pages(guard)
    assert [len(page) for page in found] == [ROWS_PER_PAGE] * 4
    views = [guard.hub.devices.get(did) for page in found for did in page]
    assert len({view.did for view in views}) == len(names)
    keys = [((view.name or view.sn).casefold(), int(view.did)) for view in views]
    assert keys == sorted(keys)


async def test_the_next_page_begins_where_this_one_ended_though_its_last_camera_is_gone(
    guard: Visitor,
) -> None:
    guard.hub.devices.put(*(device(str(n), f"Camera {n:03}", "online") for n in range(1, 61)))
    last = (await stream_list(guard, "/cameras"))[-1]
    further = _NEXT.search(guard.text)
    assert further
    del guard.hub.devices.views[last]
    assert (await stream_list(guard, html.unescape(further[1])))[0] == str(int(last) + 1)
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
    guard.hub.devices.put(
        device("1", "South gate", "online"),
        device("2", "North Gate", "offline"),
        device("3", "Yard", "offline", ip=None),
    )
    assert await stream_list(guard, f"/cameras?{query}") == found
    assert await stream_list(guard, f"/cameras/table?{query}") == found


async def test_nothing_found_leads_back_to_all(guard: Visitor) -> None:
    guard.hub.devices.put(device("1", "Gate", "online"))
    await guard.get("/cameras?name=nobody")
    assert "No camera matches." in guard.text
    assert "No cameras yet" not in guard.text
    assert 'value="nobody"' in guard.text


async def test_each_state_says_how_many_of_those_found_are_in_it(guard: Visitor) -> None:
    guard.hub.devices.put(
        device("1", "Gate 1", "online"),
        device("2", "Gate 2", "disabled"),
        device("3", "Yard", "online"),
    )
    await guard.get("/cameras?name=gate&state=online")
    link = r'<a href="(/cameras\?[^"]+)"[^>]*><span>(\w+)</span> (\d+)</a>'
    counts = re.findall(link, guard.text)
    assert [(html.unescape(url), text, n) for url, text, n in counts] == [
        ("/cameras?name=gate", "All", "2"),
        ("/cameras?name=gate&state=online", "Online", "1"),
        ("/cameras?name=gate&state=offline", "Offline", "0"),
        ("/cameras?name=gate&state=disabled", "Disabled", "1"),
    ]


async def test_two_thousand_cameras_and_hundreds_who_knock_are_a_light_page(
    hub: FakeServices,
) -> None:
    hub.devices.put(
        *(device(str(n), f"Camera {n} in the northern hall", "online") for n in range(1, 2001))
    )
    hub.enrolment.knock(*(waiting(f"Y3CA{n:011}", "code-mismatch") for n in range(1, 200)))
    admin = Visitor(hub)
    await admin.sign_in()
    await admin.get("/cameras")
    assert await admin.weight("codecheck.js") < 100_000


@pytest.mark.parametrize("path", ["/cameras", "/cameras?state=offline", "/cameras/table"])
async def test_a_long_list_can_be_searched_in_whatever_part_of_it_is_shown(
    guard: Visitor, path: str
) -> None:
    one_offline = device("1", "Gate", "offline")
    guard.hub.devices.put(
        one_offline, *(device(str(n), "", "online") for n in range(2, ROWS_PER_PAGE + 1))
    )
    await guard.get(path)
    assert 'name="name"' not in guard.text
    guard.hub.devices.put(device("999", "Yard", "online"))
    await guard.get(path)
    assert 'name="name"' in guard.text
