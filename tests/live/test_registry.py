from __future__ import annotations

import trio.testing

from hub.live.registry import Registry
from tests.support.answering_link import AnsweringLink


def registry(now: float = 1000.0) -> Registry:
    return Registry(lambda: now)


def test_a_second_link_of_a_device_replaces_the_first_and_names_it() -> None:
    live = registry()
    first, second = AnsweringLink("12", "SN1"), AnsweringLink("12", "SN1")
    assert live.attach(first) is None
    assert live.attach(second) is first
    assert live.get("12") is second


def test_a_link_that_attaches_again_replaces_nothing() -> None:
    live = registry()
    link = AnsweringLink("12", "SN1")
    live.attach(link)
    assert live.attach(link) is None


def test_a_replaced_link_that_ends_leaves_the_newer_one_online() -> None:
    live = registry()
    first, second = AnsweringLink("12", "SN1"), AnsweringLink("12", "SN1")
    live.attach(first)
    live.attach(second)
    assert not live.detach(first)
    assert live.get("12")
    assert live.detach(second)
    assert not live.get("12")
    assert not live.detach(second)


def test_a_device_is_online_from_its_own_address_only() -> None:
    live = registry()
    link = AnsweringLink("12", "SN1", "10.0.0.8")
    live.attach(link)
    assert live.is_online_from("SN1", "10.0.0.8")
    assert not live.is_online_from("SN1", "10.0.0.9")
    assert not live.is_online_from("SN2", "10.0.0.8")
    live.detach(link)
    assert not live.is_online_from("SN1", "10.0.0.8")


def test_a_replaced_camera_with_a_new_sn_is_no_longer_online_under_the_old_one() -> None:
    live = registry()
    live.attach(AnsweringLink("12", "OLD"))
    live.attach(AnsweringLink("12", "NEW"))
    assert not live.is_online_from("OLD", "10.0.0.8")
    assert live.is_online_from("NEW", "10.0.0.8")


def test_last_seen_outlives_the_link_and_is_taken_for_saving_once() -> None:
    live = registry(1000.5)
    link = AnsweringLink("12", "SN1")
    live.attach(link)
    live.touch("12")
    live.touch("12")
    live.detach(link)
    assert live.last_seen("12") == 1_000_500
    assert live.take_unsaved() == {"12": 1_000_500}
    assert live.take_unsaved() == {}


def test_a_removed_device_is_forgotten() -> None:
    live = registry()
    live.touch("12")
    live.forget("12")
    assert live.last_seen("12") is None
    assert live.take_unsaved() == {}


async def test_registry_methods_have_no_checkpoint() -> None:
    live = registry()
    link = AnsweringLink("12", "SN1")
    with trio.testing.assert_no_checkpoints():
        live.attach(link)
        live.touch("12")
        assert live.detach(link)
