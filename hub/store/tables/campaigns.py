"""Firmware campaigns: which release goes to which devices, and the progress of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import Missing, NoSuchResource
from hub.store.rows import TableRows, as_flag
from hub.store.tables.firmware import FirmwareTable
from hub.store.tables.table import Engine, MemoryTable, RowSource
from hub.wire.times import Moment

#: What the operator wants. The column is called `will`.
DesiredState = Literal["running", "paused", "stopped"]
TargetState = Literal["waiting", "too_old", "offered", "downloading", "downloaded", "done"]

_CAMPAIGNS = "SELECT id, release, will, proved_at, started_at FROM campaign ORDER BY id"
_DEVICES = """
SELECT campaign, did, state, offered_at, downloaded_at, done_at, counts
FROM campaign_device ORDER BY campaign, position
"""
_ADD = "INSERT INTO campaign (release, will, started_at) VALUES (?, 'running', ?)"
_ADD_DEVICE = """
INSERT INTO campaign_device (campaign, did, position, state, done_at, counts)
VALUES (?, ?, ?, ?, ?, 1)
"""
_SUPERSEDE = "UPDATE campaign_device SET counts = 0 WHERE did = ?"
_FORGET = "DELETE FROM campaign WHERE id = ?"
_SET_DESIRED_STATE = "UPDATE campaign SET will = ? WHERE id = ?"
_PROVE = "UPDATE campaign SET proved_at = ? WHERE id = ? AND proved_at IS NULL"
_UPDATE_TARGET = """
UPDATE campaign_device SET state = ?, offered_at = ?, downloaded_at = ?, done_at = ?
WHERE campaign = ? AND did = ?
"""


class CampaignTarget(Struct, frozen=True):
    """One device of a campaign. Times in UNIX milliseconds.

    `counts`: whether this is the newest campaign that has, or had, the device.
    """

    did: str
    state: TargetState = "waiting"
    offered_at: Moment | None = None
    downloaded_at: Moment | None = None
    done_at: Moment | None = None
    counts: bool = True


class StoredCampaign(Struct, frozen=True):
    """A campaign. `proved_at`: when its first device was done, in UNIX milliseconds."""

    id: int
    release_id: int
    desired_state: DesiredState
    proved_at: Moment | None
    started_at: Moment
    targets: tuple[CampaignTarget, ...] = ()

    @property
    def all_done(self) -> bool:
        return all(target.done_at is not None for target in self.targets)

    @property
    def has_ended(self) -> bool:
        return self.desired_state == "stopped" or self.all_done

    def target(self, did: str) -> CampaignTarget:
        """Return the campaign's entry of a device. Raises LookupError."""
        for target in self.targets:
            if target.did == did:
                return target
        raise LookupError(did)

    @property
    def pilot_did(self) -> str | None:
        """The device that is updated alone before the others; None once a device is done."""
        if self.proved_at is not None:
            return None
        return next((one.did for one in self.targets if one.done_at is None), None)

    def may_update(self, did: str) -> bool:
        """Whether a device may be updated now: it need not wait for the pilot, or is done."""
        return self.pilot_did in (None, did) or self.target(did).done_at is not None


_campaign_rows = TableRows("campaign", StoredCampaign, without=("targets",))
_target_rows = TableRows(
    "campaign_device",
    CampaignTarget,
    key=("did",),
    decoders={"counts": as_flag},
)


class CampaignTable(MemoryTable[int, StoredCampaign]):
    """All campaigns, in memory. Changes are durable on return."""

    def __init__(self, engine: Engine, loaded: list[StoredCampaign]) -> None:
        super().__init__(engine, loaded)
        #: did -> id of the newest campaign that has it.
        self._last: dict[str, int] = {}
        self._index()

    @classmethod
    def load(cls, source: RowSource) -> list[StoredCampaign]:
        """Read the campaigns of known releases: what is not known cannot be distributed."""
        execute, damaged = source.connection.execute, source.damaged
        releases = {release.id for release in FirmwareTable.load(source).releases}
        targets: dict[int, list[CampaignTarget]] = {}
        for campaign, *row in execute(_DEVICES):
            if (target := _target_rows.read(row, damaged)) is not None:
                targets.setdefault(campaign, []).append(target)
        return [
            replace(campaign, targets=tuple(targets.get(campaign.id, ())))
            for campaign in _campaign_rows.read_all(execute(_CAMPAIGNS), damaged)
            if campaign.release_id in releases
        ]

    def all(self) -> tuple[StoredCampaign, ...]:
        """Return all campaigns, newest first."""
        return tuple(reversed(self._rows.values()))

    def last_of(self, did: str) -> StoredCampaign | None:
        """Return the newest campaign that has, or had, this device."""
        return self._rows.get(self._last.get(did, 0))

    async def add(
        self,
        release_id: int,
        targets: Sequence[CampaignTarget],
        started_at: int,
        remove: Sequence[int],
    ) -> StoredCampaign:
        """Start a campaign and remove old ones, by id, in one write.

        Raises NoSuchResource if its release or a device is gone.
        """

        def job(connection: sqlite3.Connection) -> int:
            connection.executemany(_FORGET, [(id_,) for id_ in remove])
            connection.executemany(_SUPERSEDE, [(target.did,) for target in targets])
            try:
                id_ = connection.execute(_ADD, (release_id, started_at)).lastrowid
                assert id_ is not None
                rows = [(id_, t.did, n, t.state, t.done_at) for n, t in enumerate(targets)]
                connection.executemany(_ADD_DEVICE, rows)
            except sqlite3.IntegrityError as error:
                raise NoSuchResource("the release or a device was removed meanwhile") from error
            return id_

        def added(id_: int) -> None:
            for old in remove:
                self._rows.pop(old, None)
            self._supersede({target.did for target in targets})
            self._rows[id_] = StoredCampaign(
                id_, release_id, "running", None, started_at, tuple(targets)
            )
            self._index()

        return self._rows[await self._writer.write(job, added)]

    async def set_desired_state(self, id: int, desired_state: DesiredState) -> None:
        """Run, pause or stop a campaign. Raises NoSuchResource."""

        def job(connection: sqlite3.Connection) -> None:
            if connection.execute(_SET_DESIRED_STATE, (desired_state, id)).rowcount == 0:
                raise Missing("campaign", id=id)

        await self._writer.write(job, lambda _: self._change(id, desired_state=desired_state))

    async def update_target(
        self,
        id: int,
        target: CampaignTarget,
        *,
        proved_at: int | None = None,
        on_commit: Callable[[], object] = lambda: None,
    ) -> None:
        """Save the progress of a device. Does nothing if it left the campaign meanwhile.

        `on_commit` is called once it is saved, also if the caller has left meanwhile.
        """

        def job(connection: sqlite3.Connection) -> None:
            values = (target.state, target.offered_at, target.downloaded_at, target.done_at)
            connection.execute(_UPDATE_TARGET, (*values, id, target.did))
            if proved_at is not None:
                connection.execute(_PROVE, (proved_at, id))

        def committed(_: None) -> None:
            campaign = self._rows.get(id)
            if campaign is not None:
                targets = tuple(target if t.did == target.did else t for t in campaign.targets)
                self._change(id, targets=targets, proved_at=campaign.proved_at or proved_at)
            on_commit()

        await self._writer.write(job, committed)

    def forget_camera(self, did: str) -> None:
        for campaign in self.all():
            targets = tuple(
                CampaignTarget(did, counts=one.counts)
                if one.did == did and one.done_at is None
                else one
                for one in campaign.targets
            )
            self._change(campaign.id, targets=targets)

    def forget_device(self, did: str) -> None:
        for campaign in self.all():
            rest = tuple(target for target in campaign.targets if target.did != did)
            self._change(campaign.id, targets=rest)
        self._last.pop(did, None)

    def forget_release(self, id: int) -> None:
        for campaign in self.all():
            if campaign.release_id == id:
                del self._rows[campaign.id]
        self._index()

    def _supersede(self, dids: Collection[str]) -> None:
        for campaign in self.all():
            targets = tuple(
                replace(one, counts=one.counts and one.did not in dids) for one in campaign.targets
            )
            self._change(campaign.id, targets=targets)

    def _index(self) -> None:
        self._last = {
            target.did: campaign.id
            for campaign in self._rows.values()
            for target in campaign.targets
            if target.counts
        }

    def _change(self, id: int, **changes: object) -> None:
        campaign = self._rows.get(id)
        if campaign is not None:
            self._rows[id] = replace(campaign, **changes)
