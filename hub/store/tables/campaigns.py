"""Campaigns: which release goes to which devices, and how far each of them is."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import NoSuchResource
from hub.store.commit.group_commit import GroupCommit

#: What the operator wants.
Will = Literal["running", "paused", "stopped"]
DeviceState = Literal["waiting", "too_old", "offered", "downloading", "downloaded", "done"]

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
_SET_WILL = "UPDATE campaign SET will = ? WHERE id = ?"
_PROVE = "UPDATE campaign SET proved_at = ? WHERE id = ? AND proved_at IS NULL"
_NOTE = """
UPDATE campaign_device SET state = ?, offered_at = ?, downloaded_at = ?, done_at = ?
WHERE campaign = ? AND did = ?
"""


class CampaignTarget(Struct, frozen=True):
    """One device of a campaign. Times in UNIX milliseconds.

    `counts`: no later campaign has, or had, the device.
    """

    did: str
    state: DeviceState = "waiting"
    offered_at: int | None = None
    downloaded_at: int | None = None
    done_at: int | None = None
    counts: bool = True


class StoredCampaign(Struct, frozen=True):
    """`proved_at`: when its first device was done."""

    id: int
    release_id: int
    will: Will
    proved_at: int | None
    started_at: int
    targets: tuple[CampaignTarget, ...]

    @property
    def all_done(self) -> bool:
        return all(target.done_at is not None for target in self.targets)

    @property
    def has_ended(self) -> bool:
        return self.will == "stopped" or self.all_done

    def target(self, did: str) -> CampaignTarget:
        """Raises LookupError where the campaign does not hold the device."""
        for target in self.targets:
            if target.did == did:
                return target
        raise LookupError(did)

    @property
    def goes_alone(self) -> str | None:
        """The first that is not done, until it is done; then all go."""
        if self.proved_at is not None:
            return None
        return next((one.did for one in self.targets if one.done_at is None), None)

    def is_turn_of(self, did: str) -> bool:
        return self.goes_alone in (None, did) or self.target(did).done_at is not None


def load_campaigns(connection: sqlite3.Connection) -> list[StoredCampaign]:
    targets: dict[int, list[CampaignTarget]] = {}
    for campaign, did, state, offered_at, downloaded_at, done_at, counts in connection.execute(
        _DEVICES
    ):
        target = CampaignTarget(did, state, offered_at, downloaded_at, done_at, bool(counts))
        targets.setdefault(campaign, []).append(target)
    return [
        StoredCampaign(id_, release, will, proved_at, started_at, tuple(targets.get(id_, ())))
        for id_, release, will, proved_at, started_at in connection.execute(_CAMPAIGNS)
    ]


class CampaignTable:
    """All of them in memory; changes are durable on return."""

    def __init__(self, writer: GroupCommit, campaigns: Sequence[StoredCampaign]) -> None:
        self._writer = writer
        self._campaigns = {campaign.id: campaign for campaign in campaigns}
        #: did -> the campaign that counts for it.
        self._last: dict[str, int] = {}
        self._index()

    def get(self, id: int) -> StoredCampaign | None:
        return self._campaigns.get(id)

    def all(self) -> tuple[StoredCampaign, ...]:
        """Newest first."""
        return tuple(reversed(self._campaigns.values()))

    def last_of(self, did: str) -> StoredCampaign | None:
        """The campaign that counts for this device: the newest one that had it."""
        return self._campaigns.get(self._last.get(did, 0))

    async def add(
        self,
        release_id: int,
        targets: Sequence[CampaignTarget],
        started_at: int,
        forget: Sequence[int],
    ) -> StoredCampaign:
        """Start one, and forget old ones. NoSuchResource: its release or a device is gone."""

        def job(connection: sqlite3.Connection) -> int:
            connection.executemany(_FORGET, [(id_,) for id_ in forget])
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
            for old in forget:
                self._campaigns.pop(old, None)
            self._supersede({target.did for target in targets})
            self._campaigns[id_] = StoredCampaign(
                id_, release_id, "running", None, started_at, tuple(targets)
            )
            self._index()

        return self._campaigns[await self._writer.write(job, added)]

    async def set_will(self, id: int, will: Will) -> None:
        """NoSuchResource."""

        def job(connection: sqlite3.Connection) -> None:
            if connection.execute(_SET_WILL, (will, id)).rowcount == 0:
                raise NoSuchResource(f"no campaign {id}")

        await self._writer.write(job, lambda _: self._change(id, will=will))

    async def note(self, id: int, target: CampaignTarget, *, proved_at: int | None = None) -> None:
        """Remember how far a device is; nothing where it left the campaign meanwhile."""

        def job(connection: sqlite3.Connection) -> None:
            values = (target.state, target.offered_at, target.downloaded_at, target.done_at)
            connection.execute(_NOTE, (*values, id, target.did))
            if proved_at is not None:
                connection.execute(_PROVE, (proved_at, id))

        def noted(_: None) -> None:
            campaign = self._campaigns.get(id)
            if campaign is not None:
                targets = tuple(target if t.did == target.did else t for t in campaign.targets)
                self._change(id, targets=targets, proved_at=campaign.proved_at or proved_at)

        await self._writer.write(job, noted)

    def reset_device(self, did: str) -> None:
        """Another camera has the device's place, and nothing of what was not done: memory
        follows."""
        for campaign in self.all():
            targets = tuple(
                CampaignTarget(did, counts=one.counts)
                if one.did == did and one.done_at is None
                else one
                for one in campaign.targets
            )
            self._change(campaign.id, targets=targets)

    def forget_device(self, did: str) -> None:
        """The device's rows are gone: memory follows."""
        for campaign in self.all():
            rest = tuple(target for target in campaign.targets if target.did != did)
            self._change(campaign.id, targets=rest)
        self._last.pop(did, None)

    def forget_release(self, release_id: int) -> None:
        """The release's rows are gone: memory follows."""
        for campaign in self.all():
            if campaign.release_id == release_id:
                del self._campaigns[campaign.id]
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
            for campaign in self._campaigns.values()
            for target in campaign.targets
            if target.counts
        }

    def _change(self, id: int, **changes: object) -> None:
        campaign = self._campaigns.get(id)
        if campaign is not None:
            self._campaigns[id] = replace(campaign, **changes)
