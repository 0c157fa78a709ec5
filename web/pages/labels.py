"""Codes of the services as sentences for people, in the language of the request."""

from __future__ import annotations

from hub.errors import AlreadyExists, BadParameter, HubError
from hub.services.devices.csv_import import COLUMNS, MOST_ROWS, RowFault
from hub.services.devices.enrolment import PendingDevice, RefusalReason
from hub.services.devices.provisioning import kept_delivery
from hub.services.devices.views import DeviceView
from hub.services.site.health import HealthReason
from hub.wire.commands.field_specs import FieldSpec
from web import auth
from web.pages import language
from web.pages.language import N_, gettext

ROLES = {"admin": N_("Administrator"), "guard": N_("Guard"), "viewer": N_("Viewer")}

KINDS = {
    "face": N_("Faces"),
    "event": N_("Events"),
    "vehicle": N_("Vehicles"),
    "access": N_("Access"),
}

DEVICE_STATES = {
    "online": N_("Online"),
    "offline": N_("Offline"),
    "disabled": N_("Disabled"),
}

#: What a page says after a change, by the `done` of its address.
DONE = {
    "added": N_("The camera was added. It is taken in as soon as it connects."),
    "accepted-taken": N_("The camera was accepted, and took its initial parameters."),
    "accepted-refused": N_("The camera was accepted. It refused the initial parameters."),
    "accepted-silent": N_(
        "The camera was accepted. It did not answer to the initial parameters; many cameras do "
        "not know them, and work all the same."
    ),
    "accepted-not-sent": N_(
        "The camera was accepted. Its initial parameters go out once it connects with a good "
        "signature."
    ),
    "changed": N_("Saved."),
    "enabled": N_("The camera may connect again."),
    "disabled": N_("The camera is disabled and was disconnected."),
    "face-set": N_("The camera took the settings for faces and people."),
    "recording-set": N_("The camera took the settings for recording."),
    "person-added": N_("The camera took the person."),
    "person-deleted": N_("The camera deleted the person."),
    "rebooting": N_("The camera was told to restart. It is back in a minute or two."),
    "removed": N_("The camera was removed. Its records stay."),
    "imported": N_("The cameras were added. Each is taken in as soon as it connects."),
    "site-key-removed": N_("The site key is removed. Cameras without their own are not let in."),
    "earlier-key-dropped": N_("The earlier key is good no more. The camera was disconnected."),
    "init-taken": N_("The camera took its initial parameters."),
    "init-refused": N_("The camera refused the initial parameters."),
    "init-silent": N_("The camera did not answer to the initial parameters."),
    "init-not-sent": N_(
        "The camera is offline. Its initial parameters go out when it connects without a number."
    ),
    "site-key": N_("The site key is set. Cameras with this key need their code alone now."),
    "release-added": N_("The release was added. Give it to cameras when you are ready."),
    "release-removed": N_("The release was removed, and the files that no other release has."),
    "campaign-started": N_("It has begun. Cameras ask for it by themselves, which takes a while."),
    "campaign-pause": N_("The campaign is paused."),
    "campaign-resume": N_("The campaign goes on."),
    "campaign-stop": N_("The campaign was stopped."),
    "password": N_("The password was changed. Other browsers were signed out."),
    "signed-out": N_("You are signed out."),
    "signed-out-everywhere": N_("You are signed out everywhere."),
}

WAITING = {
    "unknown": N_("Not known here yet. Enter its security code to accept it."),
    "code-mismatch": N_("The code does not match the camera's signature. Check each character."),
    "key-mismatch": N_(
        "The key does not match the camera's signature: it has another one. Give it its own key."
    ),
    "clock-off": N_("Its clock is %(offset)s. Set its time and time zone, or its NTP server."),
    "no-signature": N_(
        "It sends no signature, so it cannot show that it is what it says. Switch signing on in "
        "its settings, or update its firmware."
    ),
    "bad-signature": N_(
        "Its signature cannot be read: it is no Base64. Check its settings, or update its firmware."
    ),
    "replayed": N_("It repeats an earlier connect. Its clock may stand still: restart the camera."),
    "no-key": N_("There is no key to check its signature with. Add its key, or set a site key."),
    "disabled": N_("It is disabled here. Enable it to let it in."),
    "foreign-did": N_("It gives a number (did) that is not its own. Correct it on the camera."),
    "no-did": N_("It gives no number (did) yet, and was sent one. It should connect again soon."),
    # D2 counts what is not known here by its address: another one's tries slow it too.
    "slowed": N_(
        "Too many tries failed, its own or those of unknown cameras behind the same address: "
        "answers are held back until %(time)s. A right code is taken at once all the same."
    ),
}

CSV_FIELDS = {"sn": N_("Serial number"), "did": N_("Number (did)")}

ROW_FAULTS = {
    "wrong": N_("A value is missing or wrong."),
    "taken": N_("A camera has this already: %(field)s."),
    "repeated": N_("Line %(line)s has the same: %(field)s."),
    "columns": N_(
        "The first line names the columns: %(columns)s. sn and code must be among them, others may "
        "not."
    ),
    "values": N_("There are more values than columns."),
    "rows": N_("At most %(most)s cameras are added at once."),
    "csv": N_("This is no CSV: is a quotation mark missing?"),
    "empty": N_("There is no camera below the names of the columns."),
}

INIT_OUTCOMES = {
    "taken": N_("taken"),
    "refused": N_("refused: it answered “%(answer)s”"),
    "silent": N_("no answer"),
    "not-sent": N_("not sent yet"),
}

HEALTH = {
    "starting": N_("The hub is starting."),
    "cannot-store": N_(
        "Nothing can be stored now (%(reason)s). Cameras are asked to send again later."
    ),
    "damaged": N_("The store is damaged (%(what)s). Restore a backup."),
    "clock-unset": N_("The clock of this machine is wrong: it says %(clock)s. Set it."),
    "clock-went-back": N_(
        "There are records of %(day)s, which is yet to come: the clock of this machine is wrong, "
        "or was when they came."
    ),
    "certificate-ended": N_("The certificate ended on %(day)s. Give a new one."),
    "certificate-early": N_("The certificate holds from %(day)s on only."),
    "certificate-ends": N_("The certificate ends on %(day)s, in %(days)s days."),
    "certificate-stays": N_("The certificate could not be renewed: %(reason)s"),
    "disk-low": N_(
        "Only %(free)s GB are free on the disk, where %(wanted)s GB should be, and no older day "
        "can be dropped. Free some space."
    ),
}

#: What the store gives as its reason, as far as it is one of few; the rest is the system's words.
STORE_REASONS = (
    N_("the disk is full"),
    N_("the disk does not answer"),
    N_("the disk reports an input/output error"),
    N_("the database is read-only"),
    N_("the database cannot be opened"),
    N_("the database is damaged"),
    N_("there is no memory left"),
    N_("another program holds the database"),
    N_("the database may not be written"),
)


def waiting_reasons(waiting: PendingDevice) -> list[str]:
    """Why a device waits: a plain sentence for each reason."""
    return [reason_sentence(reason) for reason in waiting.all_reasons]


def device_reason(device: DeviceView) -> str:
    """Why an enrolled device is not let in; empty where nothing is known against it."""
    return " ".join(waiting_reasons(device.waiting)) if device.waiting else ""


def reason_sentence(reason: RefusalReason) -> str:
    zone = auth.services().site.zone()
    return gettext(WAITING[reason.code]) % {
        **reason.args,
        "offset": clock_offset(float(reason.args.get("seconds", "0"))),
        "time": language.current().time(int(reason.args.get("until", "0")), zone),
    }


def init_outcome(kept: str | None) -> str:
    """How a camera took its initial parameters (D3), for its page."""
    if kept is None:
        return ""
    delivery = kept_delivery(kept)
    text = gettext(INIT_OUTCOMES[delivery.outcome])
    if delivery.outcome == "refused":
        return text % {"answer": f"{delivery.code} {delivery.device_msg}".strip()}
    return text


def done_sentence(code: str | None) -> str:
    """What was just done; empty for what is no code of ours."""
    return gettext(DONE[code]) if code in DONE else ""


def health_sentence(reason: HealthReason) -> str:
    """What is wrong with the hub itself."""
    text = HEALTH.get(reason.code)
    if text is None:
        return reason.text
    return gettext(text) % {
        name: gettext(value) if value in STORE_REASONS else value
        for name, value in reason.args.items()
    }


def clock_offset(seconds: float) -> str:
    """How far a clock is off; positive is ahead of the hub's."""
    # 1.1 tells the time in whole seconds.
    if abs(seconds) < 2:
        return gettext("exact")
    length = duration(abs(seconds))
    if seconds > 0:
        return gettext("%(length)s ahead") % {"length": length}
    return gettext("%(length)s behind") % {"length": length}


def duration(seconds: float) -> str:
    """A length of time in the two largest of its units that are not zero."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    units = [
        (days, gettext("%(n)s d")),
        (h, gettext("%(n)s h")),
        (m, gettext("%(n)s min")),
        (s, gettext("%(n)s s")),
    ]
    return " ".join([text % {"n": n} for n, text in units if n][:2])


def number_expected(bound: FieldSpec) -> str:
    """What a number of a command may be: the same beside its field, and where it is refused."""
    return gettext("A whole number from %(least)s to %(most)s.") % {
        "least": bound.least,
        "most": bound.most,
    }


def device_fault(error: HubError) -> str:
    """What is wrong with a field of a camera."""
    field = error.field if isinstance(error, BadParameter) else ""
    if isinstance(error, AlreadyExists):
        taken = {
            "sn": gettext("A camera with this serial number is here already."),
            "did": gettext("A camera with this number (did) is here already."),
        }
        return taken.get(field, error.message)
    return _wrong_field(field) or error.message


def row_fault(fault: RowFault) -> str:
    """What is wrong with a row of a sheet."""
    if fault.code == "wrong" and (text := _wrong_field(fault.field)):
        return text
    values = {
        "columns": ",".join(COLUMNS),
        "most": MOST_ROWS,
        "line": fault.other_line,
        "field": gettext(CSV_FIELDS[fault.field]) if fault.field else "",
    }
    return gettext(ROW_FAULTS[fault.code]) % values


def _wrong_field(field: str) -> str:
    wrong = {
        "sn": gettext("The serial number is missing or too long."),
        "did": gettext("The number (did) is a whole number from 1 to 18446744073709551615."),
        "code": gettext("The security code is missing or too long."),
        "key": gettext(
            "That is no RSA public key. Give it as PEM text: it begins with "
            "-----BEGIN PUBLIC KEY----- or -----BEGIN CERTIFICATE-----."
        ),
        "name": gettext("The name is too long."),
    }
    return wrong.get(field, "")
