"""The messages that NATS carries: subjects, headers and bodies.

`sitehub.<partition>.<hub>.rec`: a record as the API shows it, with `log` and `hub` in it too.
`.pic`: a picture, before its record. `.alarm`: an alarm as it is after a change, with `number`, of
which a later one replaces an earlier one. `.gap`: records that will never come. `.erasure`: records
to erase, or a person. `.log`: which log the hub has now, and which earlier ones it continues; also
a sign of life. Only records are there exactly once; the others may be repeated.
`$KV.sitehub-state.<hub>`: how the hub is, see `site_state`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.services.alarms.rendering import alarm_json
from hub.services.forwarding.nats.address import stream_of
from hub.services.forwarding.sender import AlarmItem, ErasureItem, GapItem, Item, RecordItem
from hub.store.media.pictures import StoredPicture
from hub.store.targets.erased import EarlierLog
from hub.wire.uploads.records import render

if TYPE_CHECKING:
    from hub.services.forwarding.site_state import SiteState
    from hub.store.targets.target import TargetOptions

SEQ, LOG = "Sitehub-Seq", "Sitehub-Log"
PICTURE, DIGEST = "Sitehub-Picture", "Sitehub-Digest"
#: Of a record that is sent again: how far the target is. Else that is the record's own number.
REACHED = "Sitehub-Reached"
#: Of an erasure: its number.
ERASURE = "Sitehub-Erasure"
#: Which run of which hub sent a record: another one must not send under the same name.
SESSION = "Sitehub-Session"
#: The headers of a message and those that are added, with room.
_HEAD_BYTES = 512


class Message(Struct, frozen=True):
    """A message. `headers` may be added to.

    `seq`: of the record that it is; 0 if it is something else.
    """

    subject: str
    headers: dict[str, str]
    payload: bytes
    seq: int = 0


class Pictures(Protocol):
    async def read(self, seq: int, name: str) -> StoredPicture | None: ...


class Messages:
    """Makes the messages of one hub."""

    def __init__(
        self,
        hub: str,
        partition: int,
        log_id: str,
        pictures: Pictures,
        earlier_logs: Callable[[], Awaitable[Sequence[EarlierLog]]] | None = None,
    ) -> None:
        self.stream = stream_of(partition)
        self.subject = f"sitehub.{partition}.{hub}"
        self.record_subject = f"{self.subject}.rec"
        self.erasure_subject = f"{self.subject}.erasure"
        self.log_id = log_id
        self._pictures = pictures
        self._earlier_logs = earlier_logs
        self._announcement: Message | None = None
        self._tail = _fields(log=log_id, hub=hub)
        self._hub = hub

    async def of(self, item: Item) -> list[Message]:
        """Return the messages of an item, a record after its pictures."""
        match item:
            case RecordItem():
                return await self._record(item)
            case AlarmItem():
                alarm = alarm_json(item.alarm, item.record)
                tail = _fields(log=self.log_id, hub=self._hub, number=item.number)
                return [self._message("alarm", _joined(alarm, tail))]
            case GapItem():
                return [self._message("gap", self._gap(item), log=item.gap.log)]
            case ErasureItem():
                return [self._erasure(item)]

    async def announcement(self) -> Message:
        """Return what says which log the hub has now, and which ones it continues."""
        if self._announcement is None:
            earlier = () if self._earlier_logs is None else await self._earlier_logs()
            fields = {"earlier": earlier, "log": self.log_id, "hub": self._hub}
            self._announcement = self._message("log", msgspec.json.encode(fields))
        return self._announcement

    def state(self, state: SiteState, options: TargetOptions) -> Message:
        """Return what says how the hub is."""
        from hub.services.forwarding.nats.identity import end_of
        from hub.services.forwarding.site_state import state_subject

        state = replace(
            state,
            partition=options.partition,
            identity_ends=end_of(options.cert),
            erases=options.commands,
        )
        return Message(state_subject(self._hub), {}, msgspec.json.encode(state))

    async def _record(self, item: RecordItem) -> list[Message]:
        record = item.record
        seq = str(record.seq)
        found = []
        for image in record.images if item.with_pictures else ():
            # None: erased, or dropped with its day.
            if (picture := await self._pictures.read(record.seq, image.name)) is not None:
                found.append(self._picture(seq, image.name, picture))
        headers = {SEQ: seq, LOG: self.log_id}
        payload = _joined(render(record), self._tail)
        return [*found, Message(self.record_subject, headers, payload, record.seq)]

    def _picture(self, seq: str, name: str, picture: StoredPicture) -> Message:
        headers = {
            SEQ: seq,
            LOG: self.log_id,
            PICTURE: name,
            DIGEST: digest_of(picture.data),
            "Content-Type": picture.mime,
        }
        return Message(f"{self.subject}.pic", headers, picture.data)

    def _gap(self, item: GapItem) -> bytes:
        gap = item.gap
        return msgspec.json.encode(
            {
                "from": gap.first_seq,
                "to": gap.last_seq,
                "reason": gap.reason,
                "log": gap.log,
                "hub": self._hub,
            }
        )

    def _erasure(self, item: ErasureItem) -> Message:
        fields: dict[str, object] = {"seqs": item.seqs, "number": item.number}
        if item.uuids:
            fields |= {"uuids": item.uuids, "last_seq": item.last_seq, "kept": item.kept}
        fields |= {"log": item.log, "hub": self._hub}
        headers = {LOG: item.log, ERASURE: str(item.number)}
        return Message(self.erasure_subject, headers, msgspec.json.encode(fields))

    def _message(self, kind: str, payload: bytes, log: str = "") -> Message:
        return Message(f"{self.subject}.{kind}", {LOG: log or self.log_id}, payload)


def digest_of(data: bytes) -> str:
    """Return what the header of a picture says of it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def size_of(messages: Sequence[Message]) -> int:
    """Return about how many bytes messages take on the wire."""
    return sum(len(message.payload) + _HEAD_BYTES for message in messages)


def largest_of(messages: Sequence[Message]) -> int:
    """Return what the largest of some messages counts against the server's limit."""
    return max(len(message.payload) for message in messages) + _HEAD_BYTES


def _fields(**values: str | int) -> bytes:
    return b"," + msgspec.json.encode(values)[1:]


def _joined(fields: bytes, tail: bytes) -> bytes:
    """Return an object with more fields at its end."""
    return fields[:-1] + tail
