"""Settings that change while the hub runs."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from hub.app import open_hub
from hub.config import SETTINGS, Config
from hub.config_sources import Sources, default_file
from hub.errors import BadParameter, CannotStoreNow, StartFault
from hub.services import Services
from hub.services.audit import COMMAND_LINE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sitehub.toml"
    path.write_text(default_file(), encoding="utf-8")
    return path


@asynccontextmanager
async def running(
    data_dir: Path, *, environment: dict[str, str] | None = None, overrides: tuple[str, ...] = ()
) -> AsyncIterator[Services]:
    loaded = Sources(data_dir, environment or {}, overrides=overrides).load()
    async with open_hub(loaded, data_dir, closing=trio.Event()) as services:
        yield services


def write(file: Path, *lines: str) -> None:
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def text_of(file: Path) -> str:
    return file.read_text("utf-8")


def has_backup(file: Path) -> bool:
    return os.path.exists(f"{file}.bak")


async def audited(services: Services) -> list[tuple[str, str, str]]:
    return [(e.who, e.action, e.target) for e in await services.core.audit.oldest()]


async def test_what_can_change_at_once_does_and_the_rest_waits_for_a_restart(file: Path) -> None:
    async with running(file.parent) as services, trio.open_nursery() as nursery:
        settings, seen = services.core.settings, list[Config]()
        await nursery.start(settings.follow, seen.append)
        write(file, "[store]", "keep_days = 60", "[web]", "max_connections = 99")
        changes = await settings.reload(by=COMMAND_LINE)
        assert [(str(one), one.applied) for one in changes] == [
            ("web.max_connections: 4096 -> 99", False),
            ("store.keep_days: 30 -> 60", True),
        ]
        assert services.config.store.keep_days == 60
        assert services.config.web.max_connections == 4096
        assert seen == [services.config]
        (waiting,) = settings.waiting()
        assert (waiting.setting.name, waiting.value, waiting.next_value) == (
            "web.max_connections",
            4096,
            99,
        )
        assert await audited(services) == [
            ("command line", "settings.change", "web.max_connections: 4096 -> 99"),
            ("command line", "settings.change", "store.keep_days: 30 -> 60"),
        ]
        assert await settings.reload(by=COMMAND_LINE) == []
        write(file, "[store]", "keep_days = 60")
        await settings.reload(by=COMMAND_LINE)
        assert settings.waiting() == []
        nursery.cancel_scope.cancel()


async def test_a_bad_file_changes_nothing_and_names_the_setting(file: Path) -> None:
    async with running(file.parent) as services:
        for lines in (
            ["[store]", "keep_days = 60", "min_free_gb = -1"],
            ["[store]", "keep_days = 60", "free = 1"],
            ["[store]", "keep_days = 60", "["],
        ):
            write(file, *lines)
            with pytest.raises(StartFault, match=r"min_free_gb|store\.free|not valid TOML"):
                await services.core.settings.reload(by=COMMAND_LINE)
        assert services.config == Config()
        assert services.core.settings.waiting() == []
        assert await audited(services) == []


async def test_a_service_reads_a_setting_when_it_uses_it(file: Path) -> None:
    async with running(file.parent) as services:
        await services.core.settings.change({"site.name": "Harbour"}, by=COMMAND_LINE)
        assert services.core.site.name() == "Harbour"


async def test_a_change_is_written_into_the_file_and_survives_a_restart(file: Path) -> None:
    async with running(file.parent) as services:
        await services.core.settings.change({"store.keep_days": 60}, by=COMMAND_LINE)
        state = services.core.settings.state("store.keep_days")
        assert (state.value, state.source, state.in_file) == (60, "file", 60)
    assert "keep_days = 60\n" in text_of(file)
    async with running(file.parent) as services:
        assert services.config.store.keep_days == 60
        await services.core.settings.change({"store.keep_days": None}, by=COMMAND_LINE)
        assert services.core.settings.state("store.keep_days").source == "default"
    assert text_of(file) == default_file()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("store.keep_days", 0, "a whole number from 1 to 36500"),
        ("site.timezone", "Mars", "an IANA name"),
        ("web.upload_budget_mb", 1, "at least web.max_body_mb"),
        ("web.port", 1, "cannot be changed here"),
        ("store.nothing", 1, "no such setting"),
    ],
)
async def test_a_value_that_is_not_allowed_is_refused_and_the_file_stays(
    file: Path, name: str, value: int | str, message: str
) -> None:
    async with running(file.parent) as services:
        with pytest.raises(BadParameter, match=message) as caught:
            await services.core.settings.change({name: value}, by=COMMAND_LINE)
        assert caught.value.field == name
    assert text_of(file) == default_file()
    assert not has_backup(file)


async def test_a_setting_of_the_environment_or_of_set_is_locked(file: Path) -> None:
    environment = {"SITEHUB_LOG_LEVEL": "warning"}
    async with running(
        file.parent, environment=environment, overrides=("store.keep_days=9",)
    ) as services:
        for name, lock in (("log.level", "environment"), ("store.keep_days", "set")):
            assert services.core.settings.state(name).lock == lock
            with pytest.raises(BadParameter, match="cannot be changed here"):
                await services.core.settings.change({name: None}, by=COMMAND_LINE)
        write(file, "[store]", "keep_days = 60")
        assert await services.core.settings.reload(by=COMMAND_LINE) == []
        state = services.core.settings.state("store.keep_days")
        assert (state.value, state.in_file) == (9, 60)


async def test_a_file_that_cannot_be_written_changes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hub.services.settings.settings.write", full)
    async with running(file.parent) as services:
        with pytest.raises(CannotStoreNow, match="No space left"):
            await services.core.settings.change({"store.keep_days": 60}, by=COMMAND_LINE)
        assert services.config.store.keep_days == 30


def test_what_could_keep_the_hub_from_starting_is_not_changed_on_the_page() -> None:
    locked = {name for name, setting in SETTINGS.items() if setting.file_only}
    assert {"web.port", "web.bind", "web.tls", "devices.port", "tls.cert", "tls.key"} <= locked
    assert not {name for name in locked if SETTINGS[name].at_once}
