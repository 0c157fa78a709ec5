"""The hub's configuration: frozen structs, with the bounds and the meaning of each setting."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct
from msgspec import inspect as shape

from hub.decoders import convert
from hub.errors import StartFault


class Mark(Enum):
    """How a setting is changed. Without a mark, a change applies after a restart."""

    #: It applies as soon as it is changed.
    AT_ONCE = "at once"
    #: It can be changed only in the file: a wrong value could keep the hub from starting or from
    #: being reached, so that nobody could correct it on the page.
    FILE_ONLY = "file only"


AT_ONCE, FILE_ONLY = Mark.AT_ONCE, Mark.FILE_ONLY

Port = Annotated[int, Meta(ge=1, le=65535)]
PortOrOff = Annotated[int, Meta(ge=0, le=65535)]
MaxConnections = Annotated[int, Meta(ge=4, le=100_000)]
MaxConnectionsPerAddress = Annotated[int, Meta(ge=2, le=100_000)]
Kilobytes = Annotated[int, Meta(ge=1, le=65_536)]
Gigabytes = Annotated[float, Meta(ge=0, le=1_000_000)]
#: The ready sets of events that raise an alarm (D11), the smallest first.
RaisedBy = Literal["few", "usual", "all"]
RAISED_BY = "alarms.raised_by"


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[
        str,
        Meta(max_length=100),
        "Name of the site, shown on every page; blank: the host name",
        AT_ONCE,
    ] = ""
    timezone: Annotated[
        str, "Time zone, an IANA name such as Asia/Shanghai; blank: that of this computer", AT_ONCE
    ] = ""
    language: Annotated[
        Literal["auto", "zh", "en"], "Language of the pages; auto: the browser's", AT_ONCE
    ] = "auto"


class WebConfig(Struct, frozen=True, forbid_unknown_fields=True):
    bind: Annotated[str, "Address of dashboard, uploads and API", FILE_ONLY] = "0.0.0.0"
    port: Annotated[Port, "Port of dashboard, uploads and API", FILE_ONLY] = 8443
    tls: Annotated[bool, "Whether this port uses TLS (HTTPS)", FILE_ONLY] = True
    prefix: Annotated[
        str,
        Meta(max_length=100),
        "Path below which a reverse proxy serves the hub, such as /hub; blank: none",
        FILE_ONLY,
    ] = ""
    trusted_proxies: Annotated[
        str,
        "Addresses and networks of reverse proxies whose Forwarded header is trusted",
        FILE_ONLY,
    ] = ""
    second_factor: Annotated[
        Literal["optional", "administrators"],
        "Who must have a second factor to sign in; until then an administrator can only view",
        AT_ONCE,
    ] = "optional"
    max_body_mb: Annotated[
        int, Meta(ge=1, le=256), "Maximum size of a request body, in MB", AT_ONCE
    ] = 16
    upload_budget_mb: Annotated[
        int, Meta(ge=1, le=16384), "Maximum size of all request bodies in progress, in MB", AT_ONCE
    ] = 256
    answer_budget_mb: Annotated[
        int,
        Meta(ge=8, le=16384),
        "Maximum size of all responses that have not been read yet, in MB",
        AT_ONCE,
    ] = 64
    body_seconds: Annotated[
        float, Meta(ge=1, le=600), "Seconds within which a request body must be complete", AT_ONCE
    ] = 60
    max_connections: Annotated[
        MaxConnections,
        "Maximum number of connections; when all are taken, the address with the most loses one",
    ] = 4096
    max_connections_per_address: Annotated[
        MaxConnectionsPerAddress, "Maximum number of connections from one address"
    ] = 512


class DevicesConfig(Struct, frozen=True, forbid_unknown_fields=True):
    bind: Annotated[str, "Address of the cameras' WebSocket", FILE_ONLY] = "0.0.0.0"
    port: Annotated[Port, "Port of the cameras' WebSocket", FILE_ONLY] = 8444
    tls: Annotated[bool, "Whether this port uses TLS (wss://)", FILE_ONLY] = True
    legacy_ciphers: Annotated[
        bool, "Whether old cameras may use cipher suites with CBC or RSA key exchange", AT_ONCE
    ] = False
    heartbeat_interval: Annotated[
        int,
        Meta(ge=1, le=3600),
        "Heartbeat interval in seconds; a camera is offline after 2.5 intervals without a message",
    ] = 30
    token_ttl: Annotated[int, Meta(ge=2, le=86_400), "Seconds until a token expires", AT_ONCE] = (
        3600
    )
    clock_skew: Annotated[
        int, Meta(ge=1, le=86_400), "Seconds that a camera's clock may be off", AT_ONCE
    ] = 300
    init_uri: Annotated[
        str, Meta(pattern="^/", max_length=200), "Command with the initial parameters"
    ] = "/device/param_set"
    require_did: Annotated[
        Literal["auto", "always", "never"],
        "Whether cameras must send their device ID to connect; auto: only those that can store one",
        AT_ONCE,
    ] = "auto"
    http_auth: Annotated[
        Literal["token", "token-or-address"],
        "Whether the address of an online camera replaces a missing token",
    ] = "token"
    any_origin: Annotated[
        bool, "Whether web pages of other sites may open the cameras' WebSocket (header Origin)"
    ] = False
    unsigned: Annotated[
        Literal["refuse", "ask"],
        "What to do with cameras that connect without a signature; ask: an administrator may "
        "approve them",
        AT_ONCE,
    ] = "refuse"
    unsigned_networks: Annotated[
        str,
        Meta(max_length=500),
        "Addresses and networks from which cameras may connect without a signature",
        AT_ONCE,
    ] = ""
    unknown_event_types: Annotated[
        Literal["refuse", "keep"], "What to do with event types other than 1 to 14", AT_ONCE
    ] = "refuse"
    max_connections: Annotated[
        MaxConnections,
        "Maximum number of connections; when all are taken, the address with the most loses one",
    ] = 4096
    max_connections_per_address: Annotated[
        MaxConnectionsPerAddress, "Maximum number of connections from one address"
    ] = 512
    max_waiting: Annotated[
        int, Meta(ge=1, le=10_000), "Maximum number of cameras asking to connect"
    ] = 256
    first_message_seconds: Annotated[
        float, Meta(ge=0.5, le=600), "Seconds from accepting a connection to its first message"
    ] = 10
    max_frame_kb: Annotated[int, Meta(ge=16, le=65_536), "Maximum size of a message, in KB"] = 8192
    max_first_frame_kb: Annotated[
        Kilobytes, "Maximum size of a message before a camera is connected, in KB"
    ] = 64
    message_budget_mb: Annotated[
        int, Meta(ge=1, le=16384), "Maximum size of all long messages in progress, in MB", AT_ONCE
    ] = 64
    max_depth: Annotated[
        int, Meta(ge=4, le=512), "Maximum nesting depth of JSON in messages and request bodies"
    ] = 64
    max_requests_per_second: Annotated[
        int,
        Meta(ge=1, le=100_000),
        "Maximum requests per second of one camera, for WebSocket and HTTP each",
    ] = 200
    plain_ws_port: Annotated[
        PortOrOff, "An additional WebSocket port without TLS; 0: none", FILE_ONLY
    ] = 0
    plain_http_port: Annotated[
        PortOrOff, "An additional port for uploads without TLS; 0: none", FILE_ONLY
    ] = 0
    plain_body_md5: Annotated[
        bool, "Whether a signed upload without TLS must sign the MD5 of its body"
    ] = True


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    keep_days: Annotated[
        int, Meta(ge=1, le=36_500), "Days to keep records; older days are deleted", AT_ONCE
    ] = 30
    max_gb: Annotated[
        Gigabytes,
        "Limit for pictures in GB; beyond it the oldest day is deleted; 0: no limit",
        AT_ONCE,
    ] = 0
    min_free_gb: Annotated[
        Gigabytes, "GB to keep free on the disk, by deleting the oldest day", AT_ONCE
    ] = 2


class TimeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    sntp_port: Annotated[
        PortOrOff, "UDP port on which cameras get the time (SNTP, usually 123); 0: off", FILE_ONLY
    ] = 0


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    cert: Annotated[
        str, "PEM file of your own certificate; blank: the hub issues one", FILE_ONLY
    ] = ""
    key: Annotated[str, "PEM file of the private key for your own certificate", FILE_ONLY] = ""


class BackupConfig(Struct, frozen=True, forbid_unknown_fields=True):
    folder: Annotated[
        str, "Folder for nightly backups; relative to the data directory", AT_ONCE
    ] = "backups"
    hour: Annotated[
        int, Meta(ge=0, le=23), "Hour of the nightly backup, in the site's time zone", AT_ONCE
    ] = 3
    max_gb: Annotated[
        Gigabytes,
        "Limit for backups in GB; beyond it the oldest one is deleted; 0: no limit",
        AT_ONCE,
    ] = 0
    pictures: Annotated[
        bool, "Whether nightly backups include the pictures of the records", AT_ONCE
    ] = True


class PeopleConfig(Struct, frozen=True, forbid_unknown_fields=True):
    send_id_numbers: Annotated[
        bool, "Whether cameras are given people's ID card and IC card numbers", AT_ONCE
    ] = True


class AlarmsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    raised_by: Annotated[
        RaisedBy, "Which events raise an alarm where no alarm rule decides", AT_ONCE
    ] = "all"
    offline_minutes: Annotated[
        int, Meta(ge=1, le=1440), "Minutes offline after which a camera raises an alarm", AT_ONCE
    ] = 5
    escalate_seconds: Annotated[
        int,
        Meta(ge=2, le=86_400),
        "Seconds after which everyone is notified of an alarm that nobody acknowledged",
        AT_ONCE,
    ] = 120
    keep_days: Annotated[
        int, Meta(ge=1, le=36_500), "Days to keep closed alarms and their evidence", AT_ONCE
    ] = 180


class TargetsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    hold_days: Annotated[
        int,
        Meta(ge=0, le=36_500),
        "Days to keep records that a target has not received, unless the disk is full",
        AT_ONCE,
    ] = 7


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    level: Annotated[
        Literal["debug", "info", "warning", "error"], "Minimum level that is logged", AT_ONCE
    ] = "info"
    format: Annotated[Literal["text", "json"], "Format of the log; json: one object per line"] = (
        "text"
    )


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    site: SiteConfig = SiteConfig()
    web: WebConfig = WebConfig()
    devices: DevicesConfig = DevicesConfig()
    store: StoreConfig = StoreConfig()
    time: TimeConfig = TimeConfig()
    tls: TlsConfig = TlsConfig()
    backup: BackupConfig = BackupConfig()
    people: PeopleConfig = PeopleConfig()
    alarms: AlarmsConfig = AlarmsConfig()
    targets: TargetsConfig = TargetsConfig()
    log: LogConfig = LogConfig()


Value = str | int | float | bool


class ListeningPort(NamedTuple):
    """A port to listen on, and the setting that it comes from."""

    setting: str
    bind: str
    port: int


class Setting(Struct, frozen=True):
    """One key of the configuration, with its documentation."""

    section: str
    key: str
    type: Any
    default: Value
    meaning: str
    at_once: bool = False
    file_only: bool = False

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        return f"SITEHUB_{self.section}_{self.key}".upper()

    @property
    def allowed(self) -> str:
        return _allowed(shape.type_info(self.type))

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values, as written in the file; empty unless they are a few words."""
        match self._kind:
            case shape.BoolType():
                return ("true", "false")
            case shape.LiteralType(values=values):
                return tuple(str(value) for value in values)
        return ()

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The smallest and largest allowed number; None if the setting is not a number."""
        match self._kind:
            case shape.IntType(ge=int(least), le=int(most)):
                return least, most
            case shape.FloatType(ge=least, le=most) if least is not None and most is not None:
                return least, most
        return None

    @property
    def is_whole(self) -> bool:
        """Whether the setting is a whole number."""
        return isinstance(self._kind, shape.IntType)

    @property
    def _kind(self) -> shape.Type:
        kind = shape.type_info(self.type)
        return kind.type if isinstance(kind, shape.Metadata) else kind

    def check(self, value: object, source: str, *, from_text: bool = False) -> Value:
        """Return `value` as this setting's type. Raises StartFault if it is not allowed.

        `source` says where the value comes from. With `from_text`, text is converted to numbers
        and booleans.
        """
        try:
            checked: Value = convert(value, self.type, strict=not from_text)
            if isinstance(checked, float) and not math.isfinite(checked):
                raise ValueError
            if isinstance(checked, str):
                checked.encode()  # Fails if an argument was not UTF-8.
        except ValueError:
            # Show it as in the file, because quotes may be the only mistake.
            shown = value if from_text else as_toml(value)
            raise StartFault(
                f"bad setting {self.name} = {shown} ({source}): allowed is {self.allowed}"
            ) from None
        return checked


def _settings() -> Iterator[Setting]:
    for section in msgspec.structs.fields(Config):
        types = get_type_hints(section.type, include_extras=True)
        for field in msgspec.structs.fields(section.type):
            notes = get_args(types[field.name])
            yield Setting(
                section=section.name,
                key=field.name,
                type=types[field.name],
                default=field.default,
                meaning=next(note for note in notes if isinstance(note, str)),
                at_once=AT_ONCE in notes,
                file_only=FILE_ONLY in notes,
            )


#: All settings by name, in the order of the file.
SETTINGS: Mapping[str, Setting] = {setting.name: setting for setting in _settings()}
SECTIONS: tuple[str, ...] = tuple(dict.fromkeys(setting.section for setting in _settings()))


def value_of(config: Config, name: str) -> Value:
    """Return the value of a setting by its name."""
    setting = SETTINGS[name]
    value: Value = getattr(getattr(config, setting.section), setting.key)
    return value


def with_values(config: Config, values: Mapping[str, Value]) -> Config:
    """Return the configuration with these settings replaced. The values must be allowed."""
    sections: dict[str, Any] = {section: getattr(config, section) for section in SECTIONS}
    for name, value in values.items():
        setting = SETTINGS[name]
        section = sections[setting.section]
        sections[setting.section] = msgspec.structs.replace(section, **{setting.key: value})
    return Config(**sections)


def ports_of(config: Config) -> list[ListeningPort]:
    """Return all ports that devices and browsers connect to."""
    web, devices = config.web, config.devices
    ports = (
        ListeningPort("web.port", web.bind, web.port),
        ListeningPort("devices.port", devices.bind, devices.port),
        ListeningPort("devices.plain_ws_port", devices.bind, devices.plain_ws_port),
        ListeningPort("devices.plain_http_port", devices.bind, devices.plain_http_port),
    )
    return [port for port in ports if port.port]


def udp_ports_of(config: Config) -> list[ListeningPort]:
    """Return the UDP ports that devices send to."""
    ports = (ListeningPort("time.sntp_port", config.devices.bind, config.time.sntp_port),)
    return [port for port in ports if port.port]


def as_toml(value: object) -> str:
    """Return a value as it is written in the file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{_escaped(value)}"' if isinstance(value, str) else str(value)


def _escaped(text: str) -> str:
    """Return text as it is written between quotes."""
    known = {"\\": "\\\\", '"': '\\"'}
    return "".join(
        known.get(character)
        or (
            f"\\u{ord(character):04x}"
            if ord(character) < 32 or ord(character) == 127
            else character
        )
        for character in text
    )


def _allowed(kind: shape.Type) -> str:
    match kind:
        case shape.Metadata(type=inner):
            return _allowed(inner)
        case shape.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case shape.FloatType(ge=least, le=most):
            return f"a number from {least:g} to {most:.10g}"
        case shape.BoolType():
            return "true or false"
        case shape.LiteralType(values=values):
            return " or ".join(str(value) for value in values)
        case shape.StrType(pattern="^/", max_length=most):
            return f"a path that begins with /, of at most {most} characters"
        case shape.StrType(max_length=int(most)):
            return f"text of at most {most} characters"
    return "text"
