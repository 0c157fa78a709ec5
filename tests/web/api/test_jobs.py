"""Jobs by the API: imports, exports, searches by photo, and the same setting for many devices."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest
import trio
from PIL import Image
from trio.testing import wait_all_tasks_blocked

from hub.services.audit import COMMAND_LINE, Actor
from hub.services.jobs.jobs import JobProgress
from hub.services.site import SiteSettings
from hub.store.jobs.jobs import JobKind
from hub.store.tables.devices import NewDevice
from hub.wire.commands.dialect import PERSON_SEARCH, REBOOT, SET_FACE
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, open_hub_services
from tests.web.api.test_api import Client, refusal
from tests.web.api.test_commands import csrf_token

CSV = "姓名,工号,身份证号,年龄\nAda,A-1,110101199003071234,\nEve,A-2,110101199003079999,200\n"


@pytest.fixture
async def hub(
    tmp_path: Path, clock: FrozenClock, nursery: trio.Nursery
) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        for did in ("1", "2", "3"):
            await hub.services.cameras.devices.add(
                NewDevice(sn=f"SN{did}", code="CODE0001", did=did)
            )
        await nursery.start(hub.services.jobs.run)
        await nursery.start(hub.services.cameras.many.run)
        yield hub
        nursery.cancel_scope.cancel()


async def upload(api: Client, path: str, data: bytes, kind: str = "text/csv") -> Any:
    response = await api.raw("POST", path, data, {**api.headers, "Content-Type": kind})
    assert response.status_code == 200, await response.get_data()
    return await response.get_json()


async def ended(hub: HubServices, job: Any) -> None:
    await hub.services.jobs.wait(job["id"])


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (200, 200), "tan").save(out, "JPEG")
    return out.getvalue()


async def test_an_import_is_a_job_whose_items_are_the_refused_rows(
    hub: HubServices, api: Client
) -> None:
    job = await upload(api, "people/import", CSV.encode("gb18030"))
    assert (job["kind"], job["state"], job["total"]) == ("import", "running", 2)
    await ended(hub, job)
    found = await api.get(f"jobs/{job['id']}")
    assert (found["state"], found["done"], found["failed"], found["next"]) == ("done", 1, 1, None)
    (item,) = found["items"]
    assert (item["position"], item["state"], item["detail"]["line"]) == (1, "failed", 3)
    assert item["detail"]["refusal"]["field"] == "age"
    assert [one["id"] for one in (await api.get("jobs?kind=import"))["items"]] == [job["id"]]
    assert (await api.get("jobs?kind=search"))["items"] == []
    assert [one["name"] for one in (await api.get("people"))["items"]] == ["Ada"]
    response = await api.raw("GET", f"jobs/{job['id']}/refused")
    text = (await response.get_data(as_text=False)).decode("utf-8-sig")
    assert response.mimetype == "text/csv"
    assert text.splitlines()[1].startswith("Eve,A-2,110101199003079999,200,age: ")


async def test_a_preview_changes_nothing_until_it_is_started(hub: HubServices, api: Client) -> None:
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        archive.writestr("people.csv", CSV)
        archive.writestr("A-1.jpg", jpeg())
        archive.writestr("other.jpg", jpeg())
    preview = await upload(api, "people/import/preview", out.getvalue(), "application/zip")
    assert (preview["rows"], preview["adds"], preview["refused"]) == (2, 1, 1)
    assert (preview["photos"], preview["unmatched"]) == (1, ["other.jpg"])
    assert (await api.get("people"))["items"] == []
    path = f"people/import/{preview['id']}"
    rows = (await api.get(f"{path}/rows?action=refuse"))["items"]
    assert [(row["line"], row["refusal"]["code"]) for row in rows] == [(3, "wrong")]
    first = await api.get(f"{path}/rows?limit=1")
    assert (await api.get(f"{path}/rows?limit=1&after={first['next']}"))["items"] == rows
    await ended(hub, await api.send("POST", path))
    assert [one["name"] for one in (await api.get("people"))["items"]] == ["Ada"]
    assert (await refusal(await api.raw("POST", path)))[:2] == (404, 426)


@pytest.mark.parametrize(
    ("data", "kind", "status", "sentence"),
    [
        (b"salary\n1\n", "text/csv", 400, "csv: one of the columns"),
        (b"PK\x03\x04xx", "application/zip", 400, "zip: this is not a ZIP file"),
        (b"", "text/csv", 400, "csv: the file is empty"),
        (b"name\nA\n", "application/json", 400, "Content-Type: text/csv or "),
    ],
)
async def test_a_file_that_is_none_is_refused_with_a_sentence(
    api: Client, data: bytes, kind: str, status: int, sentence: str
) -> None:
    response = await api.raw("POST", "people/import", data, {**api.headers, "Content-Type": kind})
    found = await refusal(response)
    assert found[:2] == (status, 420)
    assert found[2].startswith(sentence)


async def test_personal_numbers_of_an_import_are_for_those_who_may_write(
    hub: HubServices, api: Client, reader: Client
) -> None:
    job = await upload(api, "people/import", CSV.encode())
    await ended(hub, job)
    assert (await reader.get(f"jobs/{job['id']}"))["items"] == []
    for method, path in (
        ("GET", f"jobs/{job['id']}/refused"),
        ("GET", "people/export"),
        ("POST", "people/import"),
        ("POST", f"jobs/{job['id']}/cancel"),
    ):
        assert (await refusal(await reader.raw(method, path)))[:2] == (403, 401)
    response = await api.raw("GET", "people/export?language=zh")
    assert response.mimetype == "application/zip"
    with ZipFile(io.BytesIO(await response.get_data(as_text=False))) as archive:
        table = archive.read("sitehub-people/people.csv").decode("utf-8-sig")
    assert "110101199003071234" in table
    assert table.startswith("人员编号,姓名")


async def test_a_search_merges_the_hits_of_all_cameras_and_says_who_did_not_answer(
    hub: HubServices, api: Client
) -> None:
    def found(*scores: int) -> Any:
        rows = [
            {
                # The first is no time.
                "time": f"2026-11-25 10:{score - 31}:00",
                "score": score,
                "jpeg_url_face": f"/a b/{score}",
                **({"pid": "7", "name": "Ann S", "category": 1} if score > 90 else {}),
            }
            for score in scores
        ]
        return lambda uri, param: answer(0, "", {"total": len(rows), "face_list": rows})

    await hub.services.core.site.set(SiteSettings("Site", "Asia/Shanghai", "auto"))
    first, second = AskedLink("1", found(81, 95)), AskedLink("2", found(90))
    hub.registry.attach(first)
    hub.registry.attach(second)
    body = {
        "photo": base64.b64encode(jpeg()).decode(),
        "threshold": 80,
        "since": "2026-11-25T00:00:00Z",
        "until": "2026-11-25T12:00:00Z",
    }
    await api.send("POST", "people", {"pid": "7", "name": "Ann Smith", "category": 2})
    job = await api.send("POST", "search/photo", body)
    await ended(hub, job)
    result = await api.get(f"jobs/{job['id']}")
    assert result["items"][0] == {
        "did": "1",
        "at": None,
        "time": "2026-11-25 10:64:00",
        "score": 95,
        "picture": "/media/device/1?path=%2Fa%20b%2F95",
        "name": "Ann S",
        "uuid": "7",
        "category": 1,
        "known_as": {"pid": "7", "name": "Ann Smith", "category": 2},
    }
    assert result["items"][1]["known_as"] is None
    assert result["items"][1]["time"] == "2026-11-25 10:59:00"
    assert result["items"][1]["at"] == "2026-11-25T02:59:00.000Z"
    assert [(hit["did"], hit["score"]) for hit in result["items"]] == [
        ("1", 95),
        ("2", 90),
        ("1", 81),
    ]
    assert result["items"][0]["picture"] == "/media/device/1?path=%2Fa%20b%2F95"
    assert [(one["did"], one["state"], one["total"], one["msg"]) for one in result["devices"]] == [
        ("1", "done", 2, ""),
        ("2", "done", 1, ""),
        ("3", "failed", 0, "the device is offline"),
    ]
    assert first.uris == [PERSON_SEARCH.uri]
    assert first.asked[0].param["threshold"] == 80
    page = await api.get(f"jobs/{job['id']}?limit=2")
    assert [hit["score"] for hit in page["items"]] == [95, 90]
    rest = await api.get(f"jobs/{job['id']}?limit=2&after={page['next']}")
    assert [hit["score"] for hit in rest["items"]] == [81]
    assert rest["next"] is None
    with Image.open(io.BytesIO(await hub.services.people.photo_searches.photo(job["id"]))) as image:
        assert image.size == (200, 200)
    one = await api.send("POST", "search/photo", {**body, "dids": ["2"]})
    await ended(hub, one)
    assert len((await api.get(f"jobs/{one['id']}"))["devices"]) == 1


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"photo": "####"}, 400),
        ({"photo": base64.b64encode(b"no picture").decode()}, 400),
        ({"threshold": 101}, 400),
        ({"since": "yesterday"}, 400),
        ({"since": "0001-01-01T00:00:00+08:00"}, 400),
        ({"since": "2026-11-26T00:00:00Z"}, 400),
        ({"dids": []}, 400),
        ({"dids": ["9"]}, 404),
        ({"groups": [9]}, 404),
    ],
)
async def test_a_search_that_cannot_be_made_is_refused(
    api: Client, change: dict[str, Any], status: int
) -> None:
    body = {
        "photo": base64.b64encode(jpeg()).decode(),
        "threshold": 80,
        "since": "2026-11-25T00:00:00Z",
        "until": "2026-11-25T12:00:00Z",
    }
    response = await api.raw("POST", "search/photo", {**body, **change})
    assert response.status_code == status
    assert (await api.get("jobs"))["items"] == []


async def test_a_time_that_the_zone_cannot_express_is_refused(
    hub: HubServices, api: Client
) -> None:
    await hub.services.core.site.set(SiteSettings("Site", "Asia/Shanghai", "en"))
    body = {
        "photo": base64.b64encode(jpeg()).decode(),
        "threshold": 80,
        "since": "2026-11-25T00:00:00Z",
        "until": "9999-12-31T23:59:59Z",
    }
    assert (await refusal(await api.raw("POST", "search/photo", body)))[:2] == (400, 420)


async def _until(api: Client, job: Any, condition: Callable[[Any], bool]) -> Any:
    """Return a job as the API has it, once the condition holds."""
    with trio.fail_after(30):
        while not condition(found := await api.get(f"jobs/{job['id']}")):
            await wait_all_tasks_blocked(0.002)
    return found


async def test_many_devices_get_one_setting_each_with_its_answer(
    hub: HubServices, api: Client
) -> None:
    hub.registry.attach(AskedLink("1", lambda uri, param: answer()))
    hub.registry.attach(AskedLink("2", lambda uri, param: answer(420, "no")))
    group = await hub.services.people.groups.add("Gate", ["2", "3"], by=COMMAND_LINE)
    param = msgspec.to_builtins(SET_FACE.example)
    body = {"uri": SET_FACE.uri, "param": param, "dids": ["1"], "groups": [group.id]}
    job = await api.send("POST", "devices/commands", body)
    found = await _until(api, job, lambda found: (found["done"], found["failed"]) == (1, 1))
    assert [(item["state"], item["detail"]) for item in found["items"]] == [
        ("done", {"did": "1", "code": 0}),
        ("failed", {"did": "2", "code": 420, "msg": "no"}),
        ("waiting", {"did": "3"}),
    ]
    assert found["state"] == "running"
    cancelled = await api.send("POST", f"jobs/{job['id']}/cancel")
    assert cancelled["state"] == "cancelled"
    restart = await api.send(
        "POST", "devices/commands", {"uri": REBOOT.uri, "param": {"delay_ms": 0}, "dids": ["1"]}
    )
    await ended(hub, restart)
    assert (await api.get(f"jobs/{restart['id']}"))["done"] == 1
    for wrong in (
        {"change": {"threshold": 1}},
        {"uri": PERSON_SEARCH.uri},
        {"dids": [], "groups": []},
        {"param": {}},
    ):
        response = await api.raw("POST", "devices/commands", {**body, **wrong})
        assert response.status_code == 400


async def test_one_field_of_a_setting_is_changed_on_many_devices(
    hub: HubServices, api: Client
) -> None:
    link = AskedLink("1", lambda uri, param: answer())
    hub.registry.attach(link)
    await hub.services.cameras.commands.call("1", SET_FACE, SET_FACE.example)
    body: Any = {"uri": SET_FACE.uri, "dids": ["1", "2"]}
    job = await api.send("POST", "devices/commands", {**body, "change": {"reg_threshold": 88}})
    found = await _until(api, job, lambda found: bool(found["done"]))
    assert [item["state"] for item in found["items"]] == ["done", "waiting"]
    before, after = (asked.param for asked in link.asked)
    assert after == {**before, "reg_threshold": 88}
    for wrong in ({}, {"reg_threshold": 101}, {"x": 1}, {"alarm_out": {"interval": 5}}):
        response = await api.raw("POST", "devices/commands", {**body, "change": wrong})
        assert (await refusal(response))[:2] == (400, 420)
    response = await api.raw("POST", "devices/commands", body)
    assert (await refusal(response))[:2] == (400, 420)


async def test_a_job_that_is_not_there_is_404(api: Client) -> None:
    for method, path in (("GET", "jobs/7"), ("POST", "jobs/7/cancel"), ("GET", "jobs/7/refused")):
        assert (await refusal(await api.raw(method, path)))[:2] == (404, 426)


async def as_guard(hub: HubServices, name: str) -> Client:
    token = await hub.add_user(name, "guard")
    cookie = f"__Host-sitehub_session={token}"
    return Client(hub, {"Cookie": cookie, "X-CSRF-Token": csrf_token(token)})


@pytest.mark.parametrize("kind", ["search", "compare"])
async def test_a_guard_cancels_only_jobs_that_this_guard_started(
    hub: HubServices, kind: JobKind
) -> None:
    ann, ben = await as_guard(hub, "ann"), await as_guard(hub, "ben")

    async def work(progress: JobProgress) -> None:
        await trio.sleep_forever()

    job = await hub.services.jobs.start(kind, {"did": "1"}, Actor("user ann"), work)
    path = f"jobs/{job.id}/cancel"
    assert (await refusal(await ben.raw("POST", path)))[:2] == (403, 401)
    assert (await hub.services.jobs.get(job.id)).state == "running"
    assert (await ann.send("POST", path))["state"] == "cancelled"
