"""What the application receives: the body, read when it asks for it, and then the end."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from web.http.inbox import Inbox
from web.http.protocol import BodyPart


async def nothing() -> BodyPart | None:
    raise AssertionError("nothing is to be read")


async def test_after_a_disconnect_a_body_that_is_there_is_received_first() -> None:
    inbox = Inbox(b"whole", nothing)
    inbox.disconnect()
    received = [(await inbox.receive())["type"] for _ in range(3)]
    assert received == ["http.request", "http.disconnect", "http.disconnect"]


async def test_a_body_is_read_when_the_application_asks_for_it_and_not_beyond_its_end() -> None:
    left = [BodyPart(b"a", more=True), BodyPart(b"b", more=False)]

    async def next_part() -> BodyPart | None:
        return left.pop(0)

    inbox = Inbox(None, next_part)
    assert await inbox.receive() == {"type": "http.request", "body": b"a", "more_body": True}
    assert len(left) == 1
    assert await inbox.receive() == {"type": "http.request", "body": b"b", "more_body": False}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.receive)
        await wait_all_tasks_blocked()
        inbox.disconnect()
