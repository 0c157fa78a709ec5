"""The calls about targets, as the description of the API shows them."""

from __future__ import annotations

from hub.services.forwarding.checks import MAX_CA_LENGTH
from web.api.endpoint import PREFIX, Endpoint
from web.api.targets.answers import (
    AddedTarget,
    CursorAnswer,
    Deliveries,
    DeliveryAnswer,
    Parked,
    ParkedAnswer,
    Secret,
    TargetAnswer,
    Targets,
)
from web.api.targets.bodies import AfterRestore, TargetBody

TAG = "Targets"
_ALL = f"{PREFIX}/targets"
PATH = f"{_ALL}/{{target}}"

EXAMPLE = TargetAnswer(
    id=1,
    kind="webhook",
    name="VMS",
    url="https://192.168.1.20/in",
    hub="north-school-1f9a0c",
    partition=None,
    user="",
    home_assistant=None,
    commands=None,
    mail=None,
    about="",
    kinds=["face", "event"],
    dids=[],
    types=[],
    alarms=True,
    pictures="alarms",
    state="waiting",
    behind=12,
    behind_since="2026-11-25T08:00:00.210Z",
    reason="it answered 503",
    next_try="2026-11-25T08:05:00.210Z",
    cursor=CursorAnswer("6b1f0e7d5a2c4b3e9d8f7a6b5c4d3e2f", 4699),
    parked=0,
    gaps=[],
    created_at="2026-11-20T08:00:00.000Z",
)
_SECRET = "whsec_" + "AAAA" * 8
_ADDED = AddedTarget(
    **{name: getattr(EXAMPLE, name) for name in TargetAnswer.__struct_fields__}, secret=_SECRET
)
_DELIVERY = DeliveryAnswer("6b1f0e7d-4700", "2026-11-25T08:00:00.250Z", 41, 503, "it answered 503")

ADD = Endpoint(
    method="POST",
    path=_ALL,
    tag=TAG,
    summary="Add a target",
    description=(
        "Webhooks follow Standard Webhooks 1.0.0: signed, one at a time, in the order of `seq`, "
        "tried again for as long as the records are kept. The body is "
        '`{"type": "record" | "alarm" | "gap" | "erasure" | "test", "timestamp", "log", "hub", '
        '"data"}` with at most 20 KB; pictures are links that are good for a day without a key. A '
        "message that is sent again has the same `webhook-id`. Answer 2xx within 30 s; 410 holds "
        "the target, 400 and 422 park the record, alarm or gap; so refused, an erasure holds the "
        "target. NATS gets each record exactly once: docs/many-sites.md says under which subjects "
        "and with which headers. MQTT is told what happens now, and Home Assistant finds the "
        "cameras by it: docs/home-assistant.md has the topics. Mail tells people of alarms."
    ),
    body_example=TargetBody("webhook", "https://192.168.1.20/in", "VMS", kinds=("face", "event")),
    max_body_bytes=4 * MAX_CA_LENGTH,
    answer_example=_ADDED,
    needs_password=True,
    right="targets",
)
TEST = Endpoint(
    method="POST",
    path=f"{PATH}/test",
    tag=TAG,
    summary="Send a test message",
    answer_example=_DELIVERY,
)
RETRY = Endpoint(
    method="POST",
    path=f"{PATH}/retry",
    tag=TAG,
    summary="Try at once what waits, is held, or was parked",
    answer_example=EXAMPLE,
)
GO_ON_RESTORED = Endpoint(
    method="POST",
    path=f"{_ALL}/restored",
    tag=TAG,
    summary="Forward again after the hub was restored from a backup",
    description=(
        "Until then, webhooks and NATS are held. `everything`: the log from its beginning; `new`: "
        "what a target had not had when the backup was made. The log has another id in any case. "
        "Answers with all targets."
    ),
    body_example=AfterRestore("new"),
    answer_example=Targets([EXAMPLE]),
)
SECRET = Endpoint(
    method="POST",
    path=f"{PATH}/secret",
    tag=TAG,
    summary="Give a webhook another secret",
    description="For a day, messages carry the signatures of both.",
    answer_example=Secret(_SECRET),
    needs_password=True,
    right="targets",
)
DELIVERIES = Endpoint(
    method="GET",
    path=f"{PATH}/deliveries",
    tag=TAG,
    summary="The last 100 attempts since the hub started, the newest first",
    answer_example=Deliveries([_DELIVERY]),
)
PARKED = Endpoint(
    method="GET",
    path=f"{PATH}/parked",
    tag=TAG,
    summary="Records, alarms and gaps that a target refused permanently",
    answer_example=Parked(
        [ParkedAnswer(EXAMPLE.cursor.log, 4698, "it answered 422", "2026-11-25T08:00:00.000Z")]
    ),
)
SEND_AGAIN = Endpoint(
    method="POST",
    path=f"{PATH}/records/{{seq}}/send",
    tag=TAG,
    summary="Send a record again",
    answer_example=EXAMPLE,
    path_example={"seq": "4698"},
)
CONFIRM_GAPS = Endpoint(
    method="POST",
    path=f"{PATH}/gaps/confirm",
    tag=TAG,
    summary="Confirm the gaps of a target",
    answer_example=EXAMPLE,
)
