"""Pan and tilt (D12): a camera that is moved stops by itself, whatever becomes of the browser."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict, deque
from typing import Any

import trio
from msgspec import Struct

from hub.errors import DeviceRefused, HubError, NoSuchResource, NotSent, TooManyRequests
from hub.log import limited
from hub.services.commands.calls import Commands
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_commands import MOVE_START, MOVE_STOP
from hub.wire.commands.edition_3_params import MoveStart, OfChannel

log = logging.getLogger(__name__)

#: A move ends this long after it began, unless it is ended before (s).
MAX_MOVE_SECONDS = 5.0
#: Length of a step: a move without anybody who holds a button (s).
STEP_SECONDS = 0.5
#: A stop that the camera did not confirm is repeated at this interval, for this long (s).
_RETRY_SECONDS, _RETRY_FOR_SECONDS = 1.0, 60.0
#: Each camera takes this many commands within as many seconds; stops of a move are beyond it.
_MOST_COMMANDS, _WITHIN_SECONDS = 10, 5.0
#: The hub's own end waits for the stops of cameras that move at most this long (s).
_LAST_STOPS_SECONDS = 2.0
#: Presses that have ended, whose begin may still arrive: the browser sends both at once.
_MAX_ENDED = 256
_MAX_CAMERAS = 4096
#: Moves of one person that follow each other within this time are one entry of the audit log (s).
_AUDIT_SECONDS = 60.0


class _Move(Struct):
    """A camera that moves, or may. Times are by trio's clock.

    `ends_at`: when to stop it; inf while it is being stopped. `tried_since`: since when.
    `is_over`: a stop was sent, or another move took over.
    """

    press: str
    ends_at: float
    tried_since: float | None = None
    is_over: bool = False


class PanTilt:
    """Moves cameras for a bounded time, and sends their other commands of pan and tilt."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._moves: dict[str, _Move] = {}
        self._ended: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._sent: OrderedDict[str, deque[float]] = OrderedDict()
        self._moved: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._changed = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Stop each camera in time, until cancelled; then stop all that move."""
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                while True:
                    self._changed = trio.Event()
                    self._stop_due(nursery, trio.current_time())
                    due = min((move.ends_at for move in self._moves.values()), default=math.inf)
                    with trio.move_on_at(due):
                        await self._changed.wait()
        finally:
            with trio.move_on_after(_LAST_STOPS_SECONDS, shield=True):
                async with trio.open_nursery() as nursery:
                    self._stop_due(nursery, math.inf)

    async def move(self, did: str, press: str, *, tilt: int, pan: int) -> bool:
        """Begin to move, for MAX_MOVE_SECONDS at most; return whether it did.

        `press`: names the press of a button, for `release`. If its end arrived before its begin,
        nothing is sent. A later press takes the camera over. `tilt`, `pan`: speeds, positive up and
        left. Raises TooManyRequests, and as a call of `Commands`.
        """
        if (did, press) in self._ended:
            return False
        self._count(did)
        await self._begin(did, press, MAX_MOVE_SECONDS, tilt=tilt, pan=pan)
        return True

    async def release(self, did: str, press: str) -> None:
        """End the move that this press began, if it has not ended; also one that is yet to begin.

        Raises as a call of `Commands`; the hub then goes on trying.
        """
        self._note_ended(did, press)
        move = self._moves.get(did)
        if move is not None and move.press == press:
            await self._stop(did, move)

    async def step(self, did: str, *, tilt: int, pan: int) -> None:
        """Begin to move, for STEP_SECONDS. Raises as `move` does."""
        self._count(did)
        await self._begin(did, "", STEP_SECONDS, tilt=tilt, pan=pan)

    async def stop(self, did: str) -> None:
        """Stop the camera, whoever moves it. Raises as `move` does."""
        move = self._moves.get(did)
        if move is None:
            self._count(did)
            await self._commands.call(did, MOVE_STOP, OfChannel())
            return
        self._note_ended(did, move.press)
        await self._stop(did, move)

    async def call(self, did: str, command: Command[Any, Any], param: Struct) -> Any:
        """Send another command of pan and tilt; a move ends before it. Raises as `move` does."""
        self._count(did)
        move = self._moves.get(did)
        if move is not None:
            self._note_ended(did, move.press)
            await self._stop(did, move)
        return await self._commands.call(did, command, param)

    async def _begin(self, did: str, press: str, seconds: float, *, tilt: int, pan: int) -> None:
        before = self._moves.get(did)
        if before is not None:
            before.is_over = True
            self._note_ended(did, before.press)
        # Noted first: a caller that is cancelled may have sent it.
        move = self._moves[did] = _Move(press, trio.current_time() + seconds)
        self._changed.set()
        try:
            await self._commands.call(did, MOVE_START, MoveStart(tiltUp=tilt, panLeft=pan))
        except (NotSent, DeviceRefused):
            if before is None:
                self._forget(did, move)
            else:  # it goes on moving as before
                self._end_at(did, move, trio.current_time())
            raise
        finally:
            # A stop that was sent meanwhile may have overtaken the start.
            if self._moves.get(did) is None and move.is_over:
                self._moves[did] = move
                self._end_at(did, move, trio.current_time())

    def _end_at(self, did: str, move: _Move, time: float) -> None:
        move.ends_at = time
        self._changed.set()

    def _stop_due(self, nursery: trio.Nursery, now: float) -> None:
        for did, move in self._moves.items():
            if move.ends_at <= now:
                move.ends_at = math.inf
                nursery.start_soon(self._stop_by_itself, did, move)

    async def _stop_by_itself(self, did: str, move: _Move) -> None:
        self._note_ended(did, move.press)
        try:
            await self._stop(did, move)
        except HubError as error:
            text = "cannot stop camera %s, which was moved: %s"
            limited(log, logging.WARNING, f"stop {did}", text, did, error)

    async def _stop(self, did: str, move: _Move) -> None:
        """Send the stop. One that fails is repeated by `run`."""
        move.ends_at, move.is_over = math.inf, True
        if move.tried_since is None:
            move.tried_since = trio.current_time()
        try:
            await self._commands.call(did, MOVE_STOP, OfChannel())
        except NoSuchResource:  # the camera was removed
            self._forget(did, move)
            raise
        except BaseException:
            if trio.current_time() - move.tried_since < _RETRY_FOR_SECONDS:
                self._end_at(did, move, trio.current_time() + _RETRY_SECONDS)
            else:
                self._forget(did, move)
            raise
        self._forget(did, move)

    def _forget(self, did: str, move: _Move) -> None:
        if self._moves.get(did) is move:
            del self._moves[did]

    def _note_ended(self, did: str, press: str) -> None:
        if press:
            self._ended[did, press] = None
        while len(self._ended) > _MAX_ENDED:
            self._ended.popitem(last=False)

    def _count(self, did: str) -> None:
        """Count a command. Raises TooManyRequests."""
        now = trio.current_time()
        sent = self._sent.setdefault(did, deque(maxlen=_MOST_COMMANDS))
        self._sent.move_to_end(did)
        if len(sent) == _MOST_COMMANDS and now - sent[0] < _WITHIN_SECONDS:
            raise TooManyRequests("the camera is being moved too fast: wait a few seconds")
        sent.append(now)
        while len(self._sent) > _MAX_CAMERAS:
            self._sent.popitem(last=False)

    def is_first_of_many(self, did: str, who: str) -> bool:
        """Whether somebody begins to move a camera that they have not moved for a minute.

        Then it is written to the audit log: a hundred small moves are one entry.
        """
        now = trio.current_time()
        before = self._moved.get((did, who), -math.inf)
        self._moved[did, who] = now
        self._moved.move_to_end((did, who))
        while len(self._moved) > _MAX_CAMERAS:
            self._moved.popitem(last=False)
        return now - before >= _AUDIT_SECONDS
