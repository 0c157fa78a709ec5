"""The shapes of targets: other systems that the record log is forwarded to."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.reasons import Reason
from hub.store.alarms.alarm import Severity
from hub.wire.times import Moment
from hub.wire.uploads.records import Record, RecordKind

TargetKind = Literal["webhook", "mqtt", "nats", "mail"]
_Address = Annotated[str, Meta(max_length=254)]
#: Whose pictures a target gets: nobody's, those of records that raised an alarm, or all.
PictureChoice = Literal["none", "alarms", "all"]
#: Why records were deleted before a target had them: by age, `store.max_gb`, the disk's free
#: space, a person who let the day go; or they are lost.
GapReason = Literal["age", "size", "disk", "confirmed", "lost"]
#: What a target can refuse for ever without being held.
DeadLetterKind = Literal["record", "alarm", "gap"]


#: Why a target of everything is held after a restore.
AFTER_RESTORE = Reason(
    "the hub was restored from a backup: choose whether it gets everything again or only what is "
    "new"
)
#: They are told what happens, and not every record.
OF_NOW: tuple[TargetKind, ...] = ("mqtt", "mail")


class Selection(Struct, frozen=True, kw_only=True):
    """Which records a target gets. What is empty leaves out nothing.

    `kinds`: kinds of records. `dids`: cameras; records of the hub itself have none. `types`: types
    of events (2.4); records of other kinds are not affected. `alarms`: whether it also hears of
    every change of an alarm.
    """

    kinds: tuple[RecordKind, ...] = ()
    dids: tuple[str, ...] = ()
    types: tuple[int, ...] = ()
    alarms: bool = True
    pictures: PictureChoice = "none"

    def wants(self, record: Record) -> bool:
        """Whether the target gets a record."""
        if self.kinds and record.kind not in self.kinds:
            return False
        if self.dids and record.did not in self.dids:
            return False
        is_event = record.kind == "event"
        return not (self.types and is_event) or getattr(record.detail, "type", None) in self.types


class MailOptions(Struct, frozen=True, kw_only=True):
    """Whom a mail server is to tell of alarms, in at most one mail in so many minutes."""

    sender: _Address
    recipients: Annotated[tuple[_Address, ...], Meta(min_length=1, max_length=20)]
    severity: Annotated[Severity, Meta(description="and more severe ones")] = "major"
    minutes: Annotated[int, Meta(ge=1, le=1440)] = 10


class TargetOptions(Struct, frozen=True, kw_only=True):
    """Where a target is, and what it gets. No secrets.

    `url`: https:// or http:// of a webhook, with *** for what is secret in it; tls:// or nats:// of
    servers, separated by commas; mqtts:// or mqtt:// of a broker; smtps:// or smtp:// (with
    STARTTLS) of a mail server.
    `ca`: PEM of the authority that signed its certificate; "": one that this computer knows.
    `hub`: the name under which it knows this hub. `begin_seq`: it gets what comes after it in
    `begin_log`.

    NATS, MQTT and mail: `user` with a password, or, but for mail, `cert` (PEM) with a key. NATS
    alone: `partition`: 0 to 15. MQTT alone: `home_assistant`: whether it is told which cameras
    there are; `commands`: whether a broker may restart cameras and acknowledge alarms. Mail alone:
    `mail`.
    """

    url: str
    hub: str = ""
    ca: str = ""
    user: str = ""
    cert: str = ""
    partition: int = 0
    home_assistant: bool = True
    commands: bool = False
    mail: MailOptions | None = None
    begin_log: str = ""
    begin_seq: int = 0
    selection: Selection = Selection()


class TargetSecrets(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What only the target and the hub know.

    `secret`: signs webhooks, as `whsec_` and base64. `previous`: the one before, which also signs
    until `previous_until` (UNIX milliseconds). `password` of a user; `key` (PEM) of a certificate.
    `url`: a webhook's address, if some of it is secret.
    """

    secret: str = ""
    previous: str = ""
    previous_until: Moment = 0
    password: str = ""
    key: str = ""
    url: str = ""


class Cursor(Struct, frozen=True):
    """How far a target is: it needs nothing more of `log` up to `seq`.

    `alarm_number`: the same of the changes of alarms. `erasure_number`: of what was erased.
    """

    log: str
    seq: int
    alarm_number: int = 0
    erasure_number: int = 0


class NewTarget(Struct, frozen=True, kw_only=True):
    kind: TargetKind
    name: str
    options: TargetOptions
    created_at: Moment
    cursor: Cursor


class Target(NewTarget, frozen=True, kw_only=True):
    """A target. `held`: why nothing is sent until a person looks; None if it is sent.

    `generation`: counts its changes. What was begun for an earlier one does not count any more.
    """

    id: int
    generation: int = 1
    held: Reason | None = None

    @property
    def waits_after_restore(self) -> bool:
        """Whether somebody has to say what it gets, now that the hub was restored."""
        return self.held is not None and self.held.sentence == AFTER_RESTORE.sentence


class DeadLetterKey(Struct, frozen=True):
    """What a target refused. `seq`: of the record or the alarm, or the first one of the gap."""

    kind: DeadLetterKind
    log: str
    seq: int


class DeadLetter(Struct, frozen=True):
    """Something that a target refused for ever: see DeadLetterKey."""

    target: int
    kind: DeadLetterKind
    log: str
    seq: int
    reason: Reason
    refused_at: Moment

    @property
    def key(self) -> DeadLetterKey:
        return DeadLetterKey(self.kind, self.log, self.seq)


class Gap(Struct, frozen=True):
    """Records from `first_seq` to `last_seq` that were deleted before a target had them.

    `told_at`: when the target was told. `seen_at`: when a person said that it is known.
    """

    target: int
    log: str
    first_seq: int
    last_seq: int
    reason: GapReason
    made_at: Moment
    told_at: Moment | None = None
    seen_at: Moment | None = None
