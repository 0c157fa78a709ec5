"""The people on the cameras follow the register (D10)."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from hub.live.feed import Change
from hub.simulator.faults import Quirks
from hub.store.tables.devices import DeviceChange, NewDevice, UnsignedPins
from hub.wire.commands.capabilities import Capabilities, Edition
from hub.wire.commands.dialect import PERSON_DELETE
from hub.wire.commands.param_structs import PersonDelete
from tests.support.synced_site import ADA, JPEG, SyncedCamera, SyncedSite

pytestmark = pytest.mark.jumping_clock

ADD, DELETE, QUERY, LIST = "/person/add", "/person/delete", "/person/query", "/person/list"
UPDATE = "/person/update"


class Meanwhile:
    """Progress of a decision that does something after each person."""

    def __init__(self, act: Callable[[], Awaitable[None]]) -> None:
        self._act = act

    def expect(self, total: int) -> None:
        pass

    async def advance(self, done: int = 1, failed: int = 0) -> None:
        await self._act()


def changes_of(camera: SyncedCamera) -> list[tuple[str, str]]:
    """What was asked that changes people, without the slash-separated paths."""
    return [(uri.rpartition("/")[2], pid) for uri, pid in camera.log if uri in (ADD, DELETE)]


async def test_everybody_gets_onto_every_camera_once(site: SyncedSite) -> None:
    cameras = [await site.add_camera() for _ in range(3)]
    everybody = {str(pid) for pid in range(1, 41)}
    for pid in everybody:
        await site.put(pid)
    await site.settle()
    for camera in cameras:
        assert camera.pids == everybody
        assert sorted(camera.asked(ADD)) == sorted(everybody)
        numbers = await site.sync.of_device(camera.did)
        assert (numbers.should, numbers.is_, numbers.pending) == (40, 40, 0)
        assert numbers.state == "managed"
    assert {one.state for one in await site.sync.of_person("7")} == {"done"}


async def test_after_a_power_cut_cameras_are_asked_for_their_people_one_after_the_other(
    site: SyncedSite,
) -> None:
    cameras = [await site.add_camera(connects=False) for _ in range(90)]
    for camera in cameras:
        site.connect(camera)
    await trio.sleep(0.1)
    assert 40 <= sum(bool(camera.asked(LIST)) for camera in cameras) <= 65
    await trio.sleep(2)
    assert all(camera.asked(LIST) for camera in cameras)


async def test_photos_are_sent_between_uploads_and_at_least_fifty_a_second(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera()
    await site.settle()
    with site.upload_priority.upload():
        for pid in range(1, 6):
            await site.put(str(pid))
        await trio.sleep(0.015)
        assert camera.asked(ADD) == []
        await trio.sleep(0.1)
    assert len(camera.asked(ADD)) == 5


async def test_changes_and_removals_follow(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.put("1")
    await site.put("2")
    await site.settle()
    await site.put("1", name="Another name", category=3)
    await site.people.remove("2", by=ADA)
    await site.settle()
    assert camera.pids == {"1"}
    row = camera.state.people["1"].row
    assert (row.name, row.category) == ("Another name", 3)


async def test_a_new_photo_is_sent(site: SyncedSite) -> None:
    camera = await site.add_camera_that_holds_one()
    before = camera.state.people["1"].checksum
    await site.put("1", photo=JPEG + b"another")
    await site.settle()
    assert camera.state.people["1"].checksum != before


async def test_a_person_without_a_photo_is_on_no_camera(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.put("1", photo=None)
    await site.put("2")
    await site.settle()
    assert camera.pids == {"2"}
    assert await site.sync.of_person("1") == []
    await site.put("2", photo=None)
    await site.settle()
    assert camera.pids == set()


async def test_a_person_whose_photo_cannot_be_read_fails_and_holds_up_nobody(
    site: SyncedSite,
) -> None:
    await site.put("1")
    await site.put("2")
    await site.store.write(lambda c: c.execute("DELETE FROM person_photo WHERE pid = '1'") and None)
    camera = await site.add_camera()
    await site.settle()
    assert camera.pids == {"2"}
    (row,) = await site.sync.of_person("1")
    assert (row.state, row.code, row.msg) == ("failed", 420, "the photo cannot be read")
    await site.put("1", photo=JPEG + b"again")
    await site.settle()
    assert camera.pids == {"1", "2"}


async def test_a_person_whose_row_does_not_decode_stays_on_cameras_as_it_is(
    site: SyncedSite,
) -> None:
    await site.put("1")
    camera = await site.add_camera()
    await site.settle()
    damage = "UPDATE person SET category = 77, revision = revision + 1"
    await site.store.write(lambda c: c.execute(damage) and None)
    other = await site.add_camera()
    await site.settle()
    assert (camera.pids, other.pids) == ({"1"}, set())
    assert site.store.damaged_rows.names() == ("person (1: 1)",)


# Which cameras


async def test_people_of_groups_are_on_the_cameras_of_these_groups(site: SyncedSite) -> None:
    gate, door = await site.add_camera(), await site.add_camera()
    group = await site.groups.add("Gate", [gate.did], by=ADA)
    await site.put("1", groups=(group.id,))
    await site.put("2")
    await site.settle()
    assert (gate.pids, door.pids) == ({"1", "2"}, {"2"})
    await site.groups.change(group.id, dids=[door.did], by=ADA)
    await site.settle()
    assert (gate.pids, door.pids) == ({"2"}, {"1", "2"})
    await site.put("1", everywhere=True)
    await site.settle()
    assert gate.pids == {"1", "2"}
    await site.put("1", everywhere=False)
    await site.settle()
    assert (gate.pids, door.pids) == ({"2"}, {"1", "2"})


async def test_a_person_is_on_cameras_from_and_until_a_time_within_a_minute(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera()
    await site.put("1", valid_from=site.clock.ms + 600_000, valid_until=site.clock.ms + 1_200_000)
    await trio.sleep(599)
    assert camera.pids == set()
    await trio.sleep(61)
    assert camera.pids == {"1"}
    await trio.sleep(539)
    assert camera.pids == {"1"}
    await trio.sleep(61)
    assert camera.pids == set()


async def test_whoever_became_invalid_goes_first_when_a_camera_comes_back(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.put("1", valid_until=site.clock.ms + 60_000)
    await site.settle()
    site.disconnect(camera)
    await trio.sleep(120)
    await site.put("2", category=2)
    camera.log.clear()
    site.connect(camera)
    await site.settle()
    assert changes_of(camera) == [("delete", "1"), ("add", "2")]


async def test_removals_go_first_then_the_blacklist_then_others_by_their_change(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera()
    await site.put("9")
    await site.settle()
    site.disconnect(camera)
    for pid, category in (("1", 1), ("2", 4), ("3", 2), ("4", 3), ("5", 2)):
        await site.put(pid, category=category)
    await site.put("1", name="Changed last")
    await site.people.remove("9", by=ADA)
    camera.log.clear()
    site.connect(camera)
    await site.settle()
    order = [("delete", "9"), *(("add", pid) for pid in ("3", "5", "2", "4", "1"))]
    assert changes_of(camera) == order


async def test_cameras_do_not_wait_for_each_other(site: SyncedSite) -> None:
    slow, fast = await site.add_camera(), await site.add_camera()
    await site.settle()
    slow.manner = "never"
    for pid in range(1, 30):
        await site.put(str(pid))
    await site.settle()
    assert len(fast.pids) == 29
    assert slow.pids == set()


# What a camera answers


async def test_a_camera_that_takes_no_pid_twice_gets_it_deleted_first_from_then_on(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(Quirks(deletes_first=True))
    await site.put("1")
    await site.put("2")
    await site.settle()
    camera.log.clear()
    await site.put("1", name="New")
    await site.settle()
    assert changes_of(camera) == [("add", "1"), ("delete", "1"), ("add", "1")]
    assert camera.asked(QUERY) == ["1"]
    camera.log.clear()
    await site.put("2", name="New")
    await site.settle()
    assert [*camera.log] == [(DELETE, "2"), (ADD, "2")]


@pytest.mark.parametrize("edition", [2, 3])
async def test_d12_a_camera_that_updates_people_gets_an_update_and_no_other_request(
    site: SyncedSite, edition: Edition
) -> None:
    camera = await site.add_camera(Quirks(edition=edition))
    site.abilities.known[camera.did] = Capabilities(uploads=edition)
    await site.put("1")
    await site.settle()
    assert changes_of(camera) == [("add", "1")]
    camera.log.clear()
    await site.put("1", name="New")
    await site.settle()
    assert [*camera.log] == [(UPDATE, "1")]
    assert camera.state.people["1"].row.name == "New"
    assert site.abilities.of(camera.did).people_update is True


async def test_d12_a_camera_that_answers_404_to_an_update_is_given_the_person_as_before(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(Quirks(deletes_first=True))
    site.abilities.known[camera.did] = Capabilities(uploads=2)
    await site.put("1")
    await site.settle()
    camera.log.clear()
    await site.put("1", name="New")
    await site.settle()
    sent = [request for request in camera.log if request[0] != QUERY]
    assert sent == [(UPDATE, "1"), (ADD, "1"), (DELETE, "1"), (ADD, "1")]
    assert site.abilities.of(camera.did).people_update is False
    camera.log.clear()
    await site.put("1", name="Newer")
    await site.settle()
    assert [*camera.log] == [(DELETE, "1"), (ADD, "1")]


async def test_d12_a_person_who_is_not_there_any_more_is_added(site: SyncedSite) -> None:
    camera = await site.add_camera(Quirks(edition=3))
    site.abilities.known[camera.did] = Capabilities(people_update=True)
    await site.put("1")
    await site.settle()
    camera.state.people.clear()
    camera.log.clear()
    await site.put("1", name="New")
    await site.settle()
    assert [*camera.log] == [(UPDATE, "1"), (ADD, "1")]
    assert camera.state.people["1"].row.name == "New"


async def test_d12_a_refused_update_has_failed(site: SyncedSite) -> None:
    camera = await site.add_camera(Quirks(edition=3))
    site.abilities.known[camera.did] = Capabilities(people_update=True)
    await site.put("1")
    await site.settle()
    camera.state.people.quirks = Quirks(edition=3, refuses_photo=1)
    camera.log.clear()
    await site.put("1", name="New")
    await site.settle()
    assert [*camera.log] == [(UPDATE, "1")]
    (there,) = await site.sync.of_person("1")
    assert (there.state, there.code) == ("failed", 420)
    assert camera.state.people["1"].row.name != "New"


async def test_a_refused_person_failed_until_it_changes_or_somebody_says_again(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(Quirks(refuses_photo=1))
    await site.put("1")
    await site.settle()
    (there,) = await site.sync.of_person("1")
    assert (there.state, there.code) == ("failed", 420)
    assert "no face" in there.msg
    assert (await site.sync.of_device(camera.did)).failed == 1
    await trio.sleep(7200)
    assert len(camera.asked(ADD)) == 1
    await site.sync.retry(camera.did, "1", by=ADA)
    await site.settle()
    assert len(camera.asked(ADD)) == 2
    camera.state.people.quirks = Quirks()
    await site.put("1", name="Changed")
    await site.settle()
    assert camera.pids == {"1"}


async def test_a_refusal_that_is_not_final_is_tried_again_with_another_photo(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(Quirks(refuses_photo=1, photo_refusal=425))
    await site.put("1")
    await site.settle()
    assert len(camera.asked(ADD)) == 2
    (there,) = await site.sync.of_person("1")
    assert (there.state, there.code) == ("failed", 425)


async def test_new_firmware_gives_refused_people_another_try(site: SyncedSite) -> None:
    camera = await site.add_camera(Quirks(refuses_photo=1))
    site.report_version(camera, "V1")
    await site.put("1")
    await site.settle()
    camera.state.people.quirks = Quirks()
    site.report_version(camera, "V2")
    await site.settle()
    assert camera.pids == {"1"}


async def test_the_first_report_of_versions_is_no_change_of_them(site: SyncedSite) -> None:
    camera = await site.add_camera()
    camera.hold("900")
    await site.settle()
    asked = len(camera.asked(LIST))
    site.report_version(camera, "V1")
    await site.settle()
    assert len(camera.asked(LIST)) == asked
    site.report_version(camera, "V2")
    await site.settle()
    assert len(camera.asked(LIST)) > asked


async def test_removing_somebody_who_is_not_there_is_success(site: SyncedSite) -> None:
    camera = await site.add_camera_that_holds_one()
    camera.state.people.clear()
    await site.people.remove("1", by=ADA)
    await site.settle()
    assert (await site.sync.of_device(camera.did)).pending == 0
    assert camera.asked(DELETE) == ["1"]


async def test_what_is_not_answered_is_asked_for_before_it_is_sent_again(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.settle()
    camera.manner = "lost"
    await site.put("1")
    await trio.sleep(31)
    assert camera.asked(ADD) == ["1"]
    (there,) = await site.sync.of_person("1")
    assert there.state == "pending"
    camera.manner = "at once"
    await site.settle(10)
    assert camera.log[-1] == (QUERY, "1")
    assert camera.asked(ADD) == ["1"]
    (there,) = await site.sync.of_person("1")
    assert there.state == "done"


async def test_silence_is_followed_by_growing_pauses(site: SyncedSite) -> None:
    camera = await site.add_camera_that_holds_one()
    camera.manner = "busy"
    await site.put("1", name="New")
    tries: list[float] = []
    began = trio.current_time()
    request = site.commands._sender.exchange

    async def noted(*args: object) -> object:
        tries.append(trio.current_time() - began)
        return await request(*args)  # type: ignore[arg-type]

    site.commands._sender.exchange = noted  # type: ignore[method-assign,assignment]
    await trio.sleep(3600)
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert [round(pause) for pause in pauses[:6]] == [5, 15, 60, 300, 900, 900]


async def test_a_connect_ends_every_pause(site: SyncedSite) -> None:
    camera = await site.add_camera()
    camera.manner = "busy"
    await site.put("1")
    await trio.sleep(3000)
    camera.manner = "at once"
    site.disconnect(camera)
    site.connect(camera)
    await site.settle()
    assert camera.pids == {"1"}


async def test_a_full_camera_takes_more_once_there_is_room(site: SyncedSite) -> None:
    camera = await site.add_camera(Quirks(capacity=10))
    for pid in range(1, 16):
        await site.put(str(pid))
    await trio.sleep(600)
    assert len(camera.pids) == 10
    additions = camera.state.people.additions
    await trio.sleep(3600)
    # A full library is not asked for everybody again and again.
    assert camera.state.people.additions - additions <= 10
    numbers = await site.sync.of_device(camera.did)
    assert (numbers.is_, numbers.pending, numbers.failed) == (10, 5, 0)
    for pid in range(1, 6):
        await site.people.remove(str(pid), by=ADA)
    await trio.sleep(1200)
    assert camera.pids == {str(pid) for pid in range(6, 16)}


async def test_the_connection_ends_in_the_middle(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.settle()
    camera.manner = "leaves"
    await site.put("1")
    await site.put("2")
    await site.settle()
    site.disconnect(camera)
    camera.manner = "at once"
    site.connect(camera)
    await site.settle()
    assert camera.pids == {"1", "2"}
    assert camera.asked(ADD) == ["1", "2"]


# What was lost


async def test_a_camera_that_lost_its_people_is_filled_again(site: SyncedSite) -> None:
    camera = await site.add_camera()
    for pid in range(1, 50):
        await site.put(str(pid))
    await site.settle()
    site.disconnect(camera)
    camera.state.people.clear()
    await trio.sleep(700)
    site.connect(camera)
    await site.settle()
    assert len(camera.pids) == 49


async def test_after_a_short_absence_the_total_is_not_asked_for(site: SyncedSite) -> None:
    camera = await site.add_camera_that_holds_one()
    asked = len(camera.asked(LIST))
    site.disconnect(camera)
    await trio.sleep(500)
    site.connect(camera)
    await site.settle()
    assert len(camera.asked(LIST)) == asked
    site.disconnect(camera)
    await trio.sleep(700)
    site.connect(camera)
    await site.settle()
    assert len(camera.asked(LIST)) == asked + 1


async def test_a_camera_that_leaves_at_once_after_a_long_absence_is_checked_all_the_same(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera_that_holds_one()
    site.disconnect(camera)
    camera.state.people.clear()
    await trio.sleep(700)
    for _ in range(5):
        site.connect(camera)
        await trio.lowlevel.checkpoint()
        site.disconnect(camera)
        await trio.lowlevel.checkpoint()
    site.connect(camera)
    await site.settle()
    assert camera.pids == {"1"}


async def test_the_total_is_asked_for_by_one_row_and_repairs_one_that_is_missing(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera()
    for pid in range(1, 100):
        await site.put(str(pid))
    await site.settle()
    site.disconnect(camera)
    camera.state.people.remove("42")
    await trio.sleep(700)
    camera.log.clear()
    site.connect(camera)
    await site.settle()
    assert "42" in camera.pids
    assert camera.asked(ADD) == ["42"]


async def test_a_replaced_camera_gets_everybody(site: SyncedSite) -> None:
    camera = await site.add_camera_that_holds_one()
    site.disconnect(camera)
    await site.devices.change(camera.did, DeviceChange(sn="SNREPLACEMENT01"))
    other = SyncedCamera(camera.did, "SNREPLACEMENT01")
    site.connect(other)
    await site.settle()
    assert other.pids == {"1"}


async def test_at_night_each_camera_is_compared_and_repaired(site: SyncedSite) -> None:
    camera = await site.add_camera()
    for pid in ("1", "2", "3"):
        await site.put(pid)
    await site.settle()
    camera.state.people.remove("1")
    camera.hold("2", "Wrong name")
    camera.hold("77", "A stranger")
    await trio.sleep(86_400 + 60)
    assert camera.pids == {"1", "2", "3", "77"}
    assert camera.state.people["2"].row.name == "Person 2"
    assert (await site.sync.of_device(camera.did)).unknown == 1
    (stranger,) = await site.sync.decisions.unknown(camera.did)
    assert (stranger.pid, stranger.row.name) == ("77", "A stranger")


# Crashes


async def test_after_a_crash_in_the_middle_everybody_is_there_once(site: SyncedSite) -> None:
    camera = await site.add_camera()
    for pid in range(1, 101):
        await site.put(str(pid))
    crashed = 0
    while len(camera.pids) < 90 and crashed < 20:
        crashed += 1
        while len(camera.pids) < crashed * 5:
            await trio.lowlevel.checkpoint()
        await site.crash()
    await site.settle()
    assert len(camera.pids) == 100
    assert sorted(camera.asked(ADD), key=int) == [str(pid) for pid in range(1, 101)]
    assert crashed > 10


# Unknown people


async def test_a_camera_with_unknown_people_is_not_changed_until_somebody_decides(
    site: SyncedSite,
) -> None:
    await site.put("1")
    camera = await site.add_camera(connects=False)
    camera.hold("77", "A stranger")
    site.connect(camera)
    await site.settle(90_000)
    numbers = await site.sync.of_device(camera.did)
    assert (numbers.state, numbers.unknown, numbers.should) == ("undecided", 1, 1)
    assert changes_of(camera) == []
    assert camera.pids == {"77"}


async def test_unknown_people_are_removed_when_somebody_says_so(site: SyncedSite) -> None:
    await site.put("1")
    camera = await site.add_camera(connects=False)
    for pid in range(70, 80):
        camera.hold(str(pid))
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.remove_unknown(camera.did, by=ADA)
    await site.settle()
    assert camera.pids == {"1"}
    numbers = await site.sync.of_device(camera.did)
    assert (numbers.state, numbers.unknown) == ("managed", 0)


async def test_somebody_added_to_the_register_since_the_comparison_is_not_removed(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(connects=False)
    camera.hold("77")
    camera.hold("78")
    site.connect(camera)
    await site.settle()
    await site.put("77", name="王芳")
    assert [one.pid for one in await site.sync.decisions.unknown(camera.did)] == ["78"]
    await site.sync.decisions.remove_unknown(camera.did, by=ADA)
    await site.settle()
    assert camera.asked(DELETE) == ["78"]
    assert camera.pids == {"77"}
    assert camera.state.people["77"].row.name == "王芳"


async def test_somebody_added_while_others_are_removed_is_not_removed(site: SyncedSite) -> None:
    camera = await site.add_camera(connects=False)
    for pid in ("77", "78"):
        camera.hold(pid)
    site.connect(camera)
    await site.settle()

    async def add_the_other() -> None:
        if await site.store.people.get("78") is None:
            await site.put("78", name="王芳")

    await site.sync.decisions.remove_unknown(camera.did, Meanwhile(add_the_other), by=ADA)
    await site.settle()
    assert camera.asked(DELETE) == ["77"]
    assert camera.pids == {"78"}


async def test_somebody_removed_from_the_register_is_not_unknown_to_the_hub(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera_that_holds_one()
    site.disconnect(camera)
    await site.people.remove("1", by=ADA)
    await site.settle(700)
    camera.manner = "busy"
    site.connect(camera)
    await site.settle(1)
    camera.manner = "at once"
    found = await site.sync.decisions.compare(camera.did)
    assert found.unknown == 0
    await site.settle(90)
    assert camera.pids == set()
    assert await site.sync.decisions.unknown(camera.did) == []


async def test_a_camera_is_in_step_once_its_last_unknown_person_is_added_to_the_register(
    site: SyncedSite,
) -> None:
    await site.put("1")
    camera = await site.add_camera(connects=False)
    camera.hold("77")
    site.connect(camera)
    await site.settle()
    assert (await site.sync.of_device(camera.did)).state == "undecided"
    await site.put("77")
    await site.settle()
    assert (await site.sync.of_device(camera.did)).state == "managed"
    assert camera.pids == {"1", "77"}


async def test_an_unknown_person_who_is_added_for_other_cameras_only_is_removed(
    site: SyncedSite,
) -> None:
    other = await site.add_camera()
    camera = await site.add_camera(connects=False)
    camera.hold("77")
    site.connect(camera)
    await site.settle()
    group = await site.groups.add("Gate", [other.did], by=ADA)
    await site.put("77", groups=(group.id,))
    await site.settle()
    assert (other.pids, camera.pids) == ({"77"}, set())


async def test_a_decision_to_leave_a_camera_alone_outlasts_the_removal_that_was_running(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(connects=False)
    camera.hold("77")
    site.connect(camera)
    await site.settle()

    async def leave_alone() -> None:
        await site.sync.decisions.leave_alone(camera.did, by=ADA)

    await site.sync.decisions.remove_unknown(camera.did, Meanwhile(leave_alone), by=ADA)
    assert site.sync.state_of(camera.did) == "alone"


async def test_unknown_people_are_taken_over_with_their_photos(site: SyncedSite) -> None:
    camera, other = await site.add_camera(connects=False), await site.add_camera()
    camera.hold("77", "王芳", work_id="A-7", category=3, photo=site.photo())
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.take_over(camera.did, by=ADA)
    await site.settle()
    person = await site.people.get("77")
    assert (person.name, person.work_id, person.category) == ("王芳", "A-7", 3)
    assert person.has_photo
    assert other.pids == {"77"}
    assert changes_of(camera) == []
    assert (await site.sync.of_device(camera.did)).state == "managed"


async def test_people_taken_over_are_put_on_the_cameras_of_the_groups_alone(
    site: SyncedSite,
) -> None:
    camera = await site.add_camera(connects=False)
    neighbour, gate = await site.add_camera(), await site.add_camera()
    group = await site.groups.add("Building B", [camera.did, neighbour.did], by=ADA)
    camera.hold("77", photo=site.photo())
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.take_over(camera.did, by=ADA)
    await site.settle()
    person = await site.people.get("77")
    assert (person.everywhere, person.groups) == (False, (group.id,))
    assert (camera.pids, neighbour.pids, gate.pids) == ({"77"}, {"77"}, set())


async def test_somebody_whose_photo_is_not_given_stays_unknown(site: SyncedSite) -> None:
    camera = await site.add_camera(Quirks(pictures="unavailable"), connects=False)
    camera.hold("77")
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.take_over(camera.did, by=ADA)
    await site.settle()
    numbers = await site.sync.of_device(camera.did)
    assert (numbers.state, numbers.unknown) == ("undecided", 1)
    assert camera.pids == {"77"}


async def test_a_camera_that_is_left_alone_is_not_changed(site: SyncedSite) -> None:
    await site.put("1")
    camera = await site.add_camera(connects=False)
    camera.hold("77")
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.leave_alone(camera.did, by=ADA)
    camera.log.clear()
    await site.settle(90_000)
    assert camera.log == []
    assert await site.sync.of_person("1") == []
    await site.sync.decisions.manage(camera.did, by=ADA)
    await site.settle()
    assert (await site.sync.of_device(camera.did)).state == "undecided"


async def test_unknown_people_on_a_managed_camera_stay(site: SyncedSite) -> None:
    camera = await site.add_camera_that_holds_one()
    camera.hold("77")
    await site.sync.decisions.compare(camera.did)
    await site.put("2")
    await site.settle()
    assert camera.pids == {"1", "2", "77"}
    assert (await site.sync.of_device(camera.did)).unknown == 1


# By hand


async def test_what_somebody_changes_by_hand_is_put_right(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.put("1")
    await site.put("2")
    await site.settle()
    await site.commands.call(camera.did, PERSON_DELETE, PersonDelete(pid="1"))
    await site.settle()
    assert camera.pids == {"1", "2"}


# What cameras are given


@pytest.mark.parametrize("sends", [True, False])
async def test_numbers_of_cards_are_sent_only_where_the_site_says_so(
    nursery: trio.Nursery, sends: bool
) -> None:
    site = SyncedSite(nursery, sends_id_numbers=sends)
    await site.start()
    camera = await site.add_camera()
    await site.put("1", id_card_no="110101199003071234", ic_card_no="00FF", phone="138")
    await site.settle()
    row = camera.state.people["1"].row
    assert (row.id_card_no, row.ic_card_no) == (
        ("110101199003071234", "00FF") if sends else ("", "")
    )
    assert row.phone == "138"


async def test_a_camera_without_a_signature_gets_no_personal_numbers(site: SyncedSite) -> None:
    signed, unsigned = await site.add_camera(), await site.add_camera()
    device = site.store.devices.by_did(unsigned.did)
    assert device is not None
    pins = UnsignedPins("10.0.0.8", "00:1b:2c:3d:4e:5f", "3001", "ab" * 32)
    changed = DeviceChange(code="nobody knows", pins=pins)
    await site.store.devices.change(unsigned.did, changed)
    await site.put("1", id_card_no="110101199003071234", ic_card_no="00FF", phone="138")
    await site.settle()
    for camera, numbers in (
        (signed, ("110101199003071234", "00FF", "138")),
        (unsigned, ("", "", "")),
    ):
        row = camera.state.people["1"].row
        assert (row.id_card_no, row.ic_card_no, row.phone or "") == numbers


async def test_the_age_follows_the_year_of_birth(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.put("1", birth_year=1990, gender=2)
    await site.settle()
    row = camera.state.people["1"].row
    assert (row.age, row.gender) == (2025 - 1990, 2)


async def test_photos_are_read_once_for_all_cameras(site: SyncedSite) -> None:
    cameras = [await site.add_camera() for _ in range(10)]
    await site.settle()
    reads: list[str] = []
    load = site.sync._frames._load

    async def counted(pid: str) -> object:
        reads.append(pid)
        return await load(pid)

    site.sync._frames._load = counted  # type: ignore[assignment]
    for pid in range(1, 31):
        await site.put(str(pid))
    await site.settle()
    assert all(len(camera.pids) == 30 for camera in cameras)
    assert sorted(reads, key=int) == [str(pid) for pid in range(1, 31)]


# What is told


async def test_progress_is_told_at_most_twice_a_second(site: SyncedSite) -> None:
    camera = await site.add_camera()
    await site.settle()
    with site.changes.subscribe(10_000) as changes:
        for pid in range(1, 301):
            await site.put(str(pid))
            await trio.sleep(0.01)
        await site.settle()
        told = [change for change in await changes.next() if change.kind == "sync"]
    assert 2 <= len(told) <= 14
    assert set(told) == {Change("sync", camera.did)}


async def test_thousands_of_cameras_are_looked_at_once(
    site: SyncedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    look_at = site.sync._look_at_device

    def counted(did: str) -> None:
        looks.append(did)
        look_at(did)

    monkeypatch.setattr(site.sync, "_look_at_device", counted)
    added = await site.store.devices.add(
        [NewDevice(sn=f"SN{n:013d}", code="ABCD1234") for n in range(5_000)]
    )
    with site.changes.subscribe(10_000) as changes:
        # As an import tells it, and as that many cameras do that connect at once.
        site.changes.publish([Change("device", device.did) for device in added])
        await site.settle(12)
        assert len(looks) == 5_000
        for device in added:
            site.changes.publish([Change("device", device.did)])
        await site.settle(12)
        assert len(looks) == 10_000
        await changes.next()
        await site.put("1")
        await site.settle(12)
        told = [change for change in await changes.next() if change.kind == "sync"]
    assert len(looks) == 10_000
    assert told == [Change("sync")]


async def test_numbers_asked_for_while_a_list_is_read_are_not_kept(site: SyncedSite) -> None:
    camera = await site.add_camera(connects=False)
    for pid in range(70, 90):
        camera.hold(str(pid))
    camera.seconds = 1.0
    site.connect(camera)
    seen = []
    for _ in range(40):
        numbers = await site.sync.of_device(camera.did)
        seen.append((numbers.state, numbers.unknown))
        await trio.sleep(0.3)
    assert seen[0] == ("new", 0)
    assert seen[-1] == ("undecided", 20)


async def test_numbers_follow_a_list_that_could_not_be_read_to_its_end(site: SyncedSite) -> None:
    camera = await site.add_camera(connects=False)
    for pid in range(70, 320):
        camera.hold(str(pid))
    camera.seconds = 1.0
    site.connect(camera)
    while len(camera.log) < 3:
        await site.sync.of_device(camera.did)
        await trio.sleep(0.3)
    site.disconnect(camera)
    await site.settle()
    stored = await site.store.device_people.count_unknown(camera.did)
    assert (await site.sync.of_device(camera.did)).unknown == stored > 0


async def test_the_rows_of_a_camera_are_in_the_order_of_their_numbers(site: SyncedSite) -> None:
    camera = await site.add_camera(connects=False)
    pids = ["9", "10", "100", "18446744073709551615"]
    strangers = ["11", "1000", "7"]
    for pid in (*pids, "8", "99"):
        await site.put(pid)
    for pid in strangers:
        camera.hold(pid)
    site.connect(camera)
    await site.settle()
    await site.sync.decisions.leave_alone(camera.did, by=ADA)
    for pid in ("8", "99"):  # they would have to go
        await site.store.holdings.found_other(camera.did, camera.sn, [pid])
        await site.people.remove(pid, by=ADA)

    async def by_pages(read: Any) -> list[str]:
        found: list[str] = []
        while page := await read(found[-1] if found else ""):
            found += [row.pid for row in page]
        return found

    rows = await by_pages(lambda after: site.sync.rows(camera.did, after=after, limit=2))
    assert rows == ["8", "9", "10", "99", "100", "18446744073709551615"]
    unknown = site.sync.decisions.unknown
    found = await by_pages(lambda after: unknown(camera.did, after=after, limit=2))
    assert found == ["7", "11", "1000"]


async def test_the_rows_of_a_camera_can_be_read_page_by_page(site: SyncedSite) -> None:
    camera = await site.add_camera(Quirks(refuses_photo=3))
    for pid in range(1, 31):
        await site.put(str(pid))
    await site.settle()
    numbers = await site.sync.of_device(camera.did)
    failed = await site.sync.rows(camera.did, "failed")
    assert len(failed) == numbers.failed > 3
    found, after = [], ""
    while page := await site.sync.rows(camera.did, after=after, limit=7):
        found += [row.pid for row in page]
        after = page[-1].pid
    assert sorted(found, key=int) == [str(pid) for pid in range(1, 31)]


async def test_a_device_has_one_lock_as_long_as_anybody_holds_it(site: SyncedSite) -> None:
    """Also one that is removed and added again under the same number."""
    camera = await site.add_camera()
    await site.settle()
    async with site.sync.lock(camera.did):
        lock = site.sync.lock(camera.did)
        site.disconnect(camera)
        await site.devices.remove(camera.did)
        site.changes.publish([Change("device", "")])
        await site.settle()
        assert site.sync.lock(camera.did) is lock
