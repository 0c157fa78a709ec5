"""Targets of a hub that was restored may wait until somebody has chosen what they get."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.targets import TargetChange
from hub.store.targets.target import AFTER_RESTORE, MailOptions
from tests.services.forwarding.conftest import URL, Receiver, open_forwarding
from tests.support.backups import backup_of, restore_backup
from tests.support.clock import FrozenClock


@pytest.fixture
async def data(tmp_path: Path, clock: FrozenClock, receiver: Receiver) -> Path:
    """A restored hub: its webhook had two records of three when the backup was made."""
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        view, _ = await forwarding.add()
        await forwarding.hub.add_faces("a", "b")
        await forwarding.until_current(view.target.id)
        receiver.answer = lambda _: httpx.Response(503)
        await forwarding.hub.add_faces("c")
        await receiver.until(lambda: forwarding.targets.get(1).state == "waiting")
        backup = await backup_of(forwarding.hub)
    receiver.answer = lambda _: httpx.Response(204)
    receiver.kept.clear()
    await restore_backup(tmp_path, backup, hold_targets=True)
    return tmp_path


async def test_nothing_is_sent_before_somebody_has_chosen(
    data: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(data, clock, receiver) as forwarding:
        await forwarding.hub.add_faces("d")
        assert forwarding.targets.waits_after_restore
        view = forwarding.targets.get(1)
        assert (view.state, view.reason) == ("held", AFTER_RESTORE)
        with pytest.raises(BadParameter, match="restored from a backup"):
            await forwarding.targets.retry(1, by=COMMAND_LINE)
        change = TargetChange(url="https://other.example/in")
        assert (await forwarding.targets.change(1, change, by=COMMAND_LINE)).state == "held"
    assert receiver.asked[-1].seq == 3  # before the restore


@pytest.mark.parametrize(("gets", "seqs"), [("everything", [1, 2, 3, 4]), ("new", [3, 4])])
async def test_a_target_gets_what_was_chosen(
    data: Path, clock: FrozenClock, receiver: Receiver, gets: str, seqs: list[int]
) -> None:
    async with open_forwarding(data, clock, receiver) as forwarding:
        await forwarding.hub.add_faces("d")
        await forwarding.targets.go_on_restored(gets, by=COMMAND_LINE)  # type: ignore[arg-type]
        await forwarding.until_current(1)
        assert receiver.seqs == seqs
        assert {one.body["log"] for one in receiver.kept} == {forwarding.hub.store.log_id}
    async with open_forwarding(data, clock, receiver) as forwarding:
        await forwarding.hub.add_faces("e")
        await forwarding.until_current(1)
    assert receiver.seqs == [*seqs, 5]


async def test_it_is_asked_once(data: Path, clock: FrozenClock, receiver: Receiver) -> None:
    async with open_forwarding(data, clock, receiver) as forwarding:
        for gets in ("new", "everything"):
            await forwarding.targets.go_on_restored(gets, by=COMMAND_LINE)
            assert not forwarding.targets.waits_after_restore
        await forwarding.until_current(1)
        newest = (await forwarding.services.core.audit.newest())[0]
        assert (newest.action, newest.target) == ("target.restored-new", "1 receiver.example")
    assert receiver.seqs == [3]


async def test_after_a_second_restore_it_is_asked_again(
    data: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(data, clock, receiver) as forwarding:
        backup = await backup_of(forwarding.hub)
        await forwarding.targets.go_on_restored("everything", by=COMMAND_LINE)
        await forwarding.until_current(1)
    receiver.kept.clear()
    await restore_backup(data, backup)
    async with open_forwarding(data, clock, receiver) as forwarding:
        await forwarding.targets.go_on_restored("new", by=COMMAND_LINE)
        await forwarding.until_current(1)
    assert receiver.seqs == [3]


async def test_what_is_told_of_now_alone_and_new_targets_do_not_wait(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    mail = MailOptions(sender="hub@example.org", recipients=("a@example.org",))
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        url = "smtps://127.0.0.1:9"
        await forwarding.targets.add("mail", url, mail=mail, by=COMMAND_LINE)
        backup = await backup_of(forwarding.hub)
    await restore_backup(tmp_path, backup)
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        assert not forwarding.targets.waits_after_restore
        (seq,) = await forwarding.hub.add_faces("a")
        id = (await forwarding.add(url=URL))[0].target.id
        await forwarding.until_current(id)
    assert receiver.seqs == [seq]
