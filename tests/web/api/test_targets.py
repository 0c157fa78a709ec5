"""/targets: other systems that get the site's records, and links to pictures without a key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from hub.central.codes import give_codes
from hub.central.folder import make_folder
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats.codes import new_code
from hub.store.targets.target import AFTER_RESTORE, Selection
from tests.services.forwarding.conftest import (
    Forwarding,
    Receiver,
    day_of,
    open_forwarding,
)
from tests.support.admission import admitting
from tests.support.backups import backup_of, restore_backup
from tests.support.clock import FrozenClock
from tests.web.api.test_api import Client, refusal

URL = "https://vms.example/in"


@pytest.fixture
async def forwarding(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Forwarding]:
    async with open_forwarding(tmp_path, clock, Receiver()) as forwarding:
        yield forwarding


@pytest.fixture
async def client(forwarding: Forwarding) -> Client:
    return Client(forwarding.hub, await forwarding.hub.bearer())


async def test_a_target_is_added_shown_changed_and_removed(
    client: Client, forwarding: Forwarding
) -> None:
    await forwarding.hub.add_faces("a")
    body = {"kind": "webhook", "url": URL, "kinds": ["face"], "from": "beginning"}
    added = await client.send("POST", "targets", body)
    assert added["secret"].startswith("whsec_")
    assert (added["name"], added["kinds"], added["pictures"]) == ("vms.example", ["face"], "none")
    id = added["id"]
    await forwarding.until_current(id)
    shown = await client.get(f"targets/{id}")
    assert "secret" not in shown
    assert (shown["state"], shown["behind"], shown["parked"], shown["gaps"]) == (
        "current",
        0,
        0,
        [],
    )
    assert shown["cursor"] == {"log": forwarding.services.records.log.log_id, "seq": 1}
    assert await client.get("targets") == {"items": [shown], "next": None}
    changed = await client.send("PATCH", f"targets/{id}", {"name": "VMS", "pictures": "all"})
    assert (changed["name"], changed["pictures"], changed["url"]) == ("VMS", "all", URL)
    assert changed["kinds"] == ["face"]
    gone = await client.send("DELETE", f"targets/{id}")
    assert gone["name"] == "VMS"
    assert (await client.get("targets"))["items"] == []
    assert (await refusal(await client.raw("GET", f"targets/{id}")))[:2] == (404, 426)


async def test_what_is_secret_in_an_address_is_not_answered(
    client: Client, forwarding: Forwarding
) -> None:
    added = await client.send("POST", "targets", {"kind": "webhook", "url": f"{URL}?token=abc"})
    shown = await client.get(f"targets/{added['id']}")
    assert added["url"] == shown["url"] == f"{URL}?token=***"
    same = {"url": shown["url"], "name": "VMS"}
    assert (await client.send("PATCH", f"targets/{shown['id']}", same))["name"] == "VMS"
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    assert forwarding.receiver.kept[0].url == f"{URL}?token=abc"


async def test_what_waits_is_told_and_tried_again(client: Client, forwarding: Forwarding) -> None:
    forwarding.receiver.answer = lambda received: httpx.Response(503)
    id = (await client.send("POST", "targets", {"kind": "webhook", "url": URL}))["id"]
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).state == "waiting")
    shown = await client.get(f"targets/{id}")
    assert (shown["state"], shown["behind"]) == ("waiting", 1)
    assert shown["reason"] == "it answered 503"
    assert shown["next_try"] == "2026-11-25T12:00:05.000Z"
    (delivery,) = (await client.get(f"targets/{id}/deliveries"))["items"]
    assert (delivery["status"], delivery["reason"]) == (503, "it answered 503")
    tested = await client.send("POST", f"targets/{id}/test")
    assert tested["status"] == 503
    forwarding.receiver.answer = lambda received: httpx.Response(422)
    await client.send("POST", f"targets/{id}/retry")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 1)
    (parked,) = (await client.get(f"targets/{id}/parked"))["items"]
    assert (parked["kind"], parked["seq"], parked["reason"]) == ("record", 1, "it answered 422")
    forwarding.receiver.answer = lambda received: httpx.Response(204)
    await client.send("POST", f"targets/{id}/records/1/send")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 0)
    assert forwarding.receiver.seqs == [1]
    secret = (await client.send("POST", f"targets/{id}/secret"))["secret"]
    await forwarding.hub.add_faces("b")
    await forwarding.receiver.until(lambda: forwarding.receiver.seqs == [1, 2])
    assert forwarding.receiver.kept[-1].is_signed_by(secret)


async def test_gaps_are_listed_until_a_person_confirms_them(
    client: Client, forwarding: Forwarding
) -> None:
    forwarding.receiver.answer = lambda received: httpx.Response(503)
    body = {"kind": "webhook", "url": URL, "from": "beginning"}
    id = (await client.send("POST", "targets", body))["id"]
    await forwarding.hub.add_faces("a", "b")
    await forwarding.targets.note_dropped(day_of(1, 1), "age")
    (gap,) = (await client.get(f"targets/{id}"))["gaps"]
    assert (gap["from"], gap["to"], gap["reason"], gap["confirmed"]) == (1, 1, "age", False)
    (gap,) = (await client.send("POST", f"targets/{id}/gaps/confirm"))["gaps"]
    assert gap["confirmed"]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"kind": "webhook", "url": "ftp://x/"}, 400, "url"),
        ({"kind": "fax", "url": URL}, 400, "kind"),
        ({"kind": "webhook", "url": URL, "kinds": ["fax"]}, 400, "kinds"),
        ({"kind": "webhook", "url": URL, "from": "yesterday"}, 400, "from"),
        ({"kind": "webhook", "url": URL, "colour": 1}, 400, "colour"),
        ({"url": URL}, 400, "kind"),
    ],
)
async def test_wrong_fields_are_named(
    client: Client, body: dict[str, object], status: int, text: str
) -> None:
    found, _, message = await refusal(await client.raw("POST", "targets", body))
    assert found == status
    assert text in message


async def test_a_link_opens_its_picture_without_a_key_and_no_other(
    client: Client, forwarding: Forwarding, clock: FrozenClock
) -> None:
    await forwarding.add(selection=Selection(alarms=False, pictures="all"))
    (seq,) = await forwarding.hub.add_faces("a", pictures=True)
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    link = forwarding.receiver.kept[0].body["data"]["images"]["face"]
    path = link.removeprefix("https://10.0.0.5:8443")
    answer = await client.raw("GET", path, headers={})
    assert answer.status_code == 200
    assert answer.mimetype == "image/jpeg"
    assert answer.headers["Cache-Control"].startswith("private")
    for wrong in (
        path.replace(f"/{seq}/", f"/{seq + 1}/"),
        path.replace("face.jpg", "background.jpg"),
        path.replace("/link/", "/link/9"),
        f"/media/{seq}/face.jpg",
    ):
        assert (await client.raw("GET", wrong, headers={})).status_code == 401
    clock.advance(86_400 + 3_601)
    assert (await client.raw("GET", path, headers={})).status_code == 401


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_the_secret_of_a_target_is_nowhere_but_in_its_answer(
    client: Client, forwarding: Forwarding, tmp_path: Path
) -> None:
    added = await client.send("POST", "targets", {"kind": "webhook", "url": URL})
    plain = added["secret"].encode()
    entries = await forwarding.services.core.audit.oldest()
    assert not any(added["secret"] in json.dumps([e.target, e.action]) for e in entries)
    kept = b"".join(contents(tmp_path))
    assert b"vms.example" in kept
    assert plain not in kept
    await forwarding.targets.remove(added["id"], by=COMMAND_LINE)


async def test_a_target_of_nats_has_a_user_and_a_stream_but_no_secret(
    client: Client, forwarding: Forwarding, tmp_path: Path
) -> None:
    body = {
        "kind": "nats",
        "url": "tls://10.0.0.1:4222,tls://10.0.0.2:4222",
        "hub": "site-1",
        "partition": 3,
        "user": "site-1",
        "password": "only they know",
    }
    added = await client.send("POST", "targets", body)
    assert "secret" not in added
    assert "password" not in added
    shown = await client.get(f"targets/{added['id']}")
    assert (shown["hub"], shown["partition"], shown["user"]) == ("site-1", 3, "site-1")
    changed = await client.send(
        "PATCH", f"targets/{added['id']}", {"user": "site-2", "password": "another one"}
    )
    assert changed["user"] == "site-2"
    assert (shown["commands"], shown["home_assistant"]) == (False, None)
    changed = await client.send("PATCH", f"targets/{added['id']}", {"commands": True})
    assert changed["commands"] is True
    keys = forwarding.hub.store.targets.secrets(added["id"])
    assert keys is not None
    assert keys.password == "another one"
    kept = b"".join(contents(tmp_path))
    assert b"only they know" not in kept
    for wrong, field in ({"partition": 16}, "partition"), ({"password": ""}, "user"):
        answer = await client.raw("POST", "targets", {**body, **wrong, "name": "other"})
        status, code, message = await refusal(answer)
        assert (status, code) == (400, 420)
        assert field in message
    webhook = await client.send("POST", "targets", {"kind": "webhook", "url": URL})
    assert (webhook["partition"], webhook["user"], webhook["about"]) == (None, "", "")


async def test_a_target_of_nats_is_added_with_a_code_of_the_centre(
    client: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "central"
    make_folder(folder, "tls://127.0.0.1:9", with_passwords=False)
    (given,) = give_codes(folder, ["site-1"], datetime.now(UTC) + timedelta(days=1))
    async with admitting(folder) as centre:
        body = {"kind": "nats", "centre": centre, "code": given.code}
        for wrong, field in (
            ({"code": new_code()}, "code: the centre does not know"),
            ({"code": "x"}, "code: 16 letters"),
            ({"centre": ""}, "centre: a host"),
            ({"url": "tls://127.0.0.1:9"}, "code: leave out"),
            ({"kind": "webhook"}, "code: leave out"),
        ):
            status, code, message = await refusal(
                await client.raw("POST", "targets", {**body, **wrong})
            )
            assert (status, code) == (400, 420)
            assert field in message
        added = await client.send("POST", "targets", body)
    assert (added["name"], added["hub"], added["url"]) == (
        *("central", "site-1", "tls://127.0.0.1:9"),
    )


async def test_a_target_of_mqtt_obeys_nothing_and_is_told_to_home_assistant_by_default(
    client: Client, forwarding: Forwarding, tmp_path: Path
) -> None:
    body = {
        "kind": "mqtt",
        "url": "mqtt://127.0.0.1:9",
        "hub": "site-1",
        "user": "site-1",
        "password": "only they know",
    }
    added = await client.send("POST", "targets", body)
    assert "secret" not in added
    assert (added["home_assistant"], added["commands"], added["partition"]) == (True, False, None)
    changed = await client.send(
        "PATCH", f"targets/{added['id']}", {"home_assistant": False, "commands": True}
    )
    assert (changed["home_assistant"], changed["commands"]) == (False, True)
    assert changed["user"] == "site-1"
    assert b"only they know" not in b"".join(contents(tmp_path))
    for wrong, field in (
        ({"url": "nats://127.0.0.1"}, "url"),
        ({"from": "beginning"}, "from"),
        ({"partition": 1}, "partition"),
        (
            {"kind": "webhook", "url": URL, "user": "", "password": "", "commands": False},
            "commands",
        ),
    ):
        answer = await client.raw("POST", "targets", {**body, "name": "other", **wrong})
        status, code, message = await refusal(answer)
        assert (status, code) == (400, 420)
        assert field in message
    webhook = await client.send("POST", "targets", {"kind": "webhook", "url": URL})
    assert (webhook["home_assistant"], webhook["commands"]) == (None, None)


async def test_a_target_of_mail_is_answered_without_its_password(
    client: Client, forwarding: Forwarding, tmp_path: Path
) -> None:
    mail = {"sender": "hub@example.org", "recipients": ["a@example.org"]}
    body = {
        "kind": "mail",
        "url": "smtp://127.0.0.1:9",
        "user": "site-1",
        "password": "only they know",
        "mail": mail,
    }
    added = await client.send("POST", "targets", body)
    assert "secret" not in added
    assert added["mail"] == {**mail, "severity": "major", "minutes": 10}
    assert b"only they know" not in b"".join(contents(tmp_path))
    changed = await client.send("PATCH", "targets/1", {"mail": {**mail, "minutes": 60}})
    assert (changed["mail"]["minutes"], changed["user"]) == (60, "site-1")
    for wrong in ({"mail": None}, {"mail": {**mail, "minutes": 0}}, {"mail": {**mail, "to": "x"}}):
        answer = await client.raw("POST", "targets", {**body, "name": "other", **wrong})
        assert (await refusal(answer))[0] == 400


async def test_after_a_restore_one_call_says_what_targets_get(
    tmp_path: Path, clock: FrozenClock
) -> None:
    receiver = Receiver()
    async with open_forwarding(tmp_path, clock, receiver) as before:
        await before.hub.add_faces("a")
        await before.add()
        await before.until_current(1)
        backup = await backup_of(before.hub)
    await restore_backup(tmp_path, backup, hold_targets=True)
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        client = Client(forwarding.hub, await forwarding.hub.bearer())
        assert (await client.get("targets/1"))["reason"] == str(AFTER_RESTORE)
        status, code, message = await refusal(await client.raw("POST", "targets/1/retry"))
        assert (status, code) == (400, 420)
        assert "restored from a backup" in message
        answer = await client.raw("POST", "targets/restored", {"gets": "all"})
        assert (await refusal(answer))[0] == 400
        answer = await client.send("POST", "targets/restored", {"gets": "everything"})
        assert [one["cursor"]["seq"] for one in answer["items"]] == [0]
        await forwarding.until_current(1)
    assert receiver.seqs == [1, 1]
