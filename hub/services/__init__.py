"""The services: the rules of the hub.

`hub.app` builds `Services` and passes it to the edges (device link, web, command line).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trio

    from hub.clock_reading import LikelyTime
    from hub.config import Config
    from hub.live.feed import Change, Feed
    from hub.live.frame_trace import FrameTraces
    from hub.live.old_tls import OldTls
    from hub.live.pending_devices import PendingDevices
    from hub.live.registry import Registry
    from hub.net.places import KnownAddresses
    from hub.precedence import Precedence
    from hub.services.access.api_keys import ApiKeys
    from hub.services.access.audit import Audit
    from hub.services.access.screens import Screens
    from hub.services.access.sessions import Sessions
    from hub.services.access.setup_links import SetupLinks
    from hub.services.access.users import Users
    from hub.services.admission.authentication import Authentication
    from hub.services.admission.connect import Admission
    from hub.services.admission.enrolment import Enrolment
    from hub.services.admission.unsigned.addresses import SecretAddresses
    from hub.services.alarms.alarms import Alarms
    from hub.services.alarms.plate_lists import PlateLists
    from hub.services.alarms.rules import AlarmRules
    from hub.services.alarms.watch import AlarmWatch
    from hub.services.changes import Changes
    from hub.services.commands.calls import Commands
    from hub.services.commands.files import DeviceFiles
    from hub.services.commands.many import ManyDevices
    from hub.services.commands.photo_search import PhotoSearches
    from hub.services.commands.photos import Photos
    from hub.services.devices.availability import DeviceAvailability
    from hub.services.devices.capabilities import CameraCapabilities
    from hub.services.devices.directory import Devices
    from hub.services.devices.frame_trace import Trace
    from hub.services.doctor.health_checks import HealthChecks
    from hub.services.equipment.inquiries import CameraInquiries
    from hub.services.equipment.moves import AddressMoves
    from hub.services.equipment.names import PictureNames
    from hub.services.equipment.pan_tilt import PanTilt
    from hub.services.equipment.readings import CameraReadings
    from hub.services.equipment.relays.relays import Relays
    from hub.services.firmware.campaigns import Campaigns
    from hub.services.firmware.downloads import Downloads
    from hub.services.firmware.prompting import FirmwarePrompts
    from hub.services.firmware.releases import Releases
    from hub.services.forwarding.targets import Targets
    from hub.services.jobs.jobs import Jobs
    from hub.services.people.groups import CameraGroups
    from hub.services.people.import_export.imports import Imports
    from hub.services.people.photos import PersonPhotos
    from hub.services.people.register import People
    from hub.services.people.sync.people_sync import PeopleSync
    from hub.services.records.erasures import Erasures
    from hub.services.records.histogram import Histograms
    from hub.services.records.holds import Holds
    from hub.services.records.ingest import Ingest
    from hub.services.records.matches import PartMatching
    from hub.services.records.record_log import RecordLog
    from hub.services.records.reviews import Reviews
    from hub.services.records.saved_searches import SavedSearches
    from hub.services.records.thumbnails import Thumbnails
    from hub.services.reports.delivery import ReportDelivery
    from hub.services.reports.reports import Reports
    from hub.services.site.backups.backups import Backups
    from hub.services.site.certificates.certificates import Certificates
    from hub.services.site.clock.clock import SiteClock
    from hub.services.site.lost_pictures import LostPictures
    from hub.services.site.maintenance import Maintenance
    from hub.services.site.retention.forecast import Forecasts
    from hub.services.site.retention.retention import RetentionPolicy
    from hub.services.site.settings.settings import Settings
    from hub.services.site.site import Site
    from hub.services.site.status.figures import SiteFigures
    from hub.services.site.status.health import Health
    from hub.services.site.updates.updates import Updates
    from hub.store.db import Store
    from hub.wire.uploads.records import Record


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every service of one running hub, in the order in which they are built."""

    store: Store
    registry: Registry
    pending_devices: PendingDevices
    settings: Settings
    data_dir: Path
    #: The time that is most probably right, in UNIX seconds. What is compared with a time that the
    #: wall clock dated asks `clock.shown_time`.
    now: Callable[[], LikelyTime]
    #: Set as soon as the hub begins to stop, so that streams end by themselves.
    closing: trio.Event
    changes: Changes
    record_feed: Feed[Record]
    change_feed: Feed[Change]
    traces: FrameTraces
    site: Site
    clock: SiteClock
    certificates: Certificates
    audit: Audit
    sessions: Sessions
    users: Users
    setup_links: SetupLinks
    screens: Screens
    api_keys: ApiKeys
    #: Whoever proves who it is at an address, notes the address here.
    known_addresses: KnownAddresses
    old_tls: OldTls
    devices: Devices
    availability: DeviceAvailability
    capabilities: CameraCapabilities
    enrolment: Enrolment
    authentication: Authentication
    admission: Admission
    secret_addresses: SecretAddresses
    commands: Commands
    readings: CameraReadings
    picture_names: PictureNames
    address_moves: AddressMoves
    pan_tilt: PanTilt
    relays: Relays
    device_files: DeviceFiles
    photos: Photos
    releases: Releases
    campaigns: Campaigns
    downloads: Downloads
    firmware_prompts: FirmwarePrompts
    inquiries: CameraInquiries
    ingest: Ingest
    precedence: Precedence
    records: RecordLog
    thumbnails: Thumbnails
    histograms: Histograms
    part_matching: PartMatching
    person_photos: PersonPhotos
    people: People
    people_sync: PeopleSync
    camera_groups: CameraGroups
    holds: Holds
    alarm_rules: AlarmRules
    plate_lists: PlateLists
    alarms: Alarms
    alarm_watch: AlarmWatch
    saved_searches: SavedSearches
    reviews: Reviews
    erasures: Erasures
    targets: Targets
    reports: Reports
    report_delivery: ReportDelivery
    jobs: Jobs
    many_devices: ManyDevices
    imports: Imports
    photo_searches: PhotoSearches
    trace: Trace
    retention: RetentionPolicy
    maintenance: Maintenance
    updates: Updates
    backups: Backups
    health: Health
    figures: SiteFigures
    forecasts: Forecasts
    health_checks: HealthChecks
    lost_pictures: LostPictures

    @property
    def config(self) -> Config:
        """The configuration in effect. Parts of it change while the hub runs, see `settings`."""
        return self.settings.current
