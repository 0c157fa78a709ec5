"""Holds, their export, and erasures by the API."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from datetime import UTC
from pathlib import Path

import pytest
import trio

from hub.services.audit import Actor
from hub.store.media.pictures import PIECE_BYTES
from hub.store.tables.holds import MAX_RECORDS_PER_HOLD
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail
from tests.support.hub_services import HubServices, face
from tests.web.api.test_api import Client, refusal
from web.api.records.holds import MAX_BODY_BYTES, may_change
from web.language import LANGUAGES
from web.pages.hold_export.export import HoldExportFacts, about_hold, export_records
from web.pages.hold_export.response import HubRecords

REASON = "Theft <b>at</b> the gate"


@pytest.fixture
async def api(hub: HubServices) -> Client:
    for name in ("Li Wei <script>", "Anna", "Zhang Wuji"):
        await hub.add(face(name, pictures=True, at=1_795_608_000_000))
    return Client(hub, await hub.bearer())


async def hold(api: Client, *seqs: int) -> int:
    added = await api.send("POST", "holds", {"reason": REASON, "seqs": seqs})
    id: int = added["hold"]["id"]
    return id


async def test_records_are_held_changed_and_released(api: Client) -> None:
    body = {"reason": REASON, "until": "2027-01-01T00:00:00Z", "seqs": [1, 9]}
    added = await api.send("POST", "holds", body)
    assert (added["added"], added["missing"]) == (1, [9])
    assert added["hold"]["until"] == "2027-01-01T00:00:00.000Z"
    assert (await api.send("POST", "holds/1/records", {"seqs": [2]}))["hold"]["records"] == 2
    records = await api.get("holds/1/records?limit=1")
    assert ([one["seq"] for one in records["items"]], records["next"]) == ([1], 1)
    changed = await api.send("PATCH", "holds/1", {"until": None})
    assert (changed["reason"], changed["until"]) == (REASON, None)
    assert (await api.get("holds"))["items"] == [changed]
    released = await api.send("DELETE", "holds/1")
    assert (released["records"], released["ended_by"]) == (2, changed["created_by"])
    assert (await refusal(await api.raw("DELETE", "holds/1")))[:2] == (400, 420)
    assert (await refusal(await api.raw("GET", "holds/2")))[:2] == (404, 426)


@pytest.mark.parametrize("path", ["holds", "holds/1/records"])
async def test_as_many_seqs_as_a_hold_may_have_can_be_sent_at_once(api: Client, path: str) -> None:
    await hold(api, 1)
    longest = 2**53 - 1
    seqs = [2, *range(longest - MAX_RECORDS_PER_HOLD + 2, longest + 1)]
    body = {"reason": REASON, "seqs": seqs} if path == "holds" else {"seqs": seqs[:-1]}
    assert (await api.send("POST", path, body))["added"] == 1


async def test_a_body_of_a_hold_has_a_limit(api: Client) -> None:
    body = {"reason": REASON, "seqs": [1], "more": "x" * MAX_BODY_BYTES}
    assert (await refusal(await api.raw("POST", "holds", body)))[0] == 413


async def test_a_selection_is_held(api: Client) -> None:
    select = {"did": "1", "since": "2026-11-25T12:00:00Z", "kinds": ["face"]}
    added = await api.send("POST", "holds", {"reason": REASON, "select": select})
    assert added["added"] == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"seqs": [1]}, "reason"),
        ({"reason": REASON}, "seqs"),
        ({"reason": REASON, "seqs": [1], "select": {}}, "seqs"),
        ({"reason": " ", "seqs": [1]}, "reason"),
        ({"reason": REASON, "seqs": [1], "until": "2001-01-01T00:00:00Z"}, "until"),
        ({"reason": REASON, "seqs": [77]}, "seqs"),
    ],
)
async def test_a_bad_hold_is_refused_by_the_name_of_the_field(
    api: Client, body: dict[str, object], field: str
) -> None:
    status, code, message = await refusal(await api.raw("POST", "holds", body))
    assert (status, code) == (400, 420)
    assert field in message


async def test_a_read_only_key_may_look_but_not_hold(hub: HubServices, api: Client) -> None:
    await hold(api, 1)
    reader = Client(hub, await hub.bearer(read_only=True))
    assert len((await reader.get("holds"))["items"]) == 1
    for method, path in (("POST", "holds"), ("DELETE", "holds/1"), ("POST", "erasures")):
        assert (await refusal(await reader.raw(method, path, {})))[:2] == (403, 401)
    assert (await refusal(await reader.raw("GET", "erasable?number=1")))[0] == 403


async def test_only_the_guard_who_made_a_hold_or_an_administrator_releases_it(
    hub: HubServices, api: Client
) -> None:
    made = await hub.services.records.holds.create([1], REASON, None, by=Actor("user ann"))
    for name, role in (("ann", "guard"), ("bob", "guard"), ("eve", "admin")):
        await hub.add_user(name, role)
    may = {
        name: may_change(hub.services.access.users.get(name), made.hold)
        for name in ("ann", "bob", "eve")
    }
    assert may == {"ann": True, "bob": False, "eve": True}


async def unpacked(api: Client, path: str, folder: Path) -> Path:
    response = await api.raw("GET", path)
    assert (response.status_code, response.mimetype) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(await response.get_data())) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder / "sitehub-hold-1"


async def test_an_export_can_be_read_and_checked_by_others(api: Client, tmp_path: Path) -> None:
    await hold(api, 1, 3)
    folder = await unpacked(api, "holds/1/export?language=zh", tmp_path / "export")
    pictures = sorted(path.name for path in (folder / "pictures").iterdir())
    assert pictures == ["1-face.jpg", "3-face.jpg"]
    assert (folder / "pictures" / "3-face.jpg").read_bytes() == b"\xff\xd8\xffZhang Wuji"
    records = json.loads((folder / "records.json").read_text("utf-8"))
    assert [one["seq"] for one in records["items"]] == [1, 3]
    assert records["items"][1]["images"] == {"face": "pictures/3-face.jpg"}
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert (manifest["reason"], manifest["records"], manifest["pictures"]) == (REASON, 2, 2)
    page = (folder / "index.html").read_text("utf-8")
    assert "<script" not in page
    assert "Li Wei &lt;script&gt;" in page
    assert "Theft &lt;b&gt;at" in page
    assert "摄像机" in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page
    entries = await api.hub.services.core.audit.oldest()
    assert ("hold.export", "1 2") in [(entry.action, entry.target) for entry in entries]


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
async def test_sha256sum_accepts_an_export_and_notices_a_change(
    api: Client, tmp_path: Path
) -> None:
    await hold(api, 1, 2)
    folder = await unpacked(api, "holds/1/export", tmp_path / "export")

    def check() -> subprocess.CompletedProcess[str]:
        command = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    assert check().returncode == 0
    assert check().stdout.count(": OK") == 5
    (folder / "pictures" / "1-face.jpg").write_bytes(b"another")
    assert check().returncode == 1


async def test_an_export_leaves_out_what_was_erased(api: Client, tmp_path: Path) -> None:
    await hold(api, 1, 2)
    services = api.hub.services
    await services.records.erasures.begin(
        services.records.erasures.by_hand([2]), with_held=True, by=Actor("user ann")
    )
    await services.records.erasures.carry_out()
    folder = await unpacked(api, "holds/1/export", tmp_path / "export")
    records = json.loads((folder / "records.json").read_text("utf-8"))["items"]
    assert [(one["seq"], one.get("erased")) for one in records] == [(1, None), (2, True)]
    assert "The data of this record was erased." in (folder / "index.html").read_text("utf-8")


async def test_a_large_picture_is_exported_in_pieces_and_others_get_turns(api: Client) -> None:
    large = b"\xff\xd8\xff" + b"large" * 60_000
    picture = Picture("face", "image/jpeg", large)
    detail = FaceDetail(name="Bo")
    upload = CheckedUpload(kind="face", occurred_at=0, detail=detail, pictures=(picture,))
    seq = await api.hub.add(upload)
    await hold(api, 1, seq)
    services, passes, sizes = api.hub.services, 0, []
    facts = HoldExportFacts(
        site="Site",
        log="log",
        about=about_hold(await services.records.holds.get(1), LANGUAGES["en"], UTC),
        exported_by="user mei",
        exported_at=0,
        zone=UTC,
    )

    async def count() -> None:
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    exported, seen = b"", []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        parts = export_records(HubRecords(services, 1, sees_numbers=True), facts, LANGUAGES["en"])
        async for part in parts:
            seen.append(passes)
            sizes.append(len(part))
            exported += part
        nursery.cancel_scope.cancel()
    assert max(sizes) < 2 * PIECE_BYTES
    assert len(seen) > 4
    # In one pass each task takes a step, in any order.
    assert all(later > earlier for earlier, later in zip(seen, seen[2:], strict=False))
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        assert archive.read(f"sitehub-hold-1/pictures/{seq}-face.jpg") == large


async def test_an_export_is_made_in_parts(api: Client) -> None:
    """Nothing is collected before the first part can be sent."""
    await hold(api, 1, 2, 3)
    read: list[tuple[int, str]] = []
    picture = api.hub.services.records.log.open_picture

    async def noted(seq: int, name: str) -> object:
        read.append((seq, name))
        return await picture(seq, name)

    api.hub.services.records.log.open_picture = noted  # type: ignore[method-assign, assignment]
    response = await api._client.get(
        "/api/hub/v1/holds/1/export", headers=api.headers, scope_base={"client": ("10.0.0.5", 4)}
    )
    assert response.status_code == 200
    assert [seq for seq, _ in read] == [1, 2, 3]


async def test_a_person_is_erased_after_the_count_was_confirmed(api: Client) -> None:
    wuji = CheckedUpload(kind="face", detail=FaceDetail(name="Zhang Wuji", uuid="4711"))
    seq = await api.hub.add(wuji)
    found = (await api.get("erasable?name=zhang+wuji"))["items"]
    assert [(one["number"], one["records"]) for one in found] == [("", 1), ("4711", 1)]
    refused = await refusal(await api.raw("POST", "erasures", {"number": "4711", "confirm": 2}))
    assert refused[:2] == (400, 420)
    assert "1 records would be erased" in refused[2]
    begun = await api.send("POST", "erasures", {"number": "4711", "confirm": 1})
    assert begun["finished_at"] is None
    await api.hub.services.records.erasures.carry_out()
    done = await api.get(f"erasures/{begun['id']}")
    assert (done["records"], done["manner"], done["dids"]) == (1, "person", ["1"])
    assert (await api.get("erasures"))["items"] == [done]
    record = await api.get(f"records/{seq}")
    assert (record["erased"], record["images"], record.get("name")) == (True, {}, None)


async def test_a_number_that_only_a_centre_still_knows_can_be_erased(api: Client) -> None:
    body = {"number": "8", "confirm": 0}
    assert (await api.get("erasable?number=08"))["items"] == []
    assert (await refusal(await api.raw("POST", "erasures", body)))[0] == 404
    await api.hub.services.forwarding.targets.add(
        "nats", "nats://127.0.0.1:9", name="Centre", by=Actor("user ann")
    )
    (found,) = (await api.get("erasable?number=08"))["items"]
    assert (found["number"], found["records"], found["told"]) == ("8", 0, ["Centre"])
    assert (await api.get("erasable?name=Bea"))["items"] == []
    refused = await refusal(await api.raw("POST", "erasures", {"number": "8", "confirm": 1}))
    assert "0 records would be erased" in refused[2]
    begun = await api.send("POST", "erasures", body)
    await api.hub.services.records.erasures.carry_out()
    done = await api.get(f"erasures/{begun['id']}")
    assert (done["records"], done["targets"]) == (0, ["Centre"])
