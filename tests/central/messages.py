"""Messages as hubs send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from hub.central.received import Received, read_message
from hub.services.forwarding.nats.messages import digest_of
from hub.services.forwarding.site_state import STATES, SiteState, state_subject

NOW = datetime(2026, 11, 25, 8, tzinfo=UTC)
LOG = "0a" * 16
STREAM = "SITEHUB_3"


def record(seq: int, hub: str = "site-1", log: str = LOG, **fields: Any) -> Received:
    body = {
        "seq": seq,
        "kind": "face",
        "did": "1",
        "sn": "SN1",
        "device_name": "Gate",
        "occurred_at": "2026-11-25T08:00:00.000Z",
        "received_at": "2026-11-25T08:00:00.210Z",
        "name": "王芳",
        "uuid": "1234567890",
        "images": {"face": f"/api/v1/records/{seq}/images/face"},
        "extra": {},
        "log": log,
        "hub": hub,
    }
    return message("rec", {**body, **fields}, hub, log, seq)


def picture(
    seq: int, data: bytes, name: str = "face", hub: str = "site-1", log: str = LOG
) -> Received:
    headers = {
        "Sitehub-Picture": name,
        "Sitehub-Digest": digest_of(data),
        "Content-Type": "image/jpeg",
    }
    return message("pic", data, hub, log, seq, **headers)


def alarm(seq: int, number: int, state: str = "new", log: str = LOG, **fields: Any) -> Received:
    body = {
        "seq": seq,
        "number": number,
        "kind": "blacklist",
        "severity": "critical",
        "state": state,
        "last_at": "2026-11-25T08:00:00.210Z",
        "detail": {"name": "王芳"},
        "record": {"seq": seq, "name": "王芳"},
        "log": log,
        "hub": "site-1",
    }
    return message("alarm", {**body, **fields}, "site-1", log)


def gap(first: int, last: int, reason: str = "deleted", log: str = LOG) -> Received:
    body = {"from": first, "to": last, "reason": reason, "log": log, "hub": "site-1"}
    return message("gap", body, "site-1", log)


def erasure(*ranges: tuple[int, int], hub: str = "site-1", log: str = LOG) -> Received:
    return message("erasure", {"seqs": ranges, "number": 1, "log": log, "hub": hub}, hub, log)


def state(hub: str = "site-1", at: int = 0, **fields: Any) -> Received:
    """How a hub is. `at`: seconds after NOW, by the clock of the servers and its own."""
    moment = NOW + timedelta(seconds=at)
    body = msgspec.json.encode(SiteState(**{"at": moment, "partition": 3} | fields))
    return state_message(hub, body, at)


def state_message(hub: str, body: bytes, at: int = 0, **headers: str) -> Received:
    ns = int((NOW + timedelta(seconds=at)).timestamp() * 1e9)
    reply = f"$JS.ACK.{STATES}.sitehub-1.1.7.7.{ns}.0"
    return read_message(STATES, state_subject(hub), headers, body, reply)


def message(
    kind: str, body: object, hub: str = "site-1", log: str = LOG, seq: int = 0, **headers: str
) -> Received:
    return _sent(kind, body, hub, log, seq, 0, headers)


def _sent(
    kind: str, body: object, hub: str, log: str, seq: int, at: int, headers: dict[str, str]
) -> Received:
    payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
    all_headers = {"Sitehub-Log": log, **headers}
    if seq:
        all_headers["Sitehub-Seq"] = str(seq)
    reply = f"$JS.ACK.{STREAM}.sitehub-central.1.{seq}.7.{1795600000 + at}000000000.0"
    return read_message(STREAM, f"sitehub.3.{hub}.{kind}", all_headers, payload, reply)


def log_is(log: str, *earlier: tuple[str, int], at: int = 1, hub: str = "site-1") -> Received:
    """What a hub says of its log; `at`: seconds, by the clock of the servers."""
    logs = [{"log": one, "last_seq": last_seq} for one, last_seq in earlier]
    return _sent("log", {"earlier": logs, "log": log, "hub": hub}, hub, log, 0, at, {})


def person_erased(
    uuid: str, last_seq: int, *kept: tuple[int, int], log: str = LOG, at: int = 100, number: int = 9
) -> Received:
    body = {"seqs": [], "number": number, "uuids": [uuid], "last_seq": last_seq, "kept": kept}
    return _sent("erasure", {**body, "log": log}, "site-1", log, 0, at, {})
