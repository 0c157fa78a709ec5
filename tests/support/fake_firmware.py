"""Firmware in memory: releases, campaigns and downloads, without rules and without a store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import trio
from msgspec.structs import replace

from hub.errors import BadParameter, NoSuchResource
from hub.live.feed import Change, Feed
from hub.services.firmware.campaign_views import (
    Campaign,
    CampaignOutline,
    DeviceCampaign,
    DeviceProgress,
)
from hub.services.firmware.downloads import Download
from hub.services.firmware.release_validation import check_release
from hub.services.firmware.releases import Component, NewRelease, Release, StoredFile


class FakeUpload:
    def __init__(self, releases: FakeReleases) -> None:
        self._releases = releases
        self._data = b""

    async def __aenter__(self) -> FakeUpload:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def write(self, chunk: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self._data += chunk

    async def finish(self) -> StoredFile:
        md5 = hashlib.md5(self._data, usedforsecurity=False).hexdigest()
        sha256 = hashlib.sha256(self._data).hexdigest()
        file = StoredFile(sha256, md5, len(self._data), self._releases.now_ms())
        self._releases.stored[file.sha256] = file
        return file


class FakeReleases:
    """`put` adds a release as it is."""

    def __init__(self, changes: Feed[Change], now: Callable[[], float]) -> None:
        self._changes = changes
        self._now = now
        self.stored: dict[str, StoredFile] = {}
        self.made: dict[int, Release] = {}

    def now_ms(self) -> int:
        return int(self._now() * 1000)

    def put(self, release: Release) -> None:
        self.made[release.id] = release
        for one in release.components:
            self.stored[one.sha256] = StoredFile(one.sha256, one.md5, one.size, self.now_ms())
        self._changes.publish([Change("firmware", str(release.id))])

    def receive(self, size: int = 0) -> FakeUpload:
        return FakeUpload(self)

    def files(self) -> tuple[StoredFile, ...]:
        return tuple(self.stored.values())

    def all(self) -> tuple[Release, ...]:
        return tuple(reversed(self.made.values()))

    def get(self, id: int) -> Release:
        if id not in self.made:
            raise NoSuchResource(f"no release {id}")
        return self.made[id]

    async def add(self, new: NewRelease) -> Release:
        check_release(new)
        components = []
        for one in new.components:
            file = self.stored[one.sha256]
            components.append(Component(one.name, one.type, file.sha256, file.md5, file.size))
        release = Release(
            id=max(self.made, default=0) + 1,
            ver_code=new.ver_code,
            ver_name=new.ver_name,
            description=new.description,
            release_date=new.release_date or "2026-11-25 20:00:00",
            components=tuple(components),
            reports=new.reports,
            least=new.least,
            created_at=self.now_ms(),
        )
        self.put(release)
        return release

    async def remove(self, id: int) -> None:
        del self.made[self.release(id).id]
        self._changes.publish([Change("firmware", str(id))])


class FakeCampaigns:
    """`put` adds or replaces a campaign."""

    def __init__(self, changes: Feed[Change]) -> None:
        self._changes = changes
        self.made: dict[int, Campaign] = {}

    def put(self, campaign: Campaign) -> None:
        self.made[campaign.id] = campaign
        self._changes.publish([Change("firmware", str(campaign.id))])

    def campaign(self, id: int) -> Campaign:
        if id not in self.made:
            raise NoSuchResource(f"no campaign {id}")
        return self.made[id]

    def outlines(self) -> list[CampaignOutline]:
        return [_outline(one) for one in reversed(self.made.values())]

    def progress_by_did(self) -> dict[str, DeviceProgress]:
        return {
            device.did: DeviceProgress(_outline(campaign), device.state)
            for campaign in self.made.values()
            for device in campaign.devices
        }

    def of_device(self, did: str) -> DeviceCampaign | None:
        for campaign in reversed(self.made.values()):
            for device in campaign.devices:
                if device.did == did:
                    return DeviceCampaign(campaign=_outline(campaign), device=device)
        return None

    async def pause(self, id: int) -> Campaign:
        return self._change(id, "paused")

    async def resume(self, id: int) -> Campaign:
        return self._change(id, "rest" if self.campaign(id).done else "first")

    async def stop(self, id: int) -> Campaign:
        return self._change(id, "stopped")

    def _change(self, id: int, state: Any) -> Campaign:
        if self.campaign(id).has_ended:
            raise BadParameter(f"campaign {id} has ended")
        self.put(replace(self.campaign(id), state=state))
        return self.campaign(id)


def _outline(campaign: Campaign) -> CampaignOutline:
    return CampaignOutline(
        id=campaign.id,
        release=campaign.release,
        state=campaign.state,
        started_at=campaign.started_at,
        count=campaign.count,
        done=campaign.done,
    )


class FakeDownloads:
    def __init__(self) -> None:
        self.made: list[Download] = []

    def downloads(self, did: str | None = None) -> list[Download]:
        return [one for one in self.made if did in (None, one.did)]
