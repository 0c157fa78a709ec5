"""What is sent to add or change a target."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.services.forwarding.checks import MAX_CA_LENGTH
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.targets import TargetChange
from hub.store.targets.target import MailOptions, PictureChoice, Selection, TargetKind
from hub.store.targets.targets import MAX_NAME_LENGTH
from hub.wire.uploads.records import RecordKind
from web.api.endpoint import Did, Integer, Text

_Name = Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
_Url = Annotated[
    str,
    Meta(
        max_length=500,
        description="https:// or http://; of NATS tls:// or nats://, servers separated by commas; "
        "of MQTT mqtts:// or mqtt://; of mail smtps:// or smtp:// (STARTTLS); not this "
        "hub. The values of a webhook's query are sealed, "
        "and answered as ***; an address as it is answered changes nothing",
    ),
]
_Ca = Annotated[
    str,
    Meta(
        max_length=MAX_CA_LENGTH,
        description="PEM of the authority of its certificate; empty: one that this computer trusts",
    ),
]
_User = Annotated[str, Meta(max_length=200, description="NATS, MQTT, mail: what this hub is to it")]
_Password = Annotated[str, Meta(max_length=200)]
_Cert = Annotated[
    str, Meta(max_length=MAX_CA_LENGTH, description="NATS, MQTT: PEM of the hub's certificate")
]
_Key = Annotated[str, Meta(max_length=MAX_CA_LENGTH, description="PEM of its key")]
_Kinds = Annotated[tuple[RecordKind, ...], Meta(max_length=5, description="empty: all")]
_Dids = Annotated[tuple[Did, ...], Meta(max_length=500, description="cameras; empty: all")]
_Types = Annotated[
    tuple[Integer, ...], Meta(max_length=500, description="types of events (2.4); empty: all")
]
_Alarms = Annotated[bool, Meta(description="whether it also hears of each change of an alarm")]
_HomeAssistant = Annotated[
    bool,
    Meta(
        description="MQTT: whether Home Assistant is told which cameras there are; by default it is"
    ),
]
_Commands = Annotated[
    bool,
    Meta(
        description="MQTT: whether whoever may publish there may restart cameras and acknowledge "
        "alarms; NATS: whether the owner of the sites may have people erased here; by default not"
    ),
]


class MailBody(MailOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom a mail server is to tell of alarms, in at most one mail in so many minutes."""


_Mail = Annotated[
    MailBody | None, Meta(description="mail: who is told of which alarms, and how often")
]
_Pictures = Annotated[
    PictureChoice, Meta(description="alarms: of records that raised one, or are kept with one")
]


class TargetBody(Struct, frozen=True, forbid_unknown_fields=True, rename={"begin": "from"}):
    """Body of ADD. `from`: with the next record, or with the first one of the log."""

    kind: TargetKind
    url: _Url = ""
    name: _Name = ""
    suggested: Annotated[
        _Name, Meta(description="without `name`: this one, with a number if it is taken")
    ] = ""
    ca: _Ca = ""
    kinds: _Kinds = ()
    dids: _Dids = ()
    types: _Types = ()
    alarms: _Alarms = True
    pictures: _Pictures = "none"
    hub: Annotated[
        Text, Meta(description="what it calls this hub; empty: derived from the site's name")
    ] = ""
    partition: Annotated[
        Integer | None,
        Meta(description="NATS: 0 to 15, the stream; null: the name of the hub decides"),
    ] = None
    user: _User = ""
    password: _Password = ""
    cert: _Cert = ""
    key: _Key = ""
    home_assistant: _HomeAssistant | UnsetType = UNSET
    commands: _Commands | UnsetType = UNSET
    mail: _Mail = None
    begin: Literal["now", "beginning"] = "now"
    centre: Annotated[
        str,
        Meta(
            max_length=300,
            description="NATS, with `code`: HOST or HOST:PORT, which says where the target is; "
            "then leave out `url`, `suggested`, `ca`, `hub`, `partition` and who this hub is",
        ),
    ] = ""
    code: Annotated[
        str, Meta(max_length=40, description="NATS: a one-time code that the centre has made")
    ] = ""

    @property
    def mqtt(self) -> MqttOptions:
        return _mqtt(self.home_assistant, self.commands)

    @property
    def identity(self) -> Identity:
        return Identity(self.user, self.password, self.cert, self.key)

    @property
    def selection(self) -> Selection:
        return Selection(
            kinds=self.kinds,
            dids=self.dids,
            types=self.types,
            alarms=self.alarms,
            pictures=self.pictures,
        )


class TargetPatch(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of CHANGE. What is left out stays as it is; of user and certificate, all or nothing."""

    name: _Name | UnsetType = UNSET
    url: _Url | UnsetType = UNSET
    ca: _Ca | UnsetType = UNSET
    kinds: _Kinds | UnsetType = UNSET
    dids: _Dids | UnsetType = UNSET
    types: _Types | UnsetType = UNSET
    alarms: _Alarms | UnsetType = UNSET
    pictures: _Pictures | UnsetType = UNSET
    user: _User | UnsetType = UNSET
    password: _Password | UnsetType = UNSET
    cert: _Cert | UnsetType = UNSET
    key: _Key | UnsetType = UNSET
    home_assistant: _HomeAssistant | UnsetType = UNSET
    commands: _Commands | UnsetType = UNSET
    mail: _Mail = None

    @property
    def change(self) -> TargetChange:
        """What changes."""
        given = {
            name: value
            for name in ("ca", *Selection.__struct_fields__)
            if (value := getattr(self, name)) is not UNSET
        }
        return TargetChange(
            name=self.name or None,
            url=self.url or None,
            identity=self._identity(),
            mqtt=_mqtt(self.home_assistant, self.commands),
            mail=self.mail,
            **given,
        )

    def _identity(self) -> Identity | None:
        given = {
            name: value
            for name in Identity.__struct_fields__
            if (value := getattr(self, name)) is not UNSET
        }
        return Identity(**given) if given else None


def _mqtt(home_assistant: bool | UnsetType, commands: bool | UnsetType) -> MqttOptions:
    return MqttOptions(
        home_assistant=None if home_assistant is UNSET else home_assistant,
        commands=None if commands is UNSET else commands,
    )


class AfterRestore(Struct, frozen=True, forbid_unknown_fields=True):
    """What targets get of a restored hub."""

    gets: Literal["everything", "new"]
