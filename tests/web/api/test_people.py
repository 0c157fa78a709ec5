"""People and groups of cameras by the API."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image

from hub.store.tables.devices import NewDevice
from tests.support.hub_services import HubServices
from tests.web.api.test_api import Client, refusal

ID_CARD = "110101199003071234"


def photo(colour: str = "teal", size: tuple[int, int] = (800, 600), prefix: str = "") -> str:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return prefix + base64.b64encode(out.getvalue()).decode()


async def audited(hub: HubServices) -> list[tuple[str, str]]:
    return [(one.action, one.target) for one in await hub.services.core.audit.oldest()][1:]


FULL = {
    "name": "王芳",
    "work_id": "A-7",
    "id_card_no": ID_CARD,
    "ic_card_no": "00FF21",
    "gender": 2,
    "birth_year": 1990,
    "department": "Sales",
    "phone": "13800000000",
    "category": 3,
    "valid_from": "2026-11-25T08:00:00Z",
    "valid_until": "2027-12-31T23:59:59.999+08:00",
    "note": "a note",
}


async def test_a_person_is_added_read_changed_and_removed(api: Client) -> None:
    added = await api.send("POST", "people", {**FULL, "pid": "12", "photo": photo()})
    assert {name: added[name] for name in FULL} == {
        **FULL,
        "valid_from": "2026-11-25T08:00:00.000Z",
        "valid_until": "2027-12-31T15:59:59.999Z",
    }
    assert (added["pid"], added["age"], added["everywhere"], added["groups"]) == (
        *("12", 36, True, []),
    )
    assert await api.get("people/12") == await api.get("people/012") == added
    changed = await api.send("PUT", "people/12", {"category": 2, "age": 40, "valid_until": None})
    assert (changed["category"], changed["age"], changed["birth_year"]) == (2, 40, None)
    assert (changed["name"], changed["valid_until"]) == ("王芳", None)
    assert changed["revision"] > added["revision"]
    removed = await api.send("DELETE", "people/12")
    assert removed["name"] == "王芳"
    assert (await refusal(await api.raw("GET", "people/12")))[:2] == (404, 426)
    assert (await refusal(await api.raw("DELETE", "people/12")))[:2] == (404, 426)


async def test_put_adds_a_person_who_is_not_there(api: Client) -> None:
    added = await api.send("PUT", "people/0077", {"name": "Ada"})
    assert (added["pid"], added["category"]) == ("77", 1)
    assert (await refusal(await api.raw("PUT", "people/78", {"note": "x"})))[:2] == (400, 420)


async def test_patch_changes_only_a_person_who_is_there(api: Client) -> None:
    assert (await refusal(await api.raw("PATCH", "people/77", {"name": "Ada"})))[:2] == (404, 426)
    await api.send(
        "POST", "people", {"name": "Ada", "pid": "77", "id_card_no": "110101199003071234"}
    )
    changed = await api.send("PATCH", "people/77", {"note": "x"})
    assert (changed["note"], changed["id_card_no"]) == ("x", "*" * 14 + "1234")


async def test_a_pid_is_assigned_and_one_that_is_taken_is_a_conflict(api: Client) -> None:
    added = await api.send("POST", "people", {"name": "Ada"})
    again = await api.raw("POST", "people", {"name": "Bob", "pid": added["pid"]})
    assert (await refusal(again))[:2] == (409, 420)


async def test_the_photo_is_read_by_its_path(api: Client, reader: Client) -> None:
    body = {"name": "Ada", "photo": photo(prefix="data:image/png;base64,")}
    added = await api.send("POST", "people", body)
    response = await reader.raw("GET", added["photo"])
    assert (response.status_code, response.mimetype) == (200, "image/jpeg")
    with Image.open(io.BytesIO(await response.get_data(as_text=False))) as found:
        assert found.size == (640, 480)
    headers = {**reader.headers, "If-None-Match": response.headers["ETag"]}
    assert (await reader.raw("GET", added["photo"], headers=headers)).status_code == 304
    changed = await api.send("PUT", f"people/{added['pid']}", {"photo": photo("red")})
    assert changed["photo"] != added["photo"]
    gone = await api.send("PUT", f"people/{added['pid']}", {"photo": None})
    assert gone["photo"] is None
    assert (await refusal(await reader.raw("GET", added["photo"])))[:2] == (404, 426)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "Ada", "pid": "0"}, "pid"),
        ({"name": "Ada", "pid": "9223372036854775808"}, "pid"),
        ({"name": "Ada", "category": 5}, "category"),
        ({"name": "Ada", "gender": 0}, "gender"),
        ({"name": "Ada", "age": 3, "birth_year": 1990}, "birth_year"),
        ({"name": "Ada", "groups": [4]}, "groups"),
        ({"name": "Ada", "valid_until": "tomorrow"}, "valid_until"),
        ({"name": "Ada", "photo": "AAAA"}, "photo"),
        ({"name": "Ada", "photo": ""}, "photo"),
        ({"name": "Ada", "photo": photo(size=(100, 100))}, "photo"),
        ({"name": "Ada", "id_card_no": "*" * 14 + "1234"}, "id_card_no"),
        ({"name": "Ada", "nick": "A"}, "nick"),
    ],
)
async def test_a_wrong_field_is_named(api: Client, body: dict[str, Any], field: str) -> None:
    status, code, message = await refusal(await api.raw("POST", "people", body))
    assert (status, code) == (400, 420)
    assert field in message
    assert (await api.get("people"))["items"] == []


async def test_the_list_is_searched_filtered_and_paged(api: Client) -> None:
    gate = await api.send("POST", "groups", {"name": "Gate"})
    for pid, name, more in (
        ("9", "Ada", {"category": 2}),
        ("10", "Bob", {"groups": [gate["id"]]}),
        ("11", "Cy", {"work_id": "W-5"}),
    ):
        await api.send("POST", "people", {"pid": pid, "name": name, **more})

    async def pids(query: str) -> list[str]:
        return [one["pid"] for one in (await api.get(f"people?{query}"))["items"]]

    assert await pids("") == ["9", "10", "11"]
    assert await pids("q=w-5") == ["11"]
    assert await pids("category=2") == ["9"]
    assert await pids(f"group={gate['id']}") == ["10"]
    assert await pids("state=failed") == []
    page = await api.get("people?limit=2")
    assert ([one["pid"] for one in page["items"]], page["next"]) == (["9", "10"], "10")
    assert await pids("limit=2&after=10") == ["11"]
    for query in ("category=7", "state=lost", "limit=0", "after=x", "p=1"):
        assert (await refusal(await api.raw("GET", f"people?{query}")))[:2] == (400, 420), query


async def test_personal_numbers_are_masked_for_all_but_administrators(
    hub: HubServices, api: Client, reader: Client
) -> None:
    await api.send("POST", "people", {**FULL, "pid": "12"})
    seen = {}
    for role in ("guard", "admin"):
        token = await hub.add_user(role[:3], role)
        user = Client(hub, {"Cookie": f"__Host-sitehub_session={token}"})
        seen[role] = await user.get("people/12")
        (listed,) = (await user.get("people"))["items"]
        assert listed == seen[role]
    for masked in (seen["guard"], await reader.get("people/12")):
        assert masked["id_card_no"] == "*" * 14 + "1234"
        assert masked["ic_card_no"] == "**FF21"
        assert masked["phone"] == "*******0000"
    assert seen["admin"]["id_card_no"] == ID_CARD
    assert seen["admin"]["phone"] == FULL["phone"]
    await api.get("people?masked=true")
    entries = await hub.services.core.audit.newest()
    views = [(one.who, one.target) for one in entries if one.action == "person.numbers"]
    assert views == [("user adm", "12")] * 2


async def test_whoever_sees_no_numbers_cannot_guess_them_by_searching(
    api: Client, reader: Client
) -> None:
    await api.send("POST", "people", {**FULL, "pid": "12"})
    assert not (await api.get("people?masked=true&q=11010119"))["items"]
    for client, found in ((api, 1), (reader, 0)):
        for part in ("11010119", "138000"):
            assert len((await client.get(f"people?q={part}"))["items"]) == found


async def test_groups_are_added_read_changed_and_removed(hub: HubServices, api: Client) -> None:
    for did in ("2", "10"):
        await hub.services.cameras.devices.add(NewDevice(sn=f"SN{did}", code="CODE0001", did=did))
    added = await api.send("POST", "groups", {"name": " Gate ", "dids": ["10", "2", "2"]})
    assert added == {"id": 1, "name": "Gate", "dids": ["2", "10"]}
    assert await api.get("groups/1") == added
    second = await api.send("POST", "groups", {"name": "Annex"})
    assert (await api.get("groups"))["items"] == [second, added]
    changed = await api.send("PUT", "groups/1", {"dids": ["10"]})
    assert changed == {"id": 1, "name": "Gate", "dids": ["10"]}
    assert (await api.send("PUT", "groups/1", {"name": "Main gate"}))["dids"] == ["10"]
    assert (await refusal(await api.raw("POST", "groups", {"name": "main GATE"})))[:2] == (409, 420)
    assert (await refusal(await api.raw("PUT", "groups/2", {"name": "Main gate"})))[0] == 409
    bad = await refusal(await api.raw("PUT", "groups/1", {"dids": ["99"]}))
    assert bad[:2] == (400, 420)
    assert "dids" in bad[2]
    await hub.services.cameras.devices.remove("10")
    assert (await api.get("groups/1"))["dids"] == []
    await api.send("DELETE", "groups/1")
    for path in ("groups/1", "groups/x"):
        assert (await refusal(await api.raw("GET", path)))[:2] == (404, 426)


async def test_a_person_of_a_removed_group_stays_and_is_nowhere(api: Client) -> None:
    await api.send("POST", "groups", {"name": "Gate"})
    await api.send("POST", "people", {"name": "Ada", "pid": "7", "groups": [1]})
    await api.send("DELETE", "groups/1")
    person = await api.get("people/7")
    assert (person["groups"], person["everywhere"]) == ([], False)
    assert (await api.send("PUT", "people/7", {"everywhere": True}))["everywhere"] is True


async def test_changes_are_audited(hub: HubServices, api: Client) -> None:
    await api.send("POST", "groups", {"name": "Gate"})
    await api.send("PUT", "people/7", {"name": "Ada"})
    await api.send("DELETE", "people/7")
    await api.send("DELETE", "groups/1")
    assert await audited(hub) == [
        ("group.add", "1"),
        ("person.put", "7"),
        ("person.remove", "7"),
        ("group.remove", "1"),
    ]
    assert (await hub.services.core.audit.newest())[0].who.startswith("key ")
