"""Lists of records: how many are read at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from web.api.records.records import MAX_LISTS_PER_ADDRESS
from web.app import create_app
from web.http.answers import ANSWERS, AnswerBudget


async def test_a_list_is_refused_at_once_while_its_address_reads_others_slowly(
    tmp_path: Path, clock: FrozenClock
) -> None:
    answers = AnswerBudget(100)
    room = answers.take(20, "10.0.0.66", lambda: None)
    assert room is not None
    async with open_hub_services(tmp_path, clock) as hub:
        client = create_app(hub.services).test_client(use_cookies=False)
        key = await hub.bearer(read_only=True)

        async def ask(address: str) -> int:
            response = await client.get(
                "/api/hub/v1/records",
                headers=key,
                scope_base={"client": (address, 40_000), "extensions": {ANSWERS: answers}},
            )
            return int(response.status_code)

        assert await ask("10.0.0.66") == 503
        assert await ask("10.0.0.5") == 200
        room.give_back()
        assert await ask("10.0.0.66") == 200


async def test_lists_of_one_address_are_read_a_few_at_a_time(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wait for the same readers of the store."""
    statuses: list[int] = []
    async with open_hub_services(tmp_path, clock) as hub:
        client = create_app(hub.services).test_client(use_cookies=False)
        key = await hub.bearer(read_only=True)
        may_read, page = trio.Event(), hub.services.records.page

        async def page_later(*args: Any, **how: Any) -> Any:
            await may_read.wait()
            return await page(*args, **how)

        async def ask(address: str) -> None:
            response = await client.get(
                "/api/hub/v1/records",
                headers=key,
                scope_base={"client": (address, 40_000)},
            )
            statuses.append(response.status_code)

        monkeypatch.setattr(hub.services.records, "page", page_later)
        async with trio.open_nursery() as nursery:
            for _ in range(MAX_LISTS_PER_ADDRESS + 2):
                nursery.start_soon(ask, "10.0.0.66")
            await wait_all_tasks_blocked()
            assert statuses == [429, 429]
            nursery.start_soon(ask, "10.0.0.5")
            await wait_all_tasks_blocked()
            may_read.set()
        assert statuses.count(200) == MAX_LISTS_PER_ADDRESS + 1
        await ask("10.0.0.66")
        assert statuses[-1] == 200
