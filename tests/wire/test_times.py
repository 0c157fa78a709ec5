"""Times of devices (D5), local times (D8), and RFC 3339."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from hub.errors import BadParameter
from hub.wire import times
from hub.wire.coercion import LooseNumber


@pytest.mark.parametrize(
    ("sent", "milliseconds"),
    [
        (1666781577, 1666781577000),
        ("1666781577", 1666781577000),
        (1666781577816, 1666781577816),
        ("1673420964575", 1673420964575),
        (1666781577.5, 1666781577500),
        (0, 0),
        (10**11 - 1, (10**11 - 1) * 1000),
        (10**11, 10**11),
    ],
)
def test_d5_seconds_and_milliseconds_are_distinguished_by_magnitude(
    sent: LooseNumber, milliseconds: int
) -> None:
    assert times.parse_device_time(sent, "time") == milliseconds


@pytest.mark.parametrize("sent", [-1, 253402300800000, 10**15, 10**30, 1e308, "soon", "-5"])
def test_d5_a_time_out_of_range_is_420(sent: LooseNumber) -> None:
    with pytest.raises(BadParameter, match="time: "):
        times.parse_device_time(sent, "time")


@pytest.mark.parametrize("sent", [None, "", " "])
def test_2_1_a_missing_time_is_420_and_named(sent: LooseNumber) -> None:
    with pytest.raises(BadParameter, match=r"time: UNIX time .* is required"):
        times.require_device_time(sent, "time")


def test_d8_an_access_time_is_local_to_the_site() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    at = times.parse_local_time("2026-11-25 08:00:00", "accessTime", shanghai)
    assert at == times.parse_rfc3339("2026-11-25T00:00:00Z")
    assert times.parse_local_time(" 2026-11-25 08:00:00 ", "accessTime", shanghai) == at
    assert times.parse_local_time(1764028800, "accessTime", shanghai) == 1764028800000
    assert times.parse_local_time("1764028800", "accessTime", shanghai) == 1764028800000
    assert times.parse_local_time(None, "accessTime", shanghai) is None


@pytest.mark.parametrize(
    "sent",
    ["2026-13-01 00:00:00", "2026-02-30 00:00:00", "25.11.2026", "0001-01-01 00:00:00", "now"],
)
def test_d8_an_invalid_access_time_is_420(sent: str) -> None:
    with pytest.raises(BadParameter, match="accessTime: "):
        times.parse_local_time(sent, "accessTime", ZoneInfo("Asia/Shanghai"))


def test_the_first_day_of_the_epoch_overflows_in_no_zone() -> None:
    with pytest.raises(BadParameter, match="accessTime"):
        times.parse_local_time("9999-12-31 23:59:59", "accessTime", ZoneInfo("America/Los_Angeles"))


SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_1_8_local_times_are_in_the_sites_zone() -> None:
    at = times.parse_local_time("2021-10-03 10:30:00", "start_time", SHANGHAI)
    assert at == 1633228200_000


@pytest.mark.parametrize(
    ("answered", "at"),
    [
        ("2021-10-03 10:30:00", 1633228200_000),
        (" 2021-10-03T10:30:00 ", 1633228200_000),
        ("1633228200", 1633228200_000),
        ("2021-02-30 10:30:00", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_1_10_an_unreadable_time_in_an_answer_is_none(answered: str | None, at: int | None) -> None:
    assert times.read_local_time(answered, SHANGHAI) == at


def test_rfc3339_has_milliseconds_and_round_trips() -> None:
    assert times.format_rfc3339(1666781577816) == "2022-10-26T10:52:57.816Z"
    assert times.parse_rfc3339("2022-10-26T10:52:57.816Z") == 1666781577816
    assert times.parse_rfc3339("2022-10-26T18:52:57+08:00") == 1666781577000
    assert times.parse_local_time("2022-10-26 10:52:57", "t", UTC) == 1666781577000


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"])
def test_the_first_and_the_last_time_of_rfc3339_round_trip(text: str) -> None:
    assert times.format_rfc3339(times.parse_rfc3339(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "2022-10-26", "2022-10-26T10:52:57", "2022-13-26T10:52:57Z"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_an_invalid_rfc3339_time_is_420(text: str) -> None:
    with pytest.raises(BadParameter, match="since: a time in RFC 3339"):
        times.parse_rfc3339(text, "since")
