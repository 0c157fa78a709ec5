"""The checks of the doctor, each with what it says about a good and a bad state."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from hub.config import (
    BackupConfig,
    Config,
    DevicesConfig,
    StoreConfig,
    TimeConfig,
    TlsConfig,
    WebConfig,
)
from hub.reasons import Reason
from hub.services.backups.views import BackupFailure
from hub.services.certificates.certificates import names_of_this_host
from hub.services.certificates.sources import SiteCertificate
from hub.services.certificates.upload import FILE as UPLOADED
from hub.services.doctor import backups, checks, disk, service
from hub.services.doctor.backups import check_backups
from hub.services.doctor.certificate import check_certificate
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.checks import run_quick, run_slow
from hub.services.doctor.clock import check_clock
from hub.services.doctor.database import check_database, check_key, check_set_aside, check_sqlite
from hub.services.doctor.disk import check_disk
from hub.services.doctor.findings import Finding
from hub.services.doctor.permissions import check_permissions
from hub.services.doctor.ports import check_ports
from hub.services.doctor.stored import check_counts, check_entries
from hub.services.doctor.texts import TEXTS, sentences_of
from hub.store.backup.generations import Folder, Generation
from hub.store.backup.unread import Part
from hub.store.offline import inspection
from hub.store.offline.inspection import Stopped
from hub.store.sqlite.migrate import migrations
from hub.store.tables.users import User
from tests.support.backups import generation
from tests.support.certificates import damage, self_signed
from tests.support.clock import FrozenClock
from tests.support.ports import free_port
from tests.support.stores import batch, opened

NOT_ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


@pytest.fixture
async def data_dir(tmp_path: Path, clock: FrozenClock) -> Path:
    """The data directory of a hub that has ended, with a record and its pictures."""
    path = tmp_path / "data"
    path.mkdir(0o700)
    async with opened(path, clock) as store:
        await store.records.append(batch(clock))
    for file in path.rglob("*"):
        os.utime(file, (clock(), clock()))
    return path


@pytest.fixture
def around(data_dir: Path, clock: FrozenClock) -> Callable[..., CheckContext]:
    def make(config: Config | None = None, **fields: Any) -> CheckContext:
        return CheckContext(data_dir, config or Config(), clock, **fields)

    return make


def codes(findings: Iterator[Finding]) -> list[str]:
    """The codes of the findings, after their sentences were made."""
    found = list(findings)
    for one in found:
        assert "%(" not in one.text + one.advice
        assert one.state == "ok" or one.advice
    return [one.code for one in found]


def ports(web: int, devices: int) -> Config:
    return Config(
        web=WebConfig(bind="127.0.0.1", port=web),
        devices=DevicesConfig(bind="127.0.0.1", port=devices),
    )


async def test_a_site_that_is_well_has_no_problem(around: Callable[..., CheckContext]) -> None:
    context = around(ports(free_port(), free_port()))
    found = await trio.to_thread.run_sync(run_quick, context)
    found += list(run_slow(context, lambda name, part: None))
    assert [one for one in found if one.state == "failed"] == []
    assert {one.check for one in found} == {*checks.QUICK, *checks.SLOW}


async def test_a_fault_of_one_check_does_not_hide_the_others(
    around: Callable[..., CheckContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(context: CheckContext) -> Iterator[Finding]:
        raise ZeroDivisionError("nothing")

    monkeypatch.setattr(checks, "QUICK", {"clock": broken, "sqlite": check_sqlite})
    clock, sqlite = run_quick(around())
    assert (clock.state, clock.code) == ("failed", "check-failed")
    assert "ZeroDivisionError" in clock.text
    assert sqlite.state == "ok"


async def test_slow_checks_can_be_stopped(around: Callable[..., CheckContext]) -> None:
    def stop(name: str, part: float | None) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        list(run_slow(around(), stop))


async def test_every_finding_has_sentences_that_end_as_sentences() -> None:
    sources = Path(checks.__file__).parent.glob("*.py")
    named = {
        code
        for path in sources
        for code in re.findall(
            r'(?:ok|warning|failed)\(\s*"[\w-]+",\s*"([\w-]+)"', path.read_text()
        )
    }
    for found, advice in map(sentences_of, {*named, *TEXTS}):
        assert found.endswith(".")
        assert not advice or advice.endswith((".", "DIRECTORY."))


async def test_ports_are_free_or_held_by_another_program(
    around: Callable[..., CheckContext],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = ports(free_port(), server.getsockname()[1])
        found = await trio.to_thread.run_sync(lambda: list(check_ports(around(config))))
    assert [one.code for one in found] == ["port-free", "port-unusable"]
    assert "already in use" in found[1].text


async def test_the_port_for_the_time_is_free_or_held_by_another_program(
    around: Callable[..., CheckContext],
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        time = TimeConfig(sntp_port=other.getsockname()[1])
        config = replace(ports(free_port(), free_port()), time=time)
        found = await trio.to_thread.run_sync(lambda: list(check_ports(around(config))))
    assert [one.code for one in found] == ["port-free", "port-free", "port-unusable"]
    assert "time.sntp_port" in found[2].text


async def test_ports_of_a_running_hub_must_answer(around: Callable[..., CheckContext]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = ports(server.getsockname()[1], free_port())
        assert codes(check_ports(around(config, hub=1))) == ["port-open", "port-closed"]


async def test_the_clock_must_not_be_behind_the_newest_record_or_file(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    assert codes(check_clock(around())) == ["clock-ok"]
    assert codes(check_clock(around(is_clock_doubted=True))) == ["clock-doubted"]
    clock.advance(-3600)
    assert codes(check_clock(around())) == ["clock-behind-record"]
    (data_dir / "hub.sqlite").unlink()
    assert codes(check_clock(around())) == ["clock-behind-file"]
    shutil.rmtree(data_dir)
    assert codes(check_clock(around())) == ["clock-plausible"]
    clock.advance(-clock())
    assert codes(check_clock(around())) == ["clock-unset"]


async def test_the_disk_must_have_room_and_take_writes(
    around: Callable[..., CheckContext], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "flush_seconds", lambda folder: 0.002)
    assert codes(check_disk(around())) == ["disk-ok", "flush-ok"]
    assert codes(check_disk(around(Config(store=StoreConfig(min_free_gb=1_000_000)))))[0] == (
        "disk-low"
    )
    monkeypatch.setattr(disk, "flush_seconds", lambda folder: 0.2)
    assert codes(check_disk(around()))[1] == "flush-slow"
    measured = iter([0.16, 0.002])
    monkeypatch.setattr(disk, "flush_seconds", lambda folder: next(measured))
    assert codes(check_disk(around()))[1] == "flush-ok"

    def fail(folder: Path) -> float:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(disk, "flush_seconds", fail)
    assert codes(check_disk(around()))[1] == "flush-failed"
    monkeypatch.setattr(disk, "network_type", lambda path: "nfs4")
    assert codes(check_disk(around()))[0] == "disk-network"


async def test_files_of_a_measurement_that_was_killed_are_removed_once_they_are_old(
    around: Callable[..., CheckContext],
    data_dir: Path,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(disk, "flush_seconds", lambda folder: 0.002)
    # A clock may have gone back since.
    ages = {"doctor-0a.tmp": 7_200, "doctor-0b.tmp": -7_200, "doctor-0c.tmp": 0, "own.tmp": 7_200}
    for name, age in ages.items():
        (data_dir / name).write_bytes(b"x")
        os.utime(data_dir / name, (clock() - age,) * 2)
    (data_dir / "doctor-0d.tmp").mkdir()
    os.utime(data_dir / "doctor-0d.tmp", (0, 0))
    assert codes(check_disk(around())) == ["disk-ok", "flush-ok"]
    left = {name for name in os.listdir(data_dir) if name.endswith(".tmp")}
    assert left == {"doctor-0c.tmp", "doctor-0d.tmp", "own.tmp"}


def test_measuring_a_flush_leaves_no_file(tmp_path: Path) -> None:
    assert disk.flush_seconds(tmp_path) >= 0
    assert list(tmp_path.iterdir()) == []


async def test_the_own_certificate_of_the_site_is_checked(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    assert codes(check_certificate(around(hub=1))) == ["certificate-none"]
    names = names_of_this_host()
    SiteCertificate(data_dir / "tls", lambda: names).load(clock())
    assert codes(check_certificate(around(hub=1))) == ["certificate-ok"]
    damage(data_dir / "tls" / "ca.key")
    assert codes(check_certificate(around(hub=1))) == ["certificate-ok", "authority-unusable"]
    damage(data_dir / "tls" / "ca.key")
    clock.advance(390 * 86_400)
    assert codes(check_certificate(around(hub=1))) == ["certificate-ends"]
    clock.advance(10 * 86_400)
    assert codes(check_certificate(around(hub=1))) == ["certificate-ended"]
    # Without a hub it is as well: the next start issues another.
    assert codes(check_certificate(around())) == ["certificate-renews"]
    clock.advance(-500 * 86_400)
    assert codes(check_certificate(around(hub=1))) == ["certificate-early"]
    (data_dir / "tls" / "ca.key").unlink()
    assert codes(check_certificate(around())) == ["authority-missing"]


async def test_a_certificate_that_does_not_name_this_computer_is_told(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    SiteCertificate(data_dir / "tls", lambda: frozenset({"elsewhere"})).load(clock())
    assert codes(check_certificate(around(hub=1))) == ["certificate-names"]


async def test_without_tls_there_is_no_certificate(around: Callable[..., CheckContext]) -> None:
    config = Config(web=WebConfig(tls=False), devices=DevicesConfig(tls=False))
    assert codes(check_certificate(around(config))) == ["tls-off"]


async def test_a_certificate_of_the_administrator_must_fit_its_key(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    cert, key = self_signed(data_dir, "one", now=clock())
    _, other = self_signed(data_dir, "two", now=clock())
    good = Config(tls=TlsConfig(cert=str(cert), key=str(key)))
    assert "certificate-unfit" not in codes(check_certificate(around(good)))
    mixed = Config(tls=TlsConfig(cert=str(cert), key=str(other)))
    assert codes(check_certificate(around(mixed))) == ["certificate-unfit"]
    cert.write_text("no certificate")
    assert codes(check_certificate(around(good))) == ["certificate-bad"]
    cert.unlink()
    assert codes(check_certificate(around(good))) == ["certificate-unreadable"]


async def test_a_certificate_that_was_uploaded_is_checked(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    cert, key = self_signed(data_dir, "elsewhere", now=clock())
    uploaded = data_dir / UPLOADED
    uploaded.parent.mkdir(exist_ok=True)
    uploaded.write_bytes(key.read_bytes() + cert.read_bytes())
    assert codes(check_certificate(around(hub=1))) == ["certificate-names"]
    clock.advance(40 * 86_400)
    assert codes(check_certificate(around(hub=1))) == ["certificate-ended"]
    uploaded.write_text("half a file")
    assert codes(check_certificate(around(hub=1))) == ["certificate-bad"]


@NOT_ON_WINDOWS
async def test_secrets_that_others_can_read_are_named(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    (data_dir / "hub.key").chmod(0o644)
    # Nobody else can enter the directory.
    assert codes(check_permissions(around())) == ["permissions-ok"]
    os.chmod(data_dir, 0o755)
    (found,) = check_permissions(around())
    assert (found.state, found.args["files"]) == ("warning", "hub.key")


@NOT_ON_WINDOWS
@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
async def test_a_data_directory_that_everybody_may_change_is_told(
    mode: int, around: Callable[..., CheckContext], data_dir: Path
) -> None:
    os.chmod(data_dir, mode)
    (found,) = check_permissions(around())
    assert (found.state, found.code) == ("warning", "permissions-writable")
    assert found.args["files"] == str(data_dir)


@NOT_ON_WINDOWS
async def test_a_parent_in_which_everybody_may_replace_it_is_told(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    os.chmod(data_dir.parent, 0o777)
    (found,) = check_permissions(around())
    assert (found.code, found.args["files"]) == ("permissions-writable", str(data_dir.parent))
    # Like /tmp: there nobody may rename what another one owns.
    os.chmod(data_dir.parent, 0o1777)
    assert codes(check_permissions(around())) == ["permissions-ok"]


@NOT_ON_WINDOWS
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root can chown")
async def test_a_parent_that_another_user_owns_is_told(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    os.chown(data_dir.parent, 12345, -1)
    (found,) = check_permissions(around())
    assert (found.code, found.args["files"]) == ("permissions-owner", str(data_dir.parent))


@NOT_ON_WINDOWS
async def test_files_that_cannot_be_used_are_named(
    around: Callable[..., CheckContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).name.endswith(".pack"))
    (found,) = check_permissions(around())
    assert found.state == "failed"
    assert found.args["files"].startswith("media/")


async def test_the_key_must_be_that_of_the_database(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    assert codes(check_key(around())) == ["key-ok"]
    (data_dir / "hub.key").write_text("00" * 32)
    assert codes(check_key(around())) == ["key-wrong"]
    (data_dir / "hub.key").write_text("no key")
    assert codes(check_key(around())) == ["key-unreadable"]
    (data_dir / "hub.key").unlink()
    assert codes(check_key(around())) == ["key-missing"]


async def test_a_database_that_the_hub_refuses_is_explained(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    assert codes(check_database(around())) == ["database-ok"]
    (data_dir / "hub.sqlite").write_bytes(b"")
    assert codes(check_database(around())) == ["database-empty"]
    assert codes(check_key(around())) == []
    (data_dir / "hub.sqlite").unlink()
    assert codes(check_database(around())) == ["database-missing"]
    shutil.rmtree(data_dir / "media")
    assert codes(check_database(around())) == ["database-none"]


async def test_a_start_that_would_stop_is_told_before(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    older = (data_dir / "hub.sqlite").read_bytes()
    async with opened(data_dir, clock) as store:
        for seed in (1, 2, 3):
            await store.records.append(batch(clock, seed))
    (data_dir / "hub.sqlite").write_bytes(older)
    assert codes(check_database(around())) == ["database-start"]
    # A hub that runs did start.
    assert codes(check_database(around(hub=1))) == ["database-ok"]


async def test_a_database_of_an_older_version_is_checked_once_it_is_converted(
    around: Callable[..., CheckContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    later = {**migrations(), max(migrations()) + 1: "CREATE TABLE later (x);"}
    monkeypatch.setattr(inspection, "migrations", lambda: later)
    found = codes(run_slow(around(), lambda name, part: None))
    assert found == ["integrity-ok", *["database-waits"] * 5]


async def test_a_good_backup_of_the_last_two_days_is_wanted(
    around: Callable[..., CheckContext],
    data_dir: Path,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert codes(check_backups(around())) == ["backups-none"]
    clock.advance(3 * 86_400)
    assert codes(check_backups(around())) == ["backup-missing"]
    made = Generation(data_dir / "sitehub-1.tar", clock() - 3600, 1, None)
    found = [made]
    monkeypatch.setattr(backups, "read_folder", lambda folder: Folder(tuple(found)))
    assert codes(check_backups(around())) == ["backup-ok"]
    found.append(Generation(data_dir / "sitehub-2.tar", clock(), 1, None, Reason("it is cut off")))
    assert codes(check_backups(around())) == ["backup-bad", "backup-ok"]
    clock.advance(2 * 86_400)
    assert codes(check_backups(around())) == ["backup-bad", "backup-overdue"]

    def fail(folder: Path) -> Folder:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(backups, "read_folder", fail)
    assert codes(check_backups(around())) == ["backups-unreadable"]


async def test_an_incomplete_backup_is_no_good_one(
    around: Callable[..., CheckContext],
    data_dir: Path,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [generation(clock() - 60, Part(4096, 8192))]
    monkeypatch.setattr(backups, "read_folder", lambda folder: Folder(tuple(found)))
    (finding,) = check_backups(around())
    assert (finding.state, finding.code) == ("failed", "backup-incomplete")
    assert "8192 bytes of pictures from 2026-11-25" in finding.text
    found.insert(0, generation(clock() - 86_400))
    assert codes(check_backups(around())) == ["backup-incomplete", "backup-ok"]


async def test_backups_are_judged_by_the_time_that_is_most_probably_right(
    around: Callable[..., CheckContext],
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = generation(clock() - 60)
    monkeypatch.setattr(backups, "read_folder", lambda folder: Folder((made,)))
    expected = clock()
    clock.advance(365 * 86_400)
    assert codes(check_backups(around())) == ["backup-overdue"]
    assert codes(check_backups(around(likely_now=lambda: expected))) == ["backup-ok"]


async def test_a_backup_that_failed_or_must_fail_is_no_good_news(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    assert codes(check_backups(around())) == ["backups-none"]
    assert codes(check_backups(around(backup_failure=BackupFailure(0, "the disk is full")))) == [
        "backup-failed"
    ]
    unread = BackupFailure(0, "the database is damaged", is_of_database=True)
    assert codes(check_backups(around(backup_failure=unread))) == ["database-unread"]
    (data_dir / "file").write_text("not a folder")
    under = Config(backup=BackupConfig(folder="file/backups"))
    assert codes(check_backups(around(under))) == ["backups-unreadable"]


async def test_pictures_that_were_put_aside_are_told(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    assert codes(check_set_aside(around())) == ["set-aside-none"]
    folder = data_dir / "media" / "set-aside"
    folder.mkdir()
    (folder / "2026-11-25.pack").write_bytes(b"")
    (found,) = check_set_aside(around())
    assert (found.state, found.args["files"]) == ("warning", "2026-11-25.pack")


async def test_damage_of_what_is_stored_is_found(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    (pack,) = (data_dir / "media").glob("*.pack")
    pack.write_bytes(bytes(pack.stat().st_size))
    found = list(run_slow(around(), lambda name, part: None))
    assert [one.code for one in found] == [
        "integrity-ok",
        "records-ok",
        "counts-ok",
        "entries-ok",
        "pictures-bad",
        "firmware-ok",
    ]
    assert found[4].text.startswith("4 of 4 pictures are missing or damaged")


async def test_counts_that_differ_from_the_log_are_told_with_their_hour(
    around: Callable[..., CheckContext], data_dir: Path
) -> None:
    (sound,) = check_counts(around(), lambda part: None)
    assert (sound.code, sound.args["count"]) == ("counts-ok", "2")
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE record_count SET records = records + 1 WHERE did <> '*'")
    (found,) = check_counts(around(), lambda part: None)
    assert (found.state, found.code) == ("warning", "counts-bad")
    assert found.args["named"] == "2026-11-25 12:00 UTC, total"
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE record_count SET records = records - 1 WHERE did <> '*'")
        connection.execute("DELETE FROM record_total")
    (found,) = check_counts(around(), lambda part: None)
    assert (found.args["bad"], found.args["named"]) == ("1", "total")


async def test_damaged_entries_are_named_by_table_and_key(
    around: Callable[..., CheckContext], data_dir: Path, clock: FrozenClock
) -> None:
    async with opened(data_dir, clock) as store:
        for name in ("mei", "jan"):
            await store.users.add(User(name, "guard", "hash", clock.ms))
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE user SET created_at = -7 WHERE name = 'jan'")
    (found,) = check_entries(around(), lambda part: None)
    assert (found.code, found.args["bad"], found.args["named"]) == (
        "entries-bad",
        "1",
        "user (1: jan)",
    )


class Service:
    """A service manager that knows one service."""

    def __init__(self, data: Path, state: str, at_boot: bool) -> None:
        from hub.service_manager.status import ServiceStatus

        self.data = data
        self._status = ServiceStatus(state, at_boot)  # type: ignore[arg-type]

    def status(self) -> object:
        return self._status


@pytest.mark.parametrize(
    ("state", "at_boot", "code"),
    [
        ("running", True, "service-ok"),
        ("failed", True, "service-down"),
        ("stopped", True, "service-down"),
        ("running", False, "service-not-at-boot"),
        ("not installed", False, "service-none"),
    ],
)
async def test_the_service_of_this_directory_must_run(
    around: Callable[..., CheckContext],
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    at_boot: bool,
    code: str,
) -> None:
    monkeypatch.setattr(service, "system_service", lambda: Service(data_dir, state, at_boot))
    assert codes(service.check_service(around())) == [code]
    elsewhere = Service(data_dir.parent, state, at_boot)
    monkeypatch.setattr(service, "system_service", lambda: elsewhere)
    assert codes(service.check_service(around())) == ["service-none"]
