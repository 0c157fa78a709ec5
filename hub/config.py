"""The hub's configuration: frozen structs with their bounds.

Order of what counts: built-in default, `sitehub.toml`, environment, `--set`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=1, le=65535)]
PortOrOff = Annotated[int, Meta(ge=0, le=65535)]


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    #: Empty: the host's name.
    name: Annotated[str, Meta(max_length=100)] = ""
    #: An IANA name; empty: the system's.
    timezone: str = ""
    language: Literal["auto", "zh", "en"] = "auto"


class Web(Struct, frozen=True, forbid_unknown_fields=True):
    bind: str = "0.0.0.0"
    port: Port = 8443
    tls: bool = True
    max_body_mb: Annotated[int, Meta(ge=1, le=256)] = 16
    upload_budget_mb: Annotated[int, Meta(ge=1, le=16384)] = 256
    body_seconds: Annotated[float, Meta(ge=1, le=600)] = 60
    max_connections: Annotated[int, Meta(ge=4, le=100_000)] = 4096
    max_connections_per_address: Annotated[int, Meta(ge=2, le=100_000)] = 512


class Devices(Struct, frozen=True, forbid_unknown_fields=True):
    bind: str = "0.0.0.0"
    port: Port = 8444
    tls: bool = True
    heartbeat_interval: Annotated[int, Meta(ge=1, le=3600)] = 30
    token_ttl: Annotated[int, Meta(ge=2, le=86_400)] = 3600
    clock_skew: Annotated[int, Meta(ge=1, le=86_400)] = 300
    init_uri: Annotated[str, Meta(pattern="^/", max_length=200)] = "/device/param_set"
    require_did: Literal["auto", "always", "never"] = "auto"
    http_auth: Literal["token", "token-or-address"] = "token"
    unknown_event_types: Literal["refuse", "keep"] = "refuse"
    max_connections: Annotated[int, Meta(ge=4, le=100_000)] = 4096
    max_connections_per_address: Annotated[int, Meta(ge=2, le=100_000)] = 512
    max_waiting: Annotated[int, Meta(ge=1, le=10_000)] = 256
    first_message_seconds: Annotated[float, Meta(ge=0.5, le=600)] = 10
    max_frame_kb: Annotated[int, Meta(ge=16, le=65_536)] = 8192
    max_first_frame_kb: Annotated[int, Meta(ge=1, le=65_536)] = 64
    max_depth: Annotated[int, Meta(ge=4, le=512)] = 64
    max_requests_per_second: Annotated[int, Meta(ge=1, le=100_000)] = 200
    plain_ws_port: PortOrOff = 0
    plain_http_port: PortOrOff = 0


class Storage(Struct, frozen=True, forbid_unknown_fields=True):
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] = 30
    max_gb: Annotated[float, Meta(ge=0, le=1_000_000)] = 0
    min_free_gb: Annotated[float, Meta(ge=0, le=1_000_000)] = 2


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    #: Paths of PEM files; both or neither.
    cert: str = ""
    key: str = ""


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    site: Site = Site()
    web: Web = Web()
    devices: Devices = Devices()
    store: Storage = Storage()
    tls: Tls = Tls()
    log: Log = Log()
