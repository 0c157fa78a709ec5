"""The messages that a broker gets of records and alarms.

A record is JSON as the integrator API has it, with `log` and `hub` in it too, without its pictures
and with personal numbers masked: whoever may read the broker sees no more than a guard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct

from hub.services.alarms.rendering import alarm_json
from hub.services.forwarding.mqtt.topics import Topics
from hub.services.forwarding.picture import picture_name
from hub.services.forwarding.sender import (
    AlarmItem,
    ErasureItem,
    GapItem,
    Item,
    RecordItem,
)
from hub.services.forwarding.webhooks.bodies import (
    MAX_BODY_BYTES,
    decoded,
    shortened,
    without_pictures,
)
from hub.services.people.masking import masked_record
from hub.store.media.pictures import PictureReader
from hub.wire.uploads.records import Record, render

JSON = "application/json"
_JPEG = "image/jpeg"


class Publication(Struct, frozen=True):
    """A message. `retain`: the broker keeps it for those that come later."""

    topic: str
    payload: bytes
    retain: bool = False
    content_type: str = ""

    @property
    def size(self) -> int:
        """About how many bytes it takes on the wire."""
        return len(self.payload) + len(self.topic) + 64


class MqttMessages:
    """Makes the messages of one target. `hub`: the name under which it knows this hub."""

    def __init__(
        self,
        hub: str,
        log_id: str,
        pictures: PictureReader,
        as_jpeg: Callable[[bytes], Awaitable[bytes | None]],
    ) -> None:
        """`as_jpeg`: returns a picture as a JPEG, None if that cannot be made of it."""
        self.topics = Topics(hub)
        self.log_id = log_id
        self._hub = hub
        self._pictures = pictures
        self._as_jpeg = as_jpeg

    async def of(self, item: Item) -> list[Publication]:
        """Return the messages of an item, a record after its picture.

        Gaps have none, and of an erasure, `nobody` says what is shown: nothing of what they are
        about is kept by the broker.
        """
        match item:
            case RecordItem():
                return await self._record(item)
            case AlarmItem():
                return [self._alarm(item)]
            case GapItem() | ErasureItem():
                return []

    def nobody(self, did: str, *, with_picture: bool) -> list[Publication]:
        """Return what replaces the last face of a camera that was erased."""
        told = Publication(
            self.topics.record(did, "face"),
            self._fitting({"kind": "face", "did": did, "erased": True, "images": {}}),
            content_type=JSON,
        )
        picture = Publication(self.topics.picture(did, "face"), b"")
        return [picture, told] if with_picture else [told]

    async def _record(self, item: RecordItem) -> list[Publication]:
        record = item.record
        data = decoded(render(masked_record(record)))
        found = [await self._picture(record)] if item.with_pictures and record.images else []
        topic = self.topics.record(record.did, record.kind)
        payload = self._fitting({**data, "images": {}})
        return [one for one in found if one is not None] + [
            Publication(topic, payload, content_type=JSON)
        ]

    async def _picture(self, record: Record) -> Publication | None:
        # None: erased, or dropped with its day.
        if (picture := await self._pictures.read(record.seq, picture_name(record))) is None:
            return None
        topic = self.topics.picture(record.did, record.kind)
        # As the document for Home Assistant says, of all pictures.
        data = picture.data if picture.mime == _JPEG else await self._as_jpeg(picture.data)
        return None if data is None else Publication(topic, data, content_type=_JPEG)

    def _alarm(self, item: AlarmItem) -> Publication:
        record = None if item.record is None else masked_record(item.record)
        data = without_pictures(decoded(alarm_json(item.alarm, record)))
        dids = item.alarm.dids
        topic = self.topics.alarm(dids[-1] if dids else "")
        payload = self._fitting({**data, "number": item.number})
        return Publication(topic, payload, content_type=JSON)

    def _fitting(self, data: dict[str, object]) -> bytes:
        """Encode what is told, if need be without what is not specified."""
        told = {**data, "log": self.log_id, "hub": self._hub}
        payload = msgspec.json.encode(told)
        if len(payload) > MAX_BODY_BYTES:
            payload = msgspec.json.encode(shortened(told))
        return payload
