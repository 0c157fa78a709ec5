"""What to do about each problem of the hub, in English; the pages translate it.

For people who look after a site and do not know computers. `%(name)s` are the values of the reason.
"""

from __future__ import annotations

from hub.services.doctor.texts import TEXTS
from hub.services.site.status.health import FaultCode, HealthReason, NoticeCode

#: Beside the reason of a backup that failed, on each page that shows it.
BACKUP_FAILED = (
    "Check that the folder for backups exists and is a folder, that its disk is connected and has "
    "room, and that the hub may write there. Then press Back up now under Site, Backups. The hub "
    "tries again by itself every hour."
)
#: Beside it, if the database of the hub is the cause.
DATABASE_UNREAD = (
    "Keep the last good backup. Have the disk of this computer replaced soon: it cannot read all "
    "of the database. Restore the last good backup on the new disk; if the old disk still has the "
    "folder media, take only the database from the backup, and let the command sitehub doctor "
    "--rebuild add the records that came after it."
)
BACKUP_INCOMPLETE = (
    "Have the disk of this computer replaced soon: it cannot read everything that it holds. "
    "Everything else is in the backup, and an older backup may still have these pictures. "
    "Restore the last backup on the new disk."
)
_BACKUP_OVERDUE = (
    "Open the page Backups. If they go to another disk or to a network folder, check that it "
    "is connected and has room; then press Back up now."
)

ADVICE: dict[FaultCode | NoticeCode, str] = {
    "starting": "Wait a minute. If it stays so, restart this computer.",
    "cannot-store": (
        "If the disk is full, delete files that do not belong to the hub from it. Otherwise check "
        "that the disk is connected. The hub continues by itself as soon as it can write."
    ),
    "damaged": (
        "Run all checks on the page Health: they name what is damaged. If it is the database, "
        "restore the last good backup, which goes back to the time when it was made. Have the disk "
        "examined: it may have to be replaced."
    ),
    "damaged-rows": (
        "Enter damaged cameras and users again, or restore a backup from before the damage, if "
        "there is one. Have the disk examined: it may have to be replaced."
    ),
    "pictures-lost": TEXTS["pictures-lost"].advice,
    "cameras-offline": (
        "Check that the cameras have power, and that the network between them and this computer "
        "works: switch, cables, and the address of this computer. The page of a camera says when "
        "it was last seen, and why it is refused if it is."
    ),
    "clock-unset": (
        "Set the date and time of this computer, and turn on its automatic time. "
        "If it happens again, have its battery replaced."
    ),
    "clock-went-back": (
        "Check the date and time of this computer. "
        "If they are right, there is nothing to do: the records stay."
    ),
    "certificate-ended": (
        "Check the date of this computer first. If it is right, install a new certificate and "
        "restart the hub."
    ),
    "certificate-early": "Check the date of this computer: it is probably wrong.",
    "certificate-ends": "Install a new certificate before that day.",
    "certificate-stays": (
        "Ask whoever installed the hub to look at the certificate. "
        "Until it ends, everything works as before."
    ),
    "evidence-waits": (
        "Free some space on this disk, or release evidence that is not needed any more. "
        "The day is tried again by itself."
    ),
    "disk-low": (
        "Delete files that do not belong to the hub from this disk, or use a larger disk. If the "
        "disk can never have so much free, let the hub keep less free, under Site, Disk and days."
    ),
    "clock-doubted": (
        "Compare the clock with a telephone. If it is right, confirm it under Site, Disk and "
        "days; otherwise set the date and time of this computer."
    ),
    "clock-off-long": (
        "If the hub really was off for so long, and the date is right, confirm it under Site, "
        "Disk and days; otherwise set the date and time of this computer."
    ),
    "clock-contradicted": (
        "Compare the date of this computer and of the cameras with a telephone, and correct "
        "whichever is wrong."
    ),
    "retention-waits": (
        "Look at the days under Site, Disk and days, and confirm there if they may be deleted. "
        "If that seems too many, check the date of this computer first."
    ),
    "update-undone": (
        "Nothing is lost. Pass this message on to whoever gave you the update, and try again with "
        "another file."
    ),
    "backups-unreadable": BACKUP_FAILED,
    "backup-failed": BACKUP_FAILED,
    "database-unread": DATABASE_UNREAD,
    "backup-incomplete": BACKUP_INCOMPLETE,
    "backup-overdue": _BACKUP_OVERDUE,
    "backup-missing": _BACKUP_OVERDUE,
    "codes-guessed": (
        "Find out who is in the network of the cameras: the log and the page Audit log name the "
        "address. Give the cameras other security codes, and other keys if you can."
    ),
    "restored-elsewhere": (
        "Give this computer the address that it had before, or enter the new one in each camera. "
        "Then confirm it on the page Backups."
    ),
}


def advice_on(reason: HealthReason) -> str:
    """Return what to do about a problem, in English."""
    text = ADVICE.get(reason.code)
    return text % reason.args if text else ""
