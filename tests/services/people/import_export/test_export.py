"""The export is what an import reads."""

from __future__ import annotations

import io
from pathlib import Path
from zipfile import ZipFile

import pytest
import trio
from msgspec.structs import replace
from PIL import Image

from hub.services.audit import Actor
from hub.services.people.import_export.export import HubPeople, begin_export, export_people
from hub.store.people.person_rows import PersonChange
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services

ANN = Actor("user ann")


async def fill(hub: HubServices) -> None:
    out = io.BytesIO()
    Image.new("RGB", (200, 200), "tan").save(out, "JPEG")
    gate = await hub.services.people.groups.add("Gate", by=ANN)
    yard = await hub.services.people.groups.add("Yard", by=ANN)
    changes = [
        PersonChange(
            name="=王芳",
            work_id="A-7",
            id_card_no="110101199003071234",
            ic_card_no="00FF21",
            gender=2,
            birth_year=1990,
            department="Gate, north",
            phone="+86 138",
            category=2,
            groups=(gate.id, yard.id),
            valid_from=1_795_608_000_000,
            valid_until=1_795_694_461_000,
            note='two\n"lines"',
            photo=out.getvalue(),
        ),
        PersonChange(name="Li", age=30, gender=1, everywhere=False),
        PersonChange(name="Wu", category=4, groups=(gate.id,), everywhere=True),
    ]
    for number, change in enumerate(changes, 1):
        await hub.services.people.register.add(change, pid=str(number * 10**18), by=ANN)


async def exported(hub: HubServices, language: str = "en") -> bytes:
    facts = await begin_export(hub.services, ANN)
    parts = export_people(HubPeople(hub.services.people.register), facts, language)  # type: ignore[arg-type]
    return b"".join([part async for part in parts])


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_an_export_imported_again_changes_nothing(
    hub: HubServices, nursery: trio.Nursery, language: str
) -> None:
    await nursery.start(hub.services.jobs.run)
    await fill(hub)
    before = (await hub.services.people.register.page()).items
    path = await hub.services.people.imports.new_file(0)
    path.write_bytes(await exported(hub, language))
    preview = await hub.services.people.imports.stage([path])
    assert (preview.changes, preview.refused, preview.photos, preview.unused) == (3, 0, 1, ())
    assert preview.unmatched == ()
    job = await hub.services.people.imports.start(preview.id, ANN)
    assert (await hub.services.jobs.wait(job.id)).failed == 0
    assert (await hub.services.people.register.page()).items == before


async def test_an_export_fills_another_hub(
    hub: HubServices, nursery: trio.Nursery, tmp_path: Path, clock: FrozenClock
) -> None:
    await fill(hub)
    data = await exported(hub)
    async with open_hub_services(tmp_path / "other", clock) as other:
        await nursery.start(other.services.jobs.run)
        for name in ("Gate", "Yard"):
            await other.services.people.groups.add(name, by=ANN)
        path = await other.services.people.imports.new_file(0)
        path.write_bytes(data)
        preview = await other.services.people.imports.stage([path])
        assert (preview.adds, preview.refused) == (3, 0)
        job = await other.services.people.imports.start(preview.id, ANN)
        await other.services.jobs.wait(job.id)
        for one in (await hub.services.people.register.page()).items:
            found = await other.services.people.register.get(one.pid)
            assert replace(found, revision=one.revision) == one


async def test_an_export_is_noted_before_its_first_byte(hub: HubServices) -> None:
    await fill(hub)
    data = await exported(hub)
    (entry, *_) = await hub.services.core.audit.newest()
    assert (entry.who, entry.action, entry.target) == ("user ann", "person.export", "3")
    with ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        table = archive.read("sitehub-people/people.csv").decode("utf-8-sig")
        assert "110101199003071234" in table
        assert archive.namelist()[1] == f"sitehub-people/photos/{10**18}.jpg"
