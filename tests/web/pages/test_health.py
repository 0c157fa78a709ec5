"""The page Health: what is not well, what to do, and the checks."""

from __future__ import annotations

import re

import pytest

from hub.reasons import Reason
from hub.services.doctor import health_checks
from hub.services.doctor.findings import CHECK_NAMES, Finding, failed, ok, warning
from hub.services.doctor.health_checks import FullCheck, RunningCheck
from hub.services.problems import CHECKS, HealthReason
from hub.store.media.lost_parts import LostPart
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from web.health_answer import answer_of

WELL = [
    ok("sqlite", "sqlite-ok", version="3.53.0"),
    ok("disk", "disk-ok", free="80.0", wanted="2"),
]


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the quick checks find."""
    findings = list(WELL)
    monkeypatch.setattr(health_checks, "run_quick", lambda context: findings)
    return findings


async def visit(hub: PageSite, path: str = "/site") -> Visitor:
    visitor = await Visitor.signed_in(hub)
    await visitor.get(path)
    return visitor


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


async def test_a_site_that_is_well_is_said_to_be_well(hub: PageSite) -> None:
    shown = words((await visit(hub)).text)
    assert "Everything is working." in shown
    assert "80.0 GB of disk space is free; 2 GB is needed." in shown
    assert "Not checked since the hub started." in shown


async def test_lost_pictures_are_taken_note_of_once(hub: PageSite) -> None:
    visitor = await visit(hub)
    assert "/site/health/accept-lost" not in visitor.text
    hub.services.upkeep.lost_pictures._store.lost.parts = (LostPart("2026-11-20", 100, 900),)
    await visitor.get("/site")
    await visitor.send("/site/health/accept-lost")
    await visitor.get("/site")
    assert "/site/health/accept-lost" not in visitor.text
    assert ("user admin", "pictures.accept-lost", "2026-11-20") in await hub.audited()
    assert hub.services.upkeep.lost_pictures.unaccepted() == ()


async def test_what_is_not_well_is_told_with_what_to_do_faults_first(
    hub: PageSite, found: list[Finding]
) -> None:
    hub.health_reasons = [
        HealthReason("disk-low", {"free": "1.0", "wanted": "2"}),
        HealthReason("cannot-store", {"reason": "the disk is full"}),
    ]
    # The disk is reported by the health of the hub already.
    found[1:] = [
        warning("disk", "disk-low", free="1.0", wanted="2"),
        failed("key", "key-wrong"),
    ]
    text = (await visit(hub)).text.partition('<div class="health"')[2]
    shown = words(text)
    assert "3 issues need your attention:" in shown
    assert shown.index("hub.key does not match") < shown.index("Only 1.0 GB of disk space")
    assert "What to do: Restore the hub.key that belongs to it." in shown
    # In words of people; what a technician wants to know is a detail.
    assert "Cameras and programs may be refused until this is fixed." in shown
    assert "Details hub.key does not match this database." in shown
    assert '<a class="button button-small" href="/site/backups">' in text
    assert text.count('class="health-problem ') == 3


async def test_cameras_that_are_offline_are_noted_with_links(hub: PageSite) -> None:
    assert "offline" not in words(
        (await visit(hub)).text.partition('<div class="health"')[2].partition('id="storage"')[0]
    )
    await hub.enrol()
    (device,) = hub.services.cameras.devices.list()
    text = (await visit(hub)).text.partition('<div class="health"')[2]
    assert "1 camera is offline" in words(text)
    assert f'<a href="/cameras/{device.did}">{device.name or device.sn}</a>' in text
    assert "The hub itself is working." in words(text)
    assert "Check their power and network cables." in words(text)


async def test_cameras_that_are_refused_are_not_said_to_be_unplugged(hub: PageSite) -> None:
    await hub.enrol("Gate", did="1")
    hub.refuse("1", "clock-off", seconds="7140")
    text = (await visit(hub)).text.partition('<div class="health"')[2]
    shown = words(text)
    assert "1 camera is refused Gate" in shown
    assert "it says which check fails" in shown
    assert '<a href="/cameras/1">Gate</a>' in text
    assert "is offline" not in shown
    assert "Check their power" not in shown
    assert "The hub itself is working." in shown


async def test_cameras_that_are_all_offline_are_one_serious_problem(hub: PageSite) -> None:
    await hub.enrol()
    hub.health_reasons = [HealthReason("cameras-offline")]
    visitor = await visit(hub, "/cameras")
    banner = visitor.text.partition(' notice notice-bad" role="status">')[2].partition("</p>")[0]
    assert "No camera is online. The hub receives nothing." in words(banner)
    assert "What to do" in words(banner)
    await visitor.get("/site")
    text = visitor.text.partition('<div class="health"')[2]
    assert "1 issue needs your attention: No camera is online." in words(text)
    assert text.count('class="health-problem health-bad"') == 1
    assert "1 camera is offline" not in words(text)
    await visitor.send("/preferences", language="zh", next="/site/health")
    await visitor.get("/site")
    assert "所有摄像机都已离线，本系统收不到任何画面。" in visitor.text


async def test_the_most_serious_comes_first_whatever_reports_it(
    hub: PageSite, found: list[Finding]
) -> None:
    hub.health_reasons = [
        HealthReason("codes-guessed", {"devices": "Gate"}),
        HealthReason("backup-overdue", {"day": "2026-11-20", "days": "7"}),
        HealthReason("cannot-store", {"reason": "the disk is full"}),
    ]
    found += [
        failed("ports", "port-unusable", reason="in use"),
        warning("disk", "flush-slow", ms="9"),
    ]
    shown = words(
        (await visit(hub)).text.partition('<div class="health"')[2].partition('id="storage"')[0]
    )
    order = [
        "Data cannot be saved at the moment",
        "Cameras or browsers cannot reach the hub.",
        "There has been no valid backup for 7 days",
        "is trying security codes for Gate",
        "The disk takes 9 ms to save a record safely, which is slow.",
    ]
    assert sorted(order, key=shown.index) == order


async def test_damaged_rows_are_named_by_table_and_key(hub: PageSite) -> None:
    where, rows = "record (1), user (2)", "record (1: 7), user (2: mei, jan)"
    hub.health_reasons = [HealthReason("damaged-rows", {"where": where}, rows=rows)]
    visitor = await visit(hub)
    assert f"is damaged and cannot be shown: {where}." in words(visitor.text)
    assert rows in words(visitor.text)
    # Others may ask for this, and a key may be a name.
    told = str(answer_of(hub.services.upkeep.health))
    assert (where in told, "mei" in told) == (True, False)


@pytest.mark.parametrize("role", ["guard", "viewer"])
async def test_others_are_told_once_that_an_administrator_is_needed(
    hub: PageSite, role: str
) -> None:
    hub.health_reasons = [
        HealthReason("disk-low", {"free": "1.0", "wanted": "2"}),
        HealthReason("backup-failed", {"reason": "/mnt/backups: Permission denied"}),
        HealthReason("backup-overdue", {"day": "2026-11-20", "days": "7"}),
    ]
    visitor = await Visitor.signed_in(hub, role)
    await visitor.get("/notices")
    needed = "Administrator needed: the disk, the backup"
    assert words(visitor.text) == needed
    assert "href" not in visitor.text.partition("<span>")[2]
    # What keeps records from being kept concerns everybody.
    hub.health_reasons += [
        HealthReason("cannot-store", {"reason": "the disk is full"}),
        HealthReason("cameras-offline"),
    ]
    await visitor.get("/notices")
    assert "Data cannot be saved at the moment (the disk is full)." in visitor.text
    assert "No camera is online." in visitor.text
    assert needed in visitor.text


async def test_which_camera_does_not_fit_its_approval_is_said_and_leads_to_it(
    hub: PageSite,
) -> None:
    reasons = (
        Reason("it connected from a different address"),
        Reason("another device claimed to be it"),
    )
    hub.health_reasons = [
        HealthReason("camera-suspect", {"camera": f"Yard {did}", "reason": reason}, did=did)
        for did, reason in zip("12", reasons, strict=True)
    ]
    visitor = await visit(hub, "/site")
    text = words(visitor.text)
    for did, reason in zip("12", reasons, strict=True):
        assert f"Yard {did} cannot prove its identity, and {reason}." in text
        assert f'<li id="problem-camera-suspect-{did}"' in visitor.text
        assert f'href="/cameras/{did}/manage#unsigned"' in visitor.text
    await visitor.send("/preferences", language="zh", next="/site/health")
    await visitor.get("/site")
    assert "Yard 2 无法证明自己的身份：有其他设备自称是该摄像机。" in words(visitor.text)


async def test_a_banner_leads_to_what_to_do_about_it(hub: PageSite) -> None:
    hub.health_reasons = [HealthReason("backup-overdue", {"day": "2026-11-20", "days": "7"})]
    visitor = await visit(hub, "/site/users")
    notice = visitor.text.partition(' notice notice-bad" role="status">')[2].partition("</p>")[0]
    assert '<a href="/site#problem-backup-overdue">What to do</a>' in notice
    await visitor.get("/site")
    assert '<li id="problem-backup-overdue"' in visitor.text
    # What the page says anyhow is in no banner of it, after a refresh neither.
    assert 'notice notice-bad" role="status"' not in visitor.text
    assert "/notices" not in visitor.text


async def test_damage_that_the_hub_met_counts_among_the_checks(
    hub: PageSite, found: list[Finding]
) -> None:
    lost = HealthReason("pictures-lost", {"what": "2026-11-20"})
    hub.health_reasons = [HealthReason("damaged-rows", {"where": "records"}), lost]
    found.append(failed("pictures", "pictures-lost", what="2026-11-20"))
    shown = words((await visit(hub)).text)
    assert "2 of 4 checks passed." in shown
    assert "Stored data warning:" in shown


def test_every_check_says_what_it_is_about() -> None:
    assert tuple(CHECKS) == CHECK_NAMES


async def test_one_problem_is_one_thing(hub: PageSite, found: list[Finding]) -> None:
    found.append(failed("key", "key-missing"))
    assert "1 issue needs your attention:" in words((await visit(hub)).text)


async def test_the_page_is_in_chinese_too(hub: PageSite, found: list[Finding]) -> None:
    found.append(failed("key", "key-missing"))
    visitor = await visit(hub)
    await visitor.send("/preferences", language="zh", next="/site/health")
    await visitor.get("/site")
    assert "有 1 件事需要您处理：" in visitor.text
    assert "请从备份中恢复 hub.key。" in visitor.text


@pytest.mark.parametrize(
    ("language", "sentence", "advice"),
    [
        (
            "en",
            "The last backup failed: %s: this is not a folder.",
            "What to do: Check that the backup folder",
        ),
        ("zh", "上次备份失败：%s: 不是文件夹", "请确认备份文件夹存在"),
    ],
)
async def test_a_backup_that_failed_needs_attention_at_once(
    language: str, sentence: str, advice: str, hub: PageSite, found: list[Finding]
) -> None:
    reason = "/mnt/file/backups: Not a directory"
    hub.health_reasons = [HealthReason("backup-failed", {"reason": reason})]
    found.append(failed("backups", "backup-failed", reason=reason))
    visitor = await visit(hub)
    await visitor.send("/preferences", language=language, next="/site/health")
    await visitor.get("/site")
    assert sentence % "/mnt/file/backups" in words(visitor.text)
    assert advice in words(visitor.text)
    assert visitor.text.count('class="health-problem ') == 1


@pytest.mark.parametrize(
    ("health", "finding"),
    [
        (
            HealthReason("pictures-lost", {"what": "2026-11-20.pack was deleted"}),
            failed("database", "pictures-lost", what="2026-11-20.pack was deleted"),
        ),
        (
            HealthReason("database-unread", {"reason": "input/output error"}),
            failed("backups", "database-unread", reason="input/output error"),
        ),
        (
            HealthReason("backup-incomplete", {"days": "1", "bytes": "9", "records": "2"}),
            failed("backups", "backup-incomplete", time="3:00", bytes="9", days="1", records="2"),
        ),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_what_hub_and_checks_report_alike_is_told_once(
    health: HealthReason, finding: Finding, hub: PageSite, found: list[Finding]
) -> None:
    hub.health_reasons = [health]
    found.append(finding)
    assert (await visit(hub)).text.count('class="health-problem ') == 1


async def test_everything_is_checked_on_request(hub: PageSite) -> None:
    visitor = await visit(hub)
    await visitor.send("/site/health/check")
    assert visitor.goes_to == "/site#everything"
    assert hub.services.upkeep.health_checks.running is not None
    await visitor.get("/site")
    assert "<progress" in visitor.text
    assert "Check everything now" not in visitor.text


async def test_progress_and_result_are_found_again(hub: PageSite) -> None:
    checks = hub.services.upkeep.health_checks
    checks.running = RunningCheck("pictures", 0.42)
    visitor = await visit(hub, "/site/health/now")
    assert 'value="0.42"' in visitor.text
    assert "All pictures · 42 %" in words(visitor.text)
    checks.running = None
    bad = failed("pictures", "pictures-bad", bad="1", count="9", named="2026-11-25.pack")
    checks.last_full = FullCheck(hub.clock.ms, (bad,))
    await visitor.get("/site/health/now")
    shown = words(visitor.text)
    assert "Last checked: 25 Nov 2026 20:00:00" in shown
    assert "1 issue needs your attention: 1 of 9 pictures are missing or damaged" in shown
    assert "What it means: Parts of some records cannot be shown." in shown
