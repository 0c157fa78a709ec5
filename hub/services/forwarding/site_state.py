"""How a hub is, as it tells others: the owner of many sites, and brokers of MQTT.

Servers of NATS keep the last of each hub: `nats kv get sitehub-state <hub>`. It names no person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

BUCKET = "sitehub-state"
STATES = f"KV_{BUCKET}"
#: Of one hub's state, which servers hold to.
MAX_STATE_BYTES = 4096
MAX_PROBLEMS = 40
#: What a hub is asked to erase at most, before it has answered.
MAX_ASKED = 20

#: Of the stream that is the bucket, where it differs from one of records.
BUCKET_CONFIG: dict[str, object] = {
    "max_msgs_per_subject": 1,
    "max_msg_size": MAX_STATE_BYTES,
    "max_age": 0,
    "allow_atomic": False,
}

Word = Annotated[str, Meta(max_length=80)]
Code = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}\Z")]
LogId = Annotated[str, Meta(max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]


class Asked(Struct, frozen=True):
    """A person to erase. `logs`: those of the hub that the number is of."""

    id: Code
    number: Annotated[str, Meta(min_length=1, max_length=1000)]
    logs: Annotated[tuple[LogId, ...], Meta(max_length=50)]
    at: datetime


class Answered(Struct, frozen=True):
    """What became of what the owner has asked. `outcome`: begun, erased, kept, refused or
    waiting.

    `kept`: erased, but for records that are held. `waiting`: nothing can be stored there now.
    """

    id: Code
    outcome: Code


class SiteState(Struct, frozen=True, kw_only=True):
    """A hub as it is. `at`: by its own clock. Sizes in bytes; what is not known is None.

    `update_version`: a later one that waits to be installed. `state`: as `sitehub status` tells it.
    `problems`: ids of those on its page *Health*, the worst first. `cameras_refused`: those of the
    offline ones that try; `cameras_waiting`: unknown ones that wait to be let in. `days_left`:
    until its disk is full, if that comes before anything else. `people_waiting`: changes of people
    that cameras do not have yet. `certificate_ends`: of its pages; `identity_ends`: of what it
    shows to these servers. `erases`: whether the owner may have people erased there; `asked`: what
    became of that.
    """

    at: datetime
    partition: Annotated[int, Meta(ge=0, le=15)] = 0
    version: Word = ""
    update_version: Word = ""
    schema: Count = 0
    site: Word = ""
    state: Code = "ok"
    problems: Annotated[tuple[Code, ...], Meta(max_length=MAX_PROBLEMS)] = ()
    cameras_online: Count = 0
    cameras_offline: Count = 0
    cameras_refused: Count = 0
    cameras_disabled: Count = 0
    cameras_waiting: Count = 0
    last_seq: Count = 0
    alarms_new: Count = 0
    people_waiting: Count = 0
    targets_waiting: Count = 0
    targets_held: Count = 0
    disk_free: Count | None = None
    days_left: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    last_backup: datetime | None = None
    certificate_ends: datetime | None = None
    identity_ends: datetime | None = None
    erases: bool = False
    asked: Annotated[tuple[Answered, ...], Meta(max_length=MAX_ASKED)] = ()


def state_subject(hub: str) -> str:
    """Return the subject of a hub's state."""
    return f"$KV.{BUCKET}.{hub}"
