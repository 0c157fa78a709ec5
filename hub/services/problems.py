"""The problems that the hub can have: of each one row, which everything that tells it reads.

Health finds them and the doctor too; alarms, metrics, the command line and the pages tell them.
`%(name)s` in a text is a value of the problem. The texts are English; the pages translate them
(web/translations).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from hub.reasons import Value
from hub.store.alarms.alarm import Severity
from hub.wire.uploads.records import problem_key

#: A fault keeps the hub from working: /healthz answers 503. For what is serious, somebody has to do
#: something at once: pages show it in red, like faults.
Level = Literal["fault", "serious", "notice"]


class Page(Struct, frozen=True):
    """Where something is solved: its address, and what it is called."""

    url: str
    name: str


class Problem(Struct, frozen=True, kw_only=True):
    """A kind of problem. Texts are for people who look after a site and do not know computers.

    `sentence`: what is so. `meaning`: what follows from it for the site. `topic`: what is told of
    it to those who cannot solve it; "" if it concerns everybody. `alarm`: how severe its alarm is.
    `is_loss`: data is lost although the hub works. `detail`: the value that only a technician
    understands. `check`: its name among the checks, if it is met by itself and none looks for it.
    """

    sentence: str
    advice: str
    meaning: str
    page: Page | None = None
    level: Level = "notice"
    alarm: Severity = "minor"
    topic: str = ""
    is_loss: bool = False
    detail: str = ""
    check: str = ""


class Check(Struct, frozen=True, kw_only=True):
    """A check of the doctor: what its findings mean for the site, and where they are solved.

    `is_technical`: its findings name files, ports and programs, which are a detail to others.
    """

    name: str
    meaning: str
    page: Page | None = None
    is_technical: bool = False


_AUDIT_LOG = Page("/site/audit", "Audit log")
_BACKUPS = Page("/site/backups", "Backups")
_CAMERAS = Page("/cameras", "Cameras")
_CERTIFICATE = Page("/site#certificate", "Certificate")
_EVERYTHING = Page("/site#everything", "Check everything")
_EVIDENCE = Page("/search/kept", "Evidence")
_FIRMWARE = Page("/cameras/firmware", "Firmware")
_FORWARDING = Page("/site/targets", "Forwarding")
_MORNING_REPORTS = Page("/reports/morning", "Morning reports")
_SETTINGS = Page("/site/settings", "Settings")
_STORAGE = Page("/site#storage", "Storage")
_UPDATE = Page("/site#version", "Update")

_NO_WORK = "The hub cannot work at the moment, or only in part."
_WRONG_TIMES = "Records get a wrong date, and old ones may be deleted too late."
_NO_BACKUP = "If this computer or its disk breaks, everything since the last backup is lost."
_DISTRUST = "Browsers show a warning, and cameras may refuse to connect."
_LEFT_OUT = "What cannot be read is left out of all lists and pages."
_LOST_PARTS = "Parts of some records cannot be shown."
_MEND_BACKUPS = (
    "Check that the backup folder exists and is a folder, that its disk is connected and has free "
    "space, and that the hub can write there. Then press Back up now under Site, Backups. The hub "
    "also tries again every hour."
)
_LOOK_AT_BACKUPS = (
    "Open the Backups page. If backups are stored on another disk or in a network folder, check "
    "that it is connected and has free space; then press Back up now."
)
_NOT_FORWARDED = "The other system gets no records. They are kept here and sent later."

#: By code, the most serious first: in this order they are told.
PROBLEMS: dict[str, Problem] = {
    "cannot-store": Problem(
        sentence=(
            "Data cannot be saved at the moment (%(reason)s). Cameras are asked to resend it later."
        ),
        advice=(
            "If the disk is full, delete files that do not belong to the hub. Otherwise, check "
            "that the disk is connected. The hub continues automatically as soon as it can write."
        ),
        meaning=(
            "New records are not being stored. Cameras send them again later, but not indefinitely."
        ),
        page=_STORAGE,
        level="fault",
        alarm="critical",
    ),
    "damaged": Problem(
        sentence="The stored data is damaged.",
        advice=(
            "Run all checks on the Health page to find out what is damaged. If it is the database, "
            "restore the last valid backup; this returns the hub to the time of that backup. Have "
            "the disk examined: it may need to be replaced."
        ),
        meaning="Records or pictures may be lost if nothing is done.",
        page=_EVERYTHING,
        level="fault",
        alarm="critical",
        topic="damaged data",
        detail="what",
        check="Stored data",
    ),
    "clock-unset": Problem(
        sentence="This computer's clock is wrong: it shows %(clock)s. Correct it.",
        advice=(
            "Set this computer's date and time, and turn on automatic time. If it happens again, "
            "have its battery replaced."
        ),
        meaning=_WRONG_TIMES,
        level="fault",
        alarm="critical",
        topic="the clock",
    ),
    "certificate-ended": Problem(
        sentence="The certificate expired on %(day)s.",
        advice=(
            "Check this computer's date first. If it is right, install a new certificate and "
            "restart the hub."
        ),
        meaning=_DISTRUST,
        page=_CERTIFICATE,
        level="fault",
        alarm="critical",
        topic="the certificate",
    ),
    "certificate-early": Problem(
        sentence="The certificate is not valid before %(day)s.",
        advice="Check this computer's date: it is probably wrong.",
        meaning=_DISTRUST,
        page=_CERTIFICATE,
        level="fault",
        alarm="critical",
        topic="the certificate",
    ),
    "starting": Problem(
        sentence="The hub is starting.",
        advice="Wait a minute. If the problem remains, restart this computer.",
        meaning=_NO_WORK,
        level="fault",
    ),
    "cameras-offline": Problem(
        sentence="No camera is online. The hub receives nothing.",
        advice=(
            "Check that the cameras have power, and that the network between them and this "
            "computer works: switch, cables, and this computer's address. A camera's page shows "
            "when it was last seen and, if it is refused, why."
        ),
        meaning="The hub receives nothing from the cameras.",
        page=_CAMERAS,
        level="serious",
        check="Cameras",
    ),
    "database-unread": Problem(
        sentence="The last backup failed: %(reason)s.",
        advice=(
            "Keep the last valid backup. Have this computer's disk replaced soon: the database can "
            "no longer be read completely. Restore the last valid backup on the new disk; if the "
            "old disk still has the folder media, take only the database from the backup, and let "
            "the command sitehub doctor --rebuild add the records that came after it."
        ),
        meaning="Nothing can be backed up, and records may be lost if nothing is done.",
        page=_BACKUPS,
        level="serious",
        alarm="major",
        topic="the backup",
    ),
    "restored-elsewhere": Problem(
        sentence=(
            "This hub was restored from a backup. Cameras reached it at %(before)s, but this "
            "computer has %(now)s. Give it the old address, or enter the new one on each camera: "
            "see Site, Backups."
        ),
        advice=(
            "Give this computer the address it had before, or enter the new one on each camera. "
            "Then confirm it on the Backups page."
        ),
        meaning="Cameras may still be connecting to the old address; then nothing is recorded.",
        page=_BACKUPS,
        topic="the address of this hub",
    ),
    "codes-guessed": Problem(
        sentence=(
            "Someone who has the cameras' key is trying security codes for %(devices)s. "
            "Connections from other addresses are delayed."
        ),
        advice=(
            "Find out who has access to the cameras' network: the log and the Audit log page show "
            "the address. Give the cameras new security codes, and new keys if possible."
        ),
        meaning="Someone is trying to impersonate one of your cameras.",
        page=_AUDIT_LOG,
        alarm="major",
        topic="attacks on cameras",
    ),
    "camera-suspect": Problem(
        sentence=(
            "%(camera)s cannot prove its identity, and %(reason)s. An administrator must review "
            "this."
        ),
        advice=(
            "Open the camera's page, Service, and review the differences. If someone moved or "
            "replaced the camera, accept the change there. If not, find out what is connected at "
            "that address."
        ),
        meaning="Someone may be impersonating one of your cameras, or a camera has moved.",
        page=_CAMERAS,
        alarm="major",
        topic="attacks on cameras",
    ),
    "disk-low": Problem(
        sentence=(
            "Only %(free)s GB of disk space is free (%(wanted)s GB should be), and deleting older "
            "records cannot make room."
        ),
        advice=(
            "Delete files that do not belong to the hub from this disk, or use a larger disk. If "
            "the disk can never have that much free space, reduce the space to keep free under "
            "Site, Storage."
        ),
        meaning=(
            "Records may be kept for fewer days than you want. Once the disk is full, no new "
            "records can be kept."
        ),
        page=_STORAGE,
        alarm="major",
        topic="the disk",
    ),
    "backups-unreadable": Problem(
        sentence="No backup can be made: the folder %(folder)s cannot be used (%(reason)s).",
        advice=_MEND_BACKUPS,
        meaning=_NO_BACKUP,
        page=_BACKUPS,
        level="serious",
        alarm="major",
        topic="the backup",
    ),
    "backup-failed": Problem(
        sentence="The last backup failed: %(reason)s.",
        advice=_MEND_BACKUPS,
        meaning=_NO_BACKUP,
        page=_BACKUPS,
        level="serious",
        alarm="major",
        topic="the backup",
    ),
    "backup-missing": Problem(
        sentence="There has been no valid backup for %(days)s days: there is none at all.",
        advice=_LOOK_AT_BACKUPS,
        meaning=_NO_BACKUP,
        page=_BACKUPS,
        level="serious",
        alarm="major",
        topic="the backup",
    ),
    "backup-overdue": Problem(
        sentence="There has been no valid backup for %(days)s days: the last one is from %(day)s.",
        advice=_LOOK_AT_BACKUPS,
        meaning=_NO_BACKUP,
        page=_BACKUPS,
        level="serious",
        alarm="major",
        topic="the backup",
    ),
    "backup-incomplete": Problem(
        sentence=(
            "The last backup is incomplete: %(bytes)s bytes of pictures from %(days)s cannot be "
            "read; they belong to %(records)s records."
        ),
        advice=(
            "Have this computer's disk replaced soon: some of its data can no longer be read. "
            "Everything else is in the backup, and an older backup may still have these pictures. "
            "Restore the last backup on the new disk."
        ),
        meaning="Some pictures can no longer be read and are missing from new backups.",
        page=_BACKUPS,
        level="serious",
        alarm="major",
        topic="the backup",
    ),
    "clock-off-long": Problem(
        sentence=(
            "According to this computer's clock (%(clock)s), the hub was off for %(days)s days. If "
            "that is right, confirm it under Site, Storage. Until then, no records are deleted by "
            "age."
        ),
        advice=(
            "If the hub really was off for that long and the date is right, confirm it under Site, "
            "Storage; otherwise set this computer's date and time."
        ),
        meaning=_WRONG_TIMES,
        page=_STORAGE,
        topic="the clock",
    ),
    "clock-doubted": Problem(
        sentence=(
            "This computer's clock shows %(clock)s, but %(expected)s was expected. Correct it, or "
            "confirm it under Site, Storage. Until then, no records are deleted by age."
        ),
        advice=(
            "Compare the clock with a phone. If it is right, confirm it under Site, Storage; "
            "otherwise set this computer's date and time."
        ),
        meaning=_WRONG_TIMES,
        page=_STORAGE,
        topic="the clock",
    ),
    "clock-contradicted": Problem(
        sentence=(
            "The clocks of %(off)s of %(devices)s cameras differ from this computer's clock by "
            "more than a day. Check the date on both. Until then, no records are deleted by age."
        ),
        advice=(
            "Compare the dates of this computer and of the cameras with a phone, and correct "
            "whichever is wrong."
        ),
        meaning=_WRONG_TIMES,
        page=_CAMERAS,
        topic="the clock",
    ),
    "clock-went-back": Problem(
        sentence=(
            "There are records dated %(day)s, which is in the future. This computer's clock is "
            "wrong, or was wrong when they arrived."
        ),
        advice=(
            "Check this computer's date and time. If they are right, there is nothing to do: the "
            "records stay."
        ),
        meaning=_WRONG_TIMES,
        topic="the clock",
    ),
    "people-wait": Problem(
        sentence=(
            "%(people)s people who are valid from or until a time are neither put on cameras nor "
            "taken off until this computer's clock is right, or someone confirms it under Site, "
            "Storage."
        ),
        advice=(
            "Set this computer's date and time. If they are right, confirm it under Site, Storage. "
            "If it is urgent, remove the person from the register, or their dates."
        ),
        meaning="Cameras may let in whose time is over, and not whose time has begun.",
        page=_STORAGE,
        topic="the clock",
    ),
    "retention-waits": Problem(
        sentence=(
            "%(days)s days with %(records)s records are past the retention period and waiting for "
            "someone to confirm their deletion: see Site, Storage."
        ),
        advice=(
            "Look at the days under Site, Storage, and confirm there that they can be deleted. If "
            "there seem to be too many, check this computer's date first."
        ),
        meaning="They stay and take up space until someone decides.",
        page=Page("/site#storage", "Decide"),
        topic="old records",
    ),
    "damaged-rows": Problem(
        sentence=(
            "Some stored data is damaged and cannot be shown: %(where)s. Nothing else is damaged."
        ),
        advice=(
            "Enter damaged cameras and users again, or restore a backup from before the damage, if "
            "there is one. Have the disk examined: it may need to be replaced."
        ),
        meaning=_LEFT_OUT,
        topic="damaged data",
        is_loss=True,
        check="Stored data",
    ),
    "changes-lost": Problem(
        sentence=(
            "The database lost changes: those of people, cameras, alarms and evidence since "
            "%(since)s may be missing."
        ),
        advice=(
            "Check what was changed since then, and change it again. Records are complete, but "
            "some may have raised no alarm. Then acknowledge this on the Health page, or with "
            "sitehub doctor --accept-lost."
        ),
        meaning="What users changed then is as it was before, and nothing else shows this.",
        page=_AUDIT_LOG,
        alarm="major",
        topic="damaged data",
        is_loss=True,
        check="Stored data",
    ),
    "pictures-lost": Problem(
        sentence="Some pictures are lost.",
        advice=(
            "If you have the file, in a backup or elsewhere, stop the hub, put it back into the "
            "folder media, and start the hub. Otherwise acknowledge the loss on the Health page, "
            "or with sitehub doctor --accept-lost. Have the disk examined."
        ),
        meaning=_LOST_PARTS,
        alarm="major",
        topic="damaged data",
        is_loss=True,
        detail="what",
        check="Stored data",
    ),
    "evidence-waits": Problem(
        sentence=(
            "A day of records cannot be deleted because its evidence cannot be copied (%(what)s). "
            "Free up some space, or release evidence that is no longer needed."
        ),
        advice=(
            "Free up some space on this disk, or release evidence that is no longer needed. The "
            "hub then tries again automatically."
        ),
        meaning="The records stay, but their day takes up disk space.",
        page=_EVIDENCE,
        topic="the disk",
    ),
    "certificate-stays": Problem(
        sentence="The certificate could not be renewed: %(reason)s",
        advice=(
            "Ask whoever installed the hub to check the certificate. Until it expires, everything "
            "works as before."
        ),
        meaning="Everything works until the certificate expires.",
        page=_CERTIFICATE,
        topic="the certificate",
    ),
    "certificate-ends": Problem(
        sentence="The certificate expires on %(day)s, in %(days)s days.",
        advice="Install a new certificate before that day.",
        meaning="After that day browsers show a warning, and cameras may refuse to connect.",
        page=_CERTIFICATE,
        topic="the certificate",
    ),
    "update-undone": Problem(
        sentence=(
            "The update to version %(version)s failed and was rolled back: %(reason)s. The hub is "
            "running as before."
        ),
        advice=(
            "Nothing is lost. Pass this message on to whoever gave you the update, and try again "
            "with another file."
        ),
        meaning="The site works as before, with the previous version.",
        page=_UPDATE,
        topic="an update",
    ),
    "erasure-refused": Problem(
        sentence=(
            "%(targets)s keeps people who were erased here, and nothing more is sent to it: "
            "%(reason)s."
        ),
        advice=(
            "Tell whoever runs the other system to delete the records that these messages name, "
            "and to answer them with 2xx. Then press Retry now on the target's page."
        ),
        meaning="The other system keeps records and pictures of people who were erased here.",
        page=_FORWARDING,
        topic="the forwarding of records",
    ),
    "mail-failed": Problem(
        sentence="E-mails about alarms cannot be sent by %(targets)s: %(reason)s.",
        advice=(
            "Open the target on the Connections page, correct what it says, such as the password "
            "or a recipient, and press Test. The hub also tries again every hour at least."
        ),
        meaning="The recipients do not hear of alarms. The Alarms page shows them all.",
        page=_FORWARDING,
        alarm="major",
        topic="e-mails about alarms",
    ),
    "targets-restored": Problem(
        sentence=(
            "This hub was restored from a backup. Nothing is forwarded to %(targets)s until "
            "someone chooses what they get."
        ),
        advice=(
            "Choose on the Connections page whether they get everything again or only what is new."
        ),
        meaning=_NOT_FORWARDED,
        page=_FORWARDING,
        topic="the forwarding of records",
    ),
    "target-held": Problem(
        sentence="Nothing is forwarded to %(targets)s until someone fixes it: %(reason)s.",
        advice=(
            "Open the target on the Forwarding page, fix the problem shown there, then press Retry "
            "now."
        ),
        meaning=_NOT_FORWARDED,
        page=_FORWARDING,
        topic="the forwarding of records",
    ),
    "target-waiting": Problem(
        sentence="Nothing could be forwarded to %(targets)s for an hour: %(reason)s.",
        advice=(
            "Open the target on the Forwarding page: it says what failed. Records are kept until "
            "it works again, but not indefinitely. Tell whoever runs the other system or the "
            "network."
        ),
        meaning=_NOT_FORWARDED,
        page=_FORWARDING,
        topic="the forwarding of records",
    ),
    "target-gap": Problem(
        sentence=(
            "Records were deleted before %(targets)s received them. The Forwarding page counts "
            "them."
        ),
        advice=(
            "The records are gone here, too. Tell whoever runs the other system, find out why it "
            "was unreachable for so long, and confirm the gap on the Forwarding page."
        ),
        meaning="The other system never gets these records, and was told so.",
        page=_FORWARDING,
        topic="the forwarding of records",
    ),
    "report-failed": Problem(
        sentence="Yesterday's reports could not be sent (%(reason)s).",
        advice=(
            "Check that the folder or the web address can be reached, and send the reports on the "
            "Morning reports page. The hub also tries again automatically."
        ),
        meaning="The recipients do not get the reports. They are available on the Reports page.",
        page=_MORNING_REPORTS,
        topic="the morning reports",
    ),
}

#: By name.
CHECKS: dict[str, Check] = {
    "hub": Check(name="Hub", meaning=_NO_WORK, is_technical=True),
    "service": Check(
        name="Service",
        meaning=(
            "The hub may not start automatically after a power cut or a restart of this computer."
        ),
    ),
    "settings": Check(
        name="Settings",
        meaning="Once stopped, the hub will not start again.",
        page=_SETTINGS,
        is_technical=True,
    ),
    "ports": Check(
        name="Network ports", meaning="Cameras or browsers cannot reach the hub.", is_technical=True
    ),
    "clock": Check(name="Clock", meaning=_WRONG_TIMES, page=_STORAGE),
    "disk": Check(
        name="Disk",
        meaning="Records may be kept for fewer days than you want, or come late.",
        page=_STORAGE,
    ),
    "certificate": Check(name="Certificate", meaning=_DISTRUST, page=_CERTIFICATE),
    "permissions": Check(
        name="Access rights",
        meaning="The hub cannot use its files, or others can read them.",
        is_technical=True,
    ),
    "sqlite": Check(name="Database program", meaning=_NO_WORK, is_technical=True),
    "database": Check(name="Database", meaning=_NO_WORK, is_technical=True),
    "key": Check(
        name="Key file",
        meaning="Cameras and programs may be refused until this is fixed.",
        page=_BACKUPS,
        is_technical=True,
    ),
    "set-aside": Check(
        name="Pictures set aside",
        meaning="Some records or pictures are not shown.",
        is_technical=True,
    ),
    "backups": Check(name="Backups", meaning=_NO_BACKUP, page=_BACKUPS),
    "integrity": Check(
        name="Whole database",
        meaning="Records, cameras and users may be lost if nothing is done.",
        page=_BACKUPS,
        is_technical=True,
    ),
    "records": Check(name="All records", meaning=_LOST_PARTS),
    "counts": Check(name="Counts of records", meaning="Charts and reports may show wrong numbers."),
    "entries": Check(name="All other entries", meaning=_LEFT_OUT),
    "pictures": Check(name="All pictures", meaning=_LOST_PARTS),
    "firmware": Check(
        name="Firmware files", meaning="Cameras cannot be updated with these files.", page=_FIRMWARE
    ),
}


class HealthReason(Struct, frozen=True):
    """A problem that a person must solve, with the values `args` of its sentence.

    `did`: of the camera that it is about, if there is one problem for each camera. `rows`: which
    rows are damaged, told on the page *Health* alone: /healthz asks for no sign-in, alarms are
    forwarded, and the key of a row may be the name of a user or the number of a person.
    """

    code: str
    args: Mapping[str, Value] = {}
    did: str = ""
    rows: str = ""

    @property
    def problem(self) -> Problem:
        return PROBLEMS[self.code]

    @property
    def text(self) -> str:
        """What is wrong, in English."""
        text = self.problem.sentence % self.args
        detail = self.args.get(self.problem.detail, "")
        return f"{text.removesuffix('.')}: {detail}." if detail else text

    @property
    def advice(self) -> str:
        """What to do about it, in English."""
        return self.problem.advice % self.args

    @property
    def key(self) -> str:
        """What tells it from all other problems that there are at the same time."""
        return problem_key(self.code, self.did)

    @property
    def is_fault(self) -> bool:
        return self.problem.level == "fault"

    @property
    def is_serious(self) -> bool:
        """Whether somebody has to do something at once: pages show it in red."""
        return self.problem.level != "notice"
