"""The register of people: adding, changing, finding and removing them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import trio
import trio.testing
from PIL import Image

from hub.errors import AlreadyExists, BadParameter, Missing, NoSuchResource
from hub.live.feed import Change, of_kinds
from hub.services.audit import Actor
from hub.services.people.masking import masked
from hub.services.people.register import PeopleRegister
from hub.services.photos.photos import BadPhoto
from hub.store.people.people import PersonFilter, PersonPut
from hub.store.people.person_rows import Person, PersonChange, PersonName
from tests.support.clock import NOON, FrozenClock
from tests.support.hub_services import HubServices

ADA = Actor("user ada", "10.0.0.1")


@pytest.fixture
def people(hub: HubServices) -> PeopleRegister:
    return hub.services.people.register


def picture(colour: str = "teal", size: tuple[int, int] = (800, 600)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


async def test_a_person_is_added_and_read_with_every_field(
    people: PeopleRegister, hub: HubServices, clock: FrozenClock
) -> None:
    group = await hub.services.people.groups.add("Gate", by=ADA)
    change = PersonChange(
        name=" 王芳 ",
        work_id="A-7",
        id_card_no="110101199003071234",
        ic_card_no="00FF21",
        gender=2,
        birth_year=1990,
        department="Sales",
        phone="13800000000",
        category=3,
        groups=(group.id,),
        valid_from=clock.ms,
        valid_until=clock.ms + 1000,
        note="two\nlines",
    )
    added = await people.add(change, by=ADA, pid="0012")
    assert (
        added
        == await people.get("12")
        == Person(
            pid="12",
            name="王芳",
            work_id="A-7",
            id_card_no="110101199003071234",
            ic_card_no="00FF21",
            gender=2,
            age=None,
            birth_year=1990,
            department="Sales",
            phone="13800000000",
            category=3,
            everywhere=False,
            groups=(group.id,),
            valid_from=clock.ms,
            valid_until=clock.ms + 1000,
            note="two\nlines",
            has_photo=False,
            revision=1,
            created_at=clock.ms,
            changed_at=clock.ms,
            changed_by="user ada",
        )
    )


async def test_pids_are_assigned_beyond_those_that_cameras_and_records_have(
    people: PeopleRegister, hub: HubServices
) -> None:
    first = await people.add(PersonChange(name="Ada"), by=ADA)
    assert first.pid == "1000001"
    await people.add(PersonChange(name="Bob"), by=ADA, pid="1000002")
    third = await people.add(PersonChange(name="Cy"), by=ADA)
    assert third.pid == "1000003"
    await people.remove(third.pid, by=ADA)
    assert (await people.add(PersonChange(name="Di"), by=ADA)).pid == "1000004"


@pytest.mark.parametrize("pid", ["0", "-1", "x", "", "18446744073709551616", "9223372036854775808"])
async def test_a_pid_that_no_person_can_have_is_refused(people: PeopleRegister, pid: str) -> None:
    with pytest.raises(BadParameter, match=r"^pid: "):
        await people.add(PersonChange(name="Ada"), by=ADA, pid=pid)


async def test_a_pid_that_is_taken_is_refused(people: PeopleRegister) -> None:
    await people.add(PersonChange(name="Ada"), by=ADA, pid="7")
    with pytest.raises(AlreadyExists):
        await people.add(PersonChange(name="Bob"), by=ADA, pid="07")
    assert (await people.get("7")).name == "Ada"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (PersonChange(), "name"),
        (PersonChange(name="  "), "name"),
        (PersonChange(name="x" * 129), "name"),
        (PersonChange(name="a\nb"), "name"),
        (PersonChange(name="Ada", work_id="\x00"), "work_id"),
        (PersonChange(name="Ada", note="x" * 1001), "note"),
        (PersonChange(name="Ada", id_card_no="*********1234"), "id_card_no"),
        (PersonChange(name="Ada", age=151), "age"),
        (PersonChange(name="Ada", age=30, birth_year=1990), "birth_year"),
        (PersonChange(name="Ada", birth_year=2028), "birth_year"),
        (PersonChange(name="Ada", category=5), "category"),  # type: ignore[arg-type]
        (PersonChange(name="Ada", gender=0), "gender"),  # type: ignore[arg-type]
        (PersonChange(name="Ada", groups=(3,)), "groups"),
        (PersonChange(name="Ada", valid_from=5, valid_until=5), "valid_until"),
        (PersonChange(name="Ada", valid_until=-1), "valid_until"),
    ],
)
async def test_a_wrong_field_is_named(
    people: PeopleRegister, change: PersonChange, field: str
) -> None:
    with pytest.raises(BadParameter) as refused:
        await people.add(change, by=ADA)
    assert refused.value.field == field
    assert await people.count() == 0


async def test_a_change_leaves_the_other_fields_and_tells_the_feed(
    people: PeopleRegister, hub: HubServices, clock: FrozenClock
) -> None:
    await people.add(PersonChange(name="Ada", age=30, phone="555"), by=ADA, pid="7")
    clock.advance(5)
    with hub.services.core.changes.subscribe() as changes:
        changed = await people.change("7", PersonChange(birth_year=1995), by=Actor("key K"))
        assert await changes.next() == [Change("person", "7")]
    assert (changed.name, changed.phone, changed.age, changed.birth_year) == (
        "Ada",
        "555",
        None,
        1995,
    )
    assert (changed.changed_at, changed.changed_by) == (clock.ms, "key K")
    assert changed.created_at == clock.ms - 5000


async def test_only_what_cameras_are_given_raises_the_revision(
    people: PeopleRegister, hub: HubServices
) -> None:
    group = await hub.services.people.groups.add("Gate", by=ADA)
    await people.add(PersonChange(name="Ada", photo=picture()), by=ADA, pid="7")
    for change, revision in (
        (PersonChange(note="x"), 1),
        (PersonChange(groups=(group.id,)), 1),
        (PersonChange(valid_until=5), 1),
        (PersonChange(name="Ada"), 1),
        (PersonChange(photo=picture()), 1),
        (PersonChange(phone="1"), 2),
        (PersonChange(category=2), 3),
        (PersonChange(photo=picture("red")), 4),
        (PersonChange(photo=None), 5),
    ):
        assert (await people.change("7", change, by=ADA)).revision == revision, change


async def test_no_revision_is_given_twice_though_people_are_removed(people: PeopleRegister) -> None:
    first = await people.add(PersonChange(name="Ada"), by=ADA, pid="7")
    await people.remove("7", by=ADA)
    second = await people.add(PersonChange(name="Ada"), by=ADA, pid="7")
    assert second.revision > first.revision


async def test_a_photo_is_prepared_and_goes_with_the_person(people: PeopleRegister) -> None:
    await people.add(PersonChange(name="Ada", photo=picture()), by=ADA, pid="7")
    assert (await people.get("7")).has_photo
    with Image.open(io.BytesIO(await people.photo("7"))) as photo:
        assert (photo.format, photo.size) == ("JPEG", (640, 480))
    await people.remove("7", by=ADA)
    with pytest.raises(NoSuchResource):
        await people.photo("7")
    with pytest.raises(NoSuchResource):
        await people.get("7")


async def test_a_photo_that_cannot_be_used_stores_nothing(people: PeopleRegister) -> None:
    with pytest.raises(BadPhoto):
        await people.add(PersonChange(name="Ada", photo=b"no picture"), by=ADA)
    assert await people.count() == 0


async def test_put_adds_or_changes(people: PeopleRegister) -> None:
    await people.put("7", PersonChange(name="Ada", age=3), by=ADA)
    await people.put("7", PersonChange(name="Bea"), by=ADA)
    assert ((await people.get("7")).name, (await people.get("7")).age) == ("Bea", 3)


async def test_of_many_people_those_that_are_wrong_are_refused_in_their_places(
    people: PeopleRegister,
) -> None:
    stored = await people.put_many(
        [
            PersonPut(change=PersonChange(name="Ada"), pid="1"),
            PersonPut(change=PersonChange(name="")),
            PersonPut(change=PersonChange(name="Bob"), pid="1", expected="new"),
            PersonPut(change=PersonChange(name="Cy"), pid="9", expected="known"),
            PersonPut(change=PersonChange(name="Di", groups=(1,))),
            PersonPut(change=PersonChange(name="Ed")),
        ],
        by=ADA,
    )
    assert [one.name if isinstance(one, Person) else type(one) for one in stored] == [
        "Ada",
        BadParameter,
        AlreadyExists,
        Missing,
        BadParameter,
        "Ed",
    ]
    assert await people.count() == 2


async def test_the_register_is_bounded(
    people: PeopleRegister, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.people.people.MAX_PEOPLE", 2)
    puts = [PersonPut(change=PersonChange(name=name)) for name in ("Ada", "Bob", "Cy")]
    stored = await people.put_many(puts, by=ADA)
    assert isinstance(stored[2], BadParameter)
    with pytest.raises(BadParameter, match="at most 2 people"):
        await people.add(PersonChange(name="Di"), by=ADA)
    assert await people.count() == 2


async def names(people: PeopleRegister, matching: PersonFilter) -> list[str]:
    page = await people.page(matching)
    assert await people.count(matching) == len(page.items)
    return [person.name for person in page.items]


async def test_people_are_found_by_a_part_of_their_name_or_number(people: PeopleRegister) -> None:
    await people.add(
        PersonChange(name="Ada Lovelace", work_id="W-1", id_card_no="110101199003071234"),
        by=ADA,
        pid="512",
    )
    await people.add(PersonChange(name="李伟", department="Gate", phone="13800005678"), by=ADA)
    assert await names(people, PersonFilter()) == ["Ada Lovelace", "李伟"]
    for q, found in (
        ("LOVE", ["Ada Lovelace"]),
        ("伟", ["李伟"]),
        ("w-1", ["Ada Lovelace"]),
        ("51", ["Ada Lovelace"]),
        ("5678", ["李伟"]),
        ("gate", ["李伟"]),
        ("a%a", []),
        ("nobody", []),
    ):
        assert await names(people, PersonFilter(q=q)) == found, q


async def test_only_who_sees_numbers_finds_people_by_them(people: PeopleRegister) -> None:
    await people.add(PersonChange(name="Ada", id_card_no="11010119900307123X"), by=ADA)
    assert await names(people, PersonFilter(q="1990")) == []
    assert await names(people, PersonFilter(q="1990", sees_numbers=True)) == ["Ada"]
    assert await names(people, PersonFilter(q="123x")) == ["Ada"]
    assert await names(people, PersonFilter(q="0307123x", sees_numbers=True)) == ["Ada"]


async def test_people_are_filtered_by_category_and_group(
    people: PeopleRegister, hub: HubServices
) -> None:
    gate = await hub.services.people.groups.add("Gate", by=ADA)
    await people.add(PersonChange(name="Ada", category=2, groups=(gate.id,)), by=ADA)
    await people.add(PersonChange(name="Bob"), by=ADA)
    assert await names(people, PersonFilter(category=2)) == ["Ada"]
    assert await names(people, PersonFilter(group=gate.id)) == ["Ada"]
    assert await names(people, PersonFilter(group=gate.id, category=1)) == []


async def test_pages_are_in_the_order_of_the_pids_as_numbers(people: PeopleRegister) -> None:
    for pid in ("100", "9", "10", "18446744073709551615"):
        await people.add(PersonChange(name=pid), by=ADA, pid=pid)
    first = await people.page(limit=2)
    second = await people.page(after=first.next, limit=2)
    assert [one.pid for one in first.items + second.items] == [
        "9",
        "10",
        "100",
        "18446744073709551615",
    ]
    assert (first.next, second.next) == ("10", None)


async def test_names_are_found_by_what_cameras_send(people: PeopleRegister) -> None:
    await people.add(PersonChange(name="Ada", category=2), by=ADA, pid="7")
    ada = PersonName("7", "Ada", 2)
    assert await people.names(["007", "7", "8", "x", ""]) == {"007": ada, "7": ada}


async def test_work_numbers_name_people(people: PeopleRegister) -> None:
    for pid, work_id in (("1", "A"), ("2", "A"), ("3", "B"), ("4", "")):
        await people.add(PersonChange(name="x", work_id=work_id), by=ADA, pid=pid)
    assert await people.pids_of_work_ids(["A", "B", "C", ""]) == {"A": ("1", "2"), "B": ("3",)}


async def test_a_masked_person_shows_the_last_four_digits(people: PeopleRegister) -> None:
    change = PersonChange(name="Ada", id_card_no="110101199003071234", ic_card_no="0042")
    shown = masked(await people.add(change, by=ADA))
    assert (shown.id_card_no, shown.ic_card_no, shown.phone) == ("*" * 14 + "1234", "****", "")


async def test_who_sees_numbers_in_full_is_in_the_audit_log(
    people: PeopleRegister, hub: HubServices
) -> None:
    ada = await people.add(PersonChange(name="Ada", phone="13800000000"), by=ADA, pid="7")
    bob = await people.add(PersonChange(name="Bob"), by=ADA, pid="8")
    cy = await people.add(PersonChange(name="Cy", ic_card_no="123456"), by=ADA, pid="9")
    await people.note_numbers_shown([ada], ADA)
    await people.note_numbers_shown([bob], ADA)
    await people.note_numbers_shown([ada, bob, cy], ADA)
    entries = await hub.services.core.audit.newest()
    found = [entry.target for entry in entries if entry.action == "person.numbers"]
    assert found == ["2 people", "7"]


async def test_a_program_that_reads_the_same_people_all_the_time_does_not_flood_the_audit_log(
    people: PeopleRegister, hub: HubServices, clock: FrozenClock
) -> None:
    ada = await people.add(PersonChange(name="Ada", phone="13800000000"), by=ADA, pid="7")
    bob = await people.add(PersonChange(name="Bob", phone="13800000001"), by=ADA, pid="8")
    key, other = Actor("key K", "10.0.0.9"), Actor("key L", "10.0.0.9")
    for seconds in (0, 600, 3500, 3600, 3700):
        clock.seconds = NOON + seconds
        await people.note_numbers_shown([ada], key)
    await people.note_numbers_shown([ada, bob], key)
    await people.note_numbers_shown([ada], other)
    clock.advance(-7200)
    await people.note_numbers_shown([ada], key)
    entries = await hub.services.core.audit.oldest()
    found = [(one.who, one.target) for one in entries if one.action == "person.numbers"]
    assert found == [
        ("key K", "7"),
        ("key K", "7"),
        ("key K", "2 people"),
        ("key L", "7"),
        ("key K", "7"),
    ]


async def test_changes_are_in_the_audit_log_by_number_only(
    people: PeopleRegister, hub: HubServices
) -> None:
    await people.add(PersonChange(name="Ada"), by=ADA, pid="7")
    await people.change("7", PersonChange(note="x"), by=ADA)
    await people.remove("7", by=ADA)
    entries = await hub.services.core.audit.oldest()
    assert [(one.who, one.action, one.target, one.address) for one in entries] == [
        ("user ada", "person.add", "7", "10.0.0.1"),
        ("user ada", "person.change", "7", "10.0.0.1"),
        ("user ada", "person.remove", "7", "10.0.0.1"),
    ]


async def test_many_are_removed_in_one_write_and_who_is_gone_already_is_left_out(
    people: PeopleRegister, hub: HubServices
) -> None:
    for pid in ("7", "8", "9"):
        await people.add(PersonChange(name="Ada"), by=ADA, pid=pid)
    with hub.services.core.changes.subscribe(wants=of_kinds("person")) as changes:
        assert await people.remove_many(["9", "5", "007", "9"], by=ADA) == ["9", "7"]
        assert await changes.next() == [Change("person", "9"), Change("person", "7")]
    assert [person.pid for person in (await people.page()).items] == ["8"]
    entries = await hub.services.core.audit.oldest(after=3)
    assert [(one.action, one.target) for one in entries] == [
        ("person.remove", "9"),
        ("person.remove", "7"),
    ]
    with pytest.raises(NoSuchResource):
        await people.remove_many(["7", "x"], by=ADA)


async def test_a_removed_person_leaves_no_bytes_behind(
    people: PeopleRegister, hub: HubServices, tmp_path: Path
) -> None:
    await people.add(PersonChange(name="Unforgettable", id_card_no="66443322"), by=ADA, pid="7")
    await people.remove("7", by=ADA)
    assert await hub.store._check() == ""
    await hub.store._writer.empty_wal()
    data = (tmp_path / "hub.sqlite").read_bytes().lower()
    assert b"unforgettable" not in data
    assert b"66443322" not in data


async def test_people_with_numbers_are_sent_again_when_their_setting_changes(
    people: PeopleRegister, hub: HubServices
) -> None:
    await people.add(PersonChange(name="Ada", id_card_no="12345"), by=ADA, pid="1")
    await people.add(PersonChange(name="Bob"), by=ADA, pid="2")
    await people.add(PersonChange(name="Cy", ic_card_no="12345"), by=ADA, pid="3")

    async def revisions() -> list[int]:
        return [one.revision for one in (await people.page()).items]

    async with trio.open_nursery() as nursery:
        await nursery.start(people.run)
        with hub.services.core.changes.subscribe(wants=of_kinds("person")) as changes:
            assert await revisions() == [1, 2, 3]
            await set_sends(hub, False)
            await changes.next()
            assert await revisions() == [4, 2, 5]
            await set_sends(hub, False)
            await set_sends(hub, True)
            await changes.next()
            assert await revisions() == [6, 2, 7]
        nursery.cancel_scope.cancel()


async def set_sends(hub: HubServices, sends: bool) -> None:
    await hub.services.core.settings.change({"people.send_id_numbers": sends}, by=ADA)


async def test_a_setting_that_changed_while_the_hub_was_down_counts(
    people: PeopleRegister, hub: HubServices
) -> None:
    await people.add(PersonChange(name="Ada", id_card_no="12345"), by=ADA, pid="1")
    for sends, revision in ((False, 2), (False, 2), (True, 3)):
        with hub.services.core.changes.subscribe(wants=of_kinds("person")) as changes:
            async with trio.open_nursery() as nursery:
                await set_sends(hub, sends)
                await nursery.start(people.run)
                if (await people.get("1")).revision < revision:
                    await changes.next()
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        assert (await people.get("1")).revision == revision
