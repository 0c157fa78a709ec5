"""The sentences of the doctor, in English; the pages translate them (web/translations).

`found`: what is so. `advice`: what to do about it, "" if nothing. What is said of a problem as the
hub itself says it is in `hub.services.problems`.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.services.problems import PROBLEMS


class Sentences(NamedTuple):
    found: str
    advice: str = ""


_RESTORE = "Restore a backup."
_FROM_PACKS = (
    "Restore only hub.sqlite from the newest backup. Then sitehub doctor --rebuild adds the "
    "records that came after it. Without a backup, the same command recreates all records from "
    "the pictures, but cameras and users must be added again."
)
_IN_BACKUP = "Restoring a backup brings these back, but loses everything recorded after it."

TEXTS: dict[str, Sentences] = {
    "check-failed": Sentences(
        "This could not be checked: %(error)s.",
        "Try again. If the problem remains, report this line.",
    ),
    # hub
    "hub-running": Sentences("A hub is running (process %(process)s, version %(version)s)."),
    "hub-stopped": Sentences("No hub is running on %(folder)s."),
    "hub-silent": Sentences(
        "A hub is running (process %(process)s) but does not respond.",
        "Wait a minute. If the problem remains, restart the service or the program.",
    ),
    # service
    "service-none": Sentences("No service on this computer uses this data directory."),
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
    "port-open": Sentences("Port %(port)s (%(setting)s) is open and responds."),
    "port-closed": Sentences(
        "Port %(port)s (%(setting)s) does not respond at %(address)s: %(reason)s.",
        "Restart the hub. Check this computer's firewall.",
    ),
    "port-unusable": Sentences(
        "%(reason)s.",
        "The hub cannot start until this is fixed.",
    ),
    # clock
    "clock-ok": Sentences(
        "The clock shows %(clock)s, which fits the newest record (%(newest)s). "
        "The time zone is %(zone)s."
    ),
    "clock-plausible": Sentences("The clock shows %(clock)s. The time zone is %(zone)s."),
    "clock-doubted": Sentences(
        "The clock shows %(clock)s, which may be wrong. Until this is resolved, no records are "
        "deleted by age.",
        "Compare it with a phone. If it is right, confirm it under Site, Storage; otherwise set "
        "this computer's date and time.",
    ),
    "clock-unset": Sentences(
        "The clock shows %(clock)s: it was never set.",
        "Set this computer's date and time, and have its battery replaced.",
    ),
    "clock-behind-record": Sentences(
        "The clock shows %(clock)s, but the newest record is from %(newest)s.",
        "Set this computer's date and time, and turn on automatic time.",
    ),
    "clock-behind-file": Sentences(
        "The clock shows %(clock)s, but the newest file is from %(newest)s.",
        "Set this computer's date and time, and turn on automatic time.",
    ),
    # disk
    "disk-ok": Sentences("%(free)s GB of disk space is free; %(wanted)s GB is needed."),
    "disk-low": Sentences(
        "Only %(free)s GB of disk space is free; %(wanted)s GB is needed.",
        "Delete files that do not belong to the hub from this disk, or use a larger disk. If the "
        "disk can never have that much free space, reduce the space to keep free under Site, "
        "Storage.",
    ),
    "disk-unreadable": Sentences(
        "The free disk space cannot be read: %(reason)s.",
        "Check that the disk is connected, and check its cable.",
    ),
    "disk-network": Sentences(
        "The data directory is on a network file system (%(type)s), where records are not safe.",
        "Move it to a local disk.",
    ),
    "flush-ok": Sentences("The disk takes %(ms)s ms to save a record safely."),
    "flush-slow": Sentences(
        "The disk takes %(ms)s ms to save a record safely, which is slow.",
        "Check whether another program is using the disk. An SSD helps.",
    ),
    "flush-failed": Sentences(
        "The disk cannot be written to: %(reason)s.",
        "Free up some space, and check the disk. An old disk may need to be replaced.",
    ),
    # certificate
    "tls-off": Sentences("The ports do not use TLS, so there is no certificate."),
    "certificate-none": Sentences("The hub makes its certificate when it starts."),
    "certificate-renews": Sentences("The hub renews its certificate when it starts."),
    "certificate-ok": Sentences(
        "The certificate is valid until %(day)s, matches its key and covers this computer."
    ),
    "certificate-ends": Sentences(
        "The certificate is valid until %(day)s only.",
        "Install a new one. The hub renews its own certificate automatically: find out why it "
        "could not.",
    ),
    "certificate-names": Sentences(
        "The certificate is valid until %(day)s but does not cover %(names)s.",
        "Cameras and browsers that use this name or address may refuse it. Use another address, "
        "or a certificate that covers it.",
    ),
    "certificate-unreadable": Sentences(
        "The certificate %(file)s cannot be read: %(reason)s.",
        "Correct tls.cert and tls.key, or restore the file.",
    ),
    "certificate-bad": Sentences(
        "%(file)s contains no certificate.",
        "Replace it with a certificate in PEM.",
    ),
    "certificate-unfit": Sentences(
        "The certificate %(file)s cannot be used with its key.",
        "Install the certificate and the key that belong together.",
    ),
    "authority-missing": Sentences(
        "The file %(file)s is missing, so the hub cannot issue certificates.",
        "Restore the folder tls from a backup.",
    ),
    "authority-unusable": Sentences(
        "The hub cannot issue its next certificate: %(reason)s.",
        "Restore this file from a backup now: later, backups have the damaged one.",
    ),
    # permissions
    "permissions-ok": Sentences("All %(count)s files are readable by the hub only."),
    "permissions-denied": Sentences(
        "No permission to read and write: %(files)s.",
        "Make the user that runs the hub the owner of the data directory.",
    ),
    "permissions-open": Sentences(
        "Other users of this computer can read: %(files)s.",
        "Remove this permission, on Linux with chmod -R go= DIRECTORY.",
    ),
    "permissions-writable": Sentences(
        "Everyone on this computer can replace files in: %(files)s.",
        "Remove this permission, on Linux with chmod o-w DIRECTORY.",
    ),
    "permissions-owner": Sentences(
        "Another user of this computer can replace the data directory, as the owner of: %(files)s.",
        "Make root the owner, or move the data directory to a folder of root.",
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
        "hub.sqlite is missing, but its pictures exist.",
        _FROM_PACKS,
    ),
    "database-empty": Sentences(
        "hub.sqlite is empty, but its pictures exist.",
        _FROM_PACKS,
    ),
    "database-start": Sentences(
        "The hub would not start: %(reason)s.",
        "If you are not sure what to do, first make a copy of the whole data directory.",
    ),
    "database-waits": Sentences("This can be checked once the database is converted."),
    "database-foreign": Sentences("hub.sqlite is the database of another program.", _RESTORE),
    "database-newer": Sentences(
        "The database was written by a newer version of sitehub.",
        "Install that version.",
    ),
    "database-unreleased": Sentences(
        "The database was written by a version from before the first release.",
        "Move the data directory away, and start with a new one.",
    ),
    "database-unreadable": Sentences(
        "The database cannot be read: %(reason)s.",
        "Check the permissions and the disk. If that does not help, restore a backup.",
    ),
    "key-ok": Sentences("hub.key matches this database."),
    "key-missing": Sentences(
        "hub.key is missing: security codes and API keys cannot be read.",
        "Restore hub.key from a backup.",
    ),
    "key-wrong": Sentences(
        "hub.key does not match this database.",
        "Restore the hub.key that belongs to it.",
    ),
    "key-unreadable": Sentences(
        "The key file could not be checked: %(reason)s.",
        "Restore hub.key from a backup.",
    ),
    # packs
    "set-aside-none": Sentences("No files were set aside."),
    "set-aside": Sentences(
        "Files that do not belong to the database were set aside: %(files)s.",
        "What exists only in them is not shown. Stop the hub, and sitehub doctor --bring-back "
        "makes the records of packs again. If you do not need these files, delete the folder "
        "media/set-aside.",
    ),
    # backups
    "backup-ok": Sentences("The last valid backup is from %(time)s."),
    "backups-none": Sentences("There is no backup yet. One is made every night."),
    "backup-missing": Sentences(
        "There is no valid backup.",
        "See the Backups page, or make one: sitehub backup FILE.",
    ),
    "backup-overdue": Sentences(
        "The last valid backup is from %(time)s.",
        "Check the disk with the backup folder, and whether this computer is on at night.",
    ),
    "backup-bad": Sentences(
        "The newest backup, %(name)s, is not valid: %(reason)s.",
        "Make another one on the Backups page, and check the disk of the folder.",
    ),
    "pictures-lost": Sentences(
        "Pictures are lost: %(what)s.",
        "If you have the file, in a backup or elsewhere, stop the hub, put it back into the "
        "folder media, and start the hub. Otherwise acknowledge the loss on the Health page, or "
        "with sitehub doctor --accept-lost. Have the disk examined.",
    ),
    "backup-incomplete": Sentences(
        "The last backup, made at %(time)s, is incomplete: %(bytes)s bytes of pictures from "
        "%(days)s cannot be read; they belong to %(records)s records.",
        "Have this computer's disk replaced soon. An older backup may still have these pictures.",
    ),
    "backups-unreadable": Sentences(
        "The backup folder %(folder)s cannot be read: %(reason)s.",
        "Check that its disk or share is connected.",
    ),
    # what is stored
    "integrity-ok": Sentences("The database is intact."),
    "integrity-bad": Sentences("The database is damaged: %(reason)s.", _RESTORE),
    "records-ok": Sentences("All %(count)s records can be read."),
    "records-bad": Sentences(
        "%(bad)s of %(count)s records cannot be read: %(named)s.",
        f"The other records are not affected. {_IN_BACKUP}",
    ),
    "counts-ok": Sentences("All %(count)s counts of records agree with the records."),
    "counts-bad": Sentences(
        "%(bad)s of %(count)s counts of records do not agree with the records: %(named)s.",
        "The records are not affected. The running hub corrects its counts every night.",
    ),
    "entries-ok": Sentences(
        "All %(count)s other entries (cameras, users, settings and so on) can be read."
    ),
    "entries-bad": Sentences(
        "%(bad)s of %(count)s other entries cannot be read completely: %(named)s.",
        "Nothing else is damaged. Enter damaged cameras and users again, or restore a backup from "
        "before the damage, if there is one.",
    ),
    "pictures-ok": Sentences("All %(count)s pictures are intact."),
    "pictures-bad": Sentences(
        "%(bad)s of %(count)s pictures are missing or damaged: %(named)s.",
        f"The other pictures are not affected. {_IN_BACKUP} Check the disk.",
    ),
    "firmware-ok": Sentences("All %(count)s firmware files are intact."),
    "firmware-bad": Sentences(
        "%(bad)s of %(count)s firmware files are missing or damaged: %(named)s.",
        "Remove their releases and add the files again.",
    ),
}


def sentences_of(code: str) -> Sentences:
    """Return the sentences of a finding by its code."""
    if (own := TEXTS.get(code)) is not None:
        return own
    problem = PROBLEMS[code]
    return Sentences(problem.sentence, problem.advice)
