"""A target has one forwarder, whoever changes it at the same time and however late that commits."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import NoSuchResource, StillStoring
from hub.reasons import Reason
from hub.services.audit import COMMAND_LINE
from hub.services.changes import open_changes
from hub.services.forwarding.targets import ChangedMeanwhile, TargetChange
from tests.services.forwarding.conftest import URL, Forwarding

OTHER = "https://other.example/in"


async def change(forwarding: Forwarding, id: int, **fields: object) -> None:
    await forwarding.targets.change(id, TargetChange(**fields), by=COMMAND_LINE)  # type: ignore[arg-type]


async def retry(forwarding: Forwarding, id: int) -> None:
    await forwarding.targets.retry(id, by=COMMAND_LINE)


async def at_once(*calls: object) -> None:
    async with trio.open_nursery() as nursery:
        for function, *args in calls:  # type: ignore[attr-defined]
            nursery.start_soon(function, *args)


async def test_two_changes_at_once_both_take_effect_and_nothing_is_delivered_twice(
    forwarding: Forwarding,
) -> None:
    view, _ = await forwarding.add()
    id = view.target.id
    async with trio.open_nursery() as nursery:
        for fields in ({"name": "B"}, {"types": (3,)}, {"pictures": "all"}):
            nursery.start_soon(lambda fields=fields: change(forwarding, id, **fields))  # type: ignore[misc]
    target = forwarding.targets.get(id).target
    chosen = target.options.selection
    assert (target.name, chosen.types, chosen.pictures) == ("B", (3,), "all")
    seqs = await forwarding.hub.add_faces("a", "b")
    await forwarding.until_current(id)
    await change(forwarding, id, url=OTHER)
    seqs += await forwarding.hub.add_faces("c")
    await forwarding.until_current(id)
    assert forwarding.receiver.seqs == seqs
    assert [one.url for one in forwarding.receiver.kept] == [URL, URL, OTHER]
    await forwarding.targets.remove(id, by=COMMAND_LINE)
    await forwarding.hub.add_faces("d")
    await wait_all_tasks_blocked(0.05)
    assert forwarding.receiver.seqs == seqs


async def test_a_double_click_on_retry_lets_one_forwarder_go_on(forwarding: Forwarding) -> None:
    forwarding.receiver.answer = lambda received: httpx.Response(410)
    view, _ = await forwarding.add()
    id = view.target.id
    seqs = await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "held")
    forwarding.receiver.answer = lambda received: httpx.Response(204)
    await at_once((retry, forwarding, id), (retry, forwarding, id))
    seqs += await forwarding.hub.add_faces("b", "c")
    await forwarding.until_current(id)
    assert forwarding.receiver.seqs == seqs


async def test_a_target_that_is_removed_while_it_is_changed_gets_nothing_more(
    forwarding: Forwarding,
) -> None:
    view, _ = await forwarding.add()
    id = view.target.id

    async def change_it() -> None:
        with suppress(NoSuchResource):
            await change(forwarding, id, url=OTHER)

    async def remove() -> None:
        await forwarding.targets.remove(id, by=COMMAND_LINE)

    await at_once((remove,), (change_it,))
    await forwarding.hub.add_faces("a")
    await wait_all_tasks_blocked(0.05)
    assert forwarding.receiver.asked == []


async def test_a_form_that_shows_an_older_target_changes_nothing(forwarding: Forwarding) -> None:
    view, _ = await forwarding.add()
    id = view.target.id
    seen = view.target.generation
    await change(forwarding, id, name="B", seen=seen)
    with pytest.raises(ChangedMeanwhile):
        await change(forwarding, id, name="C", seen=seen)
    assert forwarding.targets.get(id).target.name == "B"


async def test_a_cursor_is_saved_for_its_generation_alone(forwarding: Forwarding) -> None:
    view, _ = await forwarding.add()
    await forwarding.hub.add_faces("a", "b")
    old = (await forwarding.until_current(view.target.id)).target
    await change(forwarding, old.id, url=OTHER)
    table, before = forwarding.hub.store.targets, forwarding.targets.get(old.id).target
    await table.move(old, replace(before.cursor, seq=9))
    await table.hold(old, Reason("it answered 410"))
    assert table.get(old.id) == before
    await table.move(before, replace(before.cursor, seq=9))
    assert table.get(old.id).cursor.seq == 9


@pytest.mark.expects_error("nothing can be stored now: the disk is not responding")
async def test_what_commits_late_is_followed(forwarding: Forwarding, mock_clock: MockClock) -> None:
    mock_clock.rate = 1.0
    view, _ = await forwarding.add(name="A")
    id, store = view.target.id, forwarding.hub.store
    seqs = await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.receiver.seqs == seqs)

    async def late(work: Callable[[], Awaitable[None]]) -> None:
        """Make a change while the disk does not answer for more than 30 s."""
        answers, hangs, told = threading.Event(), trio.Event(), trio.Event()
        token = trio.lowlevel.current_trio_token()

        def hang(connection: object) -> None:
            token.run_sync_soon(hangs.set)
            answers.wait()

        async def write() -> None:
            with pytest.raises(StillStoring):
                await store.write(hang)

        async def ask() -> None:
            with pytest.raises(StillStoring):
                await changes.carry_out(work)
            told.set()

        async with open_changes(trio.Event()) as changes:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                await hangs.wait()
                nursery.start_soon(ask)
                try:
                    while not told.is_set():
                        await wait_all_tasks_blocked(0.05)
                        mock_clock.jump(31)
                finally:
                    answers.set()
            await changes.all_ended()

    async def move() -> None:
        await change(forwarding, id, url=OTHER)

    async def remove() -> None:
        await forwarding.targets.remove(id, by=COMMAND_LINE)

    def is_saved() -> bool:
        return store.targets.get(id).cursor.seq == seqs[-1]

    await forwarding.receiver.until(is_saved)
    await late(move)
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).target.options.url == OTHER)
    await wait_all_tasks_blocked(0.05)
    seqs += await forwarding.hub.add_faces("b")
    await forwarding.receiver.until(lambda: forwarding.receiver.seqs == seqs)
    assert forwarding.receiver.kept[-1].url == OTHER
    await forwarding.receiver.until(is_saved)
    await late(remove)
    await forwarding.receiver.until(lambda: forwarding.targets.list() == ())
    await wait_all_tasks_blocked(0.05)
    await forwarding.hub.add_faces("c")
    await wait_all_tasks_blocked(0.05)
    assert forwarding.receiver.seqs == seqs


async def test_who_gives_up_a_change_leaves_the_target_forwarded(forwarding: Forwarding) -> None:
    view, _ = await forwarding.add()
    id = view.target.id
    with trio.CancelScope() as scope:
        scope.cancel()
        await change(forwarding, id, name="B")
    for _ in range(20):
        with trio.move_on_after(0):
            await change(forwarding, id, name="B")
    seqs = await forwarding.hub.add_faces("a", "b")
    await forwarding.until_current(id)
    assert forwarding.receiver.seqs == seqs


async def test_a_target_without_a_name_gets_one_that_is_free(forwarding: Forwarding) -> None:
    for _ in range(3):
        await forwarding.add()
    names = [view.target.name for view in forwarding.targets.list()]
    assert names == ["receiver.example", "receiver.example 2", "receiver.example 3"]
    host = "a" * 60 + "." + "b" * 60 + ".example"
    for _ in range(2):
        view, _ = await forwarding.add(url=f"https://{host}/in")
    assert view.target.name == host[:77] + " 2"
