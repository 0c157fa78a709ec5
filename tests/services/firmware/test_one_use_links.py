"""Download links that are good for one download (D12)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hub.errors import NoSuchPath
from hub.services.firmware import one_use_links
from hub.services.firmware.one_use_links import (
    MAX_LINKS_PER_DEVICE,
    ONE_USE_PREFIX,
    OneUseLinks,
)

CAMERA: Any
OTHER: Any
CAMERA, OTHER = SimpleNamespace(did="1"), SimpleNamespace(did="2")
SHA = "ab" * 32


@pytest.fixture
def clock() -> list[float]:
    return [1000.0]


@pytest.fixture
def links(clock: list[float]) -> OneUseLinks:
    return OneUseLinks(lambda: clock[0])


def test_each_link_is_another_one_and_leads_to_its_file(links: OneUseLinks) -> None:
    first, second = links.issue(CAMERA, SHA), links.issue(CAMERA, SHA)
    assert first != second
    assert first.startswith(ONE_USE_PREFIX)
    assert len(first) >= len(ONE_USE_PREFIX) + 22
    assert links.find(first).sha256 == SHA
    assert links.find(first).device is CAMERA


def test_a_link_ends_when_the_whole_file_was_sent_in_whatever_parts(links: OneUseLinks) -> None:
    token = links.issue(CAMERA, SHA)
    links.used(token, 0, 40, 100)
    links.used(token, 60, 100, 100)
    assert links.find(token)
    links.used(token, 40, 60, 100)
    with pytest.raises(NoSuchPath, match="ask again"):
        links.find(token)


def test_the_same_part_twice_does_not_end_a_link(links: OneUseLinks) -> None:
    token = links.issue(CAMERA, SHA)
    links.used(token, 0, 50, 100)
    links.used(token, 0, 50, 100)
    assert links.find(token)


def test_a_link_ends_after_an_hour(links: OneUseLinks, clock: list[float]) -> None:
    token = links.issue(CAMERA, SHA)
    clock[0] += 3600
    assert links.find(token)
    clock[0] += 1
    with pytest.raises(NoSuchPath):
        links.find(token)


def test_links_are_bounded_and_the_oldest_makes_room(
    links: OneUseLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_use_links, "MAX_LINKS", 50)
    cameras: Any = [SimpleNamespace(did=str(number)) for number in range(51)]
    issued = [links.issue(camera, SHA) for camera in cameras]
    with pytest.raises(NoSuchPath):
        links.find(issued[0])
    assert links.find(issued[1])


def test_a_camera_that_asks_again_and_again_ends_its_own_links(links: OneUseLinks) -> None:
    others = links.issue(OTHER, SHA)
    first, *later = [links.issue(CAMERA, SHA) for _ in range(MAX_LINKS_PER_DEVICE + 1)]
    with pytest.raises(NoSuchPath):
        links.find(first)
    for token in (others, *later):
        assert links.find(token)


def test_unknown_links_lead_nowhere(links: OneUseLinks) -> None:
    with pytest.raises(NoSuchPath):
        links.find(ONE_USE_PREFIX + "x")
    links.used("other", 0, 1, 1)
