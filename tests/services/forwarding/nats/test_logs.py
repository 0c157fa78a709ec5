"""A hub says which log it has, and which earlier ones that continues, before anything of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats import sender as sender_module
from tests.services.forwarding.nats.conftest import HUB, NatsForwarding, open_nats_forwarding
from tests.support.backups import backup_of, restore_backup
from tests.support.clock import FrozenClock
from tests.support.nats_server import NatsServer, Stored

EARLIER = "e" * 32


def logs(stored: list[Stored]) -> list[object]:
    return [msgspec.json.decode(one.data) for one in stored if one.kind == "log"]


async def test_a_stream_hears_of_the_log_before_its_records(forwarding: NatsForwarding) -> None:
    id = (await forwarding.add()).target.id
    (seq,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.cursor.seq == seq)
    stored = await forwarding.all_stored()
    assert [one.kind for one in stored] == ["log", "rec"]
    log = forwarding.hub.store.log_id
    assert logs(stored) == [{"earlier": [], "log": log, "hub": HUB}]
    assert stored[0].headers["Sitehub-Log"] == log


async def test_a_restored_hub_says_which_log_it_continues_and_up_to_where(
    tmp_path: Path, clock: FrozenClock, new_server: NatsServer
) -> None:
    async with open_nats_forwarding(tmp_path / "hub", clock, new_server) as forwarding:
        id = (await forwarding.add()).target.id
        seqs = await forwarding.hub.add_faces("a", "b")
        await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
        first = forwarding.hub.store.log_id
        # As a restore does it: the id is renewed in the restored database.
        await forwarding.hub.store.write(
            lambda c: c.execute("UPDATE record_log SET log_id = ?", (EARLIER,)).rowcount
        )
    async with open_nats_forwarding(tmp_path / "hub", clock, new_server) as forwarding:
        await forwarding.until(
            id, lambda view: (view.cursor.log, view.cursor.seq) == (EARLIER, seqs[-1])
        )
        stored = await forwarding.all_stored()
    assert [one.kind for one in stored] == ["log", "rec", "rec", "log", "rec", "rec"]
    assert logs(stored)[1] == {
        "earlier": [{"log": first, "last_seq": seqs[-1]}],
        "log": EARLIER,
        "hub": HUB,
    }


async def test_a_hub_without_records_shows_that_it_is_there(
    monkeypatch: pytest.MonkeyPatch, new_forwarding: NatsForwarding
) -> None:
    monkeypatch.setattr(sender_module, "_SIGN_SECONDS", 0.05)
    id = (await new_forwarding.add()).target.id
    await new_forwarding.until(id, lambda view: view.about is not None)
    with trio.fail_after(30):
        while len(await new_forwarding.all_stored()) < 3:  # noqa: ASYNC110  what happens has no event
            await trio.sleep(0.02)
    assert {one.kind for one in await new_forwarding.all_stored()} == {"log"}
    # Nothing of that disturbs what follows.
    seqs = await new_forwarding.hub.add_faces("a")
    await new_forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
    assert await new_forwarding.stored_seqs() == seqs


@pytest.mark.parametrize(("gets", "records"), [("everything", 3), ("new", 1)])
async def test_a_restored_hub_sends_what_was_chosen(
    tmp_path: Path, clock: FrozenClock, new_server: NatsServer, gets: str, records: int
) -> None:
    async with open_nats_forwarding(tmp_path / "hub", clock, new_server) as forwarding:
        id = (await forwarding.add()).target.id
        seqs = await forwarding.hub.add_faces("a", "b")
        await forwarding.until(id, lambda view: view.cursor.seq == seqs[-1])
        backup = await backup_of(forwarding.hub)
    await restore_backup(tmp_path / "hub", backup, hold_targets=True)
    async with open_nats_forwarding(tmp_path / "hub", clock, new_server) as forwarding:
        (seq,) = await forwarding.hub.add_faces("c")
        targets = forwarding.hub.services.forwarding.targets
        await targets.go_on_restored(gets, by=COMMAND_LINE)  # type: ignore[arg-type]
        await forwarding.until(id, lambda view: view.cursor.seq == seq)
        stored = await forwarding.all_stored()
    assert [one.kind for one in stored] == ["log", "rec", "rec", "log", *["rec"] * records]
