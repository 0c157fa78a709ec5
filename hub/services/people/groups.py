"""Groups of cameras, such as "Gate": in memory, since there are few."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from hub.live.feed import Change
from hub.services.audit import Actor
from hub.services.people.validation import checked_group_name
from hub.store.people.groups import CameraGroup

if TYPE_CHECKING:
    from hub.services.core import Core


class CameraGroups:
    """Reads and changes the groups. A change is a `group` of the change feed, by id."""

    def __init__(self, core: Core) -> None:
        self._groups = core.store.camera_groups
        self._audit = core.audit
        self._change_feed = core.changes

    def list(self) -> tuple[CameraGroup, ...]:
        """Return the groups by name."""
        return self._groups.all()

    def get(self, id: int) -> CameraGroup:
        """Return a group. Raises NoSuchResource."""
        return self._groups.get(id)

    def of_device(self, did: str) -> tuple[CameraGroup, ...]:
        """Return the groups that a camera is in, by name."""
        return self._groups.of_device(did)

    def dids_of(self, ids: Iterable[int]) -> tuple[str, ...]:
        """Return the dids of the cameras that are in any of these groups. Raises NoSuchResource."""
        return tuple(dict.fromkeys(did for id in ids for did in self.get(id).dids))

    async def add(self, name: str, dids: Collection[str] = (), *, by: Actor) -> CameraGroup:
        """Add a group. Raises AlreadyExists, BadParameter."""
        group = await self._groups.add(checked_group_name(name), dids)
        await self._note(by, "group.add", group.id)
        return group

    async def change(
        self,
        id: int,
        *,
        name: str | UnsetType = UNSET,
        dids: Collection[str] | UnsetType = UNSET,
        by: Actor,
    ) -> CameraGroup:
        """Rename a group, or give it other cameras.

        Raises NoSuchResource, AlreadyExists, BadParameter.
        """
        new_name = UNSET if name is UNSET else checked_group_name(name)
        group = await self._groups.change(id, new_name, dids)
        await self._note(by, "group.change", id)
        return group

    async def remove(self, id: int, *, by: Actor) -> None:
        """Remove a group; its cameras stay, and its people too. Raises NoSuchResource."""
        await self._groups.remove(id)
        await self._note(by, "group.remove", id)

    async def _note(self, by: Actor, action: str, id: int) -> None:
        self._change_feed.publish([Change("group", str(id))])
        await self._audit.add(by, action, str(id))
