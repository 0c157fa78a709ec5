"""The cameras: who may connect, what is known of each, and what they are asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.live.frame_trace import FrameTraces
from hub.live.old_tls import OldTls
from hub.live.pending_devices import PendingDevices
from hub.live.presence import Presence
from hub.live.registry import Registry
from hub.services.admission.authentication import Authentication
from hub.services.admission.code_guesses import CodeGuesses
from hub.services.admission.connect import Admission
from hub.services.admission.enrolment import Enrolment
from hub.services.admission.unsigned.addresses import SecretAddresses
from hub.services.areas.parts import Parts
from hub.services.camera_functions.inquiries import CameraInquiries
from hub.services.camera_functions.moves import AddressMoves
from hub.services.camera_functions.names import PictureNames
from hub.services.camera_functions.pan_tilt import PanTilt
from hub.services.camera_functions.readings import CameraReadings
from hub.services.camera_functions.relays.relays import Relays
from hub.services.changes import Changes
from hub.services.commands.calls import Commands
from hub.services.commands.files import DeviceFiles
from hub.services.commands.many import ManyDevices
from hub.services.commands.recordings import Recordings
from hub.services.core import Core
from hub.services.devices.availability import DeviceAvailability
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.services.devices.frame_trace import Trace
from hub.services.photos.photos import Photos
from hub.upload_priority import UploadPriority
from hub.wire.redaction import redact_frame

if TYPE_CHECKING:
    from hub.services.jobs.jobs import Jobs


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """The services of this area."""

    presence: Presence
    old_tls: OldTls
    #: Uploads come before other work.
    upload_priority: UploadPriority
    devices: Devices
    availability: DeviceAvailability
    capabilities: CameraCapabilities
    enrolment: Enrolment
    authentication: Authentication
    guesses: CodeGuesses
    admission: Admission
    secret_addresses: SecretAddresses
    commands: Commands
    files: DeviceFiles
    recordings: Recordings
    photos: Photos
    many: ManyDevices
    trace: Trace
    inquiries: CameraInquiries
    readings: CameraReadings
    address_moves: AddressMoves
    picture_names: PictureNames
    pan_tilt: PanTilt
    relays: Relays

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "saving the device status", self.devices.run
        yield "watching the cameras' connections", self.availability.run
        yield "disconnecting cameras that the settings refuse", self.admission.follow_settings
        yield "the settings of many cameras", self.many.run
        yield "asking cameras what they are", self.inquiries.run
        yield "the recordings that were read", self.recordings.run


def build_cameras(core: Core, changes: Changes, jobs: Jobs, *, has_demo: bool) -> Cameras:
    """Build this area. `has_demo`: cameras may be on this computer."""
    presence = build_presence(core)
    registry = presence.registry
    devices = Devices(core, presence)
    enrolment = Enrolment(core, devices, presence.pending, changes.carry_out)
    authentication = Authentication(core, registry)
    guesses, known = CodeGuesses(), CameraCapabilities(core)
    commands = Commands(core, registry, devices, known)
    readings = CameraReadings(devices, commands, core.now)
    tokens, priority = authentication.tokens, UploadPriority()
    return Cameras(
        presence=presence,
        old_tls=OldTls(core.now),
        upload_priority=priority,
        devices=devices,
        availability=DeviceAvailability(core, presence),
        capabilities=known,
        enrolment=enrolment,
        authentication=authentication,
        guesses=guesses,
        admission=Admission(core, presence, devices, enrolment, tokens, guesses, known),
        secret_addresses=SecretAddresses(core, registry, devices),
        commands=commands,
        files=DeviceFiles(core, commands),
        recordings=Recordings(core, devices, commands, known, jobs, priority),
        photos=Photos(),
        many=ManyDevices(core, devices, commands, jobs),
        trace=Trace(core, presence, devices),
        inquiries=CameraInquiries(core, devices, commands, known),
        readings=readings,
        address_moves=AddressMoves(devices, commands, readings, enrolment.moves, core.now),
        picture_names=PictureNames(devices, known, commands, readings, jobs, core.audit),
        pan_tilt=PanTilt(commands),
        relays=Relays(core, devices, allow_loopback=has_demo),
    )


def build_presence(core: Core) -> Presence:
    """Build what is known only while the hub runs."""
    most = core.settings.current.devices.max_waiting
    pending = PendingDevices(most, core.changes, core.now)
    traces = FrameTraces(
        core.now,
        redact_frame,
        is_listed=lambda sn: pending.has_row(sn) or core.store.devices.by_sn(sn) is not None,
        # For the pending devices, and as many enrolled ones whose connects fail.
        max_pending=2 * most,
    )
    return Presence(Registry(core.now), pending, traces)
