"""Checking an update, installing it, and what is told of earlier ones."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from hub.errors import UpdateRefused
from hub.services.audit import Actor
from hub.services.updates import check as update_check
from hub.services.updates import updates as updates_module
from hub.services.updates.check import UpdateCheck
from hub.services.updates.updates import Updates, refuse_obstacle
from hub.store.sqlite.migrate import migrations
from hub.update import running
from hub.update.programs import Outcome, Programs, UpdateState
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.update_files import KEY, script, signed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")

ANN = Actor("user ann", "10.0.0.7")


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    data_dir = tmp_path / "data"
    async with open_hub_services(data_dir, clock, update_key=KEY.public_key()) as hub:
        yield hub


@pytest.fixture
def updates(hub: HubServices) -> Updates:
    return hub.services.upkeep.updates


@pytest.fixture
def check(hub: HubServices) -> UpdateCheck:
    return UpdateCheck(hub.services.core.data_dir, "0.1.0", KEY.public_key())


def refused(check: UpdateCheck, file: Path, *, allow_unsigned: bool = False) -> UpdateRefused:
    with pytest.raises(UpdateRefused) as caught, file.open("rb") as opened:
        check.check(opened, allow_unsigned=allow_unsigned)
    # Nothing is left of a file that was refused.
    folder = Programs(check.data_dir).folder
    assert not folder.exists() or list(folder.iterdir()) == []
    return caught.value


async def test_a_good_update_is_offered_and_then_tried_at_the_next_start(
    updates: Updates, tmp_path: Path, hub: HubServices, clock: FrozenClock
) -> None:
    update = signed(script(tmp_path / "new"))
    offer = await updates.check(update)
    assert updates.offer == offer
    assert (offer.version, offer.is_signed) == ("0.2.0", True)
    await updates.install(offer, ANN, ["clock-unset"])
    candidate = updates.candidate
    assert candidate is not None
    assert (candidate.version, candidate.before, candidate.phase) == ("0.2.0", "0.1.0", "staged")
    assert (candidate.by, candidate.address, candidate.at) == ("user ann", "10.0.0.7", clock.ms)
    assert updates.known_faults == ("clock-unset",)
    program = Programs(hub.services.core.data_dir).program("0.2.0")
    assert program is not None
    assert program.read_bytes() == (tmp_path / "new").read_bytes()
    assert program.stat().st_mode & 0o777 == 0o700
    [entry] = await hub.services.core.audit.newest()
    assert (entry.who, entry.action, entry.target) == ("user ann", "update.install", "0.2.0")


async def test_the_self_test_gets_the_schema_and_settings_but_no_records(
    hub: HubServices, check: UpdateCheck, tmp_path: Path
) -> None:
    await hub.add_faces("Wang")
    await hub.add_user("ann")
    (check.data_dir / "sitehub.toml").write_text("[site]\n")
    keep = f'cp -r "$3" {tmp_path / "sample"}'
    with signed(script(tmp_path / "new", self_test=keep)).open("rb") as file:
        await trio.to_thread.run_sync(lambda: check.check(file, allow_unsigned=False))
    assert sorted(os.listdir(tmp_path / "sample")) == ["hub.key", "hub.sqlite", "sitehub.toml"]
    with closing(sqlite3.connect(tmp_path / "sample" / "hub.sqlite")) as sample:
        assert sample.execute("PRAGMA user_version").fetchone() == (max(migrations()),)
        assert sample.execute("SELECT name FROM user").fetchall() == [("ann",)]
        assert sample.execute("SELECT count(*) FROM record").fetchone() == (0,)
        assert sample.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class Wrong(Struct, frozen=True):
    reason: str
    program: dict[str, str] = {}
    file: dict[str, Any] = {}


@pytest.mark.parametrize(
    "wrong",
    [
        Wrong("signature", file={"key": Ed25519PrivateKey.generate()}),
        Wrong("platform", file={"platform": "windows-x86_64"}),
        Wrong("not-newer", {"version": "0.1.0"}, {"version": "0.1.0"}),
        Wrong("not-newer", {"version": "0.0.9"}, {"version": "0.0.9"}),
        Wrong("damaged", {"version": "0.3.0"}),
        Wrong("not-sitehub", {"version": "0.2.0; echo more"}),
        Wrong("does-not-work", {"self_test": "echo the settings are bad >&2; exit 1"}),
        Wrong("does-not-work", {"self_test": "kill -9 $$"}),
    ],
    ids=lambda wrong: f"{wrong.reason}{''.join(wrong.program.values())}",
)
async def test_an_update_is_refused_for(wrong: Wrong, check: UpdateCheck, tmp_path: Path) -> None:
    update = signed(script(tmp_path / "new", **wrong.program), **wrong.file)
    assert refused(check, update).reason == wrong.reason


async def test_the_last_line_of_a_failed_self_test_is_the_reason(
    check: UpdateCheck, tmp_path: Path
) -> None:
    failing = "echo first >&2; echo the settings are bad >&2; exit 1"
    error = refused(check, signed(script(tmp_path / "new", self_test=failing)))
    assert error.message == "the new version does not work: the settings are bad"


async def test_a_self_test_that_hangs_is_ended_with_all_that_it_started(
    check: UpdateCheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_SELF_TEST_SECONDS", 0.5)
    hanging = f"sleep 1000 & echo $! > {tmp_path / 'pid'}; wait"
    error = refused(check, signed(script(tmp_path / "new", self_test=hanging)))
    assert "did not end" in error.message
    pid = int((tmp_path / "pid").read_text())
    # A process that was killed may need a moment to end.
    for _ in range(1000):
        if not is_alive(pid):
            break
        await trio.sleep(0.01)
    else:
        pytest.fail(f"process {pid} is alive")


async def test_an_unsigned_executable_is_taken_only_where_that_is_allowed(
    check: UpdateCheck, tmp_path: Path
) -> None:
    program = script(tmp_path / "new")
    assert refused(check, program).reason == "unsigned"
    with program.open("rb") as file:
        offer = check.check(file, allow_unsigned=True)
    assert (offer.version, offer.is_signed) == ("0.2.0", False)


async def test_without_a_key_a_signature_counts_for_nothing(
    check: UpdateCheck, tmp_path: Path
) -> None:
    keyless = UpdateCheck(check.data_dir, "0.1.0", None)
    update = signed(script(tmp_path / "new"))
    assert refused(keyless, update).reason == "no-key"
    with update.open("rb") as file:
        offer = keyless.check(file, allow_unsigned=True)
    assert (offer.version, offer.is_signed) == ("0.2.0", False)


async def test_a_file_that_is_too_large_or_does_not_fit_on_the_disk_is_refused_at_once(
    check: UpdateCheck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(update_check.MAX_BYTES + 1)
    assert refused(check, large, allow_unsigned=True).reason == "size"
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    error = refused(check, signed(script(tmp_path / "new")))
    assert error.reason == "room"
    assert error.values["free"] == "47"


async def test_a_second_update_is_refused_while_one_is_in_progress(
    updates: Updates, tmp_path: Path
) -> None:
    update = signed(script(tmp_path / "new"))
    offer = await updates.check(update)
    await updates.install(offer, ANN)
    with pytest.raises(UpdateRefused) as caught:
        await updates.check(update)
    assert caught.value.reason == "in-progress"
    with pytest.raises(UpdateRefused) as caught:
        await updates.install(offer, ANN)
    assert caught.value.reason == "in-progress"


async def test_an_offer_that_is_withdrawn_or_replaced_leaves_nothing(
    updates: Updates, tmp_path: Path, hub: HubServices
) -> None:
    update = signed(script(tmp_path / "new"))
    await updates.check(update)
    await updates.check(update)
    assert len(list((hub.services.core.data_dir / "programs").iterdir())) == 1
    await updates.withdraw()
    assert updates.offer is None
    assert list((hub.services.core.data_dir / "programs").iterdir()) == []


async def test_installing_stops_the_hub_so_that_it_is_started_again(
    updates: Updates, tmp_path: Path, hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updates_module, "_RESTART_DELAY_SECONDS", 0.0)
    update = signed(script(tmp_path / "new"))
    offer = await updates.check(update)
    async with trio.open_nursery() as nursery:
        await nursery.start(updates.run)
        await updates.install(offer, ANN)
        await hub.services.core.closing.wait()
        assert updates.restart_is_due
        nursery.cancel_scope.cancel()


async def test_how_an_update_ended_is_audited_once_and_told_until_it_is_noted(
    updates: Updates, hub: HubServices
) -> None:
    undone = Outcome(
        version="0.2.0", before="0.1.0", result="undone", at=5, by="user ann", reason="it broke"
    )
    Programs(hub.services.core.data_dir).save(UpdateState(history=(undone,)))
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(updates.run)
            nursery.cancel_scope.cancel()
    [entry] = await hub.services.core.audit.newest()
    assert (entry.who, entry.action, entry.target) == ("user ann", "update.undone", "0.2.0")
    assert updates.failure is not None
    await updates.note_failure()
    assert updates.failure is None
    assert [one.reason for one in updates.history] == ["it broke"]


@pytest.mark.parametrize("obstacle", ["source", "package"])
def test_a_hub_from_source_or_from_a_package_is_not_updated(obstacle: str) -> None:
    with pytest.raises(UpdateRefused) as caught:
        refuse_obstacle(obstacle)  # type: ignore[arg-type]
    assert caught.value.reason == obstacle
    refuse_obstacle("")
