"""The sentences of the doctor, in English; the pages translate them (web/translations).

`found`: what is so. `advice`: what to do about it, "" if nothing.
"""

from __future__ import annotations

from typing import NamedTuple


class Sentences(NamedTuple):
    found: str
    advice: str = ""


_RESTORE = "Restore a backup."
_FROM_PACKS = (
    "Take hub.sqlite, and nothing else, from the newest backup and put it in its place. Then "
    "sitehub doctor --rebuild adds the records that came after it. Without a backup, the same "
    "command makes all records from the pictures, but cameras and users must be added again."
)
_IN_BACKUP = "A restored backup has these, but nothing that came after it."

TEXTS: dict[str, Sentences] = {
    "check-failed": Sentences(
        "This could not be checked: %(error)s.",
        "Try again. If it stays so, report this line.",
    ),
    # hub
    "hub-running": Sentences("A hub runs (process %(process)s, version %(version)s)."),
    "hub-stopped": Sentences("No hub runs on %(folder)s."),
    "hub-silent": Sentences(
        "A hub runs (process %(process)s), but does not respond.",
        "Wait a minute. If it stays so, restart the service or the program.",
    ),
    "folder-missing": Sentences(
        "There is no data directory %(folder)s.",
        "Give the right one with --data. A hub that never ran has none yet.",
    ),
    # service
    "service-none": Sentences("This data directory is not used by a service of this computer."),
    "service-ok": Sentences("The service is %(state)s, and starts with this computer."),
    "service-down": Sentences(
        "The service is installed, but it is %(state)s.",
        "Start it: sitehub service start. If it does not start, read sitehub logs.",
    ),
    "service-not-at-boot": Sentences(
        "The service does not start with this computer.",
        "Install it again: sitehub service install.",
    ),
    "service-unknown": Sentences(
        "The state of the service could not be read: %(reason)s.",
        "Run this command as administrator.",
    ),
    # settings
    "settings-ok": Sentences("All settings are valid."),
    "settings-bad": Sentences(
        "The hub cannot start with these settings: %(reason)s.",
        "Correct this setting in sitehub.toml.",
    ),
    # ports
    "port-free": Sentences("Port %(port)s (%(setting)s) is free."),
    "port-open": Sentences("Port %(port)s (%(setting)s) is open, and answers."),
    "port-closed": Sentences(
        "Port %(port)s (%(setting)s) does not answer at %(address)s: %(reason)s.",
        "Restart the hub. Check the firewall of this computer.",
    ),
    "port-unusable": Sentences(
        "%(reason)s.",
        "The hub cannot start before this is done.",
    ),
    # clock
    "clock-ok": Sentences(
        "The clock shows %(clock)s, which fits the newest record (%(newest)s). "
        "The time zone is %(zone)s."
    ),
    "clock-plausible": Sentences("The clock shows %(clock)s. The time zone is %(zone)s."),
    "clock-doubted": Sentences(
        "The clock shows %(clock)s, which may be wrong. Nothing is deleted by age meanwhile.",
        "Compare it with a telephone. If it is right, confirm it under Site, Disk and days; "
        "otherwise set the date and time of this computer.",
    ),
    "clock-unset": Sentences(
        "The clock shows %(clock)s: it was never set.",
        "Set date and time of this computer, and have its battery replaced.",
    ),
    "clock-behind-record": Sentences(
        "The clock shows %(clock)s, but the newest record is from %(newest)s.",
        "Set date and time of this computer, and turn on its automatic time.",
    ),
    "clock-behind-file": Sentences(
        "The clock shows %(clock)s, but the newest file is from %(newest)s.",
        "Set date and time of this computer, and turn on its automatic time.",
    ),
    # disk
    "disk-ok": Sentences("%(free)s GB of disk space is free; %(wanted)s GB is needed."),
    "disk-low": Sentences(
        "Only %(free)s GB of disk space is free; %(wanted)s GB is needed.",
        "Delete files that do not belong to the hub from this disk, or use a larger disk. If the "
        "disk can never have so much free, let the hub keep less free, under Site, Disk and days.",
    ),
    "disk-unreadable": Sentences(
        "The free disk space cannot be read: %(reason)s.",
        "Check that the disk is connected, and its cable.",
    ),
    "disk-network": Sentences(
        "The data directory is on a network file system (%(type)s), where records are not safe.",
        "Move it to a disk of this computer.",
    ),
    "flush-ok": Sentences("The disk takes %(ms)s ms to save a record safely."),
    "flush-slow": Sentences(
        "The disk takes %(ms)s ms to save a record safely, which is slow.",
        "Look for another program that uses the disk. An SSD helps.",
    ),
    "flush-failed": Sentences(
        "The disk cannot be written: %(reason)s.",
        "Free some space, and check the disk. An old disk may have to be replaced.",
    ),
    # certificate
    "tls-off": Sentences("The ports do not use TLS, so there is no certificate."),
    "certificate-none": Sentences("The hub makes its certificate when it starts."),
    "certificate-renews": Sentences("The hub renews its certificate when it starts."),
    "certificate-ok": Sentences(
        "The certificate is valid until %(day)s, fits its key, and names this computer."
    ),
    "certificate-ends": Sentences(
        "The certificate is valid until %(day)s only.",
        "Install a new one. The hub renews one of its own by itself: see why it could not.",
    ),
    "certificate-ended": Sentences(
        "The certificate expired on %(day)s.",
        "Install a new one. Check the date of this computer first.",
    ),
    "certificate-early": Sentences(
        "The certificate is not valid before %(day)s.",
        "Check the date of this computer.",
    ),
    "certificate-names": Sentences(
        "The certificate is valid until %(day)s, but does not name %(names)s.",
        "Cameras and browsers that use this name or address may refuse it. "
        "Use another address, or a certificate that names it.",
    ),
    "certificate-unreadable": Sentences(
        "The certificate %(file)s cannot be read: %(reason)s.",
        "Correct tls.cert and tls.key, or restore the file.",
    ),
    "certificate-bad": Sentences(
        "%(file)s contains no certificate.",
        "Replace it by a certificate in PEM.",
    ),
    "certificate-unfit": Sentences(
        "The certificate %(file)s cannot be used with its key.",
        "Install the certificate and the key that belong together.",
    ),
    "authority-missing": Sentences(
        "The file %(file)s is missing, so the hub cannot issue certificates.",
        "Restore the folder tls from a backup.",
    ),
    # permissions
    "permissions-ok": Sentences("All %(count)s files can be used by the hub, and by it alone."),
    "permissions-denied": Sentences(
        "No permission to read and write: %(files)s.",
        "Make the user that the hub runs as the owner of the data directory.",
    ),
    "permissions-open": Sentences(
        "Other users of this computer can read: %(files)s.",
        "Take the permission away, on Linux with chmod -R go= DIRECTORY.",
    ),
    # sqlite, database, key
    "sqlite-ok": Sentences("SQLite %(version)s."),
    "sqlite-old": Sentences(
        "SQLite %(version)s is older than 3.51.3. Its WAL-reset bug cannot occur here, "
        "because one connection checkpoints."
    ),
    "database-none": Sentences("There is no database yet: the hub creates it when it starts."),
    "database-ok": Sentences("The database belongs to this version (schema %(version)s)."),
    "database-older": Sentences(
        "The database was written by an older version (schema %(version)s). "
        "The hub copies and converts it when it starts."
    ),
    "database-missing": Sentences(
        "hub.sqlite is missing, but its pictures are there.",
        _FROM_PACKS,
    ),
    "database-empty": Sentences(
        "hub.sqlite is empty, but its pictures are there.",
        _FROM_PACKS,
    ),
    "database-start": Sentences(
        "The hub would not start: %(reason)s.",
        "If you are not sure which way to go, make a copy of the whole data directory first.",
    ),
    "database-waits": Sentences("This can be checked once the database is converted."),
    "database-foreign": Sentences("hub.sqlite is the database of another program.", _RESTORE),
    "database-newer": Sentences(
        "The database was written by a newer version of sitehub.",
        "Install that version.",
    ),
    "database-unreadable": Sentences(
        "The database cannot be read: %(reason)s.",
        f"Check permissions and disk. If that does not help: {_RESTORE}",
    ),
    "key-ok": Sentences("hub.key is the key of this database."),
    "key-missing": Sentences(
        "hub.key is missing: security codes and API keys cannot be read.",
        "Restore hub.key from a backup.",
    ),
    "key-wrong": Sentences(
        "hub.key is not the key of this database.",
        "Restore the hub.key that belongs to it.",
    ),
    "key-unreadable": Sentences(
        "The key file could not be checked: %(reason)s.",
        "Restore hub.key from a backup.",
    ),
    # packs
    "set-aside-none": Sentences("No files were put aside."),
    "set-aside": Sentences(
        "Files that do not belong to the database were put aside: %(files)s.",
        "What only they hold is not shown. If you need none of them, delete the folder "
        "media/set-aside.",
    ),
    # backups
    "backup-ok": Sentences("The last good backup is from %(time)s."),
    "backups-none": Sentences("There is no backup yet. One is made every night."),
    "backup-failed": Sentences(
        "The last backup failed: %(reason)s.",
        "Look at Site, Backups. Check that the folder for backups exists, that its disk is "
        "connected and has room, and that the hub may write there.",
    ),
    "backup-missing": Sentences(
        "There is no good backup.",
        "Look at the page Backups, or make one: sitehub backup FILE.",
    ),
    "backup-overdue": Sentences(
        "The last good backup is from %(time)s.",
        "Check the disk of the folder for backups, and whether this computer runs at night.",
    ),
    "backup-bad": Sentences(
        "The newest backup, %(name)s, is not good: %(reason)s.",
        "Make another one on the page Backups, and check the disk of the folder.",
    ),
    "pictures-lost": Sentences(
        "Pictures are lost: %(what)s.",
        "If you have the file, in a backup or elsewhere, stop the hub, put it back into the folder "
        "media, and start the hub. Otherwise take note of it on the page Health, or with sitehub "
        "doctor --accept-lost. Have the disk examined.",
    ),
    "database-unread": Sentences(
        "The last backup failed: %(reason)s.",
        "Keep the last good backup, and have the disk of this computer replaced soon. Restore the "
        "backup on the new disk; if the old one still has the folder media, take only hub.sqlite "
        "from the backup, and sitehub doctor --rebuild adds the records that came after it.",
    ),
    "backup-incomplete": Sentences(
        "The last backup, of %(time)s, is incomplete: %(bytes)s bytes of the pictures of %(days)s "
        "cannot be read, which belong to %(records)s records.",
        "Have the disk of this computer replaced soon. An older backup may still have these "
        "pictures.",
    ),
    "backups-unreadable": Sentences(
        "The folder for backups, %(folder)s, cannot be read: %(reason)s.",
        "Check that its disk or share is connected.",
    ),
    # what is stored
    "integrity-ok": Sentences("The database is sound."),
    "integrity-bad": Sentences("The database is damaged: %(reason)s.", _RESTORE),
    "records-ok": Sentences("All %(count)s records can be read."),
    "records-bad": Sentences(
        "%(bad)s of %(count)s records cannot be read: %(named)s.",
        f"The other records are not affected. {_IN_BACKUP}",
    ),
    "entries-ok": Sentences(
        "All %(count)s other entries can be read: cameras, users, settings and the like."
    ),
    "entries-bad": Sentences(
        "%(bad)s of %(count)s other entries cannot be read completely: %(named)s.",
        "Nothing else is damaged. Enter damaged cameras and users again, or restore a backup from "
        "before the damage, if there is one.",
    ),
    "pictures-ok": Sentences("All %(count)s pictures are as they were sent."),
    "pictures-bad": Sentences(
        "%(bad)s of %(count)s pictures are missing or damaged: %(named)s.",
        f"The other pictures are not affected. {_IN_BACKUP} Check the disk.",
    ),
    "firmware-ok": Sentences("All %(count)s firmware files are whole."),
    "firmware-bad": Sentences(
        "%(bad)s of %(count)s firmware files are missing or damaged: %(named)s.",
        "Remove their releases, and add the files again.",
    ),
}
