"""The bodies of 2.1, 2.4 and 2.5 as structs, decoded in one pass where possible.

Pictures stay undecoded, so that they can be base64-decoded straight from the body.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from hub.decoders import json_decoder
from hub.wire import json_limits
from hub.wire.coercion import LooseNumber, LooseText
from hub.wire.extra_fields import ExtraField, FieldReader, tidy_keys
from hub.wire.uploads.attributes import SENT_BY_3

#: The default of undecoded fields. Compare by identity: a device may send the same bytes.
ABSENT = Raw()


class CommonBody(Struct):
    """The fields that 2.1, 2.4 and 2.5 have in common; 2.5 has no others."""

    did: LooseText = None
    sn: LooseText = None
    time: LooseNumber = None
    #: Pictures are decoded from these values; the rest is kept undecoded.
    data: dict[str, Raw] | None = None


class FaceBody(CommonBody):
    """The fields of a face capture (2.1)."""

    name: LooseText = None
    age: LooseNumber = None
    gender: LooseNumber = None
    uuid: LooseText = None
    pid: Raw = ABSENT
    category: Raw = ABSENT


class EventBody(CommonBody):
    """The fields of an event (2.4). Those about a person are undocumented and undecoded (D8)."""

    type: LooseNumber = None
    name: Raw = ABSENT
    uuid: Raw = ABSENT
    pid: Raw = ABSENT
    category: Raw = ABSENT


#: The extra fields that real cameras send with a capture or an event (D8).
_USUAL_EXTRA = (
    "id_card",
    "work_id",
    "phone",
    "department",
    "otherInfo",
    "score",
    "helmet",
    "smoke",
    "handed",
    "feature",
)

#: What edition 3 sends beside the attributes (D12).
_SCENE = ("bg_width", "bg_height", "face_rect", "body_rect", "race")
_VEHICLE_OF_3 = (
    *("bg_width", "bg_height", "plate_rect", "car_rect"),
    *("plate", "plate_color", "car_color", "car_type", "car_maker"),
)

B = TypeVar("B", bound=CommonBody)


class BodyDecoder(Generic[B]):
    """Decodes the bodies of one path.

    One pass of msgspec decodes a short body that has only the documented and the usual extra
    fields; any other body takes two or three.
    """

    def __init__(self, known: type[B], usual_extra: tuple[str, ...]) -> None:
        self._known = json_decoder(known)
        self._names = frozenset(known.__struct_fields__)
        #: The fields that are decoded as texts or numbers.
        self._texts = self._names - {"data"}
        self._usual_extra = usual_extra
        #: Returns the values of all of them, of which there are at least two.
        self._values_of_extra = attrgetter(*usual_extra)
        exact: type[B] = msgspec.defstruct(  # type: ignore[assignment]
            f"{known.__name__}WithExtra",
            [(name, Raw, ABSENT) for name in usual_extra],
            bases=(known,),
            forbid_unknown_fields=True,
        )
        self._exact = json_decoder(exact)

    def decode(self, body: bytes, max_depth: int) -> tuple[B, list[ExtraField]]:
        """Return the documented fields, and the extra fields undecoded.

        Raises BadParameter, also for nesting beyond `max_depth`.
        """
        json_limits.check_limits(body, max_depth)
        if len(body) > json_limits.LONG_BYTES:
            return self._decode_long(body)
        try:
            sent: B = self._exact.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._decode_any(body)
        values = zip(self._usual_extra, self._values_of_extra(sent), strict=True)
        return sent, [(name, raw) for name, raw in values if raw is not ABSENT]

    def _decode_long(self, body: bytes) -> tuple[B, list[ExtraField]]:
        """Decode without copying the extra fields."""
        return self._decode_fields(json_limits.distinct_fields(body, self._texts, "the body"))

    def _decode_any(self, body: bytes) -> tuple[B, list[ExtraField]]:
        sent = json_limits.decode(self._known, body, "the body")
        fields = FieldReader.decode(body).remaining()
        if {name for name, _ in fields} & self._names - _names_of(sent):
            # A documented field has blanks around its key.
            return self._decode_fields(dict(fields))
        return sent, [(name, raw) for name, raw in fields if name not in self._names]

    def _decode_fields(self, sent: dict[str, Raw]) -> tuple[B, list[ExtraField]]:
        fields = tidy_keys(sent)
        known = {name: raw for name, raw in fields.items() if name in self._names}
        body = json_limits.decode(self._known, msgspec.json.encode(known), "the body")
        return body, [(name, raw) for name, raw in fields.items() if name not in self._names]


def _names_of(body: CommonBody) -> set[str]:
    """The names of the fields that were sent, and are not null."""
    return {
        name
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not None and value is not ABSENT
    }


FACE = BodyDecoder(
    FaceBody,
    tuple(dict.fromkeys((*_USUAL_EXTRA, "type", "ic_card", *_SCENE, *SENT_BY_3))),
)
EVENT = BodyDecoder(EventBody, (*_USUAL_EXTRA, "age", "gender", "state"))
VEHICLE = BodyDecoder(CommonBody, _VEHICLE_OF_3)
