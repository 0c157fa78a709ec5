"""Sending an encoded command: wait in the device's queue, choose the uri, drop stale pictures.

A caller that is cancelled while it waits leaves the queue. A command that was sent keeps its slot
until the device is done with it (see `Link.request`), so that a weak device that does not answer a
photo is not sent the next one at once.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import trio
from msgspec import Raw

from hub.errors import DeviceOffline, HubError, NoSuchPath, Unanswered
from hub.live.feed import Change, Feed
from hub.live.registry import DeviceAnswer, FileSink, Link, Registry
from hub.log import limited
from hub.services.commands.abilities import Abilities, from_answer, from_setting
from hub.services.commands.known_settings import KnownSettings, is_kept, is_setting
from hub.services.commands.queue import CommandQueues
from hub.services.devices.directory import Devices
from hub.store.db import Store
from hub.wire.commands.dialect import (
    FILE_READ,
    PERSON_ADD,
    PERSON_DELETE,
    REBOOT,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.edition_3_commands import GET_INFO, PERSON_CLEAR, PERSON_UPDATE
from hub.wire.commands.settings import editions_of, to_edition

log = logging.getLogger(__name__)

#: Names of the commands that change the state of a device.
CHANGING = {
    command.name for command in (SET_FACE, SET_RECORDING, REBOOT, PERSON_ADD, PERSON_DELETE)
} | {PERSON_UPDATE.name, PERSON_CLEAR.name}
#: After these, stored pictures are stale: a path may be reused for a new person's photo.
_CHANGING_PEOPLE = {
    command.name for command in (PERSON_ADD, PERSON_DELETE, PERSON_UPDATE, PERSON_CLEAR)
}

#: Devices of which it is known when their people were changed; of all others the latest such time.
_MAX_PEOPLE_CHANGED = 4096


class CommandSender:
    """Sends one command per slot of a device at a time, and publishes what it changes."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        devices: Devices,
        changes: Feed[Change],
        settings: KnownSettings,
        abilities: Abilities,
    ) -> None:
        self._store = store
        self._registry = registry
        self._devices = devices
        self._changes = changes
        self._settings = settings
        self._abilities = abilities
        self._queues = CommandQueues()
        #: did -> when its people were changed last, by trio's clock; the latest is last.
        self._people_changed: OrderedDict[str, float] = OrderedDict()
        #: When people of a device were changed that is not in the table any more.
        self._forgotten_change = -math.inf

    async def send(
        self,
        did: str,
        command: Command[Any, Any],
        param: Raw,
        sink: FileSink | None = None,
    ) -> DeviceAnswer:
        """Send the command, and return the device's answer whatever its code.

        `sink`: as in hub.live.registry.Link.request().

        Raises NoSuchResource, NotSent, Unanswered and DeviceNonsense.
        """
        try:
            answer = await self._request(did, command, param, sink)
        except Unanswered:
            await self._publish_change(did, command, may_be_done=True)
            raise
        await self._publish_change(did, command, may_be_done=answer.code in command.ok_codes)
        return answer

    async def exchange(self, did: str, command: Command[Any, Any], param: Raw) -> DeviceAnswer:
        """Send the command as `send` does, without telling anybody that the device changed.

        Whoever changes many people tells it once, by `people_changed`.
        """
        return await self._request(did, command, param)

    async def people_changed(self, did: str) -> None:
        """Note that the device's people were changed by `exchange`."""
        self._note_people_changed(did)
        await self._forget_pictures(did)

    def people_changed_at(self, did: str) -> float:
        """Return when the device's people were changed last, by trio's clock; -inf if never."""
        return self._people_changed.get(did, self._forgotten_change)

    async def _request(
        self,
        did: str,
        command: Command[Any, Any],
        param: Raw,
        sink: FileSink | None = None,
    ) -> DeviceAnswer:
        if is_setting(command):
            return await self._request_setting(did, command, param)
        link, release = await self._acquire(did, command)
        camera = self._store.devices.by_did(did)
        answer = await link.request(
            command.uri, param, seconds=command.seconds, on_free=release, sink=sink
        )
        if is_kept(command):
            await self._settings.note(camera, command, command.uri, param, answer)
        if command.group is not None or command.name == RECORD_LIST.name:
            is_info = command.name == GET_INFO.name
            learn = from_answer(command, answer)
            await self._abilities.learn(did, learn, "get_info" if is_info else "answer")
        return answer

    async def _request_setting(
        self, did: str, command: Command[Any, Any], param: Raw
    ) -> DeviceAnswer:
        """Say the setting in the edition that this device is known to take; after a 404, in others.

        Silence and all other codes end it: the device may have taken the setting (D12).
        """
        editions = list(editions_of(command, self._abilities.of(did)))
        while True:
            said = to_edition(command, param, editions.pop(0))
            link, release = await self._acquire(did, command)
            camera = self._store.devices.by_did(did)
            seconds = command.seconds
            answer = await link.request(said.uri, said.param, seconds=seconds, on_free=release)
            if answer.code != NoSuchPath.code or not editions:
                await self._settings.note(camera, command, said.uri, param, answer)
                is_ok = answer.code in command.ok_codes
                learn = from_setting(command.name, said.edition, answer, is_ok=is_ok)
                await self._abilities.learn(did, learn, "answer")
                return answer

    async def _acquire(
        self, did: str, command: Command[Any, Any]
    ) -> tuple[Link, Callable[[], None]]:
        """Wait for a slot of the device; return its connection and the slot's release function."""
        self._link(did)
        release = await self._queues.acquire(
            did,
            has_photo=command.has_photo,
            # Viewing pictures must not delay an operator who changes people.
            gives_way=command.name == FILE_READ.name,
        )
        try:
            return self._link(did), release
        except HubError:
            release()
            raise

    def _link(self, did: str) -> Link:
        """Return the device's connection. Raises DeviceOffline, NoSuchResource."""
        link = self._registry.get(did)
        if link is None:
            device = self._devices.device(did)
            raise DeviceOffline(
                "the device is offline" if device.enabled else "the device is disabled"
            )
        return link

    async def _publish_change(
        self, did: str, command: Command[Any, Any], *, may_be_done: bool
    ) -> None:
        if command.name not in CHANGING:
            return
        if command.name in _CHANGING_PEOPLE and may_be_done:
            self._note_people_changed(did)
            await self._forget_pictures(did)
        self._changes.publish([Change("device", did)])

    def _note_people_changed(self, did: str) -> None:
        self._people_changed[did] = trio.current_time()
        self._people_changed.move_to_end(did)
        if len(self._people_changed) > _MAX_PEOPLE_CHANGED:
            _, self._forgotten_change = self._people_changed.popitem(last=False)

    async def _forget_pictures(self, did: str) -> None:
        """Drop the stored pictures of the device, which are read again when needed."""
        try:
            await self._store.device_pictures.forget(did)
        except HubError as error:
            limited(
                log,
                logging.WARNING,
                f"pictures {did}",
                "cannot drop the stored pictures of device %s: %s",
                did,
                error,
            )
