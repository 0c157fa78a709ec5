"""The JSON that webhooks carry: `{"type", "timestamp", "log", "hub", "data"}`.

`data` is a record or an alarm as the integrator API has it, with `log` and `hub` in it too, so that
it can be kept as it is. Pictures are absolute links that are good for a day without a key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from hub.decoders import decode_json
from hub.services.alarms.rendering import alarm_json
from hub.services.forwarding.sender import (
    AlarmItem,
    ErasureItem,
    GapItem,
    Item,
    RecordItem,
    Refused,
)
from hub.services.forwarding.webhooks.picture_links import PictureLinks
from hub.wire.times import format_rfc3339
from hub.wire.uploads.records import render

#: Larger bodies leave out what devices sent beside the fields of the specification.
MAX_BODY_BYTES = 20_000


class WebhookBodies:
    """Makes the bodies for one target.

    `hub`: the name under which the target knows this hub. `base_url`: returns how the hub is
    reached, without a slash at the end.
    """

    def __init__(
        self,
        hub: str,
        links: PictureLinks,
        base_url: Callable[[], str],
        now: Callable[[], float],
    ) -> None:
        self._hub = hub
        self._links = links
        self._base_url = base_url
        self._now = now

    def id_of(self, item: Item, log: str) -> str:
        """Return the id of a message: the same whenever it is sent again."""
        match item:
            case RecordItem():
                return f"{log}-{item.record.seq}"
            case AlarmItem():
                return f"{log}-{item.alarm.seq}-alarm-{item.number}"
            case GapItem():
                return f"{item.gap.log}-{item.gap.first_seq}-gap-{item.gap.last_seq}"
            case ErasureItem():
                return f"{item.log}-{item.seqs[0][0]}-erasure-{item.number}-{item.seqs[-1][1]}"

    def body_of(self, item: Item, log: str) -> bytes:
        """Return the body of a message. Raises Refused if it is too large whatever is left out."""
        match item:
            case RecordItem():
                return self._record_body(item, log)
            case AlarmItem():
                data = decoded(alarm_json(item.alarm, item.record))
                return self._fitting("alarm", without_pictures(data), log)
            case GapItem():
                return self._body("gap", _gap_fields(item), item.gap.log)
            case ErasureItem():
                data = {"seqs": item.seqs, "number": item.number}
                return self._body("erasure", data, item.log)

    def test_body(self, log: str) -> bytes:
        """Return the body of a message that only tries out the target."""
        return self._body("test", {}, log)

    def _record_body(self, item: RecordItem, log: str) -> bytes:
        data = decoded(render(item.record))
        base = self._base_url()
        data["images"] = {
            image.name: base + self._links.path_of(image.path)
            for image in (item.record.images if item.with_pictures else ())
        }
        return self._fitting("record", data, log)

    def _fitting(self, type: str, data: dict[str, Any], log: str) -> bytes:
        """Return a body that is not too large, if need be without what is not specified."""
        body = self._body(type, data, log)
        if len(body) > MAX_BODY_BYTES:
            body = self._body(type, shortened(data), log)
        if len(body) > MAX_BODY_BYTES:
            raise Refused("it is larger than %(limit)s bytes", limit=MAX_BODY_BYTES)
        return body

    def _body(self, type: str, data: dict[str, Any], log: str) -> bytes:
        return msgspec.json.encode(
            {
                "type": type,
                "timestamp": format_rfc3339(int(self._now() * 1000)),
                "log": log,
                "hub": self._hub,
                "data": {**data, "log": log, "hub": self._hub},
            }
        )


def decoded(json: bytes) -> dict[str, Any]:
    """Return the fields of an object, each as it is encoded."""
    return dict(decode_json(json, dict[str, Raw]))


def without_pictures(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an alarm, its record without paths that need a key."""
    record = decode_json(alarm["record"], dict[str, Raw] | None)
    return {**alarm, "record": None if record is None else {**record, "images": {}}}


def shortened(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, or of an alarm with its record, without the long ones."""
    if isinstance(data.get("record"), dict):
        return {**data, "record": shortened(data["record"])}
    emptied: dict[str, Any] = {name: {} for name in ("extra", "data") if name in data}
    return {**data, **emptied, "shortened": True}


def _gap_fields(item: GapItem) -> dict[str, Any]:
    return {
        "from": item.gap.first_seq,
        "to": item.gap.last_seq,
        "reason": item.gap.reason,
    }
