"""`sitehub retention`, of answers of a running hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.cli import requests
from hub.process.control.request import ControlRequest
from hub.process.control.retention import Confirmed, ConfirmRetention, ReadRetention
from hub.services.retention.view import ClockView, ForecastView, KeptDay, RetentionView
from tests.cli.conftest import Sitehub

GB = 1_000_000_000
FOUND = RetentionView(
    keep_days=30,
    max_gb=0,
    min_free_gb=2,
    records=4200,
    bytes=12 * GB,
    days=[KeptDay("2026-10-01", "2026-10-02", "step", 4200, 12 * GB)],
    waiting=[KeptDay("2026-10-01", "2026-10-02", "step", 4200, 12 * GB)],
    reason="last",
    clock=ClockView("doubted", "2026-11-25T12:00:00Z", "2026-11-20T12:00:00Z", 0, 3, 2, []),
    forecast=ForecastView(7, {"face": 1.5 * GB}, 1.5 * GB, 0.2 * GB, 21, "disk", 9.6),
)


def test_without_a_running_hub_it_says_so(sitehub: Sitehub) -> None:
    outcome = sitehub("retention")
    assert outcome.status == 1
    assert "this command needs one" in outcome.err


def test_it_says_what_waits_why_and_what_to_do(
    sitehub: Sitehub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "execute", lambda data_dir, request: FOUND)
    lines = sitehub("retention").out
    assert "1 days, 4200 records, 12.0 GB" in lines
    assert "face 1.5 GB, database 0.2 GB (average of 7)" in lines
    assert "21 days will be kept, because of the disk" in lines
    assert "full in 10 days" in lines
    assert "doubted" in lines
    assert "sitehub retention confirm-clock" in lines
    assert "2 of 3 show another day" in lines
    assert "sitehub retention confirm 2026-10-01" in lines
    assert "dated 2026-10-02" in lines
    found = json.loads(sitehub("retention", "--json").out)
    assert found["forecast"]["full_in_days"] == 9.6
    assert [day["day"] for day in found["waiting"]] == ["2026-10-01"]


def test_a_command_of_the_group_says_where_the_hub_is(
    sitehub: Sitehub, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITEHUB_DATA", str(tmp_path / "nowhere"))
    outcome = sitehub("retention", "confirm-clock", "--data", str(data_dir))
    assert "this command needs one" in outcome.err
    assert "there is no hub" in sitehub("retention").err


def test_the_days_are_named_to_confirm_them(
    sitehub: Sitehub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ControlRequest[object]] = []

    def execute(data_dir: object, request: ControlRequest[object]) -> Confirmed:
        asked.append(request)
        return Confirmed(["2026-10-01", "2026-10-02"], 7)

    monkeypatch.setattr(requests, "execute", execute)
    assert sitehub("retention", "confirm").status == 2
    outcome = sitehub("retention", "confirm", "2026-10-01", "2026-10-02")
    assert outcome.out == "2 days with 7 records are deleted now\n"
    (request,) = asked
    assert isinstance(request, ConfirmRetention)
    assert not isinstance(request, ReadRetention)
    assert request.days == ["2026-10-01", "2026-10-02"]
