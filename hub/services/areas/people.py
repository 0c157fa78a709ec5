"""The people whom cameras know: the register, and how cameras are kept in step with it."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.areas.cameras import Cameras
from hub.services.areas.parts import Parts
from hub.services.commands.photo_search import PhotoSearches
from hub.services.core import Core
from hub.services.disk_space import DiskSpace
from hub.services.jobs.jobs import Jobs
from hub.services.people.groups import CameraGroups
from hub.services.people.import_export.imports import Imports
from hub.services.people.register import PeopleRegister
from hub.services.people.sync.people_sync import PeopleSync
from hub.services.photos.person_photos import PersonPhotos


@dataclass(frozen=True, kw_only=True)
class People:
    """The services of this area."""

    photos: PersonPhotos
    register: PeopleRegister
    groups: CameraGroups
    imports: Imports
    sync: PeopleSync
    photo_searches: PhotoSearches

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "the register of people", self.register.run
        yield "the people on the cameras", self.sync.run


def build_people(core: Core, cameras: Cameras, jobs: Jobs) -> People:
    """Build this area."""
    devices, commands, files = cameras.devices, cameras.commands, cameras.files
    photos = PersonPhotos(cameras.photos)
    register = PeopleRegister(core, photos)
    groups = CameraGroups(core)
    return People(
        photos=photos,
        register=register,
        groups=groups,
        imports=Imports(core, register, photos, groups, jobs, DiskSpace(core)),
        sync=PeopleSync(core, register, devices, commands, files, jobs, cameras.upload_priority),
        photo_searches=PhotoSearches(core, devices, commands, photos, jobs),
    )
