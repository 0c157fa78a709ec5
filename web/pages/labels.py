"""Codes of the services as text, in the language of the request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from hub.errors import AlreadyExists, BadParameter, HubError
from hub.live.pending_devices import PendingDevice
from hub.live.refusal_reasons import RefusalCode, RefusalReason
from hub.reasons import Reason, Value
from hub.services import Services
from hub.services.access.setup_links import TooManyLinks
from hub.services.access.users import LastAdministrator
from hub.services.admission.provisioning import stored_delivery
from hub.services.alarms.judge import OFFLINE
from hub.services.devices.csv_import import COLUMNS, MAX_ROWS, RowFault
from hub.services.devices.views import DeviceView
from hub.services.problems import PROBLEMS, HealthReason
from hub.wire.commands.field_specs import FieldSpec
from hub.wire.uploads.records import HubDetail
from web import language
from web.language import N_, gettext

#: As the services tell a moment, in the years that every time zone can show.
_UTC_MOMENT = re.compile(r"(?!0001|9999)\d{4}-\d\d-\d\d \d\d:\d\d UTC", re.ASCII)

ROLES = {
    "admin": N_("Administrator"),
    "guard": N_("Guard"),
    "people": N_("Office"),
    "viewer": N_("Viewer"),
}

KINDS = {
    "face": N_("Faces"),
    "event": N_("Events"),
    "vehicle": N_("Vehicles"),
    "access": N_("Access"),
    "hub": N_("Hub"),
}

DEVICE_STATES = {
    "online": N_("Online"),
    "offline": N_("Offline"),
    #: It tries to connect and is not let in: see web.pages.shown.camera_rows.
    "refused": N_("Refused"),
    "disabled": N_("Disabled"),
}

#: Messages after a change, by the query parameter `done`.
DONE = {
    "alarms-acknowledged": N_("Acknowledged."),
    "alarms-closed": N_("Closed."),
    "rules-changed": N_("The rules were saved and apply now."),
    "plate-list-added": N_("The plate list was added and is now active."),
    "screen-ended": N_("The screen was signed out."),
    "plate-list-changed": N_("The plate list was saved and applies now."),
    "plate-list-removed": N_("The plate list was removed. Its plates no longer raise alarms."),
    "search-saved": N_("The search was saved."),
    "search-removed": N_("The search was deleted."),
    "relay-saved": N_("The relay was saved. Test it to make sure that the hub can log in."),
    "relay-removed": N_("The relay was removed, and its password was deleted."),
    "target-added": N_("The target was added."),
    "target-changed": N_("The target was saved."),
    "target-removed": N_("The target was removed. Nothing more is sent to it."),
    "targets-restored": N_("Records are forwarded again."),
    "target-retried": N_("It is being tried again now."),
    "record-sent-again": N_("The record is being sent again."),
    "gaps-confirmed": N_("The gaps were confirmed."),
    "delivery-changed": N_("Saved. The next reports are sent at the time you chose."),
    "delivery-sent": N_("Yesterday's reports were sent."),
    "hold-added": N_("These records are now evidence."),
    "hold-changed": N_("The change was saved."),
    "hold-released": N_("The evidence was released."),
    "added": N_("The camera was added. It is accepted as soon as it connects."),
    "accepted-taken": N_("The camera was accepted and has applied its initial parameters."),
    "accepted-refused": N_("The camera was accepted, but rejected the initial parameters."),
    "accepted-silent": N_(
        "The camera was accepted. It did not respond to the initial parameters; many "
        "cameras do not support them and work anyway."
    ),
    "accepted-unsigned": N_(
        "The camera was approved. It reconnects now, and is checked again before it gets anything."
    ),
    "approval-waits": N_(
        "The camera is not connected at the moment. It is approved as soon as it connects with "
        "this code, within the next 10 minutes."
    ),
    "device-set": N_("The camera has applied the settings."),
    "taken-over": N_("The change was accepted. The camera is checked when it connects again."),
    "dismissed": N_("The notice was dismissed. The approved address and MAC address still apply."),
    "address-given": N_(
        "The camera accepted its secret address and will reconnect through it, usually within a "
        "minute."
    ),
    "address-withdrawn": N_("The camera may connect through any address of this hub again."),
    "accepted-not-sent": N_(
        "The camera was accepted. Its initial parameters will be sent once it connects "
        "with a valid signature."
    ),
    "accepted-connected": N_("The camera was accepted and is connected."),
    "attempt-ignored": N_(
        "The camera is ignored: its attempts to connect are not shown. It is not accepted."
    ),
    "attempt-shown": N_("The camera is shown again when it asks to connect."),
    "replaced": N_(
        "The camera was replaced. Its name and history were kept. The new camera is accepted as "
        "soon as it connects."
    ),
    "changed": N_("Saved."),
    "days-confirmed": N_("These days are being deleted now."),
    "clock-confirmed": N_("The hub trusts its clock again."),
    "enabled": N_("The camera is enabled and can connect again."),
    "disabled": N_("The camera was disabled and disconnected."),
    "face-set": N_("The camera has applied the settings for faces and people."),
    "recording-set": N_("The camera has applied the recording settings."),
    "person-added": N_("The person was added to the camera."),
    "person-deleted": N_("The person was deleted from the camera."),
    "person-in-register": N_("The person was added. The hub is now sending them to the cameras."),
    "person-changed": N_("Saved. The hub is now updating the cameras."),
    "person-removed": N_("The person was removed. The hub is now removing them from the cameras."),
    "people-removed": N_("They were removed. The hub is now removing them from the cameras."),
    "people-removed-but-gone": N_(
        "They were removed, some of them already by someone else. The hub is now removing them "
        "from the cameras."
    ),
    "people-retried": N_("The hub is trying again."),
    "people-left-alone": N_("The hub no longer changes the people on this camera."),
    "group-added": N_("The group was added."),
    "group-removed": N_("The group was removed."),
    "light-set": N_("The camera has changed its light."),
    "preset-reached": N_("The camera is moving to the preset."),
    "preset-set": N_("The preset was saved on the camera."),
    "preset-deleted": N_("The preset was deleted from the camera."),
    "patrol-started": N_("The patrol has started."),
    "patrol-stopped": N_("The patrol was stopped."),
    "patrol-added": N_("The patrol was added. Add presets to it."),
    "patrol-deleted": N_("The patrol was deleted."),
    "patrol-changed": N_("The patrol was changed."),
    "rebooting": N_("The camera is restarting. It should be back in a minute or two."),
    "card-formatted": N_("The storage card was formatted."),
    "removed": N_("The camera was removed. Its records are kept."),
    "removed-cleared": N_(
        "All people were deleted from the camera, and the camera was removed. Its records are kept."
    ),
    "imported": N_("The cameras were added. Each is accepted as soon as it connects."),
    "site-key-removed": N_(
        "The site key was removed. Cameras without a key of their own can no longer connect."
    ),
    "earlier-key-dropped": N_("The old key was revoked. The camera was disconnected."),
    "init-taken": N_("The camera has applied its initial parameters."),
    "init-refused": N_("The camera rejected the initial parameters."),
    "init-silent": N_("The camera did not respond to the initial parameters."),
    "init-not-sent": N_(
        "The camera is offline. Its initial parameters will be sent when it connects "
        "without a device ID."
    ),
    "site-key": N_(
        "The site key was set. Cameras with this key now only need their security code."
    ),
    "release-added": N_("The release was added. You can now update cameras to it."),
    "release-removed": N_(
        "The release was removed, including the files that no other release uses."
    ),
    "campaign-started": N_(
        "The campaign has started. Cameras that wait for a notice are notified now. The others "
        "check by themselves, which may take a while."
    ),
    "campaign-pause": N_("The campaign is paused."),
    "campaign-resume": N_("The campaign was resumed."),
    "campaign-stop": N_("The campaign was stopped."),
    "password": N_("The password was changed. Other browsers were signed out."),
    "factor-off": N_("The second factor was removed."),
    "setting-changed": N_("The setting was saved and applies now."),
    "setting-waits": N_("The setting was saved. It applies after the hub is restarted."),
    "settings-read": N_("The file was reloaded. Changes that need no restart apply now."),
    "settings-same": N_("The file was reloaded. No settings have changed."),
    "api-key-removed": N_("The API key was removed. It no longer works."),
    "certificate-uploaded": N_("The certificate was installed and is used for new connections."),
    "certificate-removed": N_("The hub uses its own certificate again."),
    "user-added": N_("The user was added and can sign in."),
    "user-role": N_("The role was changed."),
    "user-enabled": N_("The user can sign in again."),
    "user-disabled": N_("The user was disabled and signed out on all devices."),
    "user-signed-out": N_("The user was signed out on all devices."),
    "user-password": N_("The password was set. The user was signed out on all devices."),
    "user-removed": N_("The user was removed."),
    "link-withdrawn": N_("The link can no longer be used."),
    "signed-out": N_("You have signed out."),
    "signed-out-everywhere": N_("You have signed out on all devices."),
}

WAITING = {
    "unknown": N_("New camera. Enter its security code to accept it."),
    "code-mismatch": N_(
        "The security code does not match the camera's signature. Check every character."
    ),
    "key-mismatch": N_(
        "The key does not match the camera's signature. Enter the camera's own key."
    ),
    "clock-off": N_("Its clock is %(offset)s. Set its time and time zone, or its NTP server."),
    "no-signature": N_(
        "It sends no signature, so its identity cannot be verified. Turn on signing in its "
        "settings. If it has no such setting, allow cameras without a signature in this hub's "
        "settings, remove the camera, and accept it again."
    ),
    "bad-signature": N_(
        "Its signature is not valid Base64. Check its settings, or update its firmware."
    ),
    "replayed": N_(
        "It repeated an earlier connection request. Its clock may have stopped: restart the camera."
    ),
    "no-key": N_("There is no key to verify its signature with. Enter its key, or set a site key."),
    "disabled": N_("It is disabled. Enable it so that it can connect."),
    "foreign-did": N_("It reports the wrong device ID. Correct it on the camera."),
    "unsigned": N_(
        "It connects without a signature, as cameras with the protocol of 2025 or later do. Enter "
        "the code on its label: it must be the one that the camera itself reports."
    ),
    "unsigned-off": N_(
        "It connects without a signature. Cameras with the protocol of 2025 or later always do; on "
        "others, signing is turned off. This site does not allow that. Turn on signing in its "
        "settings, or, if it has no such setting, allow cameras without a signature in this hub's "
        "settings."
    ),
    "unsigned-network": N_(
        "It connects without a signature, and its address is not in the networks from which this "
        "site allows that. Move it to the cameras' network, or change the setting."
    ),
    "signature-dropped": N_(
        "It used to sign its connection requests, and now a device with its serial number connects "
        "without a signature. This may be a different device. If its firmware was changed, remove "
        "the camera and accept it again."
    ),
    "label-mismatch": N_(
        "This code is not the one that the camera reports. Check every character, and whether "
        "this is the camera in front of you."
    ),
    "other-path": N_(
        "It did not use the secret address that was given to this camera alone. If the camera was "
        "reset, withdraw its address under Service."
    ),
    "still-online": N_(
        "Another device tries to connect with this serial number, while the camera is connected "
        "and answers."
    ),
    "not-proved": N_("It did not report its code, hardware number and MAC address in time."),
    "changed-facts": N_("Its code or hardware number is not that of the approved camera."),
    "changed-mac": N_("Its MAC address is not that of the approved camera."),
    "changed-address": N_("Its IP address is not the approved one."),
    "no-did": N_("It has no device ID yet. One was sent to it, and it should reconnect shortly."),
    # D2 counts attempts of unknown devices by address, so other devices may cause the delay.
    "slowed": N_(
        "This camera, or an unknown one at the same address, keeps asking to connect without "
        "success. Answers are delayed until %(time)s. A correct security code is still "
        "accepted immediately."
    ),
}

#: Which check a refused connection attempt did not pass.
CHECKS: dict[RefusalCode, str] = {
    "unknown": N_("Serial number"),
    "code-mismatch": N_("Security code"),
    "key-mismatch": N_("Public key"),
    "no-key": N_("Public key"),
    "no-signature": N_("Signature"),
    "bad-signature": N_("Signature"),
    "clock-off": N_("Clock"),
    "replayed": N_("Clock"),
    "disabled": N_("Disabled"),
    "foreign-did": N_("Device ID"),
    "no-did": N_("Device ID"),
    "unsigned": N_("Signature"),
    "unsigned-off": N_("Signature"),
    "unsigned-network": N_("IP address"),
    "signature-dropped": N_("Signature"),
    "label-mismatch": N_("Security code"),
    "other-path": N_("Secret address"),
    "still-online": N_("Serial number"),
    "not-proved": N_("Code and MAC address"),
    "changed-facts": N_("Security code"),
    "changed-mac": N_("MAC address"),
    "changed-address": N_("IP address"),
}

CSV_FIELDS = {
    "sn": N_("Serial number"),
    "code": N_("Security code"),
    "did": N_("Device ID"),
    "name": N_("Camera name"),
    "key": N_("Public key"),
}

ROW_FAULTS = {
    "wrong": N_("A value is missing or not valid."),
    "taken": N_("Already used by another camera: %(field)s."),
    "repeated": N_("Same as in row %(line)s: %(field)s."),
    "shortened": N_(
        "%(field)s: a spreadsheet has shortened the number, and its last digits are lost. Format "
        "the column as text and enter it again."
    ),
    "unknown": N_(
        "The column “%(value)s” is not known. Remove it, or use one of these names: %(columns)s."
    ),
    "encoding": N_("The table is neither UTF-8 nor GB18030. In Excel, save it as “CSV UTF-8”."),
    "columns": N_(
        "The column “%(field)s” is missing or appears twice. The first row must name the columns."
    ),
    "values": N_("There are more values than columns."),
    "rows": N_("At most %(most)s cameras can be added at once."),
    "csv": N_("This is not valid CSV. Is a quotation mark missing?"),
    "empty": N_("There are no cameras below the column names."),
}

INIT_OUTCOMES = {
    "taken": N_("accepted"),
    "refused": N_("rejected: it answered “%(answer)s”"),
    "silent": N_("no response"),
    "not-sent": N_("not sent yet"),
}

#: What the system says of a file or a folder, which is named before it, in plain words.
_FILE_REASONS = {
    "Not a directory": N_("this is not a folder"),
    "File exists": N_("a file with this name exists"),
    "No such file or directory": N_("there is no such file or folder"),
    "Permission denied": N_("no permission"),
    "Read-only file system": N_("the disk is read-only"),
    "No space left on device": N_("the disk is full"),
    "Input/output error": N_("the disk reports an input/output error"),
}


def waiting_reasons(waiting: PendingDevice) -> list[str]:
    """Why a device is pending: one sentence for each reason, without a delay of its answers."""
    return [reason_sentence(reason) for reason in waiting.reasons]


def failed_checks(waiting: PendingDevice) -> str:
    """The checks that a refused attempt did not pass, each once."""
    names = dict.fromkeys(gettext(CHECKS[reason.code]) for reason in waiting.reasons)
    return gettext(", ").join(names)


def lockout_sentence(waiting: PendingDevice) -> str:
    """That the answers to this device are delayed, and until when; "" if they are not."""
    until = waiting.slowed_until
    return reason_sentence(RefusalReason("slowed", {"until": str(until)})) if until else ""


def device_reason(device: DeviceView) -> str:
    """Why an enrolled device cannot connect; empty if no reason is known."""
    return " ".join(waiting_reasons(device.waiting)) if device.waiting else ""


def reason_sentence(reason: RefusalReason) -> str:
    zone = language.zone()
    return gettext(WAITING[reason.code]) % {
        **reason.args,
        "offset": clock_offset(float(reason.args.get("seconds", "0"))),
        "time": language.current().time(int(reason.args.get("until", "0")), zone),
    }


def init_outcome(kept: str | None) -> str:
    """How a camera responded to its initial parameters (D3)."""
    if kept is None:
        return ""
    delivery = stored_delivery(kept)
    text = gettext(INIT_OUTCOMES[delivery.outcome])
    if delivery.outcome == "refused":
        return text % {"answer": f"{delivery.code} {delivery.device_msg}".strip()}
    return text


def size_text(size: float) -> str:
    """A number of bytes, for people: GB count 10^9, MB 10^6."""
    if size < 1_000_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1_000_000_000:,.1f} GB"


def done_sentence(code: str | None) -> str:
    """What was just done; empty for an unknown code."""
    return gettext(DONE[code]) if code in DONE else ""


def reason_text(reason: Reason | None) -> str:
    """Why something is so; "" if it is not so."""
    return "" if reason is None else reason.told(lambda said: gettext(_in_words(said)))


def _in_words(said: str) -> str:
    """What the system says of a file, at the end of a text, in plain words."""
    start, colon, why = said.rpartition(": ")
    return f"{start}{colon}{gettext(_FILE_REASONS[why])}" if why in _FILE_REASONS else said


def shown_value(text: Value) -> str:
    """A value of a sentence about the hub: a moment in the time of the site, or a reason."""
    if isinstance(text, Reason):
        return reason_text(text)
    text = str(text)
    if _UTC_MOMENT.fullmatch(text):
        moment = datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC)
        return f"{moment.astimezone(language.zone()):%Y-%m-%d %H:%M}"
    return _in_words(text)


def health_sentence(reason: HealthReason) -> str:
    """What is wrong with the hub itself."""
    args = {name: shown_value(value) for name, value in reason.args.items()}
    return gettext(reason.problem.sentence) % args


def hub_sentence(detail: HubDetail, camera: str) -> str:
    """What the hub itself noticed, as a record of kind hub tells it."""
    if detail.cause == OFFLINE:
        return gettext("%(camera)s is offline") % {"camera": camera}
    problem = PROBLEMS.get(detail.cause)
    if problem is None:
        return detail.text
    try:
        return gettext(problem.sentence) % {
            name: shown_value(value) for name, value in detail.args.items()
        }
    except (KeyError, TypeError, ValueError):  # another version may tell other values
        return detail.text


def health_topics(reasons: Iterable[HealthReason]) -> str:
    """What these problems are about, each topic once. Each has one."""
    topics = dict.fromkeys(gettext(reason.problem.topic) for reason in reasons)
    return gettext(", ").join(topics)


def folder_sentence(folder: str, problem: Reason) -> str:
    """Why no backup can be made in a folder."""
    text = PROBLEMS["backups-unreadable"].sentence
    return gettext(text) % {"folder": folder, "reason": reason_text(problem)}


def next_backup(hub: Services) -> str:
    """When the first good backup is made, if there is none yet."""
    if hub.upkeep.backups.is_soon_made:
        return gettext("The first one will be made in a few minutes.")
    return gettext("The next one will be made tonight.")


def health_advice(reason: HealthReason) -> str:
    """What to do about what is wrong with the hub."""
    return gettext(reason.problem.advice) % reason.args


def clock_offset(seconds: float) -> str:
    """How far a clock is off; positive is ahead of the hub's."""
    # Devices report the time in whole seconds (1.1).
    if abs(seconds) < 2:
        return gettext("in sync")
    length = duration(abs(seconds))
    if seconds > 0:
        return gettext("%(length)s ahead") % {"length": length}
    return gettext("%(length)s behind") % {"length": length}


def duration(seconds: float) -> str:
    """A duration in its two largest units that are not zero."""
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


_UNITS = {"s": N_("s"), "min": N_("min")}


def unit_text(unit: str) -> str:
    """The unit of a camera's field, as it stands behind the number; "" for none."""
    return gettext(_UNITS[unit]) if unit in _UNITS else unit


def number_expected(bound: FieldSpec) -> str:
    """The range of a number, as a hint and as an error."""
    return gettext("A whole number from %(least)s to %(most)s.") % {
        "least": bound.least,
        "most": bound.most,
    }


def describe_field_error(error: HubError) -> str:
    """What is wrong with a camera's field."""
    field = error.field if isinstance(error, BadParameter) else ""
    if isinstance(error, AlreadyExists):
        taken = {
            "sn": gettext("There is already a camera with this serial number."),
            "did": gettext("There is already a camera with this device ID."),
        }
        return taken.get(field, error.message)
    return _describe_wrong_field(field) or error.message


def describe_account_error(error: BadParameter) -> str:
    """What is wrong with a field of a user or an API key, and what to do."""
    if isinstance(error, AlreadyExists):
        return gettext("There is already a user with this name. Choose another one.")
    texts = {
        "name": gettext("Enter a name of 1 to 64 characters."),
        "role": gettext("Choose a role."),
        "password": gettext("The password is too short. Use at least 8 characters."),
    }
    if isinstance(error, LastAdministrator):
        return gettext(
            "This is the only administrator who can sign in. Make another user an administrator"
            " first."
        )
    if isinstance(error, TooManyLinks):
        return gettext("There are too many unused links. Revoke some of them first.")
    return texts.get(error.field, error.message)


def describe_row_fault(fault: RowFault) -> str:
    """What is wrong with a row of a CSV file."""
    if fault.code == "wrong" and (text := _describe_wrong_field(fault.field)):
        return f"{text} {_no_file_names()}" if fault.field == "key" else text
    values = {
        "columns": gettext(", ").join(gettext(CSV_FIELDS[column]) for column in COLUMNS),
        "most": MAX_ROWS,
        "line": fault.other_line,
        "value": fault.value,
        "field": gettext(CSV_FIELDS[fault.field]) if fault.field in CSV_FIELDS else "",
    }
    return gettext(ROW_FAULTS[fault.code]) % values


def _no_file_names() -> str:
    return gettext("A file name works only on the command line.")


def _describe_wrong_field(field: str) -> str:
    wrong = {
        "sn": gettext("The serial number is missing or too long."),
        "did": gettext("The device ID must be a whole number from 1 to 18446744073709551615."),
        "code": gettext("The security code is missing or too long."),
        "key": gettext(
            "This is not an RSA public key. Enter the text that begins with -----BEGIN PUBLIC "
            "KEY----- or -----BEGIN CERTIFICATE-----."
        ),
        "name": gettext("The name is too long."),
    }
    return wrong.get(field, "")
