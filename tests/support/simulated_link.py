"""The link of a simulated camera, without a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import trio
from msgspec import Raw

from hub.errors import DeviceLeft, DeviceNonsense, DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from hub.simulator.device.actions import Send, SendFragmented, Wait
from hub.simulator.device.responder import Responder
from hub.simulator.device.state import DeviceState
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import make_population
from hub.wire.envelope import BadFrame, Request, Response, decode_frame
from tests.support.answering_link import AnsweringLink


def ok_answer(*rows: object, **result: object) -> DeviceAnswer:
    """An answer whose result is this object, or these rows."""
    return DeviceAnswer(0, "OK", Raw(msgspec.json.encode(result or rows)))


class SimulatedLink(AnsweringLink):
    """The connection to a simulated camera, as the hub sees it. `asked`: requests it got."""

    def __init__(
        self, did: str, sn: str, now: Callable[[], float], *, quirks: Quirks = FAULTLESS
    ) -> None:
        identity = CameraIdentity(sn=sn, code="12345678", private_key="", name=sn, place="gate")
        super().__init__(did, sn, "192.168.1.77")
        self.ip = f"192.168.1.{int(did) % 200 + 10}"
        self.since = round(now() * 1000) - 3_600_000
        self.state = DeviceState(
            identity, make_population(1), now=now, preload_faces=True, quirks=quirks
        )
        self.asked: list[tuple[str, Any]] = []
        #: The outcome of every request, in place of the camera's own answer.
        self.outcome: HubError | DeviceAnswer | None = None
        self._responder = Responder(self.state, quirks)

    async def answered(
        self, uri: str, param: object, seconds: float, free: Callable[[], None]
    ) -> DeviceAnswer:
        await trio.lowlevel.checkpoint()
        encoded = msgspec.json.encode(param)
        self.asked.append((uri, msgspec.json.decode(encoded)))
        if isinstance(self.outcome, HubError):
            raise self.outcome
        return self.outcome or await self._answer(Request("1", uri, Raw(encoded)))

    async def _answer(self, request: Request) -> DeviceAnswer:
        steps = self._responder.respond(request)
        for step in steps:
            if isinstance(step, Wait):
                await trio.sleep(step.seconds)
            elif isinstance(step, Send | SendFragmented):
                try:
                    answer = decode_frame(step.message, max_depth=64)
                except BadFrame as error:  # as hub.link.dispatch does
                    raise DeviceNonsense(error.message) from None
                assert isinstance(answer, Response)
                return DeviceAnswer(answer.code, answer.msg, answer.result)
        raise DeviceLeft("it hung up") if steps else DeviceSilent("no answer")
