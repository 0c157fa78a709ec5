"""Pictures on devices, read by the paths in their answers and events (2.4, D3)."""

from __future__ import annotations

import logging
import math
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import trio

from hub.errors import BadParameter, DeviceRefused, HubError, NoSuchPath, NoSuchResource, existing
from hub.log import limited
from hub.services.commands.calls import Commands
from hub.store.media.pictures import StoredPicture
from hub.store.tables.device_pictures import stored_picture

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: A device is not asked again for a missing picture for this long, unless its people change.
MISSING_SECONDS = 600.0
_MAX_MISSING = 4096
#: Leads out of a folder: no camera gives such a path, but somebody may type it.
_UPWARDS = re.compile(r"(^|[/\\])\.\.([/\\]|$)")
#: D3 says 404; 426 is the code of 四 for a resource that does not exist.
_MISSING_CODES = (NoSuchPath.code, NoSuchResource.code)


def is_path_of_camera(path: str) -> bool:
    """Whether a camera may have given this path."""
    return path.isprintable() and not _UPWARDS.search(path)


class PicturePath(NamedTuple):
    """A path on a device; `sn` is the serial number of its current camera."""

    did: str
    sn: str
    path: str


class _Fetch:
    """A fetch that several callers share; `outcome` is None if the fetching one was cancelled."""

    __slots__ = ("ended", "outcome")

    def __init__(self) -> None:
        self.ended = trio.Event()
        self.outcome: StoredPicture | HubError | None = None


class DeviceFiles:
    """Fetches each picture from its device once, and stores it."""

    def __init__(self, core: Core, commands: Commands) -> None:
        self._store = core.store
        self._commands = commands
        self._now = core.now
        self._fetches: dict[PicturePath, _Fetch] = {}
        #: Missing pictures -> when the device said so, by trio's clock; the oldest first.
        self._missing: OrderedDict[PicturePath, float] = OrderedDict()

    async def picture(self, did: str, path: str) -> StoredPicture:
        """Return the picture, from the store or from the device.

        Callers that want the same picture share one fetch. Raises NoSuchResource if there is no
        such device, or no such picture on it, BadParameter if the path leads out of a folder, and
        what `Commands.call` raises.
        """
        if not is_path_of_camera(path):
            raise BadParameter("a path that a device gives is expected", field="path")
        device = existing(self._store.devices.by_did(did), "device", did=did)
        where = PicturePath(did, device.sn, path)
        while (fetch := self._fetches.get(where)) is not None:
            await fetch.ended.wait()
            if isinstance(fetch.outcome, StoredPicture):
                return fetch.outcome
            if fetch.outcome is not None:
                raise fetch.outcome
        return await self._shared_fetch(where)

    async def _shared_fetch(self, where: PicturePath) -> StoredPicture:
        fetch = self._fetches[where] = _Fetch()
        try:
            fetch.outcome = picture = await self._stored_or_fetched(where)
            return picture
        except HubError as error:
            fetch.outcome = error
            raise
        finally:
            del self._fetches[where]
            fetch.ended.set()

    async def _stored_or_fetched(self, where: PicturePath) -> StoredPicture:
        stored = await self._store.device_pictures.get(where.did, where.path)
        if stored is not None:
            return stored
        self._check_not_missing(where)
        try:
            content = await self._commands.read_file(where.did, where.path)
        except DeviceRefused as refusal:
            if refusal.device_code not in _MISSING_CODES:
                raise
            self._remember_missing(where)
            raise NoSuchResource("the device does not have that picture any more") from None
        picture = stored_picture(content.picture.mime, content.picture.data)
        await self._keep(where, picture)
        return picture

    async def _keep(self, where: PicturePath, picture: StoredPicture) -> None:
        try:
            await self._store.device_pictures.put(*where, picture, int(self._now() * 1000))
        except HubError as error:
            # The caller gets the picture anyway.
            limited(log, logging.WARNING, "device picture", "cannot keep a picture: %s", error)

    def _check_not_missing(self, where: PicturePath) -> None:
        since = self._missing.get(where, -math.inf)
        is_old = trio.current_time() >= since + MISSING_SECONDS
        if not is_old and since > self._commands.people_changed_at(where.did):
            raise NoSuchResource("the device does not have that picture any more")

    def _remember_missing(self, where: PicturePath) -> None:
        self._missing[where] = trio.current_time()
        self._missing.move_to_end(where)
        if len(self._missing) > _MAX_MISSING:
            self._missing.popitem(last=False)
