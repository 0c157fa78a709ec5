"""Importing people: the dry run, the job, and what was refused."""

from __future__ import annotations

import csv
import io
from zipfile import ZipFile

import msgspec
import pytest
import trio
import trio.testing
from PIL import Image

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooManyRequests
from hub.services.audit import Actor
from hub.services.people.import_export import imports as imports_module
from hub.services.people.import_export.imports import (
    MAX_RECEIVED,
    ImportPreview,
    Imports,
    RefusedRow,
)
from hub.services.people.import_export.photo_archive import BadArchive
from hub.services.people.import_export.table_reader import BadTable
from hub.store.jobs.jobs import Job
from hub.store.people.people import PersonFilter
from hub.store.people.person_rows import Person, PersonChange
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices

ANN = Actor("user ann")
#: store.min_free_gb.
KEPT_FREE = 2_000_000_000


@pytest.fixture
async def imports(hub: HubServices, nursery: trio.Nursery) -> Imports:
    await nursery.start(hub.services.jobs.run)
    return hub.services.people.imports


def photo(side: int = 200, kind: str = "JPEG", shade: int = 9) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 90, 90)).save(out, kind)
    return out.getvalue()


def zipped(**files: bytes) -> bytes:
    return zipped_files(files)


def zipped_files(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


async def stage(imports: Imports, *contents: str | bytes) -> ImportPreview:
    paths = []
    for content in contents:
        data = content.encode() if isinstance(content, str) else content
        path = await imports.new_file(len(data))
        await trio.Path(path).write_bytes(data)
        paths.append(path)
    return await imports.stage(paths)


async def run(hub: HubServices, *contents: str | bytes) -> Job:
    preview = await stage(hub.services.people.imports, *contents)
    job = await hub.services.people.imports.start(preview.id, ANN)
    return await hub.services.jobs.wait(job.id)


async def people(hub: HubServices) -> list[Person]:
    return list((await hub.services.people.register.page()).items)


async def refusals(hub: HubServices, job: Job) -> list[tuple[int, str]]:
    items = await hub.services.jobs.items(job.id)
    rows = [msgspec.json.decode(item.detail, type=RefusedRow) for item in items]
    return [(row.line, row.refusal.code) for row in rows]


def left(hub: HubServices) -> list[str]:
    return [path.name for path in (hub.services.core.data_dir / "imports").glob("*.part")]


async def test_a_dry_run_says_for_each_row_what_would_happen_and_changes_nothing(
    hub: HubServices, imports: Imports
) -> None:
    await hub.services.people.register.add(PersonChange(name="Ada", work_id="A-1"), by=ANN, pid="7")
    table = "pid;姓名;工号;性别;工资\n7;Ada Quist;;;1\n;李雷;B-2;男;\n;;;;5\n;Eve;;x;\n"
    preview = await stage(imports, table, zipped_files({"7.jpg": b"", "8.jpg": b""}))
    assert (preview.rows, preview.adds, preview.changes, preview.refused) == (4, 1, 1, 2)
    assert (preview.photos, preview.unmatched, preview.unused) == (1, ("8.jpg",), ("工资",))
    rows = await imports.rows(preview.id)
    assert [(row.line, row.action, row.pid, row.name, row.photo) for row in rows] == [
        (2, "change", "7", "Ada Quist", "7.jpg"),
        (3, "add", "", "李雷", ""),
        (4, "refuse", "", "", ""),
        (5, "refuse", "", "Eve", ""),
    ]
    assert [row.refusal.code for row in rows if row.refusal] == ["no name", "word"]
    (second,) = await imports.rows(preview.id, after=2, limit=1, actions=["refuse"])
    assert second == rows[3]
    assert [person.name for person in await people(hub)] == ["Ada"]


async def test_people_are_added_and_changed_with_their_photos(
    hub: HubServices, imports: Imports
) -> None:
    group = await hub.services.people.groups.add("Gate", by=ANN)
    await hub.services.people.register.add(
        PersonChange(name="Ada", work_id="A-1", phone="123", note="old"), by=ANN, pid="7"
    )
    table = (
        "pid,name,work_id,category,groups,valid_until,note\n"
        ",,A-1,blacklist,gate,2026-12-31,\n"
        "9,李雷,,,,,first\n"
        ",王芳,C-3,,-,,\n"
    )
    photos = {"p/A-1.jpg": photo(), "9.png": photo(kind="PNG"), "p/王芳.jpg": photo(900)}
    job = await run(hub, table, zipped_files(photos))
    assert (job.state, job.total, job.done, job.failed) == ("done", 3, 3, 0)
    ada, lei, fang = await people(hub)
    assert (ada.pid, ada.name, ada.phone, ada.note) == ("7", "Ada", "123", "")
    assert (ada.category, ada.groups, ada.everywhere) == (2, (group.id,), False)
    assert (lei.pid, lei.category, lei.everywhere, lei.note) == ("9", 1, True, "first")
    assert (fang.name, fang.groups, fang.everywhere) == ("王芳", (), False)
    assert [person.has_photo for person in (ada, lei, fang)] == [True, True, True]
    with Image.open(io.BytesIO(await hub.services.people.register.photo(fang.pid))) as image:
        assert image.size == (640, 640)
    assert left(hub) == []
    actions = [(entry.action, entry.target) for entry in await hub.services.core.audit.newest()]
    assert actions[0] == ("person.import", f"job {job.id}")


async def test_refused_rows_come_back_as_csv_and_are_imported_once_mended(
    hub: HubServices, imports: Imports
) -> None:
    table = (
        "姓名,工号,年龄,分组,原因\n"
        "Ada,A-1,200,,x\n"
        "=Bob,A-2,30,Gate,x\n"
        "Eve,A-3,30,,x\n"
        "Eve again,A-3,30,,x\n"
        "Tiny,A-4,30,,x\n"
        "Large,A-5,30,,x\n"
        "None,A-6,30,,x\n"
    )
    photos = {
        "A-4.jpg": photo(50),
        "A-5.jpg": bytes(21 << 20),
        "A-6.jpg": b"no photo",
    }
    job = await run(hub, table, zipped_files(photos))
    assert (job.state, job.done, job.failed) == ("done", 1, 6)
    assert await refusals(hub, job) == [
        (2, "wrong"),
        (3, "group"),
        (5, "repeated"),
        (6, "photo"),
        (7, "photo"),
        (8, "photo"),
    ]
    text = b"".join([part async for part in imports.refused_csv(job.id, by=ANN)]).decode(
        "utf-8-sig"
    )
    (entry, *_) = await hub.services.core.audit.newest()
    assert (entry.action, entry.target) == ("person.numbers", f"job {job.id}")
    lines = text.splitlines()
    assert lines[0] == "姓名,工号,年龄,分组,reason"
    assert lines[1].startswith("Ada,A-1,200,,age: an integer from 0 to 150")
    assert lines[2].startswith("'=Bob,A-2,30,Gate,there is no group Gate")
    assert [person.name for person in await people(hub)] == ["Eve"]
    await hub.services.people.groups.add("Gate", by=ANN)
    mended = await run(hub, text.replace(",200,", ",20,"))
    assert await refusals(hub, mended) == []
    assert len(await people(hub)) == 6
    assert (await hub.services.people.register.page(PersonFilter(q="=bob"))).items[0].name == "=Bob"


async def test_no_cell_of_the_refused_rows_is_a_formula(hub: HubServices, imports: Imports) -> None:
    """Neither a column's name nor a reason, which a page may begin with what stood in a cell."""
    formula = '=HYPERLINK("http://10.0.0.66")'
    table = [["name", formula, "age", "'@sum"], ["A", "+1", "-1-", formula]]
    out = io.StringIO()
    csv.writer(out).writerows(table)
    job = await run(hub, out.getvalue())
    parts = imports.refused_csv(job.id, by=ANN, reason=lambda refusal: refusal.value)
    text = b"".join([part async for part in parts]).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [
        ["name", f"'{formula}", "age", "'@sum", "reason"],
        ["A", "'+1", "'-1-", f"'{formula}", "'-1-"],
    ]


async def test_a_row_whose_photo_is_refused_changes_nothing(
    hub: HubServices, imports: Imports
) -> None:
    await hub.services.people.register.add(PersonChange(name="Ada"), by=ANN, pid="7")
    job = await run(hub, "pid,name\n7,Eve\n", zipped_files({"7.jpg": photo(50)}))
    assert job.failed == 1
    assert [person.name for person in await people(hub)] == ["Ada"]


async def test_a_photo_of_two_hundred_megapixels_is_refused(
    hub: HubServices, imports: Imports
) -> None:
    out = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(out, "PNG")
    job = await run(hub, "pid,name\n7,Eve\n", zipped_files({"7.png": out.getvalue()}))
    items = await hub.services.jobs.items(job.id)
    row = msgspec.json.decode(items[0].detail, type=RefusedRow)
    assert (row.refusal.code, row.refusal.value) == ("photo", "too many pixels")
    assert "pixels" in row.refusal.message


async def test_whom_a_row_is_about(hub: HubServices, imports: Imports) -> None:
    for pid, name, work_id in (
        ("1", "Li", "A"),
        ("2", "Li", "B"),
        ("3", "Wu", "C"),
        ("4", "X", "C"),
    ):
        await hub.services.people.register.add(
            PersonChange(name=name, work_id=work_id), by=ANN, pid=pid
        )
    table = (
        "pid,name,work_id\n"
        "0002,Li,\n"  # by pid
        ",Wu,\n"  # by the name that one person has
        ",Li,\n"  # by a name that two have
        ",,C\n"  # by a work number that two have
        ",Wu,C\n"
        ",Li,D\n"  # a new one
        ",Li,D\n"
        "x,Li,\n"
        "5,,\n"
    )
    preview = await stage(imports, table)
    rows = await imports.rows(preview.id)
    assert [(row.action, row.pid) for row in rows] == [
        ("change", "2"),
        ("change", "3"),
        ("refuse", ""),
        ("refuse", ""),
        ("refuse", ""),
        ("add", ""),
        ("refuse", ""),
        ("refuse", ""),
        ("refuse", ""),
    ]
    assert [(row.refusal.code, row.refusal.other_line) for row in rows if row.refusal] == [
        ("several", 0),
        ("several", 0),
        ("several", 0),
        ("repeated", 7),
        ("wrong", 0),
        ("no name", 0),
    ]


async def test_photos_alone_are_given_to_people_who_are_there(
    hub: HubServices, imports: Imports
) -> None:
    for pid, name, work_id in (("1", "王芳", "A-1"), ("2", "Li", "A-2"), ("3", "Wu", "")):
        await hub.services.people.register.add(
            PersonChange(name=name, work_id=work_id), by=ANN, pid=pid
        )
    files = {"x/1.jpg": photo(), "A-2.jpg": photo(), "Wu.jpg": photo(), "Nobody.jpg": photo()}
    preview = await stage(imports, zipped_files({**files, "王芳.jpg": photo()}))
    assert (preview.has_csv, preview.changes, preview.refused) == (False, 3, 2)
    job = await hub.services.jobs.wait((await imports.start(preview.id, ANN)).id)
    assert (job.done, job.failed) == (3, 2)
    assert [person.has_photo for person in await people(hub)] == [True, True, True]
    assert sorted(code for _, code in await refusals(hub, job)) == ["nobody", "repeated"]


async def test_a_photo_that_could_be_meant_for_two_is_given_to_nobody(
    hub: HubServices, imports: Imports
) -> None:
    table = "name,work_id,photo\nLi,A,\nLi,B,\nWu,C,\nEve,D,face.jpg\nAda,E,none.jpg\n"
    files = {"Li.jpg": photo(), "a/C.jpg": photo(), "b/C.png": photo(), "x/face.jpg": photo()}
    preview = await stage(imports, table, zipped_files(files))
    rows = await imports.rows(preview.id)
    assert [row.photo for row in rows] == ["", "", "", "x/face.jpg", ""]
    assert [row.refusal.code for row in rows if row.refusal] == ["several photos", "no photo"]
    assert set(preview.unmatched) == {"Li.jpg", "a/C.jpg", "b/C.png"}


async def test_the_same_photo_again_is_no_change(hub: HubServices, imports: Imports) -> None:
    await run(hub, "pid,name\n7,Eve\n", zipped_files({"7.jpg": photo()}))
    (before,) = await people(hub)
    stored = await hub.services.people.register.photo("7")
    await run(hub, "pid,name\n7,Eve\n", zipped_files({"7.jpg": stored}))
    assert await hub.services.people.register.photo("7") == stored
    assert (await people(hub))[0].revision == before.revision


async def test_a_csv_file_in_the_zip_is_read(hub: HubServices, imports: Imports) -> None:
    table = "pid,name\n7,Eve\n".encode("gb18030")
    job = await run(hub, zipped_files({"people.csv": table, "photos/7.jpg": photo()}))
    assert (job.done, job.failed) == (1, 0)
    assert (await people(hub))[0].has_photo
    assert left(hub) == []


@pytest.mark.parametrize(
    ("contents", "error"),
    [
        ((), BadParameter),
        (("a,b\n",), BadTable),
        (("name\n",), BadParameter),
        (("name\nA\n", "name\nB\n"), BadParameter),
        ((zipped(), zipped()), BadParameter),
        ((zipped(a=b""),), BadParameter),
        ((zipped_files({"../7.jpg": b""}),), BadArchive),
        ((zipped_files({"a.csv": b"x" * (17 << 20)}),), BadTable),
        ((b"PK\x03\x04" + bytes(100),), BadArchive),
    ],
)
async def test_files_that_cannot_be_imported_are_refused_and_removed(
    hub: HubServices, imports: Imports, contents: tuple[str | bytes, ...], error: type[BadParameter]
) -> None:
    with pytest.raises(error) as caught:
        await stage(imports, *contents)
    assert type(caught.value) is error
    assert left(hub) == []


async def test_files_that_nobody_imports_go_after_an_hour(
    hub: HubServices, imports: Imports, clock: FrozenClock
) -> None:
    preview = await stage(imports, "name\nA\n")
    forgotten = hub.services.core.data_dir / "imports" / "0.part"
    forgotten.write_bytes(b"")
    clock.advance(3601)
    await imports.remove_old()
    with pytest.raises(NoSuchResource):
        imports.get(preview.id)
    clock.advance(10 * 365 * 86_400)  # the file's own time is that of this machine
    await imports.remove_old()
    assert left(hub) == []


async def test_the_number_of_files_that_wait_is_bounded(hub: HubServices, imports: Imports) -> None:
    first = await stage(imports, "name\nA\n")
    for _ in range(8):
        await stage(imports, "name\nA\n")
    with pytest.raises(NoSuchResource):
        imports.get(first.id)
    assert len(left(hub)) == 16


async def test_one_import_runs_at_a_time(hub: HubServices, imports: Imports) -> None:
    first, second = await stage(imports, "name\nA\n"), await stage(imports, "name\nB\n")
    job = await imports.start(first.id, ANN)
    with pytest.raises(TooManyRequests):
        await imports.start(second.id, ANN)
    with pytest.raises(NoSuchResource):
        await imports.start(first.id, ANN)
    await hub.services.jobs.wait(job.id)
    await imports.start(second.id, ANN)


async def test_the_files_of_a_cancelled_import_are_removed(
    hub: HubServices, imports: Imports
) -> None:
    preview = await stage(imports, "name\n" + "".join(f"P{n}\n" for n in range(2000)))
    job = await imports.start(preview.id, ANN)
    cancelled = await hub.services.jobs.cancel(job.id, ANN)
    assert cancelled.state == "cancelled"
    assert left(hub) == []
    assert await hub.services.people.register.count() == cancelled.done < 2000


async def test_a_file_larger_than_the_disk_has_room_for_is_not_received(
    hub: HubServices, imports: Imports
) -> None:
    hub.free.bytes = 1
    with pytest.raises(Exception, match="disk space"):
        await imports.new_file(10)


async def test_the_size_of_files_that_wait_is_bounded(
    hub: HubServices, imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports_module, "MAX_STAGED_BYTES", 250_000)
    table = "name,note\n" + "".join(f"P{n},{'x' * 400}\n" for n in range(200))
    waiting = [await stage(imports, table) for _ in range(3)]
    for preview in waiting[:1]:
        with pytest.raises(NoSuchResource):
            imports.get(preview.id)
    assert imports.get(waiting[2].id).rows == 200
    sizes = [
        path.stat().st_size for path in (hub.services.core.data_dir / "imports").glob("*.part")
    ]
    assert sum(sizes) <= 250_000


async def test_files_that_wait_make_room_for_others(hub: HubServices, imports: Imports) -> None:
    waiting = [await stage(imports, "name\nA\n") for _ in range(2)]
    wanted = hub.free.bytes
    hub.free.bytes = KEPT_FREE + 1_000
    with pytest.raises(CannotStoreNow):
        await imports.new_file(2_000)
    for preview in waiting:
        with pytest.raises(NoSuchResource):
            imports.get(preview.id)
    hub.free.bytes = wanted
    await imports.new_file(2_000)


async def test_what_is_being_received_counts_as_used(hub: HubServices, imports: Imports) -> None:
    hub.free.bytes = KEPT_FREE + 5_000
    first = await imports.new_file(3_000)
    with pytest.raises(CannotStoreNow):
        await imports.new_file(3_000)
    await imports.discard([first])
    second = await imports.new_file(3_000)
    await trio.Path(second).write_bytes(b"name\nA\n")
    await imports.stage([second])
    await imports.new_file(3_000)


async def test_so_many_files_are_received_at_a_time(hub: HubServices, imports: Imports) -> None:
    paths = [await imports.new_file(10) for _ in range(MAX_RECEIVED)]
    with pytest.raises(TooManyRequests):
        await imports.new_file(10)
    await trio.Path(paths[0]).write_bytes(b"\xff\xff")
    with pytest.raises(BadParameter):
        await imports.stage([paths[0]])
    await imports.new_file(10)


async def test_files_that_cannot_be_looked_at_now_make_room_for_others(
    hub: HubServices, imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is gone")

    paths = [await imports.new_file(10) for _ in range(MAX_RECEIVED)]
    for path in paths:
        await trio.Path(path).write_bytes(b"name\nA\n")
    with monkeypatch.context() as patch:
        patch.setattr(imports_module, "_remove_left", fail)
        for path in paths:
            with pytest.raises(CannotStoreNow):
                await imports.stage([path])
    assert not left(hub)
    await imports.new_file(10)


async def test_files_are_imported_once_however_often_somebody_asks_for_it(
    hub: HubServices, imports: Imports
) -> None:
    preview = await stage(imports, "name\nAda\n")
    refused: list[type[Exception]] = []

    async def start() -> None:
        try:
            await imports.start(preview.id, ANN)
        except (NoSuchResource, TooManyRequests) as error:
            refused.append(type(error))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(start)
    jobs = hub.services.jobs
    (job,) = await jobs.list("import")
    assert len(refused) == 2
    assert (await jobs.wait(job.id)).done == 1
    assert [person.name for person in await people(hub)] == ["Ada"]


async def test_files_whose_import_begins_do_not_make_room_for_others(
    hub: HubServices, imports: Imports
) -> None:
    preview = await stage(imports, "name\nAda\n")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(imports.start, preview.id, ANN)
        await trio.testing.wait_all_tasks_blocked()
        await imports.drop(preview.id)
    (job,) = await hub.services.jobs.list("import")
    job = await hub.services.jobs.wait(job.id)
    assert (job.state, job.done) == ("done", 1)
