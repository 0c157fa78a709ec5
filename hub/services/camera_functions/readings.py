"""What cameras say about themselves and their settings, asked when somebody looks (D12).

Only commands that read are sent. An answer is kept in memory for a while, so that a page that is
opened again does not ask the camera again, and an offline camera still shows what it said last.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import trio
from msgspec import Struct

from hub.errors import DeviceNonsense, DeviceRefused, DeviceSilent, HubError, NotSent, Unanswered
from hub.services.commands.calls import Commands
from hub.services.devices.directory import Devices
from hub.wire.commands.dialect import Command

P = TypeVar("P", bound=Struct)
A = TypeVar("A", bound=Struct)

#: How long somebody waits for a camera; it may answer later, or never.
WAIT_SECONDS = 6.0
#: For how long an answer is not asked for again (s), unless somebody wishes so.
FRESH_SECONDS = 60.0
#: Answers of all cameras that are kept; the one that was not looked at for longest makes room.
_MAX_KEPT = 4096
#: Nobody is shown these, so they are not kept.
_SECRETS = ("auth_code",)


class CameraReading(Struct, Generic[A], frozen=True):
    """What a camera said last. `value`: None if it never said it since the hub has started.

    `read_at`: when, in UNIX milliseconds. `error`: why it was not said just now; None if it was,
    or was not asked because the answer is fresh.
    """

    value: A | None = None
    read_at: int | None = None
    error: HubError | None = None


class CameraReadings:
    """The last answers of all cameras."""

    def __init__(self, devices: Devices, commands: Commands, now: Callable[[], float]) -> None:
        self._devices = devices
        self._commands = commands
        self._now = now
        #: By did, serial number and the command's name: a camera that was replaced is another one.
        self._kept: OrderedDict[tuple[str, str, str], CameraReading[Any]] = OrderedDict()
        #: How often a camera was told something else, by did.
        self._told: Counter[str] = Counter()

    async def read(
        self, did: str, command: Command[P, A], *, anew: bool = False
    ) -> CameraReading[A]:
        """Return what the camera answers to a command that reads; at the latest after WAIT_SECONDS.

        `anew`: ask also if the last answer is fresh. Raises NoSuchResource.
        """
        key = (did, self._devices.device(did).sn, command.name)
        kept = self._kept.get(key, CameraReading[A]())
        age = self._now() - (kept.read_at or 0) / 1000
        if kept.value is not None and not anew and 0 <= age < FRESH_SECONDS:
            return kept
        error: HubError = DeviceSilent("the device did not answer in time")
        told = self._told[did]
        with trio.move_on_after(WAIT_SECONDS):
            try:
                answer = await self._commands.call(did, command, command.example)
            except (NotSent, Unanswered, DeviceRefused, DeviceNonsense) as failed:
                error = failed
            else:
                reading = CameraReading(_bare(answer), int(self._now() * 1000))
                # What was asked before it was told something else may be what it was.
                return self._keep(key, reading) if told == self._told[did] else reading
        return CameraReading(kept.value, kept.read_at, error)

    def forget(self, did: str, command: Command[Any, Any]) -> None:
        """Ask the camera again the next time: it was told something else."""
        self._told[did] += 1
        for key in [key for key in self._kept if key[0] == did and key[2] == command.name]:
            del self._kept[key]

    def _keep(self, key: tuple[str, str, str], reading: CameraReading[A]) -> CameraReading[A]:
        self._kept[key] = reading
        self._kept.move_to_end(key)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return reading


def _bare(answer: A) -> A:
    """The answer without its secrets."""
    found = {name: None for name in _SECRETS if name in answer.__struct_fields__}
    return type(answer)(
        **{name: getattr(answer, name) for name in answer.__struct_fields__} | found
    )
