"""As much of the store as the device services ask for, in memory, with its very interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import trio
from msgspec import UNSET
from msgspec.structs import replace

from hub.errors import AlreadyExists, CannotStoreNow, NoSuchResource, WrongSignature
from hub.store.media.pictures import StoredPicture
from hub.store.records.record_log import LatestPicture
from hub.store.tables.device_settings import DeviceSetting
from hub.store.tables.devices import (
    OF_THE_CAMERA,
    Device,
    DeviceChange,
    DeviceNote,
    DeviceSecrets,
    NewDevice,
)
from hub.store.tables.tokens import Accepted, TokenRow


class FakeStore:
    """`refuses`: nothing can be stored now. `before_write`: runs first in each write."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.refuses = False
        self.writes = 0
        self.before_write: Callable[[], object] | None = None
        self.devices = FakeDevices(self, now)
        self.tokens = FakeTokens(self)
        self.settings = FakeSettings(self)
        self.records = FakeRecords()
        self.device_settings = FakeDeviceSettings(self)
        self.device_pictures = FakeDevicePictures(self)

    async def durably(self) -> None:
        """A write waits for its group, and may be refused."""
        if self.before_write is not None:
            self.before_write()
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        if self.refuses:
            raise CannotStoreNow("the disk is full")
        self.writes += 1


class FakeDevices:
    def __init__(self, store: FakeStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._devices: dict[str, Device] = {}
        self._secrets: dict[str, DeviceSecrets] = {}
        self.notes: list[dict[str, DeviceNote]] = []

    def by_did(self, did: str) -> Device | None:
        return self._devices.get(did)

    def by_sn(self, sn: str) -> Device | None:
        return next((device for device in self.all() if device.sn == sn), None)

    def by_appid(self, appid: str) -> Device | None:
        return next((device for device in self.all() if device.appid == appid), None)

    def all(self, after: str | None = None) -> tuple[Device, ...]:
        """In the order in which they came; with `after` as numbers."""
        if after is None:
            return tuple(self._devices.values())
        behind = (did for did in self._devices if int(did) > int(after))
        return tuple(self._devices[did] for did in sorted(behind, key=int))

    def secrets(self, did: str) -> DeviceSecrets:
        if did not in self._secrets:
            raise NoSuchResource(f"no device {did}")
        return self._secrets[did]

    async def add(self, new: Sequence[NewDevice]) -> tuple[Device, ...]:
        await self._store.durably()
        for device in new:
            if self.by_sn(device.sn) is not None:
                raise AlreadyExists("is enrolled already", field="sn")
            if device.did in self._devices:
                raise AlreadyExists("is enrolled already", field="did")
        return tuple(self._add(device) for device in new)

    async def change(self, did: str, change: DeviceChange) -> Device:
        await self._store.durably()
        wanted = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
        if did not in self._devices:
            raise NoSuchResource(f"no device {did}")
        holder = self.by_sn(wanted.get("sn", ""))
        if holder is not None and holder.did != did:
            raise AlreadyExists("is enrolled already", field="sn")
        if wanted.get("sn", self._devices[did].sn) != self._devices[did].sn:
            wanted = {**OF_THE_CAMERA, **wanted}
            self._store.device_settings.forget(did)
            await self._store.device_pictures.forget(did)
        if "code" in wanted:
            self._secrets[did] = replace(self._secrets[did], code=wanted.pop("code"))
        self._devices[did] = replace(self._devices[did], **wanted)
        return self._devices[did]

    async def keep_previous_key(self, pem: str, until: int) -> None:
        await self._store.durably()
        now = int(self._now() * 1000)
        for did, device in self._devices.items():
            if device.key is None:
                live = (device.previous_key_until or 0) > now
                self._devices[did] = replace(
                    device,
                    previous_key=device.previous_key if live else pem,
                    previous_key_until=until,
                )

    async def forget_previous_keys(self) -> None:
        await self._store.durably()
        for did, device in self._devices.items():
            if device.key is None:
                self._devices[did] = replace(device, previous_key=None, previous_key_until=None)

    async def note(self, notes: Mapping[str, DeviceNote]) -> None:
        await self._store.durably()
        self.notes.append(dict(notes))
        for sn, note in notes.items():
            if (device := self.by_sn(sn)) is not None:
                seen = {k: v for k, v in msgspec.structs.asdict(note).items() if v is not None}
                self._devices[device.did] = replace(device, **seen)

    def check_camera(self, did: str, sn: str) -> None:
        device = self.by_did(did)
        if device is None or device.sn != sn:
            raise NoSuchResource(f"no device {did} with sn {sn}")

    async def remove(self, did: str) -> None:
        await self._store.durably()
        if self._devices.pop(did, None) is None:
            raise NoSuchResource(f"no device {did}")
        del self._secrets[did]
        self._store.tokens.forget(did)

    def _add(self, new: NewDevice) -> Device:
        did = new.did or str(len(self._devices) + 1)
        self._secrets[did] = DeviceSecrets(new.code, f"SECRET{did}")
        self._devices[did] = Device(
            did=did,
            sn=new.sn,
            name=new.name,
            enabled=True,
            clock_trusted=new.clock_trusted,
            key=new.key,
            sign_form=None,
            did_state="unknown",
            appid=f"APP{did}",
            ota_id=f"OTA{did}",
            ip=None,
            last_seen=None,
            fw_ver=None,
            sw_ver=None,
            os_ver=None,
            hw_ver=None,
            dev_name=None,
            clock_offset=None,
            init_outcome=None,
            created_at=int(self._now() * 1000),
        )
        return self._devices[did]


class FakeTokens:
    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._rows: dict[bytes, TokenRow] = {}
        self.accepted: dict[tuple[str, str], Accepted] = {}

    def holder(self, token_hash: bytes) -> TokenRow | None:
        return self._rows.get(token_hash)

    def was_accepted(self, sn: str, ts_text: str) -> bool:
        return (sn, ts_text) in self.accepted

    async def issue(
        self,
        did: str,
        token_hash: bytes,
        *,
        expires_at: int,
        grace_until: int,
        accepted: Accepted | None,
    ) -> None:
        await self._store.durably()
        if self._store.devices.by_did(did) is None:
            raise NoSuchResource(f"no device {did}")
        if accepted is not None:
            if self.was_accepted(accepted.sn, accepted.ts_text):
                raise WrongSignature("was accepted before")
            self.accepted[accepted.sn, accepted.ts_text] = accepted
        for old, row in self._rows.items():
            if row.did == did:
                self._rows[old] = replace(row, expires_at=min(row.expires_at, grace_until))
        self._rows[token_hash] = TokenRow(did, expires_at)

    async def drop(self, did: str) -> None:
        await self._store.durably()
        self.forget(did)

    def of(self, did: str) -> list[TokenRow]:
        return [row for row in self._rows.values() if row.did == did]

    def forget(self, did: str) -> None:
        self._rows = {key: row for key, row in self._rows.items() if row.did != did}


class FakeSettings:
    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self._values.get(key)

    async def set(self, key: str, value: str | None) -> None:
        await self._store.durably()
        self._values.pop(key, None)
        if value is not None:
            self._values[key] = value


class FakeRecords:
    def __init__(self) -> None:
        self.latest: dict[str, LatestPicture] = {}
        self.gone: set[int] = set()

    def is_kept(self, picture: LatestPicture) -> bool:
        return picture.seq not in self.gone

    async def latest_pictures(self) -> dict[str, LatestPicture]:
        await trio.lowlevel.checkpoint()
        return dict(self.latest)


class FakeDeviceSettings:
    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._settings: dict[tuple[str, str], DeviceSetting] = {}

    def get(self, did: str, name: str) -> DeviceSetting | None:
        return self._settings.get((did, name))

    async def note(self, setting: DeviceSetting, sn: str) -> None:
        await self._store.durably()
        self._store.devices.check_camera(setting.did, sn)
        before = self.get(setting.did, setting.name)
        if before is not None:
            told = {k: v for k, v in msgspec.structs.asdict(setting).items() if v is not None}
            setting = replace(before, **told)
        self._settings[setting.did, setting.name] = setting

    def forget(self, did: str) -> None:
        self._settings = {key: row for key, row in self._settings.items() if key[0] != did}


class FakeDevicePictures:
    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.kept: dict[tuple[str, str], StoredPicture] = {}

    async def get(self, did: str, path: str) -> StoredPicture | None:
        await trio.lowlevel.checkpoint()
        return self.kept.get((did, path))

    async def put(self, did: str, sn: str, path: str, picture: StoredPicture, at: int) -> None:
        await self._store.durably()
        self._store.devices.check_camera(did, sn)
        self.kept[did, path] = picture

    async def forget(self, did: str) -> None:
        await self._store.durably()
        self.kept = {place: row for place, row in self.kept.items() if place[0] != did}
