"""A device as the services see it: a link whose requests the test answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import trio
from msgspec import Raw

from hub.errors import DeviceLeft, DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from tests.support.answering_link import AnsweringLink

#: Computes a device's answer to a uri and its param.
Reply = Callable[[str, Any], DeviceAnswer | HubError]


def answer(code: int = 200, msg: str = "OK", result: object = None) -> DeviceAnswer:
    return DeviceAnswer(code, msg, None if result is None else Raw(msgspec.json.encode(result)))


class Asked:
    """One request that the device received: `give` it an answer, or leave it unanswered."""

    def __init__(self, uri: str, param: Any, on_free: Callable[[], None] | None) -> None:
        self.uri = uri
        self.param = param
        self.is_given_up = False
        self._outcome: DeviceAnswer | HubError | None = None
        self._ended = trio.Event()
        self._on_free = on_free

    def give(self, outcome: DeviceAnswer | HubError) -> None:
        self._outcome = outcome
        self._ended.set()
        self.free()

    def free(self) -> None:
        """Mark the device as no longer working on it."""
        on_free, self._on_free = self._on_free, None
        if on_free is not None:
            on_free()

    async def outcome(self, seconds: float) -> DeviceAnswer:
        try:
            with trio.move_on_after(seconds):
                await self._ended.wait()
        finally:
            self.is_given_up = self._outcome is None
        if self._outcome is None:
            raise DeviceSilent(f"the device did not answer within {seconds:g} s")
        if isinstance(self._outcome, HubError):
            raise self._outcome
        return self._outcome


class AskedLink(AnsweringLink):
    """A link that answers at once with `reply`, or else keeps requests in `asked` until the test
    answers them. After a timeout the device still works on a request until `free` or `leave`."""

    frees_itself = True

    def __init__(self, did: str = "1", reply: Reply | None = None) -> None:
        super().__init__(did, f"SN{did}")
        self.asked: list[Asked] = []
        self.reply = reply

    @property
    def open(self) -> list[Asked]:
        """The requests that the device is working on."""
        return [asked for asked in self.asked if asked._on_free is not None]

    @property
    def uris(self) -> list[str]:
        return [asked.uri for asked in self.asked]

    def leave(self) -> None:
        """End the connection."""
        for asked in self.open:
            asked.give(DeviceLeft("the connection ended before the device answered"))

    async def answered(
        self, uri: str, param: object, seconds: float, free: Callable[[], None]
    ) -> DeviceAnswer:
        asked = Asked(uri, json.loads(msgspec.json.encode(param)), free)
        self.asked.append(asked)
        if self.reply is not None:
            asked.give(self.reply(uri, asked.param))
        return await asked.outcome(seconds)
