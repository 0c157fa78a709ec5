"""Pictures on devices, by the paths that stand in their answers and in 2.4 (D3)."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import trio

from hub.errors import DeviceRefused, HubError, NoSuchPath, NoSuchResource
from hub.log import limited
from hub.services.commands.calls import Commands
from hub.store.db import Store
from hub.store.media.pictures import StoredPicture as StoredPicture
from hub.store.tables.device_pictures import stored_picture

log = logging.getLogger(__name__)

#: So long a device is not asked again for a picture that it does not have, while its people stay.
MISSING_SECONDS = 600.0
_MOST_MISSING = 4096
#: D3 says 404; 426 is the code of 四 for a resource that does not exist.
_MISSING_CODES = (NoSuchPath.code, NoSuchResource.code)


class Place(NamedTuple):
    """A path on the camera with this SN, which is the device's now."""

    did: str
    sn: str
    path: str


class _Fetch:
    """One asker's work that others wait for; without an outcome, the asker gave up."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = trio.Event()
        self.outcome: StoredPicture | HubError | None = None


class DeviceFiles:
    """Fetches a picture once, one at a time of each device, and keeps it in the store."""

    def __init__(self, store: Store, commands: Commands, now: Callable[[], float]) -> None:
        self._store = store
        self._commands = commands
        self._now = now
        self._fetches: dict[Place, _Fetch] = {}
        #: What a device does not have -> since when that is known; the oldest first.
        self._missing: OrderedDict[Place, float] = OrderedDict()

    async def picture(self, did: str, path: str) -> StoredPicture:
        """The picture, kept or fetched; whoever asks for the same meanwhile shares the fetch.

        Raises NoSuchResource where there is no such device, or no such picture on it, and what
        `Commands` raises where it has to be fetched and cannot be.
        """
        device = self._store.devices.by_did(did)
        if device is None:
            raise NoSuchResource(f"no device with did {did}")
        place = Place(did, device.sn, path)
        while (fetch := self._fetches.get(place)) is not None:
            await fetch.ended.wait()
            if isinstance(fetch.outcome, StoredPicture):
                return fetch.outcome
            if fetch.outcome is not None:
                raise fetch.outcome
        return await self._share(place)

    async def _share(self, place: Place) -> StoredPicture:
        fetch = self._fetches[place] = _Fetch()
        try:
            fetch.outcome = picture = await self._kept_or_fetched(place)
            return picture
        except HubError as error:
            fetch.outcome = error
            raise
        finally:
            del self._fetches[place]
            fetch.ended.set()

    async def _kept_or_fetched(self, place: Place) -> StoredPicture:
        kept = await self._store.device_pictures.get(place.did, place.path)
        if kept is not None:
            return kept
        self._check_not_missing(place)
        try:
            content = await self._commands.read_file(place.did, place.path)
        except DeviceRefused as refusal:
            if refusal.device_code not in _MISSING_CODES:
                raise
            self._remember_missing(place)
            raise NoSuchResource("the device does not have that picture any more") from None
        picture = stored_picture(content.picture.mime, content.picture.data)
        await self._keep(place, picture)
        return picture

    async def _keep(self, place: Place, picture: StoredPicture) -> None:
        try:
            await self._store.device_pictures.put(*place, picture, int(self._now() * 1000))
        except HubError as error:
            # Who asked has it all the same.
            limited(log, logging.WARNING, "device picture", "a picture is not kept: %s", error)

    def _check_not_missing(self, place: Place) -> None:
        since = self._missing.get(place, -math.inf)
        is_old = trio.current_time() >= since + MISSING_SECONDS
        if not is_old and since > self._commands.people_changed_at(place.did):
            raise NoSuchResource("the device does not have that picture any more")

    def _remember_missing(self, place: Place) -> None:
        self._missing[place] = trio.current_time()
        self._missing.move_to_end(place)
        if len(self._missing) > _MOST_MISSING:
            self._missing.popitem(last=False)
