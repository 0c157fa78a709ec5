"""The devices in memory, with their secrets sealed."""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from hub.errors import Missing
from hub.store.tables import devices as rows
from hub.store.tables.devices import (
    CAMERA_DEFAULTS,
    SIGNED,
    Device,
    DeviceChange,
    DeviceSecrets,
    NewDevice,
    Secret,
    StatusUpdate,
    StoredDevice,
    UnsignedPins,
    load_devices,
    secret_context,
)
from hub.store.tables.table import Engine, RowSource, Table


class DeviceTable(Table[list[StoredDevice]]):
    """All devices, in memory."""

    def __init__(self, engine: Engine, loaded: list[StoredDevice]) -> None:
        super().__init__(engine, loaded)
        self._box = engine.box
        self._random = engine.random
        self._now = engine.now
        self._by_did: dict[str, StoredDevice] = {}
        #: The dids in their order, while they are known.
        self._dids: list[str] | None = None
        #: Changes when a device comes or goes, or gets another name or sn.
        self.name_changes = 0
        self._by_sn: dict[str, str] = {}
        self._by_appid: dict[str, str] = {}
        self._by_path: dict[str, str] = {}
        for stored in loaded:
            self._put(stored)

    @classmethod
    def load(cls, source: RowSource) -> list[StoredDevice]:
        return load_devices(source.connection, source.damaged, source.box)

    def by_did(self, did: str) -> Device | None:
        stored = self._by_did.get(did)
        return None if stored is None else stored.device

    def by_sn(self, sn: str) -> Device | None:
        return self.by_did(self._by_sn.get(sn, ""))

    def by_appid(self, appid: str) -> Device | None:
        return self.by_did(self._by_appid.get(appid, ""))

    def by_path(self, path_hash: str) -> Device | None:
        """Return the unsigned device with this secret in its path, also if it is to come by it."""
        return self.by_did(self._by_path.get(path_hash, ""))

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self._by_did)

    def all(self, after: str | None = None) -> tuple[Device, ...]:
        """Return the devices in numeric order of their dids; with `after`, only those after it."""
        dids = self._dids
        if dids is None:
            dids = self._dids = sorted(self._by_did, key=_did_order)
        if after is not None:
            dids = dids[bisect_right(dids, _did_order(after), key=_did_order) :]
        return tuple(self._by_did[did].device for did in dids)

    def secrets(self, did: str) -> DeviceSecrets:
        """Return a device's secrets, decrypted. Raises NoSuchResource."""
        stored = self._by_did.get(did)
        if stored is None:
            raise Missing("device", did=did)
        return DeviceSecrets(self._secret(stored, "code"), self._secret(stored, "secret"))

    def _secret(self, stored: StoredDevice, name: Secret) -> str:
        return self._box.open(getattr(stored, name), secret_context(stored.device.did, name))

    async def add(self, new: Sequence[NewDevice]) -> tuple[Device, ...]:
        """Enrol all devices or none. Raises AlreadyExists if a did or SN is taken."""

        def job(connection: sqlite3.Connection) -> list[StoredDevice]:
            # A did given in this call must not be assigned to another of its devices.
            given = {device.did for device in new}
            return [self._insert(connection, device, given) for device in new]

        def added(devices: list[StoredDevice]) -> None:
            for stored in devices:
                self._put(stored)

        return tuple(stored.device for stored in await self._writer.write(job, added))

    async def change(
        self,
        did: str,
        change: DeviceChange,
        *,
        ends_tokens: bool = False,
        on_commit: Callable[[], object] = lambda: None,
    ) -> Device:
        """Change a device and return it as changed.

        `ends_tokens`: its tokens are removed with it, but stay in memory: drop them as well.
        `on_commit` is called once it is changed, also if the caller has left meanwhile.

        A new SN means that the physical camera was replaced (D3): the old one's tokens, settings,
        pictures and secret become invalid. Raises NoSuchResource, or AlreadyExists if the SN is
        taken.
        """

        def job(connection: sqlite3.Connection) -> StoredDevice:
            stored = rows.load_device(connection, did, self._damaged, self._box)
            if stored is None:
                raise Missing("device", did=did)
            changed = self._changed(stored, change)
            if changed.device.sn != stored.device.sn:
                rows.check_sn_free(connection, changed.device.sn)
                rows.reset_camera(connection, did)
            if ends_tokens:
                rows.remove_tokens(connection, did)
            rows.save_device(connection, changed)
            return changed

        def committed(changed: StoredDevice) -> None:
            known = self._by_did.get(did)
            before = changed.device.sn if known is None else known.device.sn
            self._replace(changed)
            if changed.device.sn != before:
                for table in self._engine.tables:
                    table.forget_camera(did)
            on_commit()

        return (await self._writer.write(job, committed)).device

    async def keep_previous_key(self, pem: str, until: int) -> None:
        """Let devices without a key of their own sign with `pem` too, until then (milliseconds).

        A previous key that is still accepted is kept instead.
        """
        now = int(self._now() * 1000)

        def job(connection: sqlite3.Connection) -> None:
            rows.keep_previous_key(connection, pem, until, now)

        def keep(device: Device) -> Device:
            is_live = (device.previous_key_until or 0) > now
            used = device.previous_key if is_live else pem
            return replace(device, previous_key=used, previous_key_until=until)

        await self._writer.write(job, lambda _: self._change_each_without_key(keep))

    async def forget_previous_keys(self) -> None:
        """Stop accepting previous keys of devices that have no key of their own."""

        def forget(device: Device) -> Device:
            return replace(device, previous_key=None, previous_key_until=None)

        await self._writer.write(
            rows.forget_previous_keys, lambda _: self._change_each_without_key(forget)
        )

    async def update_status(self, updates: Mapping[str, StatusUpdate]) -> None:
        """Save the status of many cameras, by SN, in one write. Unknown SNs are skipped."""
        items = list(updates.items())
        if not items:
            return

        def committed(_: None) -> None:
            for sn, update in items:
                if (stored := self._by_did.get(self._by_sn.get(sn, ""))) is not None:
                    reported = {
                        k: v for k, v in msgspec.structs.asdict(update).items() if v is not None
                    }
                    self._put(replace(stored, device=replace(stored.device, **reported)))

        await self._writer.write(lambda c: rows.update_status(c, items), committed)

    async def remove(self, did: str) -> None:
        """Remove a device with its tokens; its records stay. Raises NoSuchResource."""

        def removed(_: None) -> None:
            self._drop(did)
            for table in self._engine.tables:
                table.forget_camera(did)
                table.forget_device(did)

        await self._writer.write(lambda c: rows.remove_device(c, did), removed)

    def _insert(
        self, connection: sqlite3.Connection, new: NewDevice, given: Collection[str | None]
    ) -> StoredDevice:
        rows.remove_damaged(connection, new.sn, new.did, self._damaged, self._box)
        rows.check_sn_free(connection, new.sn)
        stored = self._enrolled(new, new.did or rows.assign_did(connection, given))
        rows.insert_device(connection, stored)
        return stored

    def _enrolled(self, new: NewDevice, did: str) -> StoredDevice:
        device = Device(
            did=did,
            sn=new.sn,
            name=new.name,
            enabled=True,
            clock_trusted=new.clock_trusted,
            key=new.key,
            sign_form=None,
            did_state="unknown",
            appid=self._new_name("D"),
            ota_id=self._new_name("O"),
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
        if new.pins is not None:
            device = replace(device, **_unsigned(new.pins))
        code = self._box.seal(new.code, secret_context(did, "code"))
        return StoredDevice(device, code, self._new_secret(did))

    def _new_name(self, kind: str) -> str:
        return f"{kind}{self._random(8).hex().upper()}"

    def _new_secret(self, did: str) -> bytes:
        return self._box.seal(self._random(16).hex().upper(), secret_context(did, "secret"))

    def _changed(self, stored: StoredDevice, change: DeviceChange) -> StoredDevice:
        wanted = {k: v for k, v in msgspec.structs.asdict(change).items() if v is not UNSET}
        code, pins = wanted.pop("code", None), wanted.pop("pins", None)
        if code is not None:
            # Whoever sets a code expects signatures that it belongs to.
            wanted = {**SIGNED, **wanted}
            sealed = self._box.seal(code, secret_context(stored.device.did, "code"))
            stored = replace(stored, code=sealed)
        if wanted.get("sn", stored.device.sn) != stored.device.sn:
            names = {"appid": self._new_name("D"), "ota_id": self._new_name("O")}
            wanted = {**CAMERA_DEFAULTS, **names, **wanted}
            stored = replace(stored, secret=self._new_secret(stored.device.did))
        if pins is not None:
            wanted |= _unsigned(pins)
        return replace(stored, device=replace(stored.device, **wanted))

    def _change_each_without_key(self, change: Callable[[Device], Device]) -> None:
        for stored in list(self._by_did.values()):
            if stored.device.key is None:
                self._put(replace(stored, device=change(stored.device)))

    def _put(self, stored: StoredDevice) -> None:
        device, known = stored.device, self._by_did.get(stored.device.did)
        if known is None:
            self._dids = None
        if known is None or (known.device.name, known.device.sn) != (device.name, device.sn):
            self.name_changes += 1
        self._by_did[device.did] = stored
        self._by_sn[device.sn] = device.did
        if device.appid:
            self._by_appid[device.appid] = device.did
        for path_hash in (device.path_hash, device.next_path_hash):
            if path_hash:
                self._by_path[path_hash] = device.did

    def _replace(self, stored: StoredDevice) -> None:
        self._drop(stored.device.did)
        self._put(stored)

    def _drop(self, did: str) -> None:
        stored = self._by_did.pop(did, None)
        if stored is not None:
            self._dids = None
            self.name_changes += 1
            self._by_sn.pop(stored.device.sn, None)
            self._by_appid.pop(stored.device.appid, None)
            for path_hash in (stored.device.path_hash, stored.device.next_path_hash):
                self._by_path.pop(path_hash or "", None)


def _unsigned(pins: UnsignedPins) -> dict[str, object]:
    """Return the fields of a device that connects without a signature."""
    return {**SIGNED, **msgspec.structs.asdict(pins), "connects": "unsigned"}


def _did_order(did: str) -> tuple[int, str]:
    return len(did), did
