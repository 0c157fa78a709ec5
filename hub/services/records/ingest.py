"""Ingest: check and decode what devices upload, and store it as records."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import xxhash

from hub import metrics
from hub.errors import NoSuchResource, NotAuthorised
from hub.log import limited
from hub.services.commands.abilities import Abilities, from_upload
from hub.services.devices.directory import Devices
from hub.services.firmware.campaigns import Campaigns
from hub.services.firmware.downloads import Downloads
from hub.store.commit.record_batch import RecordBatch
from hub.store.tables.devices import Device
from hub.store.tables.firmware import Release
from hub.threads import WorkerThreads
from hub.wire.commands.capabilities import MAX_FIRMWARE_LENGTH, with_firmware
from hub.wire.json_limits import weight
from hub.wire.uploads import bodies
from hub.wire.uploads.bodies import CheckedUpload, DeviceInfo
from hub.wire.uploads.firmware import (
    TYPES_OF_3,
    OtaAnswer,
    OtaComponent,
    PlainComponent,
    PlainOtaAnswer,
    Versions,
    decode_ota_query,
)
from hub.wire.uploads.records import AccessDetail

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A body that weighs more is decoded in a thread.
_INLINE_BYTES = 256 * 1024
#: The name of a field may be longer than a log line should be.
_MAX_NAME_LENGTH = 100


class Ingest:
    """Takes the upload bodies of chapter 2 and D8 from an authenticated device.

    When a method returns, everything in the body is on disk. If it raises a HubError, which carries
    the protocol's error code, nothing is stored.
    """

    def __init__(
        self,
        core: Core,
        devices: Devices,
        campaigns: Campaigns,
        downloads: Downloads,
        abilities: Abilities,
    ) -> None:
        """`abilities`: keeps whose shapes a device uploads."""
        self._abilities = abilities
        self._records = core.store.records
        self._devices = devices
        self._site = core.site
        self._campaigns = campaigns
        self._downloads = downloads
        self._settings = core.settings
        self._now = core.now
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)

    async def face(self, device: Device, body: bytes) -> None:
        """Store a capture of a face (2.1)."""
        upload = await self._decode(
            bodies.decode_face, body, max_depth=self._settings.current.devices.max_depth
        )
        await self._store(device, "face", body, [upload])

    async def event(self, device: Device, body: bytes) -> None:
        """Store an event (2.4)."""
        upload = await self._decode(
            bodies.decode_event,
            body,
            max_depth=self._settings.current.devices.max_depth,
            keep_unknown=self._settings.current.devices.unknown_event_types == "keep",
        )
        await self._store(device, "event", body, [upload])

    async def vehicle(self, device: Device, body: bytes) -> None:
        """Store a capture of a vehicle (2.5)."""
        upload = await self._decode(
            bodies.decode_vehicle, body, max_depth=self._settings.current.devices.max_depth
        )
        await self._store(device, "vehicle", body, [upload])

    async def access(self, device: Device, body: bytes) -> None:
        """Store access records, all of them or none (D8)."""
        access = await self._decode(
            bodies.decode_access,
            body,
            max_depth=self._settings.current.devices.max_depth,
            zone=self._site.zone(),
        )
        _check_owner(device, did=None, sn=access.sn)
        await self._store(device, "access", body, access.entries)

    async def base64img(self, device: Device, body: bytes) -> None:
        """Store a single picture as a record whose `of` is the latest access record (D8)."""
        picture = await self._decode(bodies.decode_base64img, body)
        upload = CheckedUpload(kind="access", detail=AccessDetail(), pictures=(picture,))
        await self._store(device, "base64img", body, [upload], follows_access=True)

    async def device_info(self, device: Device, body: bytes) -> None:
        """Note the versions and name that a device reports when it starts (2.2)."""
        info = bodies.decode_device_info(body, max_depth=self._settings.current.devices.max_depth)
        await self._take_report(device, info)
        await self._learn_firmware(device, info.fw_ver)
        await self._devices.flush()

    async def ota_query(
        self, device: Device, body: bytes, *, base_url: str, tls_base_url: str = ""
    ) -> OtaAnswer | PlainOtaAnswer | None:
        """Return the release that the device should install (2.3); None if it runs it already.

        The links to its files begin with `base_url`; those for edition 3, which names the number of
        what it runs, are good for one download (D12), and begin with `tls_base_url` if the query
        came over a port without TLS. Also raises ClientTooOld and NoSuchResource.
        """
        query = decode_ota_query(body, max_depth=self._settings.current.devices.max_depth)
        await self._take_report(device, query.info)
        if query.ota_id not in (None, device.ota_id):
            raise NoSuchResource("otaId: does not belong to this device")
        reported = Versions.of(self._devices.device(device.did))
        release = await self._campaigns.offer(device.did, reported)
        if release is None:
            return None
        if query.ver_code is None:
            return self._ota_answer(device, release, base_url)
        if query.ver_code >= release.ver_code:
            return None
        return self._plain_ota_answer(device, release, tls_base_url or base_url)

    async def _take_report(self, device: Device, info: DeviceInfo) -> None:
        _check_owner(device, did=info.did, sn=info.sn, names_itself=bool(info.sn))
        self._devices.note_report(device, info)
        await self._campaigns.reported(device.did)

    def _ota_answer(self, device: Device, release: Release, base_url: str) -> OtaAnswer:
        return OtaAnswer(
            ver_code=release.ver_code,
            ver_name=release.ver_name,
            description=release.description,
            release_date=release.release_date,
            component_list=tuple(
                OtaComponent(
                    name=one.name,
                    type=one.type,
                    size=one.size,
                    md5=one.md5,
                    sha256=one.sha256,
                    url=base_url + self._downloads.path_for(device.did, one),
                )
                for one in release.components
            ),
        )

    def _plain_ota_answer(self, device: Device, release: Release, base_url: str) -> PlainOtaAnswer:
        """The answer as cameras of edition 3 read it, without the files that they do not know."""
        return PlainOtaAnswer(
            ver_name=release.ver_name,
            component_list=tuple(
                PlainComponent(
                    type=one.type,
                    url=base_url + self._downloads.one_use_path_for(device.did, one),
                )
                for one in release.components
                if one.type in TYPES_OF_3
            ),
        )

    async def _decode(self, decode: Callable[..., T], body: bytes, **how: object) -> T:
        return await self._threads.run(weight(body), partial(decode, body, **how))

    async def _store(
        self,
        device: Device,
        path: str,
        body: bytes,
        entries: Sequence[CheckedUpload],
        *,
        follows_access: bool = False,
    ) -> None:
        for entry in entries:
            # The sn of access records is that of the whole body; each may name a did.
            names_itself = bool(entry.sn) and entry.kind != "access"
            _check_owner(device, did=entry.did, sn=entry.sn, names_itself=names_itself)
        batch = RecordBatch(
            entries,
            did=device.did,
            sn=device.sn,
            device_name=device.name,
            digest=_digest(path, body),
            arrived_at=int(self._now() * 1000),
            follows_access=follows_access,
        )
        if (await self._records.append(batch)).repeated:
            metrics.repeats.inc()
            return
        await self._learn(device, entries)
        if omitted := [name for entry in entries for name in entry.omitted]:
            _report_omitted(device, omitted)

    async def _learn_firmware(self, device: Device, firmware: str | None) -> None:
        """With other firmware a camera may have another edition: all is unknown again (D12).

        A camera without a signature says its firmware whenever it connects.
        """
        named = (firmware or "")[:MAX_FIRMWARE_LENGTH]
        if device.connects == "signed" and named:
            learn = partial(with_firmware, firmware=named)
            await self._abilities.learn(device.did, learn, "upload")

    async def _learn(self, device: Device, entries: Sequence[CheckedUpload]) -> None:
        """Keep whose shapes the device uploads, if they are of a later edition (D12)."""
        for entry in entries:
            if entry.edition in (2, 3) and self._abilities.of(device.did).uploads != entry.edition:
                await self._abilities.learn(device.did, from_upload(entry.edition), "upload")


def _check_owner(
    device: Device, *, did: str | None, sn: str | None, names_itself: bool = False
) -> None:
    """Raise NotAuthorised if a body names another device (D5); an empty field is allowed.

    A camera that names itself by its sn, or cannot store a did, may send a number of its own as
    `did` (D12).
    """
    if sn and sn != device.sn:
        raise NotAuthorised("sn: does not belong to this token")
    if did and did != device.did and not names_itself and device.did_state != "none":
        raise NotAuthorised("did: does not belong to this token")


def _report_omitted(device: Device, names: Sequence[str]) -> None:
    metrics.extra_fields_omitted.inc(len(names))
    limited(
        log,
        logging.WARNING,
        f"omitted {device.did}",
        "extra fields of device %s are too long to be kept, %d in one upload; the record has their "
        "size and SHA-256. The first is %s",
        device.did,
        len(names),
        names[0][:_MAX_NAME_LENGTH],
    )


def _digest(path: str, body: bytes) -> bytes:
    """Return a digest by which the store recognises a device's repeated uploads."""
    return xxhash.xxh3_128_digest(body, seed=xxhash.xxh32_intdigest(path.encode()))
