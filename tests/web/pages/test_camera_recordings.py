"""The recordings of a camera: a month as a calendar (1.7), a day as a list (1.8)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

import msgspec
import pytest
import trio
from msgspec import Raw
from msgspec.structs import replace

from hub.errors import DeviceNonsense, DeviceOffline, DeviceSilent, NoSuchResource
from hub.live.registry import DeviceAnswer
from hub.simulator.device.recordings import counts_of_month
from hub.simulator.faults import Quirks
from hub.wire.commands.answers import DayCount
from hub.wire.commands.capabilities import Capabilities, Edition
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink, ok_answer
from web.pages.camera.recordings.calendar import make_month, months_around


@pytest.fixture
async def viewer(viewer: Visitor, camera: SimulatedLink) -> Visitor:
    return viewer


def recordings(day: str, *starts: str) -> list[dict[str, str]]:
    return [
        {
            "filename": f"/progs/rec/00/N{start.replace(':', '')}.mp4",
            "start_time": f"{day} {start}",
            "end_time": f"{day} {start[:-2]}59",
        }
        for start in starts
    ]


# A month


def test_a_month_has_its_weeks_from_monday_on() -> None:
    month = make_month(2026, 2, [], today=date(2026, 2, 10))
    assert [day.date.day if day else 0 for day in month.weeks[0]] == [0, 0, 0, 0, 0, 0, 1]
    days = [day for week in month.weeks for day in week if day]
    assert len(days) == 28
    assert [day.date.day for day in days if day.is_today] == [10]
    assert [day.date.day for day in days if day.is_to_come] == list(range(11, 29))


def test_days_are_shaded_by_their_number_of_recordings() -> None:
    counts = [DayCount(1, 1), DayCount(2, 50), DayCount(3, 100), DayCount(3, 20), DayCount(31, 9)]
    month = make_month(2026, 2, counts, today=date(2026, 3, 1))
    days = {day.date.day: day for week in month.weeks for day in week if day}
    assert [(days[n].count, days[n].shade) for n in (1, 2, 3, 4)] == [
        (1, 1), (50, 2), (120, 4), (0, 0),
    ]  # fmt: skip
    # A 31st of February does not count.
    assert (month.recordings, month.days) == (171, 3)


@pytest.mark.parametrize(
    ("month", "around"),
    [((2026, 1), ("2025-12", "2026-02")), ((2026, 12), ("2026-11", "2027-01"))],
)
def test_a_month_links_to_its_neighbours(month: tuple[int, int], around: tuple[str, str]) -> None:
    assert months_around(*month) == around


async def test_a_month_is_requested_counting_from_zero_and_shown_as_a_calendar(
    viewer: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer({"day": 3, "count": 138}, {"day": "4", "count": 1})
    await viewer.get("/cameras/1/recordings?month=2026-10")
    assert camera.asked == [("/storage/record_by_month", {"year": 2026, "month": 9})]
    assert "October 2026" in viewer.text
    assert "139 recordings · 2 days" in viewer.text
    assert 'href="/cameras/1/recordings/2026-10-03"' in viewer.text
    assert "?month=2026-09" in viewer.text


@pytest.mark.parametrize(("edition", "has_days"), [(3, True), (2, False), (1, False)])
async def test_d12_a_camera_of_edition_3_has_days_to_open_although_it_counts_none(
    viewer: Visitor, hub: PageSite, camera: SimulatedLink, edition: Edition, has_days: bool
) -> None:
    camera.outcome = DeviceAnswer(404, "no such path", Raw(b"null"))
    learnt = Capabilities(uploads=edition)
    await hub.services.cameras.capabilities.learn("1", lambda _: learnt, "upload")
    await viewer.get("/cameras/1/recordings?month=2026-10")
    assert ('href="/cameras/1/recordings/2026-10-03"' in viewer.text) is has_days
    assert ("does not report which days" in viewer.text) is has_days
    assert ("does not support this function" in viewer.text) is not has_days


async def test_the_default_is_the_current_month_with_none_after_it(
    viewer: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer()
    for address in ("/cameras/1/recordings", "/cameras/1/recordings?month=2026-13"):
        await viewer.get(address)
        assert viewer.response.status_code == 200
        assert "November 2026" in viewer.text
        assert 'rel="next"' not in viewer.text
        assert "no recordings for this month" in viewer.text


async def test_the_first_month_has_none_before_it(viewer: Visitor, camera: SimulatedLink) -> None:
    await viewer.get("/cameras/1/recordings?month=1970-01")
    assert 'rel="prev"' not in viewer.text


# Streaming


async def test_the_page_arrives_before_the_answer(viewer: Visitor, hub: PageSite) -> None:
    answered = trio.Event()

    async def wait(*args: object, **kwargs: object) -> DeviceAnswer:
        await answered.wait()
        return ok_answer({"day": 3, "count": 13_800_431})

    hub.links["1"].request = wait  # type: ignore[method-assign]
    text = ""
    async with viewer.open("/cameras/1/recordings?month=2026-10") as connection:
        while "Asking the camera…" not in text:
            text += (await connection.receive()).decode()
        assert "October 2026" in text
        assert "13800431" not in text
        answered.set()
        while "</html>" not in text:
            text += (await connection.receive()).decode()
    assert "13800431" in text


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DeviceOffline(), "The camera is not connected"),
        (DeviceSilent(), "The camera did not respond in time"),
        (DeviceNonsense(), "could not be interpreted"),
    ],
)
async def test_a_device_error_leaves_the_page_complete(
    viewer: Visitor, camera: SimulatedLink, error: Exception, sentence: str
) -> None:
    camera.outcome = error  # type: ignore[assignment]
    for address in ("/cameras/1/recordings?month=2026-10", "/cameras/1/recordings/2026-10-03"):
        await viewer.get(address)
        assert sentence in viewer.text
        assert f'href="{address}">Try again</a>' in viewer.text
        assert viewer.text.rstrip().endswith("</html>")


@pytest.mark.parametrize("result", [None, {"a": 1}, "text", [1, 2], [{"day": 99, "count": -1}]])
async def test_invalid_captures_do_not_break_the_page(
    viewer: Visitor, camera: SimulatedLink, result: object
) -> None:
    camera.outcome = DeviceAnswer(
        0, "OK", None if result is None else Raw(msgspec.json.encode(result))
    )
    await viewer.get("/cameras/1/recordings?month=2026-10")
    assert viewer.response.status_code == 200
    assert viewer.text.rstrip().endswith("</html>")


async def test_unreadable_days_differ_from_days_without_recordings(
    viewer: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = DeviceAnswer(0, "OK", Raw(b'[{"day": 99, "count": -1}]'))
    await viewer.get("/cameras/1/recordings?month=2026-10")
    assert "None of the camera's results could be read." in viewer.text
    assert "has no recording" not in viewer.text


async def test_a_head_request_asks_no_camera(viewer: Visitor, camera: SimulatedLink) -> None:
    async with viewer.open("/cameras/1/recordings", "HEAD") as connection:
        assert await connection.receive()
    assert connection.status_code == 200
    assert camera.asked == []


async def test_a_client_that_leaves_early_cancels_the_command(
    viewer: Visitor, hub: PageSite
) -> None:
    was_given_up = trio.Event()

    async def wait(*args: object, **kwargs: object) -> DeviceAnswer:
        try:
            await trio.sleep_forever()
        finally:
            was_given_up.set()
        raise AssertionError

    hub.links["1"].request = wait  # type: ignore[method-assign]
    async with viewer.open("/cameras/1/recordings") as connection:
        text = ""
        while "Asking the camera…" not in text:
            text += (await connection.receive()).decode()
    assert was_given_up.is_set()


async def test_a_camera_that_is_removed_in_the_meantime_is_explained(
    viewer: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = NoSuchResource()
    await viewer.get("/cameras/1/recordings")
    assert "The camera has been removed in the meantime." in viewer.text


# A day


async def test_a_day_is_listed_with_the_cameras_times(
    viewer: Visitor, camera: SimulatedLink
) -> None:
    rows = [*recordings("2026-10-03", "10:05:00"), {"filename": "<x>", "start_time": "noon"}]
    camera.outcome = ok_answer(total_page=1, total_file=2, page_size=72, recordlist=rows)
    await viewer.get("/cameras/1/recordings/2026-10-03")
    assert camera.asked[0] == (
        "/storage/get_record_list",
        {
            "start_time": "2026-10-03 00:00:00",
            "end_time": "2026-10-03 23:59:59",
            "page_num": 0,
            "page_size": 72,
        },
    )
    assert "Saturday, 3 October 2026" in viewer.text
    assert "10:05:00 – 10:05:59" in viewer.text
    assert "59 s" in viewer.text
    assert "N100500.mp4" in viewer.text
    assert "noon – –" in viewer.text
    assert "&lt;x&gt;" in viewer.text
    assert "2 of 2" in viewer.text
    assert "M605.0 0h1.0v40" in viewer.text


async def test_a_recording_from_the_day_before_is_drawn_from_midnight(
    viewer: Visitor, camera: SimulatedLink
) -> None:
    row = {"filename": "a", "start_time": "2026-10-02 23:50:00", "end_time": "2026-10-03 00:10:00"}
    camera.outcome = ok_answer(total_file=1, recordlist=[row])
    await viewer.get("/cameras/1/recordings/2026-10-03")
    assert "2026-10-02 23:50:00 – 00:10:00" in viewer.text
    assert "M0.0 0h10.0v40" in viewer.text


async def test_an_empty_day_says_so(viewer: Visitor, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(total_file=0, recordlist=[])
    await viewer.get("/cameras/1/recordings/2026-10-03")
    assert "no recordings for this day" in viewer.text


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(first_page=1)])
async def test_a_long_day_is_paged_to_its_end(
    hub: PageSite, quirks: Quirks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.pages.camera.recordings.views._PAGE_SIZE", 10)
    await hub.connect("Gate", quirks)
    viewer = await Visitor.signed_in(hub, "viewer")
    address: str | None = _a_day_with_recordings(hub)
    found: list[str] = []
    for _ in range(40):
        await viewer.get(address or "")
        found += re.findall(r"N\d+\.mp4(?=</code>)", viewer.text)
        more = re.search(r'href="(\?page=[^"]+)" rel="next"', viewer.text)
        if more is None:
            break
        address = _a_day_with_recordings(hub) + more[1].replace("&amp;", "&")
    total = re.search(r"(\d+) of (\d+)", viewer.text)
    assert total
    assert len(found) == len(set(found)) == int(total[1]) == int(total[2]) > 20


def _a_day_with_recordings(hub: PageSite) -> str:
    state = hub.links["1"].state
    counts = counts_of_month(state.sn, 2026, 10, now=state.clock())
    day = max(counts, key=lambda one: one[1])[0]
    return f"/cameras/1/recordings/2026-10-{day:02d}"


@pytest.mark.parametrize(
    "day", ["2026-02-31", "yesterday", "0001-01-01", "1970-01-01", "20261003x"]
)
async def test_an_invalid_day_is_not_found(viewer: Visitor, day: str) -> None:
    await viewer.get(f"/cameras/1/recordings/{day}")
    assert viewer.response.status_code == 404


async def test_recordings_of_an_unknown_camera_are_not_found(viewer: Visitor) -> None:
    await viewer.get("/cameras/9/recordings")
    assert viewer.response.status_code == 404


@pytest.mark.parametrize(
    ("around", "start", "end"),
    [
        ("15:03", "14:03:00", "15:13:59"),
        ("00:05", "00:00:00", "00:15:59"),
        ("25:00", "00:00:00", "23:59:59"),
    ],
)
async def test_of_a_day_only_what_was_recorded_around_a_time_is_asked_for(
    viewer: Visitor, camera: SimulatedLink, around: str, start: str, end: str
) -> None:
    await viewer.get(f"/cameras/1/recordings/2026-10-03?around={around}")
    assert camera.asked[0][1]["start_time"] == f"2026-10-03 {start}"
    assert camera.asked[0][1]["end_time"] == f"2026-10-03 {end}"
    assert ("Show the whole day" in viewer.text) == (around != "25:00")


@pytest.mark.parametrize(
    ("around", "marked"), [("09:59", []), ("10:04", ["N100400"]), ("10:05", ["N100500"])]
)
async def test_the_recording_of_the_moment_is_marked(
    viewer: Visitor, camera: SimulatedLink, around: str, marked: list[str]
) -> None:
    rows = recordings("2026-10-03", "10:04:00", "10:05:00")
    camera.outcome = ok_answer(total_file=2, recordlist=rows)
    await viewer.get(f"/cameras/1/recordings/2026-10-03?around={around}")
    lines = [line for line in viewer.text.split("<li>") if f"contains {around}" in line]
    assert [re.findall("N[0-9]+", line)[-1] for line in lines] == marked


async def test_a_day_says_where_recordings_are(viewer: Visitor, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(total_file=0, recordlist=[])
    for query, says in (("", "for this day"), ("?around=15:03", "around this time")):
        await viewer.get(f"/cameras/1/recordings/2026-10-03{query}")
        assert f"The camera has no recordings {says}." in viewer.text
        assert "or on its storage card." in viewer.text


# Edition 3


@pytest.fixture
async def modern(hub: PageSite) -> SimulatedLink:
    """Camera 3, named "Yard", of edition 3, online."""
    link = await hub.connect("Yard", Quirks(edition=3), did="3")
    await hub.services.cameras.capabilities.learn(
        "3", lambda known: replace(known, connect="unsigned"), "connect"
    )
    return link


async def test_recordings_of_an_alarm_are_told_from_continuous_ones(
    viewer: Visitor, modern: SimulatedLink
) -> None:
    rows = recordings("2026-10-03", "10:00:00", "11:00:00", "12:00:00")
    rows[0]["type"], rows[1]["type"], rows[2]["type"] = "alarm", "normal", "<b>"
    modern.outcome = ok_answer(total_file=3, recordlist=rows)
    await viewer.get("/cameras/3/recordings/2026-10-03")
    assert re.findall(r'class="recording-kind[^"]*">([^<]+)<', viewer.text) == [
        "Alarm",
        "Continuous",
    ]
    assert viewer.text.count('class="alarm-strip"') == 1
    assert "<b>" not in viewer.text


@pytest.mark.parametrize("size", ["", "0", "2049", "-1", "1.5", "١", "9" * 30])
async def test_a_size_that_no_card_has_is_not_sent(
    admin: Visitor, modern: SimulatedLink, size: str
) -> None:
    await admin.get("/cameras/3/recordings/format")
    await admin.send("/cameras/3/recordings/format", size=size, typed="Yard")
    assert admin.response.status_code == 400
    assert "A whole number from 1 to 2048." in admin.text
    assert modern.asked == []


async def test_a_formatted_card_is_empty(admin: Visitor, modern: SimulatedLink) -> None:
    now = datetime.fromtimestamp(admin.hub.clock())
    days = [f"{now - timedelta(days=number):%Y-%m-%d}" for number in range(1, 8)]

    async def kinds() -> int:
        found = 0
        for day in days:
            await admin.get(f"/cameras/3/recordings/{day}")
            found += admin.text.count('class="recording-kind')
        return found

    assert await kinds() > 0
    await admin.get("/cameras/3/recordings")
    assert "/cameras/3/recordings/format" in admin.text
    await admin.get("/cameras/3/recordings/format")
    assert "They cannot be restored." in admin.text
    await admin.send("/cameras/3/recordings/format", size="64", typed=" Yard ")
    assert admin.goes_to == "/cameras/3/recordings?done=card-formatted"
    assert modern.asked[-1] == ("/storage/disk/format", {"video_sizeGB": 64})
    await admin.get(admin.goes_to)
    assert "The storage card was formatted." in admin.text
    assert await kinds() == 0


async def test_a_card_of_an_earlier_camera_is_not_formatted(
    admin: Visitor, camera: SimulatedLink
) -> None:
    await admin.get("/cameras/1/recordings")
    assert "Format the card" not in admin.text
    assert (await admin.get("/cameras/1/recordings/format")).status_code == 404
    await admin.send("/cameras/1/recordings/format", size="64", typed="Gate")
    assert admin.response.status_code == 404
    assert camera.asked == [("/storage/record_by_month", {"year": 2026, "month": 10})]


async def test_the_question_is_translated(admin: Visitor, modern: SimulatedLink) -> None:
    await admin.get("/cameras/3/recordings/format")
    await admin.send("/preferences", language="zh", next="/cameras/3/recordings/format")
    await admin.get("/cameras/3/recordings/format")
    for text in ("格式化", "无法恢复", "录像"):
        assert text in admin.text, text
