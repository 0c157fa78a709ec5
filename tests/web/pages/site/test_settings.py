"""The page of settings, on real services and a real file."""

from __future__ import annotations

import errno
import html
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.config import SETTINGS
from hub.config_sources import Sources, default_file
from hub.services.audit import COMMAND_LINE
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from tests.support.page_site import PASSWORD, PageSite
from tests.support.photographer import Photographer

SETTINGS_PAGE = "/site/settings"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sitehub.toml"
    path.write_text(default_file(), encoding="utf-8")
    return path


@pytest.fixture
async def hub(file: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    sources = Sources(
        file.parent,
        {"SITEHUB_DEVICES_TOKEN_TTL": "60"},
        overrides=("web.tls=false", "log.format=json"),
    )
    async with open_hub_services(file.parent, clock, sources.load()) as services:
        site = PageSite(services, clock)
        await site.services.access.users.add("admin", "admin", PASSWORD, by=COMMAND_LINE)
        await site.services.access.users.add("guard", "guard", PASSWORD, by=COMMAND_LINE)
        yield site


def row_of(text: str, name: str) -> str:
    """The row of a setting as a person reads it."""
    rows: list[str] = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    row = next(row for row in rows if f"<code>{name}</code>" in row)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", row).split()))


async def test_every_setting_is_shown_with_its_value_and_where_that_comes_from(
    hub: PageSite, file: Path, admin: Photographer
) -> None:
    await admin.get(SETTINGS_PAGE)
    for setting in SETTINGS.values():
        assert setting.meaning in row_of(admin.text, setting.name)
    assert row_of(admin.text, "store.keep_days").endswith("store.keep_days 30 Default Change")
    assert row_of(admin.text, "devices.token_ttl").endswith("60 Environment Locked")
    assert row_of(admin.text, "log.format").endswith("json Command line Locked")
    assert row_of(admin.text, "web.port").endswith("8443 Default Locked")
    assert str(file) in admin.text


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("devices.token_ttl", "It is set by the environment variable SITEHUB_DEVICES_TOKEN_TTL."),
        ("log.format", "It is set by --set log.format"),
        ("web.port", "A wrong value could prevent the hub from starting"),
        ("site.name", "Change it on the Overview page."),
    ],
)
async def test_a_locked_setting_says_why(admin: Photographer, name: str, reason: str) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name={name}")
    assert reason in admin.text
    assert 'name="value"' not in admin.text


async def test_a_setting_is_changed_in_the_file_and_applies_at_once(
    hub: PageSite, file: Path, admin: Photographer
) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name=store.keep_days")
    assert "It applies immediately." in admin.text
    await admin.send(f"{SETTINGS_PAGE}/change", name="store.keep_days", value="60")
    await admin.get(admin.goes_to)
    assert "The setting was saved and applies now." in admin.text
    assert row_of(admin.text, "store.keep_days").endswith("60 File Change")
    assert hub.services.config.store.keep_days == 60
    assert "\nkeep_days = 60\n" in text_of(file)
    assert ("user admin", "settings.change", "store.keep_days: 30 -> 60") in await hub.audited()
    await admin.get("/site/audit")
    assert re.search(r"Changed the setting <strong>store\.keep_days</strong>.*30 → 60", admin.text)


async def test_a_setting_that_needs_a_restart_shows_both_values(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name=devices.max_waiting")
    assert "It applies after the hub is restarted." in admin.text
    await admin.send(f"{SETTINGS_PAGE}/change", name="devices.max_waiting", value="99")
    await admin.get(admin.goes_to)
    assert "It applies after the hub is restarted." in admin.text
    assert "Restart needed" in admin.text
    assert "256 after a restart: 99 File" in row_of(admin.text, "devices.max_waiting")
    await admin.get(f"{SETTINGS_PAGE}/change?name=devices.max_waiting")
    await admin.send(f"{SETTINGS_PAGE}/change", name="devices.max_waiting", reset="yes", value="")
    await admin.get(admin.goes_to)
    assert "Restart needed" not in admin.text


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("store.keep_days", "0", "A whole number from 1 to 36500."),
        ("store.keep_days", "soon", "A whole number from 1 to 36500."),
        ("web.body_seconds", "0.5", "A number from 1 to 600."),
        ("log.level", "loud", "One of: debug, error, info, warning."),
        ("web.upload_budget_mb", "1", "web.max_body_mb"),
        ("devices.init_uri", "no path", "Text."),
    ],
)
async def test_a_value_that_is_not_allowed_is_explained_and_the_file_stays(
    file: Path, admin: Photographer, name: str, value: str, fault: str
) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name={name}")
    await admin.send(f"{SETTINGS_PAGE}/change", name=name, value=value)
    assert admin.response.status_code == 400
    assert fault in admin.text
    assert text_of(file) == default_file()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store.keep_days", "3"),
        ("store.max_gb", "1"),
        ("store.min_free_gb", "9"),
        ("backup.max_gb", "5"),
    ],
)
async def test_a_limit_that_deletes_records_asks_once(
    hub: PageSite, file: Path, admin: Photographer, name: str, value: str
) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name={name}")
    await admin.send(f"{SETTINGS_PAGE}/change", name=name, value=value)
    assert admin.response.status_code == 200
    assert "Delete older " in admin.text
    assert "They cannot be restored." in admin.text
    assert text_of(file) == default_file()
    await admin.send(f"{SETTINGS_PAGE}/change", name=name, value=value, confirmed="yes")
    assert admin.goes_to == f"{SETTINGS_PAGE}?done=setting-changed"


async def test_a_limit_that_keeps_more_is_not_asked_about(admin: Photographer) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name=store.min_free_gb")
    await admin.send(f"{SETTINGS_PAGE}/change", name="store.min_free_gb", value="1")
    assert admin.goes_to == f"{SETTINGS_PAGE}?done=setting-changed"


@pytest.mark.parametrize("reset", ["", "yes"])
async def test_the_folder_of_backups_is_changed_with_the_password_only(
    hub: PageSite, file: Path, admin: Photographer, tmp_path: Path, reset: str
) -> None:
    """Backups hold all secrets of the site: a session that was stolen must not send them away."""
    write(file, "[backup]\nfolder = 'D:/backups'\n")
    await admin.get(SETTINGS_PAGE)
    await admin.send(f"{SETTINGS_PAGE}/reload")
    before = text_of(file)
    await admin.get(f"{SETTINGS_PAGE}/change?name=backup.folder")
    assert "Backups contain all secrets of the site." in admin.text
    share = (tmp_path / "share").as_posix()
    new = {"name": "backup.folder", "value": share, "reset": reset}
    for wrong in ({}, {"own_password": ""}, {"own_password": "a guess"}):
        await admin.send(f"{SETTINGS_PAGE}/change", **new, **wrong)
        assert admin.response.status_code == 400
        assert "Your password is wrong." in admin.text
        assert text_of(file) == before
    await admin.send(f"{SETTINGS_PAGE}/change", **new, own_password=PASSWORD)
    assert admin.goes_to == "/site/backups?done=setting-changed"
    after = "backups" if reset else share
    assert (tmp_path / after).is_dir()
    assert hub.services.config.backup.folder == after
    change = f'backup.folder: "D:/backups" -> "{after}"'
    assert ("user admin", "settings.change", change) in await hub.audited()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("devices.legacy_ciphers", "true"),
        ("devices.clock_skew", "86400"),
        ("devices.http_auth", "token-or-address"),
        ("devices.plain_body_md5", "false"),
        ("devices.any_origin", "true"),
    ],
)
async def test_what_protects_cameras_is_changed_with_the_password_only(
    hub: PageSite, admin: Photographer, name: str, value: str
) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name={name}")
    assert "This setting protects camera connections" in admin.text
    await admin.send(f"{SETTINGS_PAGE}/change", name=name, value=value)
    assert "Your password is wrong." in admin.text
    assert hub.services.core.settings.state(name).in_file is None
    await admin.send(f"{SETTINGS_PAGE}/change", name=name, value=value, own_password=PASSWORD)
    assert admin.goes_to.startswith(f"{SETTINGS_PAGE}?done=setting-")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/backups", "there is no such file or folder"),
        ("sitehub.toml", ""),
        ("sitehub.toml/backups", ""),
        ("", "there is no such file or folder"),
        pytest.param(
            r"E:\backup",
            "there is no such file or folder",
            marks=pytest.mark.skipif(os.name == "nt", reason="a path of Windows"),
        ),
    ],
)
async def test_a_folder_that_cannot_take_backups_is_refused(
    hub: PageSite, file: Path, admin: Photographer, tmp_path: Path, name: str, reason: str
) -> None:
    before = names_in(tmp_path)
    await admin.get(f"{SETTINGS_PAGE}/change?name=backup.folder")
    assert "<h1>Backup folder</h1>" in admin.text
    assert "sitehub-backups" in admin.text
    await admin.send(
        f"{SETTINGS_PAGE}/change", name="backup.folder", value=name, own_password=PASSWORD
    )
    assert admin.response.status_code == 400
    assert f"This folder does not exist or cannot be written to: {reason}" in admin.text
    assert hub.services.config.backup.folder == "backups"
    assert names_in(tmp_path) == before


@pytest.mark.skipif(os.name == "nt", reason="the command is for Linux")
async def test_a_folder_without_permission_is_refused_with_the_command_that_gives_it(
    file: Path, admin: Photographer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(data_dir: Path, name: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("hub.services.backups.backups.try_out", refuse)
    monkeypatch.setenv("LOGNAME", "sitehub")
    folder = "/mnt/second disk"
    await admin.get(f"{SETTINGS_PAGE}/change?name=backup.folder")
    await admin.send(
        f"{SETTINGS_PAGE}/change", name="backup.folder", value=folder, own_password=PASSWORD
    )
    assert f"sudo install -d -m 700 -o sitehub '{folder}'" in html.unescape(admin.text)


async def test_passwords_for_a_setting_cannot_be_guessed(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(SETTINGS_PAGE)
    for _ in range(5):
        await admin.send(
            f"{SETTINGS_PAGE}/change",
            name="backup.folder",
            value="/mnt/share",
            own_password="guess",
        )
    await admin.send(
        f"{SETTINGS_PAGE}/change", name="backup.folder", value="/mnt/share", own_password=PASSWORD
    )
    assert admin.response.status_code == 429
    assert "Too many attempts." in admin.text
    assert hub.services.config.backup.folder == "backups"


async def test_the_file_is_read_again_and_a_bad_one_changes_nothing(
    hub: PageSite, file: Path, admin: Photographer
) -> None:
    await admin.get(SETTINGS_PAGE)
    write(file, "[store]\nkeep_days = 60\n")
    await admin.send(f"{SETTINGS_PAGE}/reload")
    assert admin.goes_to == f"{SETTINGS_PAGE}?done=settings-read"
    await admin.send(f"{SETTINGS_PAGE}/reload")
    assert admin.goes_to == f"{SETTINGS_PAGE}?done=settings-same"
    write(file, "[store]\nkeep_days = 90\nmax_gb = -1\n")
    await admin.send(f"{SETTINGS_PAGE}/reload")
    assert admin.response.status_code == 400
    assert "bad setting store.max_gb" in admin.text
    assert hub.services.config.store.keep_days == 60


async def test_an_unknown_or_locked_setting_cannot_be_changed(
    file: Path, admin: Photographer
) -> None:
    await admin.get(f"{SETTINGS_PAGE}/change?name=store.nothing")
    assert admin.response.status_code == 404
    await admin.get(SETTINGS_PAGE)
    for name in ("web.port", "log.format", "devices.token_ttl"):
        value = "text" if name == "log.format" else "70"
        await admin.send(f"{SETTINGS_PAGE}/change", name=name, value=value)
        assert admin.response.status_code == 400
    assert text_of(file) == default_file()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def text_of(file: Path) -> str:
    return file.read_text("utf-8")


def write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
