"""What a webhook's sender makes of its address and of answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.webhooks import sender
from tests.services.forwarding.conftest import Forwarding


class Names(trio.abc.HostnameResolver):
    """Answers each name with `address`."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def getaddrinfo(self, host: Any, port: Any, *args: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port))]

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        raise NotImplementedError


async def test_a_name_that_leads_here_later_gets_nothing(forwarding: Forwarding) -> None:
    names = Names("192.0.2.7")
    trio.socket.set_custom_hostname_resolver(names)
    view, _ = await forwarding.add(url="https://receiver.example:8443/in")
    id = view.target.id
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 1)
    names.address = "127.0.0.1"
    await forwarding.hub.add_faces("b")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    assert str(forwarding.targets.get(id).reason) == "the address leads to this hub"
    assert len(forwarding.receiver.asked) == 1
    names.address = "192.0.2.7"
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: len(forwarding.receiver.kept) == 2)


class Answer(httpx.AsyncByteStream):
    """A body of 1 KB, which may never end."""

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends
        self.was_begun = self.was_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.was_begun = True
        yield b"x" * 1024
        if not self._ends:
            await trio.sleep_forever()
        self.was_read = True


@pytest.mark.parametrize(
    ("length", "ends", "seconds", "was_begun", "was_read"),
    [
        ("1024", True, 5.0, True, True),
        ("1024", False, 0.01, True, False),
        ("1000000", True, 5.0, False, False),
        ("", True, 5.0, False, False),
    ],
)
async def test_only_a_short_answer_is_read(
    forwarding: Forwarding,
    monkeypatch: pytest.MonkeyPatch,
    length: str,
    ends: bool,
    seconds: float,
    was_begun: bool,
    was_read: bool,
) -> None:
    monkeypatch.setattr(sender, "_ANSWER_SECONDS", seconds)
    answer = Answer(ends=ends)
    headers = {"Content-Length": length} if length else {}
    forwarding.receiver.answer = lambda received: httpx.Response(
        200, headers=headers, stream=answer
    )
    view, _ = await forwarding.add()
    await forwarding.hub.add_faces("a")
    view = await forwarding.until_current(view.target.id)
    assert view.cursor.seq == 1
    assert (answer.was_begun, answer.was_read) == (was_begun, was_read)
