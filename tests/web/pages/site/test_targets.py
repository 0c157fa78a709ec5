"""The page of forwarding: targets, how far they are, and what went wrong."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest
import trio

from hub.central.codes import give_codes
from hub.central.folder import make_folder
from hub.reasons import Reason
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.nats.codes import new_code
from hub.services.forwarding.sender import Delivery
from hub.store.targets.target import DeadLetter
from tests.services.forwarding.conftest import Receiver, day_of
from tests.support.admission import admitting
from tests.support.backups import backup_of, restore_backup
from tests.support.clock import FrozenClock
from tests.support.page_site import PASSWORD, PageSite, open_page_site
from tests.support.photographer import Photographer

TARGETS = "/site/targets"
ADD = f"{TARGETS}/add"
NATS = f"{TARGETS}?add=nats"
MQTT = f"{TARGETS}?add=mqtt"
URL = "https://vms.example/in"


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock, receiver: Receiver) -> AsyncIterator[PageSite]:
    async with (
        open_page_site(tmp_path, clock, transport=receiver) as site,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(site.services.forwarding.targets.run)
        yield site
        nursery.cancel_scope.cancel()


async def add(admin: Photographer, **fields: str) -> None:
    await admin.get(TARGETS)
    await admin.send(ADD, **{"url": URL, "own_password": PASSWORD, **fields})


async def test_a_target_is_added_and_its_secret_shown_once(
    hub: PageSite, admin: Photographer, receiver: Receiver
) -> None:
    await add(admin, alarms="1", kinds="face")
    assert admin.response.status_code == 200
    (secret,) = re.findall(r'<code id="secret">(whsec_[^<]+)<', admin.text)
    await hub.hub.add_faces("a")
    await receiver.until(lambda: bool(receiver.kept))
    assert receiver.kept[0].is_signed_by(secret.replace("&#43;", "+"))
    await admin.get(TARGETS)
    assert "vms.example" in admin.text
    assert "Up to date" in admin.text
    assert "whsec_" not in admin.text
    await admin.get(f"{TARGETS}/1")
    assert "whsec_" not in admin.text
    assert re.search(r'value="face" checked', admin.text)


async def test_what_is_secret_in_an_address_is_not_shown(
    hub: PageSite, admin: Photographer, receiver: Receiver
) -> None:
    await add(admin, url=f"{URL}?token=abc")
    for page in (TARGETS, f"{TARGETS}/1"):
        await admin.get(page)
        assert f"{URL}?token=***" in admin.text
        assert "token=abc" not in admin.text
    changed = {"name": "VMS", "own_password": PASSWORD, "url": f"{URL}?token=***"}
    await admin.send(f"{TARGETS}/1", **changed)
    await hub.hub.add_faces("a")
    await receiver.until(lambda: bool(receiver.kept))
    assert receiver.kept[0].url == f"{URL}?token=abc"
    await admin.get(f"{TARGETS}/1")
    await admin.send(f"{TARGETS}/1", **{**changed, "url": "https://else.example?token=***"})
    assert "Enter the whole address" in admin.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"own_password": "a guess"}, "Your password is wrong."),
        ({"url": "ftp://x"}, "Enter an address that begins with https://"),
        ({"ca": "nonsense"}, "Paste one or more certificates. Each begins with"),
        ({"name": "x" * 90}, "Enter a name of at most 80 characters."),
    ],
)
async def test_wrong_entries_are_explained_and_kept(
    admin: Photographer, hub: PageSite, fields: dict[str, str], sentence: str
) -> None:
    await add(admin, **fields)
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert f'value="{fields.get("url", URL)}"' in admin.text
    assert hub.services.forwarding.targets.list() == ()


async def test_what_went_wrong_is_shown_and_tried_again(
    admin: Photographer, hub: PageSite, receiver: Receiver
) -> None:
    receiver.answer = lambda received: httpx.Response(503)
    await add(admin)
    await hub.hub.add_faces("a", "b")
    await receiver.until(lambda: hub.services.forwarding.targets.get(1).state == "waiting")
    await admin.get(TARGETS)
    assert "Waiting" in admin.text
    assert "it answered 503" in admin.text
    assert "2 records" in admin.text
    await admin.get(f"{TARGETS}/1")
    await admin.send(f"{TARGETS}/1/test")
    assert "The test message was not delivered: 503." in admin.text
    receiver.answer = lambda received: httpx.Response(422)
    await admin.send(f"{TARGETS}/1/retry")
    assert admin.goes_to == f"{TARGETS}/1?done=target-retried"
    await receiver.until(lambda: hub.services.forwarding.targets.get(1).dead_letters == 2)
    await admin.get(f"{TARGETS}/1")
    assert "The target refused these messages." in admin.text
    assert '<a href="/records/1">Record 1</a>' in admin.text
    receiver.answer = lambda received: httpx.Response(200)
    await admin.send(f"{TARGETS}/1/test")
    assert "The test message was delivered" in admin.text


async def test_a_form_is_sent_once_and_one_that_shows_an_older_target_is_shown_again(
    admin: Photographer, hub: PageSite
) -> None:
    await add(admin)
    await admin.get(f"{TARGETS}/1")
    assert re.search(rf'action="{TARGETS}/1/retry" data-busy="Sending…"', admin.text)
    form = {"url": URL, "own_password": PASSWORD, "seen": "1"}
    await admin.send(f"{TARGETS}/1", **form, name="B")
    assert admin.goes_to == f"{TARGETS}/1?done=target-changed"
    await admin.send(f"{TARGETS}/1", **form, name="C")
    assert admin.response.status_code == 409
    assert "The target was changed in the meantime." in admin.text
    assert 'name="seen" value="2"' in admin.text
    assert 'value="C"' in admin.text
    assert hub.services.forwarding.targets.get(1).target.name == "B"
    await admin.send(f"{TARGETS}/1", **{**form, "seen": "2"}, name="C")
    assert hub.services.forwarding.targets.get(1).target.name == "C"


async def test_alarms_and_gaps_that_were_refused_are_shown(
    admin: Photographer, hub: PageSite
) -> None:
    await add(admin)
    log, table = hub.services.records.log.log_id, hub.hub.store.targets
    for kind, seq in (("record", 2), ("alarm", 3), ("gap", 4)):
        await table.add_dead_letter(DeadLetter(1, kind, log, seq, Reason("it answered 422"), 0))  # type: ignore[arg-type]
    await admin.get(TARGETS)
    assert '<td data-label="Refused messages">3' in admin.text
    await admin.get(f"{TARGETS}/1")
    assert '<a href="/records/2">Record 2</a>' in admin.text
    assert '<a href="/alarms/3">Alarm 3</a>' in admin.text
    assert "Gap from record 4" in admin.text
    assert admin.text.count('aria-label="Resend record') == 1


async def test_a_target_without_a_name_gets_one_that_is_free(
    admin: Photographer, hub: PageSite
) -> None:
    for _ in range(2):
        await add(admin)
    assert [view.target.name for view in hub.services.forwarding.targets.list()] == [
        *("vms.example", "vms.example 2")
    ]


async def test_a_record_is_sent_again(
    admin: Photographer, hub: PageSite, receiver: Receiver
) -> None:
    await add(admin)
    seqs = await hub.hub.add_faces("a", "b")
    await receiver.until(lambda: receiver.seqs == seqs)
    await admin.get(f"{TARGETS}/1")
    assert f'aria-label="Resend record {seqs[0]}"' in admin.text
    await admin.send(f"{TARGETS}/1/send/{seqs[0]}")
    assert admin.goes_to == f"{TARGETS}/1?done=record-sent-again"
    await receiver.until(lambda: receiver.seqs == [*seqs, seqs[0]])
    assert receiver.kept[0].id == receiver.kept[-1].id
    for seq in (0, seqs[-1] + 1, 10**30):
        assert (await admin.send(f"{TARGETS}/1/send/{seq}")).status_code == 404


@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("7", "Record 7"),
        ("3-200", "Records 3 to 200"),
        ("other", "Alarms and notices"),
        ("7-alarm-2", "Alarm 7"),
        ("7-gap-9", "Gap from record 7"),
        ("7-erasure-1-9", "Erased records"),
        ("test-0a1b", "Test message"),
    ],
)
async def test_a_delivery_is_named_by_what_it_is_about(
    admin: Photographer, hub: PageSite, id: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.services.forwarding.targets.add("nats", "nats://127.0.0.1:9", by=COMMAND_LINE)
    log = hub.services.records.log.log_id
    found = (Delivery(f"{log}-{id}", 0, 12, None),)
    monkeypatch.setattr(hub.services.forwarding.targets, "deliveries", lambda id: found)
    await admin.get(f"{TARGETS}/1")
    assert admin.response.status_code == 200
    assert f">{text}<" in admin.text


async def test_a_target_that_is_held_offers_no_record_again(
    admin: Photographer, hub: PageSite, receiver: Receiver
) -> None:
    receiver.answer = lambda received: httpx.Response(410)
    await add(admin)
    await hub.hub.add_faces("a")
    await receiver.until(lambda: hub.services.forwarding.targets.get(1).state == "held")
    await admin.get(f"{TARGETS}/1")
    assert "/send/" not in admin.text


async def test_gaps_are_shown_until_they_are_confirmed(
    admin: Photographer, hub: PageSite, receiver: Receiver
) -> None:
    receiver.answer = lambda received: httpx.Response(503)
    await add(admin, begin="beginning")
    await hub.hub.add_faces("a", "b", "c")
    await hub.services.forwarding.targets.note_dropped(day_of(1, 2), "disk")
    await admin.get(f"{TARGETS}/1")
    assert "the disk was full" in admin.text
    assert ">2 records<" in admin.text
    assert "I know about these gaps" in admin.text
    await admin.send(f"{TARGETS}/1/confirm")
    assert admin.goes_to == f"{TARGETS}/1?done=gaps-confirmed"
    await admin.get(f"{TARGETS}/1")
    assert "I know about these gaps" not in admin.text


async def test_a_target_is_changed_with_the_own_password_and_removed(
    admin: Photographer, hub: PageSite
) -> None:
    await add(admin)
    path = f"{TARGETS}/1"
    await admin.get(path)
    await admin.send(path, url=URL, name="VMS", own_password="a guess")
    assert "Your password is wrong." in admin.text
    await admin.send(path, url=URL, name="VMS", pictures="all", own_password=PASSWORD)
    assert admin.goes_to == f"{path}?done=target-changed"
    target = hub.services.forwarding.targets.get(1).target
    assert (target.name, target.options.selection.pictures) == ("VMS", "all")
    assert not target.options.selection.alarms
    await admin.send(f"{path}/secret", own_password=PASSWORD)
    assert 'id="secret"' in admin.text
    await admin.get(f"{path}/remove")
    assert "Remove the target VMS?" in admin.text
    await admin.send(f"{path}/remove")
    assert admin.goes_to == f"{TARGETS}?done=target-removed"
    assert (await admin.get(path)).status_code == 404


async def test_a_target_gets_records_of_some_cameras_and_events(
    admin: Photographer, hub: PageSite
) -> None:
    await hub.enrol("Gate", did="1")
    await hub.enrol("Yard", did="2")
    await admin.get(TARGETS)
    assert 'name="did" value="2"><span>Yard</span>' in admin.text
    fields = {"url": URL, "own_password": PASSWORD}
    await admin.send(ADD, **fields, did=["2", "999"], type=["3", "x"])
    selection = hub.services.forwarding.targets.get(1).target.options.selection
    assert (selection.dids, selection.types) == (("2", "999"), (3,))
    await admin.get(f"{TARGETS}/1")
    assert 'name="did" value="2" checked><span>Yard</span>' in admin.text
    # A camera that is not there any more stays chosen.
    assert 'name="did" value="999" checked><span>999</span>' in admin.text
    assert 'name="type" value="3" checked>' in admin.text
    await admin.send(f"{TARGETS}/1", **fields, name="VMS")
    selection = hub.services.forwarding.targets.get(1).target.options.selection
    assert (selection.dids, selection.types) == ((), ())


async def test_a_target_of_nats_has_no_secret_to_change(hub: PageSite, admin: Photographer) -> None:
    await hub.services.forwarding.targets.add("nats", "nats://127.0.0.1:9", by=COMMAND_LINE)
    await admin.get(f"{TARGETS}/1")
    assert admin.response.status_code == 200
    assert f"{TARGETS}/1/secret" not in admin.text


FILE: dict[str, object] = {
    "kind": "nats",
    "name": "Centre",
    "url": "nats://127.0.0.1:9",
    "hub": "site-1",
    "partition": 3,
    "user": "a",
    "password": "a secret",
}


async def test_a_target_of_nats_is_added_with_the_file_of_the_centre(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(NATS)
    fields = {"pictures": "all", "own_password": PASSWORD}
    await admin.send_file(
        ADD, "file", "site-1.json", msgspec.json.encode(FILE), **fields, kind="nats"
    )
    assert admin.goes_to == f"{TARGETS}/1?done=target-added"
    target = hub.services.forwarding.targets.get(1).target
    options = target.options
    assert (target.kind, target.name, options.hub, options.partition) == (
        *("nats", "Centre", "site-1", 3),
    )
    assert (options.user, options.selection.pictures) == ("a", "all")
    secrets = hub.hub.store.targets.secrets(1)
    assert secrets is not None
    assert secrets.password == "a secret"
    await admin.get(f"{TARGETS}/1")
    assert "site-1" in admin.text
    assert "a secret" not in admin.text


async def test_an_administrator_allows_the_owner_to_erase_and_forbids_it_again(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(NATS)
    await admin.send(ADD, kind="nats", **BY_HAND, own_password=PASSWORD)
    targets = hub.services.forwarding.targets
    assert not targets.get(1).target.options.commands
    kept = {"name": "Centre", "url": BY_HAND["url"], "user": "a", "own_password": PASSWORD}
    for allowed in (True, False):
        await admin.send(f"{TARGETS}/1", **kept, **({"commands": "1"} if allowed else {}))
        assert targets.get(1).target.options.commands is allowed
        await admin.get(f"{TARGETS}/1")
        is_ticked = re.search(r'name="commands"[^>]* checked', admin.text)
        assert bool(is_ticked) is allowed


BY_HAND = {"url": "nats://127.0.0.1:9", "hub": "site-2", "user": "a", "password": "a secret"}


async def test_a_target_of_nats_is_entered_by_hand_and_changed(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(NATS)
    await admin.send(
        ADD, kind="nats", **BY_HAND, partition="15", begin="beginning", own_password=PASSWORD
    )
    assert admin.goes_to == f"{TARGETS}/1?done=target-added"
    target = hub.services.forwarding.targets.get(1).target
    assert (target.options.hub, target.options.partition) == ("site-2", 15)
    path = f"{TARGETS}/1"
    await admin.get(path)
    kept = {"url": "nats://127.0.0.1:8", "user": "a", "own_password": PASSWORD}
    await admin.send(path, name="Centre", **kept)
    assert admin.goes_to == f"{path}?done=target-changed"
    assert hub.services.forwarding.targets.get(1).target.options.url == kept["url"]
    assert (secrets := hub.hub.store.targets.secrets(1)) is not None
    assert secrets.password == "a secret"
    await admin.send(path, name="Centre", **{**kept, "password": "another"})
    assert (secrets := hub.hub.store.targets.secrets(1)) is not None
    assert secrets.password == "another"
    await admin.send(path, name="Centre", **{**kept, "user": "b"})
    assert admin.response.status_code == 400
    assert "Enter both the user name and the password" in admin.text


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"own_password": "a guess"}, "own_password", "Your password is wrong."),
        ({"url": "https://x"}, "url", "Enter addresses that begin with tls:// or nats://"),
        ({"url": ""}, "url", "Enter addresses that begin with tls:// or nats://"),
        ({"hub": "Ä"}, "hub", "Use at most 63 lower-case letters"),
        ({"partition": "16"}, "partition", "Enter a number from 0 to 15."),
        ({"partition": "x"}, "partition", "Enter a number from 0 to 15."),
        ({"password": ""}, "user", "Enter both the user name and the password"),
        ({"cert": "x", "key": "y"}, "url", "With a certificate, the addresses must begin with"),
        ({"cert": "x"}, "cert", "Paste the certificate and its private key"),
        ({"ca": "x"}, "ca", "Paste one or more certificates"),
        ({"name": "x" * 90}, "name", "Enter a name of at most 80 characters."),
    ],
)
async def test_what_is_wrong_with_a_target_of_nats_is_said_at_the_field(
    admin: Photographer, hub: PageSite, fields: dict[str, str], field: str, sentence: str
) -> None:
    await admin.get(NATS)
    await admin.send(ADD, kind="nats", **{**BY_HAND, "own_password": PASSWORD, **fields})
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert re.search(rf'name="{field}"[^>]* aria-invalid="true"', admin.text)
    assert fields.get("hub", "site-2") in admin.text
    assert "a secret" not in admin.text
    assert hub.services.forwarding.targets.list() == ()


async def test_a_target_of_nats_is_added_with_a_code_of_the_centre(
    hub: PageSite, admin: Photographer, tmp_path: Path
) -> None:
    folder = tmp_path / "central"
    make_folder(folder, "tls://127.0.0.1:9", with_passwords=False)
    (given,) = give_codes(folder, ["site-1"], datetime.now(UTC) + timedelta(days=1))
    await admin.get(NATS)
    async with admitting(folder) as centre:
        fields = {"centre": centre, "pictures": "all", "own_password": PASSWORD}
        wrong = {new_code(): "The centre does not know", given.code[:-1]: "The code is mistyped"}
        for code, sentence in wrong.items():
            await admin.send(ADD, kind="nats", **fields, code=code)
            assert admin.response.status_code == 400
            assert sentence in admin.text
            assert re.search(rf'name="code" value="{code}"[^>]* aria-invalid="true"', admin.text)
        await admin.send(ADD, kind="nats", **fields, code=given.code)
    assert admin.goes_to == f"{TARGETS}/1?done=target-added"
    target = hub.services.forwarding.targets.get(1).target
    assert (target.name, target.options.hub, target.options.url) == (
        *("central", "site-1", "tls://127.0.0.1:9"),
    )
    assert "BEGIN CERTIFICATE" in target.options.cert
    await admin.send(ADD, kind="nats", **fields, code=given.code)
    assert "Nothing answers at this address" in admin.text


async def test_another_file_is_refused(admin: Photographer, hub: PageSite) -> None:
    await admin.get(NATS)
    await admin.send_file(ADD, "file", "site-1.json", b"{}", own_password=PASSWORD, kind="nats")
    assert admin.response.status_code == 400
    assert "This is not a file that was made for a hub" in admin.text


BROKER = {"url": "mqtt://127.0.0.1:9", "hub": "site-3", "user": "a", "password": "a secret"}


async def test_a_target_of_mqtt_is_added_and_changed(hub: PageSite, admin: Photographer) -> None:
    await admin.get(MQTT)
    assert re.search(r'name="home_assistant"[^>]* checked', admin.text)
    assert not re.search(r'name="commands"[^>]* checked', admin.text)
    await admin.send(ADD, kind="mqtt", **BROKER, home_assistant="1", own_password=PASSWORD)
    path = f"{TARGETS}/1"
    assert admin.goes_to == f"{path}?done=target-added"
    target = hub.services.forwarding.targets.get(1).target
    assert (target.kind, target.options.hub) == ("mqtt", "site-3")
    assert (target.options.home_assistant, target.options.commands) == (True, False)
    await admin.get(path)
    assert "a secret" not in admin.text
    assert f"{path}/secret" not in admin.text
    assert "Leave blank to use the host" not in admin.text
    kept = {"url": BROKER["url"], "user": "a", "own_password": PASSWORD}
    await admin.send(path, name="Home", commands="1", **kept)
    assert admin.goes_to == f"{path}?done=target-changed"
    options = hub.services.forwarding.targets.get(1).target.options
    assert (options.home_assistant, options.commands, options.user) == (False, True, "a")
    assert (secrets := hub.hub.store.targets.secrets(1)) is not None
    assert secrets.password == "a secret"
    await admin.get(f"{path}/remove")
    assert "Home Assistant removes its devices" in admin.text


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"own_password": "a guess"}, "own_password", "Your password is wrong."),
        ({"url": "https://x"}, "url", "Enter an address that begins with mqtts:// or mqtt://"),
        ({"hub": "Ä"}, "hub", "Use at most 63 lower-case letters"),
        ({"password": ""}, "user", "Enter both the user name and the password"),
        ({"cert": "x", "key": "y"}, "url", "With a certificate, the address must begin with"),
        ({"ca": "x"}, "ca", "Paste one or more certificates"),
    ],
)
async def test_what_is_wrong_with_a_target_of_mqtt_is_said_at_the_field(
    admin: Photographer, hub: PageSite, fields: dict[str, str], field: str, sentence: str
) -> None:
    await admin.get(MQTT)
    await admin.send(ADD, kind="mqtt", **{**BROKER, "own_password": PASSWORD, **fields})
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert re.search(rf'name="{field}"[^>]* aria-invalid="true"', admin.text)
    assert "a secret" not in admin.text
    assert hub.services.forwarding.targets.list() == ()


MAIL = f"{TARGETS}?add=mail"
SERVER = {
    "url": "smtps://127.0.0.1:9",
    "user": "a",
    "password": "a secret",
    "sender": "hub@example.org",
    "recipients": "a@example.org, b@example.org",
    "severity": "critical",
    "minutes": "5",
    "alarms": "1",
}


async def test_a_target_of_mail_is_added_tried_out_and_changed(
    hub: PageSite, admin: Photographer
) -> None:
    await admin.get(MAIL)
    await admin.send(ADD, kind="mail", **SERVER, pictures="alarms", own_password=PASSWORD)
    path = f"{TARGETS}/1"
    assert admin.goes_to == f"{path}?done=target-added"
    await admin.get(path)
    assert "a secret" not in admin.text
    assert 'value="a@example.org, b@example.org"' in admin.text
    await admin.send(f"{path}/test")
    assert "The test message was not delivered: the connection was refused" in admin.text
    await admin.send(
        path, **SERVER | {"password": "", "minutes": "60"}, name="Mail", own_password=PASSWORD
    )
    assert admin.goes_to == f"{path}?done=target-changed"
    options = hub.services.forwarding.targets.get(1).target.options
    assert options.mail is not None
    assert (options.mail.minutes, options.mail.severity) == (60, "critical")
    assert options.mail.recipients == ("a@example.org", "b@example.org")
    assert options.selection.pictures == "none"
    assert hub.hub.store.targets.secrets(1).password == "a secret"
    await admin.get(f"{path}/remove")
    assert "It sends no more e-mails about alarms." in admin.text


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"own_password": "a guess"}, "own_password", "Your password is wrong."),
        ({"url": "https://x"}, "url", "Enter an address that begins with smtps:// or smtp://"),
        ({"sender": "a"}, "sender", "Enter an e-mail address."),
        ({"recipients": "a@b.c, d"}, "recipients", "Enter 1 to 20 e-mail addresses"),
        ({"recipients": "a@b.c " * 21}, "recipients", "Enter 1 to 20 e-mail addresses"),
        ({"minutes": "0"}, "minutes", "Enter a number from 1 to 1440."),
        ({"minutes": "x"}, "minutes", "Enter a number from 1 to 1440."),
    ],
)
async def test_what_is_wrong_with_a_target_of_mail_is_said_at_the_field(
    admin: Photographer, hub: PageSite, fields: dict[str, str], field: str, sentence: str
) -> None:
    await admin.get(MAIL)
    await admin.send(ADD, kind="mail", **{**SERVER, "own_password": PASSWORD, **fields})
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert re.search(rf'name="{field}"[^>]* aria-invalid="true"', admin.text)
    assert hub.services.forwarding.targets.list() == ()


async def test_after_a_restore_the_page_asks_once_what_targets_get(
    tmp_path: Path, clock: FrozenClock, hub: PageSite, admin: Photographer, receiver: Receiver
) -> None:
    await hub.hub.add_faces("a")
    await add(admin)
    assert "This hub was restored" not in admin.text
    restored = tmp_path / "restored"
    await trio.Path(restored).mkdir()
    await restore_backup(restored, await backup_of(hub.hub), hold_targets=True)
    async with (
        open_page_site(restored, clock, users=(), transport=receiver) as site,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(site.services.forwarding.targets.run)
        admin = await Photographer.signed_in(site, "admin")
        await admin.get(f"{TARGETS}/1")
        assert "The hub was restored from a backup: choose whether" in admin.text
        assert f'href="{TARGETS}#restored"' in admin.text
        assert "Retry now" not in admin.text
        await admin.get(TARGETS)
        assert "This hub was restored from a backup" in admin.text
        await admin.send(f"{TARGETS}/restored", gets="new")
        assert admin.goes_to == f"{TARGETS}?done=targets-restored"
        await admin.get(admin.goes_to)
        assert "Records are forwarded again." in admin.text
        assert "This hub was restored" not in admin.text
        assert "Held" not in admin.text
        nursery.cancel_scope.cancel()
