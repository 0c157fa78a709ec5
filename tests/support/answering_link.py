"""What the links of tests have in common: who the camera is, and how a request runs."""

from __future__ import annotations

from collections.abc import Callable

from hub.live.registry import DeviceAnswer, FileSink


def _nothing() -> None:
    pass


class AnsweringLink:
    """A `Link` without a connection. Subclasses answer in `answered`."""

    #: Whether `answered` itself calls `free` once the device has finished with the request.
    frees_itself = False

    def __init__(self, did: str = "", sn: str = "", address: str = "10.0.0.8") -> None:
        self.did, self.sn, self.address = did, sn, address
        self.ip, self.path, self.hub_address, self.since = "", "/", "wss://hub:8444", 0
        self.closed: str | None = None
        #: For how long answers were delayed.
        self.held: list[float] = []

    def close(self, reason: str) -> None:
        self.closed = reason

    async def delay_answer(self, seconds: float) -> None:
        self.held.append(seconds)

    async def request(
        self,
        uri: str,
        param: object,
        *,
        seconds: float,
        on_answer: Callable[[DeviceAnswer], None] | None = None,
        on_free: Callable[[], None] | None = None,
        sink: FileSink | None = None,
    ) -> DeviceAnswer:
        free = on_free or _nothing
        try:
            answer = await self.answered(uri, param, seconds, free)
        finally:
            if not self.frees_itself:
                free()
        if on_answer is not None:
            on_answer(answer)
        return answer

    async def answered(
        self, uri: str, param: object, seconds: float, free: Callable[[], None]
    ) -> DeviceAnswer:
        raise NotImplementedError
