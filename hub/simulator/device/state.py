"""What a simulated camera stores: face library, settings, captures and firmware versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from hub.simulator.device.history import History
from hub.simulator.device.library import FaceLibrary
from hub.simulator.drawing import people
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import Population, SimulatedPerson
from hub.wire.commands.param_structs import FaceParam, RecordParam
from hub.wire.uploads.firmware import Versions

#: The build of a new camera of edition 3, which is part of its firmware's name.
FACTORY_BUILD = 57
#: The versions of a new camera.
FACTORY_VERSIONS = Versions(fw_ver="V2.4.11", sw_ver="V1.8.3", os_ver="V4.9.84", hw_ver="V1.2")


class DeviceState:
    """`now` is the camera's own clock, which may be wrong; it shows this machine's local time.

    With `preload_faces` the face library contains the known people from the start.
    """

    def __init__(
        self,
        identity: CameraIdentity,
        population: Population,
        *,
        now: Callable[[], float],
        preload_faces: bool = False,
        quirks: Quirks = FAULTLESS,
    ) -> None:
        self.sn = identity.sn
        #: Its own address, until it is told another one (1.37 of edition 3).
        self.address = identity.ip
        self.identity = identity
        self.versions = FACTORY_VERSIONS
        self.edition = quirks.edition
        #: When the card was formatted, which erased what was on it (1.28 of edition 3).
        self.formatted_at = datetime.min
        #: The number of the installed release; a newer release has a greater one (2.3).
        self.ver_code = 0
        if quirks.edition == 3:
            self.ver_code = FACTORY_BUILD
            self.versions = Versions(fw_ver=f"1.1.{FACTORY_BUILD}_sim")
        #: Assigned with the initial parameters (D3).
        self.ota_id = ""
        self.face: FaceParam | None = None
        self.recording: RecordParam | None = None
        #: The paths of the hub's addresses (1.23 of edition 3): of the WebSocket, and before all
        #: paths of HTTP.
        self.ws_path = "/"
        self.http_base = ""
        #: What edition 3 was told by other commands, by the command's name (D12).
        self.told: dict[str, Struct] = {}
        preloaded = population.known if preload_faces else ()
        self.people = FaceLibrary(quirks, preloaded)
        self._now = now
        self.history = History(identity.sn, identity.place, population, self.clock())

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self._now())

    def picture(self, path: str) -> bytes | None:
        """Return the picture with a path from an earlier answer. Draws: call it in a thread."""
        for person in self.people.entries():
            if person.row.photo == path:
                photo = person.photo
                return people.face_jpeg(photo, 0) if isinstance(photo, SimulatedPerson) else photo
        return self.history.picture(path)
