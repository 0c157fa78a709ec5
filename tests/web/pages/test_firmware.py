"""Firmware on the pages: releases and their files, campaigns, and each refusal in words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from quart import Response

from hub.config import Config, WebConfig
from hub.services.audit import COMMAND_LINE
from hub.services.devices.views import DeviceView
from hub.services.disk_space import GB
from hub.store import firmware_files
from hub.store.tables.devices import DeviceChange
from hub.store.tables.firmware import Release
from hub.wire.uploads.firmware import Versions
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink
from tests.support.firmware import FirmwareSite
from tests.support.hub_services import open_hub_services
from tests.support.page_site import PASSWORD

FILE = b"firmware" * 50_000
SHA256 = hashlib.sha256(FILE).hexdigest()
GOOD = {"ver_name": "v2.0", "ver_code": "453523", "reports.fwVer": "V2.0"}


class Operator(Visitor):
    """A visitor of a site with firmware."""

    def __init__(self, site: FirmwareSite) -> None:
        super().__init__(site.services)  # type: ignore[arg-type]
        self.site = site

    async def send_release(
        self, *files: tuple[str, bytes], token: str | None = None, part: bool = False, **fields: str
    ) -> Response:
        """Send the form of a new release; `files` go to its file fields in order."""
        form = {"csrf_token": self.token if token is None else token, **fields}
        headers = {"Content-Type": "multipart/form-data; boundary=edge"}
        self.response = await self._client.post(
            "/cameras/firmware/add",
            data=_multipart(form, files),
            headers=headers | ({"X-Part": "1"} if part else {}),
        )
        self.text = (await self.response.get_data()).decode()
        return self.response

    async def start(self, release: Release, *dids: str, **fields: str) -> None:
        """Send the form that starts a campaign, as the page that asks once sends it."""
        fields = {"confirmed": "1", **fields}
        form = [("csrf_token", self.token), *(("did", did) for did in dids), *fields.items()]
        self.response = await self._client.post(
            f"/cameras/firmware/releases/{release.id}/give",
            data=urlencode(form),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        self.text = (await self.response.get_data()).decode()

    async def audited(self) -> list[tuple[str, str]]:
        entries = await self.site.services.core.audit.newest()
        return [
            (e.action, e.target) for e in entries if "firmware" in e.action or "camp" in e.action
        ]


def _multipart(fields: dict[str, str], files: tuple[tuple[str, bytes], ...]) -> bytes:
    """The form as browsers send it: fields in the order of the page, the token first."""
    body = b""
    for name, value in fields.items():
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        body += head.encode() + value.encode() + b"\r\n"
    for number, (name, data) in enumerate(files, 1):
        head = f'--edge\r\nContent-Disposition: form-data; name="file_{number}"; filename="{name}"'
        body += head.encode() + b"\r\n\r\n" + data + b"\r\n"
    return body + b"--edge--\r\n"


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[FirmwareSite]:
    config = Config(web=WebConfig(tls=False))
    async with open_hub_services(tmp_path, clock, config) as hub:
        site = FirmwareSite(hub, clock)
        await site.add_cameras("1", "2", "3")
        for role in ("admin", "guard", "viewer"):
            await site.services.access.users.add(role, role, PASSWORD, by=COMMAND_LINE)
        yield site


@pytest.fixture
async def admin(site: FirmwareSite) -> Operator:
    operator = Operator(site)
    await operator.sign_in()
    return operator


# Roles


async def test_an_empty_page_says_what_to_do(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    assert "No firmware yet" in admin.text
    assert "open><summary><h2>Add a release" in admin.text


@pytest.mark.parametrize("role", ["guard", "viewer"])
async def test_users_without_the_role_can_view_but_not_change(
    site: FirmwareSite, role: str
) -> None:
    release = await site.add_release(FILE)
    campaign = await site.campaigns.start(release.id, ["1"])
    operator = Operator(site)
    await operator.sign_in(role)
    for path in (
        "/cameras/firmware",
        f"/cameras/firmware/releases/{release.id}",
        f"/cameras/firmware/campaigns/{campaign.id}",
    ):
        await operator.get(path)
        assert operator.response.status_code == 200
        main = operator.text.partition('id="main"')[2].partition("</main>")[0]
        assert main
        assert "<form" not in main
        for change in ("#give", "/give", "/remove", "/stop", "/add"):
            assert f'{change}"' not in main, change
    for path in (f"campaigns/{campaign.id}/stop",):
        assert (await operator.get(f"/cameras/firmware/{path}")).status_code == 403
    await operator.send_release(("app.bin", FILE), **GOOD)
    assert operator.response.status_code == 403


async def test_only_an_administrator_finds_it_in_the_navigation(site: FirmwareSite) -> None:
    for role, is_there in (("admin", True), ("guard", False)):
        operator = Operator(site)
        await operator.sign_in(role)
        await operator.get("/cameras")
        assert ('href="/cameras/firmware"' in operator.text) is is_there


# Adding


async def test_a_release_is_added_with_its_files(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    await admin.send_release(
        ("folder/app.bin", FILE),
        ("model.bin", b"model"),
        **GOOD,
        description="Sees better.\r\nAt night too.",
        release_date="2026-11-20T08:30",
        name_2="faces",
        **{"least.hwVer": "V1.0"},
    )
    (release,) = admin.site.releases.all()
    assert admin.goes_to == f"/cameras/firmware/releases/{release.id}?done=release-added"
    assert (release.ver_name, release.ver_code) == ("v2.0", 453523)
    assert release.description == "Sees better.\nAt night too."
    assert release.release_date == "2026-11-20 08:30:00"
    assert (release.reports, release.least) == (Versions(fw_ver="V2.0"), Versions(hw_ver="V1.0"))
    assert [(c.name, c.type) for c in release.components] == [("app.bin", 2), ("faces", 3)]
    assert ("firmware.add", str(release.id)) in await admin.audited()
    await admin.get(admin.goes_to)
    for text in ("The release was added", SHA256, release.components[0].md5, "390.6 KB", "V1.0"):
        assert text in admin.text, text
    assert "<dd>20 Nov 2026 08:30:00</dd>" in admin.text
    await admin.get("/cameras/firmware")
    assert "20 Nov 2026 · " in admin.text


async def test_uploaded_files_are_kept_when_the_form_is_refused(
    admin: Operator,
) -> None:
    await admin.get("/cameras/firmware")
    await admin.send_release(("app.bin", FILE), **{**GOOD, "reports.fwVer": "two"})
    assert admin.response.status_code == 400
    assert "Firmware: enter numbers separated by dots" in admin.text
    assert "Already uploaded" in admin.text
    assert f'name="kept_1" value="{SHA256}"' in admin.text
    assert 'name="name_1" value="app.bin"' in admin.text
    await admin.send_release(("", b""), **GOOD, kept_1=SHA256, name_1="app.bin", type_1="3")
    (release,) = admin.site.releases.all()
    assert [(c.name, c.type, c.sha256) for c in release.components] == [("app.bin", 3, SHA256)]


async def test_a_script_gets_only_the_form(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    await admin.send_release(("app.bin", FILE), part=True, ver_name="", ver_code="1")
    assert admin.response.status_code == 400
    assert admin.text.lstrip().startswith("<form")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"ver_name": " "}, "The version name must have 1 to 64 characters"),
        ({"ver_code": "-1"}, "a whole number from 0 to 9007199254740992"),
        ({"ver_code": "9" * 17}, "a whole number from 0 to 9007199254740992"),
        ({"ver_code": "9007199254740993"}, "a whole number from 0 to 9007199254740992"),
        ({"description": "x" * 2001}, "longer than 2000 characters"),
        ({"release_date": "2026-02-30T10:00"}, "This is not a valid date"),
        ({"least.osVer": "x"}, "Operating system: enter numbers separated by dots"),
        ({"name_1": "x" * 65}, "File 1: the name must have 1 to 64 characters"),
    ],
)
async def test_a_wrong_field_is_explained(
    admin: Operator, fields: dict[str, str], sentence: str
) -> None:
    await admin.get("/cameras/firmware")
    await admin.send_release(("app.bin", FILE), **{**GOOD, **fields})
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert admin.site.releases.all() == ()


async def test_the_form_of_a_release_says_what_the_latest_cameras_need(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    assert "57 in 1.1.57" in admin.text
    assert "the one whose name ends in -ver.bin is the description file" in admin.text


async def test_a_release_without_files_is_refused(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    for kept in ("", "0" * 64):
        await admin.send_release(("", b""), **GOOD, kept_1=kept)
        assert "Choose 1 to 5 files" in admin.text


async def test_empty_and_large_files_are_refused_and_earlier_ones_are_kept(
    admin: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware_files, "MAX_FILE_BYTES", len(FILE))
    for bad, sentence in ((b"", "The file is empty"), (FILE + b"!", "At most 512 MB per file")):
        await admin.get("/cameras/firmware")
        await admin.send_release(("app.bin", FILE), ("bad.bin", bad), **GOOD)
        assert admin.response.status_code == 400
        assert sentence in admin.text
        assert f'name="kept_1" value="{SHA256}"' in admin.text
        assert 'name="ver_name" value="v2.0"' in admin.text


async def test_a_release_without_disk_space_keeps_the_form(
    admin: Operator,
) -> None:
    await admin.get("/cameras/firmware")
    admin.site.free.bytes = 2 * GB + len(FILE) - 1
    await admin.send_release(("app.bin", FILE), **GOOD)
    assert admin.response.status_code == 400
    assert "not enough disk space beyond what is reserved for records" in admin.text
    assert 'name="ver_name" value="v2.0"' in admin.text
    assert admin.site.releases.files() == ()


async def test_a_form_of_another_session_stores_nothing(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    await admin.send_release(("app.bin", FILE), **GOOD, token="0" * 64)
    assert admin.response.status_code == 403
    assert admin.site.releases.files() == ()
    await admin.send_release(**GOOD, token="0" * 64, kept_1=SHA256)
    assert admin.response.status_code in (400, 403)


async def test_a_visitor_without_a_session_is_asked_to_sign_in(site: FirmwareSite) -> None:
    operator = Operator(site)
    await operator.send_release(("app.bin", b"x" * 100), **GOOD, token="")
    assert operator.goes_to == "/sign-in"
    assert site.releases.files() == ()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"ver_name=v2"),
        ("multipart/form-data; boundary=x", b"--x\r\nno form"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"a" * 2_000_000),
        ("multipart/form-data", b"--x--"),
    ],
)
async def test_an_invalid_form_is_explained(admin: Operator, kind: str, body: bytes) -> None:
    response = await admin._client.post(
        "/cameras/firmware/add", data=body, headers={"Content-Type": kind}
    )
    assert response.status_code == 400
    assert "could not be read" in str(await response.get_data(as_text=True))


async def test_an_upload_is_refused_while_the_hub_receives_other_files(admin: Operator) -> None:
    await admin.get("/cameras/firmware")
    places = [admin.site.releases.receive() for _ in range(4)]
    for place in places:
        await place.__aenter__()
    await admin.send_release(("app.bin", FILE), **GOOD)
    assert "The hub is receiving other files right now" in admin.text
    for place in places:
        await place.__aexit__(None, None, None)


# Removing


async def test_a_release_is_removed_after_one_question(admin: Operator) -> None:
    release = await admin.site.add_release(FILE)
    path = f"/cameras/firmware/releases/{release.id}/remove"
    await admin.get(path)
    assert "This deletes the release" in admin.text
    await admin.send(path)
    assert admin.goes_to == "/cameras/firmware?done=release-removed"
    assert admin.site.releases.all() == ()
    assert ("firmware.remove", str(release.id)) in await admin.audited()


async def test_a_release_in_use_is_not_removed_and_the_page_says_why(admin: Operator) -> None:
    release = await admin.site.add_release(FILE)
    campaign = await admin.site.campaigns.start(release.id, ["1"])
    path = f"/cameras/firmware/releases/{release.id}/remove"
    await admin.get(path)
    assert "1 campaign is installing this release" in admin.text
    assert f'href="/cameras/firmware/campaigns/{campaign.id}"' in admin.text
    await admin.send(path)
    assert admin.response.status_code == 400
    assert "1 campaign is installing this release" in admin.text
    assert admin.site.releases.all() == (release,)


async def test_cameras_are_read_once_for_any_number_of_releases(
    admin: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, reads = admin.site, 0
    list_devices = site.devices.list

    def counted() -> list[DeviceView]:
        nonlocal reads
        reads += 1
        return list_devices()

    def each(did: str) -> None:
        raise AssertionError("campaigns are searched for each camera")

    monkeypatch.setattr(site.devices, "list", counted)
    monkeypatch.setattr(site.campaigns, "of_device", each)
    for number in range(10):
        reports = Versions(fw_ver=f"V{number}") if number % 2 else Versions()
        await site.add_release(b"%d" % number, ver_code=number, reports=reports)
    await admin.get("/cameras/firmware")
    assert reads == 1
    await admin.get("/cameras/firmware/releases/1")
    assert admin.response.status_code == 200


async def test_cameras_of_a_campaign_hold_a_release_without_versions(
    admin: Operator,
) -> None:
    site = admin.site
    release = await site.add_release(FILE, reports=Versions())
    campaign = await site.campaigns.start(release.id, ["1", "2"])
    await site.download("1")
    await site.report("1", fwVer="V7")
    assert site.states(campaign)["1"] == "done"
    await admin.get("/cameras/firmware")
    assert "Installed on 1 of 3 cameras" in admin.text
    other = await site.add_release(b"other", ver_name="v3", reports=Versions())
    await site.campaigns.stop(campaign.id)
    await site.campaigns.start(other.id, ["1"])
    await admin.get("/cameras/firmware")
    assert "Installed on 1 of 3 cameras" not in admin.text


# Starting a campaign


async def test_a_campaign_starts_with_the_chosen_camera(admin: Operator) -> None:
    release = await admin.site.add_release(FILE)
    await admin.get(f"/cameras/firmware/releases/{release.id}")
    await admin.start(release, "1", "3", first="3")
    (campaign,) = admin.site.campaigns.campaigns()
    assert admin.goes_to == f"/cameras/firmware/campaigns/{campaign.id}?done=campaign-started"
    assert [one.did for one in campaign.devices] == ["3", "1"]
    assert await admin.audited() == [("campaign.start", str(campaign.id))]


async def test_one_camera_is_updated_from_its_own_page(admin: Operator) -> None:
    release = await admin.site.add_release(FILE)
    await admin.get("/cameras/2/manage")
    link = f"/cameras/firmware/releases/{release.id}?did=2#give"
    assert f'href="{link}"' in admin.text
    assert "Update to v2.0…" in admin.text
    await admin.get(link)
    assert re.findall(r'name="did" value="(\d+)" checked', admin.text) == ["2"]
    await admin.site.report("2", fwVer="V2.0")
    await admin.get("/cameras/2/manage")
    assert link not in admin.text


async def test_a_campaign_is_asked_about_once_with_the_names_of_its_cameras(
    admin: Operator,
) -> None:
    release = await admin.site.add_release(FILE)
    await admin.site.devices.change("3", DeviceChange(name="Yard <3>"))
    await admin.get(f"/cameras/firmware/releases/{release.id}")
    await admin.send(f"/cameras/firmware/releases/{release.id}/give", did=["1", "3"], first="3")
    assert admin.response.status_code == 200
    for text in ("Roll out v2.0?", "Yard &lt;3&gt;", "the hub cannot restore the old one"):
        assert text in admin.text, text
    assert re.findall(r'name="(did|first|confirmed)" value="([^"]*)"', admin.text) == [
        *[("did", "1"), ("did", "3"), ("first", "3"), ("confirmed", "1")]
    ]
    assert admin.site.campaigns.campaigns() == []


async def test_the_question_warns_if_the_cameras_speak_different_editions(
    admin: Operator,
) -> None:
    release = await admin.site.add_release(FILE)
    await admin.get(f"/cameras/firmware/releases/{release.id}")
    for edition, warns in (("no", False), ("yes", True)):
        await admin.site.services.cameras.capabilities.override("3", "group:information", edition)
        await admin.send(f"/cameras/firmware/releases/{release.id}/give", did=["1", "3"], first="")
        assert ("their versions of the protocol differ" in admin.text) == warns


async def test_a_camera_that_cannot_be_updated_is_disabled_with_the_reason(
    admin: Operator,
) -> None:
    site = admin.site
    other = await site.add_release(b"other", ver_name="v1.9", reports=Versions(sw_ver="V1.9"))
    campaign = await site.campaigns.start(other.id, ["1"])
    release = await site.add_release(FILE, least=Versions(hw_ver="V2.0"))
    await site.report("2", fwVer="2.0")
    await site.report("3", hwVer="V1.0")
    await admin.get(f"/cameras/firmware/releases/{release.id}")
    assert admin.text.count(" disabled>") == 2
    assert (
        f'<a href="/cameras/firmware/campaigns/{campaign.id}">It is being updated to v1.9.</a>'
        in admin.text
    )
    assert "It already has this release." in admin.text
    assert "Hardware V1.0 is too old: at least V2.0 is required." in admin.text


async def test_a_campaign_that_does_not_start_says_why(admin: Operator) -> None:
    site = admin.site
    release = await site.add_release(FILE)
    await admin.get(f"/cameras/firmware/releases/{release.id}")
    await admin.start(release)
    assert "Select at least one camera" in admin.text
    await admin.start(release, "1", first="2")
    assert "must be one of the selected cameras" in admin.text
    await admin.start(release, "1", "99")
    assert "has been removed in the meantime" in admin.text
    await site.campaigns.start(release.id, ["1"])
    await admin.start(release, "1", "2")
    assert "is now in another campaign" in admin.text
    assert admin.response.status_code == 400
    assert len(site.campaigns.campaigns()) == 1


# Campaigns


async def test_a_campaign_shows_the_progress_of_each_camera(admin: Operator) -> None:
    site = admin.site
    release = await site.add_release(FILE, least=Versions(hw_ver="V1.0"))
    campaign = await site.campaigns.start(release.id, ["1", "2", "3"])
    path = f"/cameras/firmware/campaigns/{campaign.id}"
    await admin.get(path)
    assert f'data-part="{path}/now" data-on="firmware device"' in admin.text
    assert "1 goes first. The others follow once it runs the new version." in admin.text
    assert "It is waiting for the first camera." in admin.text
    (token,) = await site.links("1")
    await admin.get(f"{path}/now")
    assert "Offered" in admin.text
    await site.fetch(token, 0, len(FILE) // 4)
    await admin.get(f"{path}/now")
    assert "25 %" in admin.text
    assert "97.7 KB / 390.6 KB" in admin.text
    await site.fetch(token, len(FILE) // 4)
    await admin.get(f"{path}/now")
    assert "Downloaded" in admin.text
    await site.report("1", fwVer="2.0")
    with pytest.raises(Exception, match="older"):
        await site.ask("2", hwVer="V0.9")
    await admin.get(f"{path}/now")
    for text in (
        "Updating the others",
        "1 of 3",
        "Done",
        "Version too old",
        "Hardware V0.9 is too old",
    ):
        assert text in admin.text, text
    await admin.get("/cameras/firmware")
    assert "3 cameras to v2.0" in admin.text
    assert "Installed on 1 of 3 cameras" in admin.text


@pytest.mark.parametrize(
    ("reports", "sentence"),
    [
        (Versions(fw_ver="2.0"), "It is done once it reports Firmware 2.0."),
        (Versions(), "It is done once it reports its versions again."),
    ],
)
async def test_a_camera_with_all_files_shows_what_it_must_report(
    admin: Operator, reports: Versions, sentence: str
) -> None:
    site = admin.site
    site.registry.attach(AskedLink("1"))
    release = await site.add_release(FILE, reports=reports)
    campaign = await site.campaigns.start(release.id, ["1"])
    await site.download("1")
    await admin.get(f"/cameras/firmware/campaigns/{campaign.id}")
    assert sentence in admin.text


async def test_a_campaign_is_paused_resumed_and_stopped_after_one_question(
    admin: Operator,
) -> None:
    site = admin.site
    release = await site.add_release(FILE)
    campaign = await site.campaigns.start(release.id, ["1"])
    path = f"/cameras/firmware/campaigns/{campaign.id}"
    await admin.get(path)
    await admin.send(f"{path}/pause")
    assert site.state(campaign) == "paused"
    await admin.get(admin.goes_to)
    assert "No further cameras are offered the update until you resume" in admin.text
    await admin.send(f"{path}/resume")
    assert site.state(campaign) == "first"
    await admin.get(f"{path}/stop")
    assert "Stop this campaign?" in admin.text
    await admin.send(f"{path}/stop")
    assert site.state(campaign) == "stopped"
    await admin.get(admin.goes_to)
    assert "It was not updated." in admin.text
    assert f"{path}/pause" not in admin.text
    # It has ended; an outdated page leads back to it.
    await admin.send(f"{path}/pause")
    assert admin.goes_to == path
    steps = [f"campaign.{step}" for step in ("stop", "resume", "pause")]
    assert [action for action, _ in await admin.audited()] == steps


async def test_a_release_without_versions_counts_cameras_that_a_campaign_updated(
    admin: Operator,
) -> None:
    site = admin.site
    release = await site.add_release(FILE, reports=Versions())
    await site.campaigns.start(release.id, ["1"])
    await site.download("1")
    await site.report("1", fwVer="V7")
    await admin.get(f"/cameras/firmware/releases/{release.id}")
    assert 'class="chip" href="/cameras/1"' in admin.text
    assert 'class="chip" href="/cameras/2"' not in admin.text


async def test_downloads_are_listed(admin: Operator, clock: FrozenClock) -> None:
    site = admin.site
    release = await site.add_release(FILE)
    await site.campaigns.start(release.id, ["1"])
    await site.download("1")
    await admin.get("/cameras/firmware")
    for text in ("v2.0 · part 1.bin", "390.6 KB", "complete"):
        assert text in admin.text, text
    # A later release has the same file, but was not downloaded.
    clock.advance(1)
    await site.add_release(FILE, ver_code=2, ver_name="v2.1")
    await admin.get("/cameras/firmware")
    assert "v2.0 · part 1.bin" in admin.text


async def test_a_cameras_page_shows_its_campaign(admin: Operator) -> None:
    site = admin.site
    await admin.get("/cameras/1/campaign")
    assert admin.text.strip() == ""
    release = await site.add_release(FILE)
    campaign = await site.campaigns.start(release.id, ["1"])
    await admin.get("/cameras/1")
    assert 'data-part="/cameras/1/campaign" data-on="firmware"' in admin.text
    assert f'<a href="/cameras/firmware/campaigns/{campaign.id}">Firmware v2.0</a>' in admin.text
    (token,) = await site.links("1")
    await site.fetch(token, 0, len(FILE) // 2)
    await admin.get("/cameras/1/campaign")
    assert "Downloading 50 %" in admin.text
    await site.campaigns.stop(campaign.id)
    await admin.get("/cameras/1/campaign")
    assert "Stopped" in admin.text


async def test_the_firmware_pages_are_in_chinese(admin: Operator) -> None:
    site = admin.site
    release = await site.add_release(FILE)
    campaign = await site.campaigns.start(release.id, ["1", "2"])
    await admin.get("/cameras/firmware")
    await admin.send("/preferences", language="zh")
    for path, words in (
        ("", "固件版本"),
        (f"/releases/{release.id}", "已安装的摄像机"),
        (f"/releases/{release.id}", "正在升级到 v2.0。"),
        (f"/campaigns/{campaign.id}", "先升级 1，成功后再升级其余摄像机。"),
        ("", "描述文件"),
    ):
        await admin.get(f"/cameras/firmware{path}")
        assert words in admin.text
