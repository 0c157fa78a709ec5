"""The forms of targets: what is entered, and what is wrong with it."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal, get_args

import msgspec
from markupsafe import Markup
from msgspec import Struct
from quart import request

from hub.decoders import convert
from hub.errors import AlreadyExists, BadParameter, ChangedMeanwhile
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.views import TargetView
from hub.services.forwarding.webhooks.address import HIDDEN
from hub.store.targets.target import MailOptions, PictureChoice, Selection, TargetKind
from hub.wire import code_tables
from hub.wire.uploads.records import RecordKind
from web import auth, language
from web.language import N_, gettext
from web.pages.choices import Choice
from web.pages.faults import Fault
from web.pages.labels import KINDS
from web.pages.shown.alarm_labels import SEVERITIES

_PICTURES: dict[PictureChoice, str] = {
    "none": N_("No pictures"),
    "alarms": N_("Only pictures of records with an alarm"),
    "all": N_("All pictures"),
}
#: What is expected of a field.
_EXPECTED = {
    "ca": N_("Paste one or more certificates. Each begins with -----BEGIN CERTIFICATE-----."),
    "name": N_("Enter a name of at most 80 characters."),
    "hub": N_("Use at most 63 lower-case letters (a to z), digits and hyphens."),
    "partition": N_("Enter a number from 0 to 15."),
    "user": N_("Enter both the user name and the password, at most 200 characters each."),
    "password": N_("Enter both the user name and the password, at most 200 characters each."),
    "cert": N_(
        "Paste the certificate and its private key. Both begin with -----BEGIN. No passphrase."
    ),
    "file": N_("This is not a file that was made for a hub by “sitehub central enrol”."),
    "sender": N_("Enter an e-mail address."),
    "recipients": N_("Enter 1 to 20 e-mail addresses, separated by commas."),
    "minutes": N_("Enter a number from 1 to 1440."),
    "centre": N_("Enter a host name or an address, if necessary with a port after a colon."),
    "code": N_("The code is mistyped. Compare its 16 letters and digits with what you were given."),
    "target": N_("There are too many targets. Remove one first."),
}
#: Why a centre has not admitted this hub.
_REFUSALS = {
    "unknown": N_("The centre does not know this code. Check it, or ask for another one."),
    "expired": N_("This code has expired. Ask for another one."),
    "used": N_("Another hub has used this code already. Ask for another one."),
    "often": N_("There were too many wrong codes. Try again in a minute."),
    "between": N_(
        "Something on the way to the centre opens the encrypted connection, e.g. a proxy. "
        "The hub must reach the centre directly."
    ),
    "unable": N_("The centre cannot admit hubs now. Whoever runs it sees the reason there."),
    "unreachable": N_(
        "Nothing answers at this address. Check it, and whether the owner has started "
        "“sitehub central admit”."
    ),
    "stranger": N_("This is not the centre that made the code. Check the address."),
}
_WEB_ADDRESS = N_(
    "Enter an address that begins with https:// or http://, without user name and "
    "password, of another system than this hub."
)
_WHOLE_ADDRESS = N_(
    "Enter the whole address, including the part that is shown as ***, or leave it as it was."
)
_SERVERS = N_(
    "Enter addresses that begin with tls:// or nats://, separated by commas, without user name and "
    "password, of other systems than this hub."
)
_TLS_SERVERS = N_("With a certificate, the addresses must begin with tls://.")
_BROKER = N_(
    "Enter an address that begins with mqtts:// or mqtt://, without user name, password and path, "
    "of another system than this hub."
)
_MAIL_SERVER = N_(
    "Enter an address that begins with smtps:// or smtp://, without user name, password and path."
)
_TLS_BROKER = N_("With a certificate, the address must begin with mqtts://.")


#: Digits of a camera's id, and of a type of events.
_MAX_DID, _MAX_TYPE = 20, 9
#: Fields at which a sentence can stand.
_FIELDS = frozenset(
    {"url", "ca", "name", "hub", "partition", "user", "password", "cert", "file", "centre", "code"}
    | {"sender", "recipients", "minutes"}
)


class Values(Struct, frozen=True, kw_only=True):
    """What is entered in the form of a target. `password` and `key` are never shown again.

    `kind`, on a form that adds a target. `seen`: the generation of the target that the form shows,
    None on a form that adds one.
    """

    kind: TargetKind = "webhook"
    seen: int | None = None
    name: str = ""
    url: str = ""
    ca: str = ""
    kinds: tuple[str, ...] = ()
    dids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    pictures: str = "none"
    alarms: bool = True
    begin: str = "now"
    hub: str = ""
    partition: str = ""
    user: str = ""
    password: str = ""
    cert: str = ""
    key: str = ""
    home_assistant: bool = True
    commands: bool = False
    sender: str = ""
    recipients: str = ""
    severity: str = "major"
    minutes: str = "10"
    centre: str = ""
    code: str = ""

    @property
    def selection(self) -> Selection:
        kinds = tuple(kind for kind in get_args(RecordKind) if kind in self.kinds)
        choices: tuple[PictureChoice, ...] = get_args(PictureChoice)
        pictures = next((one for one in choices if one == self.pictures), choices[0])
        return Selection(
            kinds=kinds,
            dids=self.dids,
            types=tuple(map(int, self.types)),
            pictures=pictures,
            alarms=self.alarms,
        )

    @property
    def begins(self) -> Literal["now", "beginning"]:
        return "beginning" if self.begin == "beginning" else "now"

    @property
    def identity(self) -> Identity:
        return Identity(self.user, self.password, self.cert, self.key)

    def of_kind(self, kind: TargetKind) -> MqttOptions | None:
        """Return what targets of this kind alone have."""
        if kind == "nats":
            return MqttOptions(commands=self.commands)
        if kind == "mqtt":
            return MqttOptions(home_assistant=self.home_assistant, commands=self.commands)
        return None

    @property
    def mail(self) -> MailOptions:
        """Raises BadParameter, as `recipients` and `minutes` are not numbers or too many."""
        recipients = tuple(re.split(r"[,;\s]+", self.recipients.strip(",; ")))
        fields = {"sender": self.sender, "recipients": recipients, "severity": self.severity}
        if not (self.minutes.isascii() and self.minutes.isdecimal() and len(self.minutes) < 6):
            raise BadParameter("1 to 1440 are expected", field="minutes")
        try:
            return convert({**fields, "minutes": int(self.minutes)}, MailOptions)
        except msgspec.ValidationError as error:
            wrong = next((one for one in ("sender", "minutes") if one in str(error)), "recipients")
            raise BadParameter("it cannot be used", field=wrong) from error


def read_kind(text: str | None) -> TargetKind:
    kinds: tuple[TargetKind, ...] = get_args(TargetKind)
    return next((kind for kind in kinds if kind == text), "webhook")


async def entered() -> Values:
    form = await request.form
    texts = ("name", "url", "ca", "hub", "partition", "user", "cert", "key", "centre", "code")
    mail = ("sender", "recipients", "severity", "minutes")
    return Values(
        kind=read_kind(form.get("kind")),
        seen=form.get("seen", type=int),
        **{name: form.get(name, "").strip() for name in (*texts, *mail)},
        password=form.get("password", ""),
        kinds=tuple(form.getlist("kinds")),
        dids=_numbers(form.getlist("did"), _MAX_DID),
        types=_numbers(form.getlist("type"), _MAX_TYPE),
        pictures=form.get("pictures", "none"),
        alarms="alarms" in form,
        home_assistant="home_assistant" in form,
        commands="commands" in form,
        begin=form.get("begin", "now"),
    )


def _numbers(texts: list[str], digits: int) -> tuple[str, ...]:
    return tuple(one for one in texts if one.isascii() and one.isdecimal() and len(one) <= digits)


def values_of(view: TargetView) -> Values:
    options = view.target.options
    chosen, mail = options.selection, options.mail
    return Values(
        seen=view.target.generation,
        name=view.target.name,
        url=options.url,
        ca=options.ca,
        kinds=chosen.kinds,
        dids=chosen.dids,
        types=tuple(map(str, chosen.types)),
        pictures=chosen.pictures,
        alarms=chosen.alarms,
        user=options.user,
        cert=options.cert,
        home_assistant=options.home_assistant,
        commands=options.commands,
        sender="" if mail is None else mail.sender,
        recipients="" if mail is None else ", ".join(mail.recipients),
        severity="" if mail is None else mail.severity,
        minutes="" if mail is None else str(mail.minutes),
    )


def new_identity(values: Values, view: TargetView) -> Identity | None:
    """Return who the hub is to a target from now on; None if it stays as it is.

    A webhook has no identity: what was entered of it counts for nothing.
    """
    options = view.target.options
    is_old = (values.user, values.cert) == (options.user, options.cert)
    if view.target.kind == "webhook" or (is_old and not values.password and not values.key):
        return None
    return values.identity


def form_of(kind: TargetKind, values: Values, fault: Fault | None) -> dict[str, object]:
    """Return what the template of a form needs."""
    return {
        "is_nats": kind == "nats",
        "is_mqtt": kind == "mqtt",
        "is_mail": kind == "mail",
        "severities": [
            Choice(one, gettext(text), one == values.severity) for one, text in SEVERITIES.items()
        ],
        "values": values,
        "fault": fault,
        "fault_has_place": fault is not None and fault.field in _FIELDS,
        "faulty": partial(_attributes, fault),
        "kinds": [
            Choice(one, gettext(KINDS[one]), one in values.kinds) for one in get_args(RecordKind)
        ],
        "cameras": _cameras(values.dids),
        "types": _types(values.types),
        "pictures": [
            Choice(one, gettext(text), one == values.pictures) for one, text in _PICTURES.items()
        ],
    }


def _cameras(dids: tuple[str, ...]) -> list[Choice]:
    """Return all cameras by name, and those that were chosen and are not there any more."""
    devices = auth.services().cameras.devices.list()
    names = {one.did: one.name or one.sn for one in devices} | {
        did: did for did in dids if did not in {one.did for one in devices}
    }
    ordered = sorted(names, key=lambda did: names[did].casefold())
    return [Choice(did, names[did], did in dids) for did in ordered]


def _types(chosen: tuple[str, ...]) -> list[Choice]:
    code = language.current().code
    numbers = sorted({*code_tables.EVENT_TYPES, *map(int, chosen)})
    return [Choice(str(n), code_tables.event_name(n, code), str(n) in chosen) for n in numbers]


def _attributes(fault: Fault | None, name: str) -> Markup:
    """Return what a field has in its tag if it is wrong: see `fault_text` of _target_fault.html."""
    if fault is None or fault.field != name:
        return Markup()
    return Markup(' aria-invalid="true" aria-describedby="fault-{}" autofocus').format(name)


def fault_of(kind: TargetKind, values: Values, error: BadParameter) -> Fault:
    """Return what to say of a field that is wrong."""
    if isinstance(error, ChangedMeanwhile):
        text = gettext("The target was changed in the meantime. Check this and save it again.")
        return Fault("", text, 409)
    if isinstance(error, AlreadyExists):
        return Fault("name", gettext("There is already a target with this name."), 409)
    if error.fault in _REFUSALS:
        return Fault(error.field, gettext(_REFUSALS[error.fault]))
    if error.field == "url":
        return Fault("url", gettext(_expected_url(kind, values)))
    expected = _EXPECTED.get(error.field)
    return Fault(error.field, error.message if expected is None else gettext(expected))


def _expected_url(kind: TargetKind, values: Values) -> str:
    if kind == "webhook":
        return _WHOLE_ADDRESS if HIDDEN in values.url else _WEB_ADDRESS
    if kind == "mail":
        return _MAIL_SERVER
    if kind == "mqtt":
        return _TLS_BROKER if values.cert and values.url.startswith("mqtt://") else _BROKER
    return _TLS_SERVERS if values.cert and values.url.startswith("nats://") else _SERVERS
