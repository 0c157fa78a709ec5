"""All tables of the store: a new one is a line in `Tables`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

from hub.store.jobs.jobs import JobTable
from hub.store.jobs.pending_settings import PendingSettingTable
from hub.store.people.device_people import DevicePeopleTable
from hub.store.people.groups import CameraGroupTable
from hub.store.people.holdings import HoldingTable
from hub.store.people.people import PersonTable
from hub.store.tables.alarm_rules import AlarmRuleTable
from hub.store.tables.alarms import AlarmTable
from hub.store.tables.api_keys import ApiKeyTable
from hub.store.tables.audit import AuditTable
from hub.store.tables.campaigns import CampaignTable
from hub.store.tables.clock_steps import ClockStepTable
from hub.store.tables.device_capabilities import CapabilityTable
from hub.store.tables.device_pictures import DevicePictureTable
from hub.store.tables.device_relays import RelayTable
from hub.store.tables.device_settings import DeviceSettingTable
from hub.store.tables.device_table import DeviceTable
from hub.store.tables.downloads import DownloadTable
from hub.store.tables.erasures import ErasureTable
from hub.store.tables.firmware import FirmwareTable
from hub.store.tables.holds import HoldTable
from hub.store.tables.outages import OutageTable
from hub.store.tables.plate_lists import PlateListTable
from hub.store.tables.reviews import ReviewTable
from hub.store.tables.saved_searches import SavedSearchTable
from hub.store.tables.second_factors import SecondFactorTable
from hub.store.tables.sessions import SessionTable
from hub.store.tables.settings import SettingTable
from hub.store.tables.table import Engine, RowSource, Table
from hub.store.tables.tokens import TokenTable
from hub.store.tables.used_signatures import UsedSignatureTable
from hub.store.tables.user_links import UserLinkTable
from hub.store.tables.users import UserTable
from hub.store.targets.erased import ErasedRecords
from hub.store.targets.targets import TargetTable


class Tables:
    """The tables, as attributes. The order does not matter."""

    holds: HoldTable
    erasures: ErasureTable
    tokens: TokenTable
    device_settings: DeviceSettingTable
    capabilities: CapabilityTable
    relays: RelayTable
    device_pictures: DevicePictureTable
    devices: DeviceTable
    holdings: HoldingTable
    device_people: DevicePeopleTable
    sessions: SessionTable
    reviews: ReviewTable
    users: UserTable
    second_factors: SecondFactorTable
    user_links: UserLinkTable
    used_signatures: UsedSignatureTable
    api_keys: ApiKeyTable
    campaigns: CampaignTable
    firmware: FirmwareTable
    downloads: DownloadTable
    people: PersonTable
    camera_groups: CameraGroupTable
    settings: SettingTable
    clock_steps: ClockStepTable
    outages: OutageTable
    saved_searches: SavedSearchTable
    audit: AuditTable
    alarms: AlarmTable
    alarm_rules: AlarmRuleTable
    plate_lists: PlateListTable
    targets: TargetTable
    erased: ErasedRecords
    jobs: JobTable
    pending_settings: PendingSettingTable

    def __init__(self, engine: Engine, loaded: Mapping[str, Any]) -> None:
        for name, table in TABLES.items():
            setattr(self, name, table(engine, loaded[name]))


#: The tables by their names.
TABLES: Mapping[str, type[Table[Any]]] = get_type_hints(Tables)


def load_tables(source: RowSource) -> dict[str, Any]:
    """Read what tables hold in memory, by their names. Blocks. Raises sqlite3.Error."""
    return {name: table.load(source) for name, table in TABLES.items()}
