"""What to do about each problem of the hub, in English; the pages translate it.

For people who look after a site and do not know computers. `%(name)s` are the values of the reason.
"""

from __future__ import annotations

from hub.services.doctor.texts import TEXTS
from hub.services.site.status.health import FaultCode, HealthReason, NoticeCode

#: Beside the reason of a backup that failed, on each page that shows it.
BACKUP_FAILED = (
    "Check that the backup folder exists and is a folder, that its disk is connected and has "
    "free space, and that the hub can write there. Then press Back up now under Site, Backups. "
    "The hub also tries again every hour."
)
#: Beside it, if the database of the hub is the cause.
DATABASE_UNREAD = (
    "Keep the last valid backup. Have this computer's disk replaced soon: the database can no "
    "longer be read completely. Restore the last valid backup on the new disk; if the old disk "
    "still has the folder media, take only the database from the backup, and let the command "
    "sitehub doctor --rebuild add the records that came after it."
)
BACKUP_INCOMPLETE = (
    "Have this computer's disk replaced soon: some of its data can no longer be read. Everything "
    "else is in the backup, and an older backup may still have these pictures. Restore the last "
    "backup on the new disk."
)
_BACKUP_OVERDUE = (
    "Open the Backups page. If backups are stored on another disk or in a network folder, check "
    "that it is connected and has free space; then press Back up now."
)

ADVICE: dict[FaultCode | NoticeCode, str] = {
    "starting": "Wait a minute. If the problem remains, restart this computer.",
    "cannot-store": (
        "If the disk is full, delete files that do not belong to the hub. Otherwise, check that "
        "the disk is connected. The hub continues automatically as soon as it can write."
    ),
    "damaged": (
        "Run all checks on the Health page to find out what is damaged. If it is the database, "
        "restore the last valid backup; this returns the hub to the time of that backup. Have "
        "the disk examined: it may need to be replaced."
    ),
    "damaged-rows": (
        "Enter damaged cameras and users again, or restore a backup from before the damage, if "
        "there is one. Have the disk examined: it may need to be replaced."
    ),
    "changes-lost": TEXTS["changes-lost"].advice,
    "pictures-lost": TEXTS["pictures-lost"].advice,
    "cameras-offline": (
        "Check that the cameras have power, and that the network between them and this computer "
        "works: switch, cables, and this computer's address. A camera's page shows when it was "
        "last seen and, if it is refused, why."
    ),
    "clock-unset": (
        "Set this computer's date and time, and turn on automatic time. If it happens again, "
        "have its battery replaced."
    ),
    "clock-went-back": (
        "Check this computer's date and time. If they are right, there is nothing to do: the "
        "records stay."
    ),
    "certificate-ended": (
        "Check this computer's date first. If it is right, install a new certificate and restart "
        "the hub."
    ),
    "certificate-early": "Check this computer's date: it is probably wrong.",
    "certificate-ends": "Install a new certificate before that day.",
    "certificate-stays": (
        "Ask whoever installed the hub to check the certificate. Until it expires, everything "
        "works as before."
    ),
    "evidence-waits": (
        "Free up some space on this disk, or release evidence that is no longer needed. The hub "
        "then tries again automatically."
    ),
    "disk-low": (
        "Delete files that do not belong to the hub from this disk, or use a larger disk. If the "
        "disk can never have that much free space, reduce the space to keep free under Site, "
        "Storage."
    ),
    "clock-doubted": (
        "Compare the clock with a phone. If it is right, confirm it under Site, Storage; "
        "otherwise set this computer's date and time."
    ),
    "clock-off-long": (
        "If the hub really was off for that long and the date is right, confirm it under Site, "
        "Storage; otherwise set this computer's date and time."
    ),
    "clock-contradicted": (
        "Compare the dates of this computer and of the cameras with a phone, and correct "
        "whichever is wrong."
    ),
    "people-wait": (
        "Set this computer's date and time. If they are right, confirm it under Site, Storage. If "
        "it is urgent, remove the person from the register, or their dates."
    ),
    "retention-waits": (
        "Look at the days under Site, Storage, and confirm there that they can be deleted. If "
        "there seem to be too many, check this computer's date first."
    ),
    "update-undone": (
        "Nothing is lost. Pass this message on to whoever gave you the update, and try again "
        "with another file."
    ),
    "backups-unreadable": BACKUP_FAILED,
    "backup-failed": BACKUP_FAILED,
    "database-unread": DATABASE_UNREAD,
    "backup-incomplete": BACKUP_INCOMPLETE,
    "backup-overdue": _BACKUP_OVERDUE,
    "backup-missing": _BACKUP_OVERDUE,
    "codes-guessed": (
        "Find out who has access to the cameras' network: the log and the Audit log page show "
        "the address. Give the cameras new security codes, and new keys if possible."
    ),
    "camera-suspect": (
        "Open the camera's page, Manage, and look at what differs. If somebody moved or replaced "
        "the camera, accept the change there. If not, find out what is connected at that "
        "address."
    ),
    "target-held": (
        "Look at the target on the Forwarding page, mend what it says, and press Retry there."
    ),
    "target-waiting": (
        "Look at the target on the Forwarding page: it says what failed. Records are kept until it "
        "works again, but not for ever. Tell whoever runs the other system or the network."
    ),
    "erasure-refused": (
        "Tell whoever runs the other system to delete the records that these messages name, and to "
        "answer them with 2xx. Then press Retry now on the target's page."
    ),
    "target-gap": (
        "The records are gone here, too. Tell whoever runs the other system, find out why it was "
        "unreachable for so long, and confirm the gap on the Forwarding page."
    ),
    "report-failed": (
        "Check that the folder or the web address can be reached, and send the reports on the "
        "Morning reports page. The hub also tries again automatically."
    ),
    "restored-elsewhere": (
        "Give this computer the address it had before, or enter the new one on each camera. Then "
        "confirm it on the Backups page."
    ),
}


def advice_on(reason: HealthReason) -> str:
    """Return what to do about a problem, in English."""
    text = ADVICE.get(reason.code)
    return text % reason.args if text else ""
