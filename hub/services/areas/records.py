"""What cameras recorded: how it comes in, is found, is kept, and goes."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.areas.cameras import Cameras
from hub.services.areas.firmware import Firmware
from hub.services.areas.parts import Parts
from hub.services.areas.people import People
from hub.services.areas.reports import Reports
from hub.services.backups.backups import Backups
from hub.services.core import Core
from hub.services.records.erasures import Erasures, older_copies
from hub.services.records.histogram import Histograms
from hub.services.records.holds import Holds
from hub.services.records.ingest import Ingest
from hub.services.records.matches import PartMatching
from hub.services.records.record_log import RecordQueries
from hub.services.records.reviews import Reviews
from hub.services.records.saved_searches import SavedSearches
from hub.services.records.thumbnails import Thumbnails
from hub.services.retention.retention import RetentionPolicy
from hub.services.rounds import Rounds


@dataclass(frozen=True, kw_only=True)
class Records:
    """The services of this area."""

    ingest: Ingest
    log: RecordQueries
    rounds: Rounds
    thumbnails: Thumbnails
    histograms: Histograms
    part_matching: PartMatching
    saved_searches: SavedSearches
    reviews: Reviews
    holds: Holds
    erasures: Erasures
    retention: RetentionPolicy

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "the readers of streams", self.rounds.run
        yield "the held evidence", self.holds.run
        yield "erasing", self.erasures.run


def build_records(
    core: Core,
    cameras: Cameras,
    firmware: Firmware,
    people: People,
    reports: Reports,
    backups: Backups,
) -> Records:
    """Build this area."""
    devices, known = cameras.devices, cameras.capabilities
    thumbnails = Thumbnails(core.store.pictures, cameras.upload_priority)
    caches = (reports.maker.forget, thumbnails.forget, cameras.recordings.clear)
    copies = older_copies(core.data_dir, backups.list)
    return Records(
        ingest=Ingest(core, devices, firmware.campaigns, firmware.downloads, known),
        log=RecordQueries(core),
        rounds=Rounds(core),
        thumbnails=thumbnails,
        histograms=Histograms(core),
        part_matching=PartMatching(core.store),
        saved_searches=SavedSearches(core),
        reviews=Reviews(core),
        holds=Holds(core),
        erasures=Erasures(core, cameras.presence.traces, copies, people.imports, caches),
        retention=RetentionPolicy(core),
    )
