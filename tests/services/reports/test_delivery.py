"""Reports that are sent every morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.reports import delivery
from hub.services.reports.delivery import DeliverySettings, ReportDelivery, check_url
from hub.services.reports.report import Report
from tests.services.reports.conftest import ReportSite

HOUR = 3600.0


class Receiver(httpx.AsyncBaseTransport):
    """A web server that answers with `status`, or fails."""

    def __init__(self) -> None:
        self.status = 200
        self.error: Exception | None = None
        self.fails = False
        self.hangs = False
        self.requests: list[tuple[httpx.Request, bytes]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.fails:
            raise httpx.ConnectError("connection refused")
        if self.error is not None:
            raise self.error
        if self.hangs:
            await trio.sleep_forever()
        body = b"".join([part async for part in request.stream])  # type: ignore[union-attr]
        self.requests.append((request, body))
        return httpx.Response(self.status, headers={"Location": "http://other/"})


class Sender:
    """A site in Berlin, at 13:00, whose reports are sent at 06:00."""

    def __init__(self, site: ReportSite, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.receiver = Receiver()
        self.render: Any = _render
        self.start()

    def start(self) -> None:
        """Begin as after a start of the hub."""
        services = self.site.services
        outside = replace(services.core.outside, transport=self.receiver)
        self.delivery = ReportDelivery(
            replace(services.core, data_dir=self.folder, outside=outside),
            services.reports.maker,
            services.cameras.devices,
            self.render,
        )

    async def change(self, **fields: Any) -> None:
        settings = DeliverySettings(**{"kinds": ("attendance",), **fields})
        await self.delivery.change(settings, by=COMMAND_LINE)

    async def after(self, hours: float) -> list[str]:
        """Let time pass; return the files that are there."""
        self.site.clock.advance(hours * HOUR)
        await self.delivery.look()
        return self.files

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "out").glob("*"))

    async def actions(self) -> list[tuple[str, str, str]]:
        entries = await self.site.services.core.audit.newest(limit=10)
        return [(e.who, e.action, e.target) for e in entries if e.action.startswith("report.")]


def _render(report: Report, form: str, language: str, *_: object) -> tuple[str, bytes]:
    return f"{report.kind}-{report.period.first}.{form}", language.encode()


@pytest.fixture
async def sender(site: ReportSite, tmp_path: Path) -> Sender:
    return Sender(site, tmp_path)


async def test_nothing_is_sent_unless_somebody_wants_it(sender: Sender) -> None:
    assert not sender.delivery.settings.is_on
    assert await sender.after(48) == []


async def test_the_reports_of_the_day_before_are_sent_once_at_their_time(sender: Sender) -> None:
    await sender.change(kinds=("attendance", "captures"), folder="out", language="zh")
    assert await sender.after(16) == []  # 05:00
    names = ["attendance-2026-11-25.xlsx", "captures-2026-11-25.xlsx"]
    assert await sender.after(1) == names
    assert (sender.folder / "out" / names[0]).read_bytes() == b"zh"
    (sender.folder / "out" / names[0]).unlink()
    sender.start()
    assert await sender.after(5) == names[1:]
    assert "attendance-2026-11-26.xlsx" in await sender.after(19)
    assert (await sender.actions())[-1] == (
        *("command line", "report.delivery", "attendance,captures out"),
    )
    assert ("hub", "report.sent", "2026-11-25 out") in await sender.actions()


async def test_an_address_gets_each_file_by_post(sender: Sender) -> None:
    await sender.change(url="http://127.0.0.1:9/in?key=1", form="csv")
    await sender.after(17)
    ((request, body),) = sender.receiver.requests
    assert (request.method, str(request.url), body) == (
        *("POST", "http://127.0.0.1:9/in?key=1", b"en"),
    )
    assert request.headers["Sitehub-Report"] == "attendance"
    assert request.headers["Sitehub-Date"] == "2026-11-25"
    assert request.headers["Content-Type"] == "text/csv; charset=utf-8"
    # What may be secret in an address is not in the audit log.
    assert not any("key" in target for *_, target in await sender.actions())


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_an_answer_that_is_no_success_is_a_failure(sender: Sender, status: int) -> None:
    sender.receiver.status = status
    await sender.change(url="http://receiver/")
    await sender.after(17)
    assert str(sender.delivery.failure) == f"it answered {status}"
    assert len(sender.receiver.requests) == 1  # a redirect is not followed


async def test_a_failure_is_tried_again_after_growing_pauses(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.receiver.fails = True
    await sender.change(url="http://receiver/")
    await sender.after(17)
    assert str(sender.delivery.failure) == "connection refused"
    sender.receiver.fails = False
    await sender.after(0)
    assert sender.receiver.requests == []  # not yet
    monkeypatch.setattr(trio, "current_time", lambda: sender.delivery._retry_at + 1)
    await sender.after(0)
    assert len(sender.receiver.requests) == 1
    assert sender.delivery.failure is None


@pytest.mark.parametrize(
    "error", [httpx.InvalidURL("no address"), UnicodeError("label empty or too long")]
)
async def test_an_address_that_turns_out_to_be_none_does_not_end_the_hub(
    sender: Sender, error: Exception
) -> None:
    sender.receiver.error = error
    await sender.change(url="http://receiver/")
    await sender.after(17)
    assert str(sender.delivery.failure) == str(error)
    with pytest.raises(BadParameter, match="place"):
        await sender.delivery.send_now(by=COMMAND_LINE)


@pytest.mark.expects_error("the reports could not be made or sent")
async def test_a_report_that_cannot_be_made_does_not_end_the_hub(sender: Sender) -> None:
    def render(*_: object) -> Any:
        raise TypeError("no cell")

    sender.render = render
    sender.start()
    await sender.change(folder="out")
    await sender.after(17)
    assert str(sender.delivery.failure) == "no cell"
    assert sender.delivery._failures == 1


async def test_an_address_that_hangs_is_given_up(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_POST_SECONDS", 0.05)
    monkeypatch.setattr(delivery, "_CONNECT_SECONDS", 0.05)
    sender.receiver.hangs = True
    await sender.change(url="http://receiver/")
    await sender.after(17)
    assert str(sender.delivery.failure) == "it did not answer in time"


async def test_a_folder_that_is_gone_is_a_failure(sender: Sender) -> None:
    await sender.change(folder="out")
    (sender.folder / "out").rmdir()
    (sender.folder / "out").write_text("a file")
    await sender.after(17)
    assert sender.delivery.failure


async def test_a_folder_is_tried_before_it_is_saved(sender: Sender) -> None:
    with pytest.raises(BadParameter, match="folder"):
        await sender.change(folder="missing/out")
    assert not sender.delivery.settings.is_on


async def test_nothing_is_sent_while_the_clock_is_doubted(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sender.change(folder="out")
    monkeypatch.setattr(type(sender.site.services.core.clock), "is_doubted", True)
    assert await sender.after(17) == []


async def test_what_is_yesterday_goes_by_the_expected_time(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, expected = sender.site.services, sender.site.clock()
    monkeypatch.setattr(type(services.core.clock), "is_doubted", True)
    monkeypatch.setattr(services.core.clock, "likely_time", lambda: expected)
    sender.site.clock.advance(400 * 24 * HOUR)
    await sender.change(folder="out")
    assert sender.delivery.last_day == date(2026, 11, 24)
    await sender.delivery.send_now(by=COMMAND_LINE)
    assert sender.files == ["attendance-2026-11-24.xlsx"]


async def test_a_clock_that_was_ahead_does_not_keep_reports_back_for_years(
    sender: Sender,
) -> None:
    await sender.change(folder="out")
    await sender.site.hub.store.settings.set("reports.delivered", '{"day": "2031-01-01"}')
    assert await sender.after(17) == ["attendance-2026-11-25.xlsx"]
    assert sender.delivery.last_day == date(2026, 11, 25)


async def test_reports_can_be_sent_by_hand(sender: Sender) -> None:
    await sender.change(folder="out")
    await sender.delivery.send_now(by=COMMAND_LINE)
    assert sender.files == ["attendance-2026-11-24.xlsx"]
    sender.receiver.fails = True
    await sender.change(url="http://receiver/")
    with pytest.raises(BadParameter, match="connection refused"):
        await sender.delivery.send_now(by=COMMAND_LINE)


async def test_settings_that_cannot_be_read_send_nothing(sender: Sender) -> None:
    await sender.change(folder="out")
    await sender.site.hub.store.settings.set("reports.delivery", '{"kinds": 7')
    assert await sender.after(17) == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "https://",
        "a",
        "http://a b/",
        "http://user:word@a/",
        "file:///etc/passwd",
        "http://a/\n",
        "http://[::1/",
        "http://a:0/",
        "http://" + "a" * 500,
        "http://192.168.1.300/",
        "http://a/\x7f",
        "http://nas..local/",
        "http://" + "a" * 64 + ".local/",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadParameter, match="url"):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/in", "https://nas.local/a?b=c", "http://[::1]/"]
)
def test_addresses_of_the_local_network_are_allowed(url: str) -> None:
    check_url(url)
