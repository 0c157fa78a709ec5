"""The problems of the hub that are reported."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from hub.live.feed import Change, ChangeFeed
from hub.live.registry import Registry
from hub.reasons import Reason
from hub.services.admission.code_guesses import CodeGuesses
from hub.services.backups.views import BackupFailure, KnownBackup, RestoredFrom, backup_of
from hub.services.clock.dating import DatedDay
from hub.services.clock.plausibility import Agreement
from hub.services.disk_space import Shortage
from hub.services.retention.retention import RetentionPlan
from hub.services.upkeep.health import Health
from hub.store.backup.unread import Part
from hub.store.health import StoreHealth
from hub.store.targets.target import AFTER_RESTORE
from hub.update.programs import Outcome
from tests.support.backups import generation
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.gate import FakeLink
from tests.support.kept_days import GB, BelievedClock, KeptDays

DAY = 86_400


class CertificateDates:
    """What Health reads of Certificates."""

    def __init__(self, clock: FrozenClock) -> None:
        self.starts_at = clock() - DAY
        self.expires_at = clock() + 100 * DAY
        self.problem = ""


class ShortageHolder:
    """What Health reads of Maintenance."""

    shortage: Shortage | None = None


class FailureHolder:
    """What Health reads of Updates."""

    failure: Outcome | None = None


class BackupState:
    """What Health reads of Backups."""

    def __init__(self) -> None:
        self.days: int | None = None
        self.folder = Path("/mnt/backups")
        self.folder_problem: Reason | None = None
        self.last_failure: BackupFailure | None = None
        self.last_complete: SimpleNamespace | None = None
        self.last_incomplete: KnownBackup | None = None
        self.restored: RestoredFrom | None = None

    def overdue_days(self) -> int | None:
        return self.days

    def restored_from(self) -> RestoredFrom | None:
        return self.restored


class Parts:
    """The parts that Health checks, without problems."""

    def __init__(self, clock: FrozenClock) -> None:
        self.store = KeptDays()
        self.registry = Registry(clock)
        self.certificates = CertificateDates(clock)
        self.maintenance = ShortageHolder()
        self.clock = BelievedClock(clock)
        self.retention = SimpleNamespace(waiting=RetentionPlan())
        self.updates = FailureHolder()
        self.backups = BackupState()
        self.changes = ChangeFeed()
        self.guesses = CodeGuesses(clock)
        self.targets: list[SimpleNamespace] = []
        self.core = core_of(
            self.store, clock, clock=self.clock, changes=self.changes, site=SimpleNamespace()
        )
        self.watched: Any = SimpleNamespace(
            registry=self.registry,
            certificates=self.certificates,
            maintenance=self.maintenance,
            retention=self.retention,
            updates=self.updates,
            backups=self.backups,
            guesses=self.guesses,
            misuse=SimpleNamespace(devices=lambda: self.misused),
            delivery=SimpleNamespace(failure=""),
            targets=SimpleNamespace(list=lambda: self.targets),
            people_sync=self,
        )
        self.health = Health(self.core, self.watched)
        self.misused: list[str] = []
        self.waiting_for_clock = 0
        self.health.mark_serving()

    def codes(self) -> list[str]:
        return [reason.code for reason in self.health.reasons()]

    def faults(self) -> list[str]:
        return [reason.code for reason in self.health.faults()]

    def sentence(self) -> str:
        (reason,) = self.health.reasons()
        return reason.text


@pytest.fixture
def parts(clock: FrozenClock) -> Parts:
    return Parts(clock)


def test_a_healthy_hub_has_no_problems(parts: Parts) -> None:
    parts.store.keep("2026-11-25", 30)
    assert parts.health.reasons() == []


def test_starting_is_a_fault_until_every_port_serves(clock: FrozenClock, parts: Parts) -> None:
    fresh = Health(parts.core, parts.watched)
    assert [reason.code for reason in fresh.faults()] == ["starting"]
    fresh.mark_serving()
    assert fresh.reasons() == []


def test_an_update_that_was_undone_is_told_but_is_no_fault(parts: Parts) -> None:
    parts.updates.failure = Outcome(
        version="0.2.0", before="0.1.0", result="undone", at=0, by="user ann", reason="it broke"
    )
    assert parts.codes() == ["update-undone"]
    assert parts.faults() == []
    assert parts.sentence() == (
        "The update to version 0.2.0 failed and was rolled back: it broke. The hub is running as "
        "before."
    )


def test_being_unable_to_store_is_a_fault(parts: Parts) -> None:
    parts.store.health = StoreHealth(can_store=False, reason="the disk is full")
    assert parts.faults() == ["cannot-store"]
    assert parts.sentence() == (
        "Data cannot be saved at the moment (the disk is full). "
        "Cameras are asked to resend it later."
    )


def test_damage_is_a_fault(parts: Parts) -> None:
    parts.store.health = StoreHealth(damaged="hub.sqlite: row 7 missing from index")
    assert parts.faults() == ["damaged"]
    assert "row 7 missing" in parts.sentence()


def test_lost_pictures_are_a_loss_that_no_restart_mends(parts: Parts) -> None:
    what = "the pictures of 2026-11-20 are missing: 2026-11-20.pack was deleted"
    parts.store.health = StoreHealth(lost=what)
    assert parts.codes() == ["pictures-lost"]
    assert parts.faults() == []
    assert parts.sentence() == f"Some pictures are lost: {what}."
    assert [reason.problem.is_loss for reason in parts.health.reasons()] == [True]


def test_damaged_rows_are_a_notice_that_names_what_is_damaged(parts: Parts) -> None:
    for seq in (7, 9):
        parts.store.damaged_rows.note("record", seq)
    parts.store.damaged_rows.note("device", "1")
    parts.store.damaged_rows.note("device_setting", "1")
    assert parts.faults() == []
    assert parts.codes() == ["damaged-rows"]
    assert parts.sentence() == (
        "Some stored data is damaged and cannot be shown: "
        "device (1), device_setting (1), record (2). Nothing else is damaged."
    )
    (reason,) = parts.health.reasons()
    assert reason.rows == "device (1: 1), device_setting (1: 1), record (2: 7, 9)"
    assert [reason.problem.is_loss for reason in parts.health.reasons()] == [True]


def test_low_disk_space_is_a_notice(parts: Parts) -> None:
    parts.maintenance.shortage = Shortage(free_bytes=int(1.26 * GB), wanted_bytes=2 * GB)
    assert parts.faults() == []
    assert parts.sentence().startswith("Only 1.3 GB of disk space is free (2 GB should be)")


def test_a_clock_that_was_never_set_is_a_fault(parts: Parts, clock: FrozenClock) -> None:
    clock.seconds = 1_000_000.0
    assert parts.faults() == ["clock-unset"]
    assert "1970-01-12 13:46 UTC" in parts.sentence()


def test_a_doubted_clock_is_a_notice(parts: Parts, clock: FrozenClock) -> None:
    parts.clock.is_doubted = True
    assert parts.faults() == []
    assert "shows 2026-11-25 12:00 UTC" in parts.sentence()


def test_people_who_wait_for_the_clock_are_a_notice_also_of_a_clock_that_was_never_set(
    parts: Parts, clock: FrozenClock
) -> None:
    parts.waiting_for_clock = 4
    assert parts.codes() == ["people-wait"]
    assert parts.sentence().startswith("4 people who are valid from or until a time")
    clock.seconds = 1_000_000.0
    assert parts.codes() == ["clock-unset", "people-wait"]
    assert parts.faults() == ["clock-unset"]


def test_a_long_time_off_is_a_notice_of_its_own(parts: Parts) -> None:
    parts.clock.is_doubted, parts.clock.doubted_off_seconds = True, 9.2 * DAY
    assert parts.codes() == ["clock-off-long"]
    assert parts.faults() == []
    assert "the hub was off for 9 days" in parts.sentence()


def test_a_certificate_has_not_expired_by_a_clock_that_is_doubted(
    parts: Parts, clock: FrozenClock
) -> None:
    right = clock()
    parts.clock.likely_time = lambda: right  # type: ignore[method-assign]
    parts.clock.is_doubted = True
    clock.advance(365 * DAY)
    assert parts.codes() == ["clock-doubted"]


def test_cameras_that_contradict_the_clock_are_a_notice(parts: Parts) -> None:
    parts.clock.agreement = Agreement(devices=3, off=2, hours=744)
    parts.clock.is_contradicted = True
    assert parts.codes() == ["clock-contradicted"]
    assert parts.faults() == []
    assert parts.sentence().startswith("The clocks of 2 of 3 cameras differ")


def test_days_that_wait_for_a_person_are_a_notice(parts: Parts) -> None:
    parts.store.keep("2026-10-01", 2)
    waiting = tuple(DatedDay(use, date(2026, 10, 1), "own") for use in parts.store.days())
    parts.retention.waiting = RetentionPlan((), waiting, "share", 20)
    assert parts.codes() == ["retention-waits"]
    assert parts.faults() == []
    assert parts.sentence().startswith("2 days with 20 records are past the retention period")


def test_records_dated_in_the_future_are_a_notice(parts: Parts) -> None:
    parts.store.keep("2026-11-26", 2)  # Expected around midnight.
    assert parts.codes() == []
    parts.store.keep("2026-11-27", 2)
    assert parts.codes() == ["clock-went-back"]
    assert parts.faults() == []
    assert "2026-11-27" in parts.sentence()


def test_a_certificate_that_expires_soon_is_a_notice(parts: Parts, clock: FrozenClock) -> None:
    parts.certificates.expires_at = clock() + 15 * DAY
    assert parts.codes() == []
    parts.certificates.expires_at = clock() + 13 * DAY
    assert parts.faults() == []
    assert parts.sentence() == "The certificate expires on 2026-12-08, in 13 days."


def test_an_expired_certificate_is_a_fault(parts: Parts, clock: FrozenClock) -> None:
    parts.certificates.expires_at = clock() - 1
    assert parts.faults() == ["certificate-ended"]


def test_a_certificate_that_is_not_valid_yet_is_a_fault(parts: Parts, clock: FrozenClock) -> None:
    parts.certificates.starts_at = clock() + DAY
    assert parts.faults() == ["certificate-early"]
    assert parts.sentence() == "The certificate is not valid before 2026-11-26."


def test_a_certificate_that_cannot_be_renewed_is_a_notice(parts: Parts) -> None:
    parts.certificates.problem = "tls.cert: /etc/hub.crt contains no certificate in PEM"
    assert parts.codes() == ["certificate-stays"]
    assert parts.faults() == []


def test_faults_come_first(parts: Parts) -> None:
    parts.maintenance.shortage = Shortage(0, GB)
    parts.certificates.problem = "no"
    parts.store.health = StoreHealth(can_store=False, reason="the disk is full", damaged="a pack")
    assert parts.codes()[:2] == ["cannot-store", "damaged"]


def test_the_most_serious_notice_comes_first(parts: Parts, clock: FrozenClock) -> None:
    parts.store.damaged_rows.note("record", 7)
    parts.certificates.expires_at = clock() + 2 * DAY
    parts.maintenance.shortage = Shortage(0, GB)
    parts.backups.days = 3
    assert parts.codes() == ["backup-missing", "disk-low", "damaged-rows", "certificate-ends"]


def test_a_text_contains_the_values_for_its_translation(parts: Parts, clock: FrozenClock) -> None:
    parts.maintenance.shortage = Shortage(0, GB)
    parts.certificates.problem = "no"
    parts.certificates.expires_at = clock() + 2 * DAY
    parts.store.health = StoreHealth(can_store=False, reason="full", damaged="a pack")
    parts.store.keep("2027-01-01", 1)
    for reason in parts.health.reasons():
        for value in reason.args.values():
            assert value in reason.text


async def test_pages_are_told_of_a_change_once(
    parts: Parts, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        with parts.changes.subscribe() as changes:
            await nursery.start(parts.health.run)
            await trio.sleep(10)
            parts.store.health = StoreHealth(can_store=False, reason="the disk is full")
            await trio.sleep(10)
            assert await changes.next() == [Change("health")]
            parts.store.health = StoreHealth()
            await trio.sleep(10)
            assert await changes.next() == [Change("health")]
        nursery.cancel_scope.cancel()


def test_cameras_that_are_all_offline_are_serious_after_some_minutes(
    parts: Parts, clock: FrozenClock
) -> None:
    clock.advance(600)
    assert parts.codes() == []
    parts.store.enrol("1")
    parts.store.enrol("2")
    assert parts.codes() == []
    clock.advance(180)
    parts.maintenance.shortage = Shortage(0, GB)
    assert parts.codes() == ["cameras-offline", "disk-low"]
    assert parts.faults() == []
    assert [reason.is_serious for reason in parts.health.reasons()] == [True, False]


def test_one_camera_that_is_online_is_enough(parts: Parts, clock: FrozenClock) -> None:
    parts.store.enrol("1")
    parts.store.enrol("2")
    link = FakeLink("10.0.0.5")
    link.did = "2"
    parts.registry.attach(link)
    clock.advance(3600)
    assert parts.codes() == []
    parts.registry.detach(link)
    clock.advance(179)
    assert parts.codes() == []
    clock.advance(1)
    assert parts.codes() == ["cameras-offline"]


def test_a_disabled_camera_is_not_missed(parts: Parts, clock: FrozenClock) -> None:
    parts.store.enrol("1", enabled=False)
    clock.advance(3600)
    assert parts.codes() == []


def test_a_camera_that_does_not_fit_its_approval_is_a_notice(parts: Parts) -> None:
    parts.store.enrol("1")
    parts.store.enrol("2")
    parts.store.enrol("3")
    assert parts.codes() == []
    parts.store.enrolled[1].suspect, parts.store.enrolled[1].suspect_at = "address", 1000
    parts.misused = ["3"]
    assert parts.codes() == ["camera-suspect"] * 2
    # One for each camera, so that a further one is noticed; one without a time comes first.
    copied, moved = parts.health.reasons()
    assert (copied.did, copied.key) == ("3", "camera-suspect-3")
    assert copied.args == {
        "camera": "SN3",
        "reason": Reason("its token was used from a different address"),
    }
    reason = Reason("it connected from a different address")
    assert moved.args == {"camera": "SN2", "reason": reason}


def test_of_many_cameras_that_do_not_fit_the_last_ones_are_told_together(parts: Parts) -> None:
    for number in range(60):
        parts.store.enrol(str(number))
        parts.store.enrolled[number].suspect = "mac"
        parts.store.enrolled[number].suspect_at = 1000 - number
    reasons = parts.health.reasons()
    assert [reason.did for reason in reasons[:50]] == [str(59 - number) for number in range(50)]
    (others,) = reasons[50:]
    assert (others.did, others.args["camera"]) == ("", "SN9, SN8, SN7, …")


def test_a_failed_backup_is_a_notice_at_once(parts: Parts) -> None:
    parts.backups.last_failure = BackupFailure(0, "the disk is full")
    assert parts.codes() == ["backup-failed"]
    assert parts.sentence() == "The last backup failed: the disk is full."
    assert parts.faults() == []


def test_a_folder_that_cannot_be_used_is_one_serious_problem(parts: Parts) -> None:
    parts.backups.folder_problem = Reason("/mnt: Not a directory")
    (reason,) = parts.health.reasons()
    assert (reason.code, reason.is_serious, reason.is_fault) == ("backups-unreadable", True, False)
    parts.backups.last_failure = BackupFailure(0, "/mnt: Not a directory")
    assert parts.codes() == ["backups-unreadable"]
    parts.backups.last_failure = BackupFailure(0, "damaged", is_of_database=True)
    assert parts.codes() == ["database-unread", "backups-unreadable"]


def test_an_incomplete_backup_is_a_notice_with_what_it_lacks(
    parts: Parts, clock: FrozenClock
) -> None:
    parts.backups.last_incomplete = backup_of(generation(clock(), Part(0, 4096)))
    (reason,) = parts.health.reasons()
    assert (reason.code, reason.is_fault) == ("backup-incomplete", False)
    assert reason.args == {"days": "2026-11-25", "bytes": "4096", "records": "3"}
    assert "this computer's disk replaced" in reason.advice


def test_a_database_that_cannot_be_backed_up_is_not_blamed_on_the_folder(parts: Parts) -> None:
    parts.backups.last_failure = BackupFailure(0, "the database is damaged", is_of_database=True)
    (reason,) = parts.health.reasons()
    assert reason.code == "database-unread"
    assert "--rebuild" in reason.advice


def test_missing_backups_are_a_notice_with_the_last_good_one(
    parts: Parts, clock: FrozenClock
) -> None:
    parts.backups.days = 3
    assert parts.sentence() == ("There has been no valid backup for 3 days: there is none at all.")
    parts.backups.last_complete = SimpleNamespace(made_at=clock() - 3 * DAY)
    assert parts.sentence() == (
        "There has been no valid backup for 3 days: the last one is from 2026-11-22."
    )
    parts.backups.last_failure = BackupFailure(0, "the disk is full")
    assert parts.codes() == ["backup-failed", "backup-overdue"]
    assert parts.faults() == []


def test_a_hub_that_was_restored_elsewhere_says_which_address_cameras_know(parts: Parts) -> None:
    parts.backups.restored = RestoredFrom("2026-11-25T03:00:00Z", ("10.0.0.5",), ("10.0.0.9",))
    assert parts.sentence().startswith(
        "This hub was restored from a backup. Cameras reached it at 10.0.0.5, but this computer "
        "has 10.0.0.9."
    )
    assert parts.faults() == []


def target(
    name: str, state: str = "current", reason: str = "", lost: int = 0, waiting: float = 0
) -> SimpleNamespace:
    """What Health reads of a target. `lost`: records of a gap that nobody has confirmed."""
    return SimpleNamespace(
        target=SimpleNamespace(name=name, kind="webhook"),
        state=state,
        reason=reason,
        waiting_seconds=waiting,
        refuses_erasure=reason.startswith("it refuses to erase"),
        waits_after_restore=reason == str(AFTER_RESTORE),
        mail_failure=None,
        unseen_gaps=1 if lost else 0,
        unseen_lost=lost,
    )


def test_a_target_that_waits_is_a_notice_after_an_hour(parts: Parts) -> None:
    wall = target("Wall", "behind")
    parts.targets = [target("Doors", "waiting", "it answered 500", waiting=3_600), wall]
    assert parts.codes() == []
    parts.targets = [target("Doors", "waiting", "it answered 500", waiting=3_601), wall]
    assert (parts.codes(), parts.faults()) == (["target-waiting"], [])
    sentence = "Nothing could be forwarded to Doors for an hour: it answered 500."
    assert parts.sentence() == sentence


def test_a_target_that_a_person_must_look_at_is_a_notice(parts: Parts) -> None:
    parts.targets = [target("Doors", "held", "it answered 410"), target("Wall")]
    assert (parts.codes(), parts.faults()) == (["target-held"], [])
    assert (
        parts.sentence() == "Nothing is forwarded to Doors until someone fixes it: it answered 410."
    )


def test_a_target_that_keeps_what_was_erased_is_told_by_itself(parts: Parts) -> None:
    refuses = "it refuses to erase records: it answered 400"
    parts.targets = [target("Doors", "held", "it answered 410"), target("Wall", "held", refuses)]
    assert (parts.codes(), parts.faults()) == (["erasure-refused", "target-held"], [])
    parts.targets = parts.targets[1:]
    assert parts.sentence() == (
        f"Wall keeps people who were erased here, and nothing more is sent to it: {refuses}."
    )


def test_targets_that_wait_after_a_restore_are_told_by_themselves(parts: Parts) -> None:
    asks = target("Doors", "held", str(AFTER_RESTORE))
    parts.targets = [asks, target("Wall", "held", "it answered 410")]
    assert (parts.codes(), parts.faults()) == (["targets-restored", "target-held"], [])
    parts.targets = [asks]
    assert parts.sentence() == (
        "This hub was restored from a backup. Nothing is forwarded to Doors until someone chooses "
        "what they get."
    )


def test_records_that_a_target_will_never_get_are_a_notice(parts: Parts) -> None:
    parts.targets = [target("Doors", lost=3), target("Wall"), target("Centre", lost=4)]
    assert (parts.codes(), parts.faults()) == (["target-gap"], [])
    deleted = "Records were deleted before Doors, Centre received them."
    found = f"{deleted} The Forwarding page counts them."
    assert parts.sentence() == found


def test_changes_that_the_database_lost_are_told(parts: Parts) -> None:
    parts.store.changes_lost_since = 1_795_608_000_000
    assert parts.codes() == ["changes-lost"]
    assert parts.faults() == []
    assert "since 2026-11-25 12:00 UTC may be missing" in parts.sentence()
    assert [reason.problem.is_loss for reason in parts.health.reasons()] == [True]
