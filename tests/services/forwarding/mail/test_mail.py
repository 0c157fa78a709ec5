"""Alarms by mail, through a server that a test plays."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.mail import forwarder
from hub.services.forwarding.mail.sender import MailSender
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.retries import RetryPlan
from hub.services.forwarding.targets import TargetChange
from hub.services.forwarding.views import TargetView
from hub.services.site import SiteSettings
from hub.store.targets.target import MailOptions, Selection
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail
from tests.services.forwarding.conftest import open_forwarding_hub
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices
from tests.support.mail_server import (
    PASSWORD,
    USER,
    MailServer,
    certificate,
    running_mail_server,
)

MAIL = MailOptions(sender="hub@example.org", recipients=("a@example.org", "b@example.org"))


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "_MINUTE_SECONDS", 0.01)
    monkeypatch.setattr(MailSender, "retry_plan", RetryPlan((0.02,)))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    return certificate(tmp_path_factory.mktemp("keys"))


@pytest.fixture(params=["smtps", "starttls"])
async def server(
    request: pytest.FixtureRequest, keys: tuple[ssl.SSLContext, str]
) -> AsyncIterator[MailServer]:
    async with running_mail_server(keys[0], wrapped=request.param == "smtps") as server:
        yield server


#: Where how a connection is encrypted makes no difference.
only_smtps = pytest.mark.parametrize("server", ["smtps"], indirect=True)


class Site:
    """A hub whose alarms are mailed."""

    def __init__(self, hub: HubServices, server: MailServer, ca: str) -> None:
        self.hub = hub
        self.server = server
        self.targets = hub.services.forwarding.targets
        self._ca = ca

    async def add(self, **fields: Any) -> TargetView:
        identity = Identity(USER, fields.pop("password", PASSWORD))
        fields = {"mail": MAIL, "ca": self._ca, "url": self.server.url, **fields}
        url = fields.pop("url")
        view, _ = await self.targets.add("mail", url, identity=identity, by=COMMAND_LINE, **fields)
        return view

    async def raise_alarm(self, did: str = "1", *, picture: bool = False) -> int:
        """Raise an alarm that is major: a fire would be critical."""
        shown = (Picture("face", "image/jpeg", b"\xff\xd8\xff" + b"p" * 900),) if picture else ()
        told = CheckedUpload(
            kind="event", occurred_at=0, detail=EventDetail(type=3), pictures=shown
        )
        return await self.hub.add(told, did=did)

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(30):
            while not condition():  # noqa: ASYNC110  what happens has no event
                await trio.sleep(0.005)

    def texts(self) -> list[str]:
        return [one.get_body(("plain",)).get_content() for one in self.server.kept]  # type: ignore[union-attr]

    def seqs(self) -> list[int]:
        """Return which alarms the mails link to."""
        lines = "\n".join(self.texts()).splitlines()
        return [int(one.rpartition("/")[2]) for one in lines if "/alarms/" in one]


@asynccontextmanager
async def open_site(
    data: Path, clock: FrozenClock, server: MailServer, ca: str
) -> AsyncIterator[Site]:
    async with open_forwarding_hub(data, clock) as hub:
        await hub.services.upkeep.certificates.load()
        hub.services.upkeep.health.mark_serving()
        yield Site(hub, server, ca)


@pytest.fixture
async def site(
    tmp_path: Path, clock: FrozenClock, server: MailServer, keys: tuple[ssl.SSLContext, str]
) -> AsyncIterator[Site]:
    async with open_site(tmp_path, clock, server, keys[1]) as site:
        yield site


def problems(site: Site) -> Sequence[str]:
    return [one.code for one in site.hub.services.upkeep.health.reasons()]


async def test_an_alarm_arrives_with_what_where_when_and_a_link(site: Site) -> None:
    settings = SiteSettings("North school", "Asia/Shanghai", "zh")
    await site.hub.services.core.site.set(settings)
    await site.add()
    seq = await site.raise_alarm()
    await site.until(lambda: len(site.server.kept) == 1)
    mail, text = site.server.kept[0], site.texts()[0]
    assert (mail["From"], mail["To"]) == ("hub@example.org", "a@example.org, b@example.org")
    assert site.server.recipients == [["a@example.org", "b@example.org"]]
    assert mail["Subject"].startswith("North school: 重要 · ")
    assert "Gate" in mail["Subject"]
    assert "2026年11月25日 20:00:00" in text
    assert f"/alarms/{seq}" in text
    assert not list(mail.iter_attachments())


async def test_the_test_button_says_what_the_server_said(site: Site) -> None:
    view = await site.add()
    assert (await site.targets.test(view.target.id, by=COMMAND_LINE)).reason is None
    assert len(site.server.kept) == 1
    site.server.password = "another"
    said = str((await site.targets.test(view.target.id, by=COMMAND_LINE)).reason)
    assert "does not accept the user name or the password: 5.7.8" in said
    assert PASSWORD not in said


@only_smtps
async def test_a_wrong_password_is_told_and_mended_without_a_loss(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.services.forwarding.views._MAIL_SECONDS", 0.0)
    view = await site.add(password="wrong")
    seq = await site.raise_alarm()
    await site.until(lambda: "mail-failed" in problems(site))
    assert site.targets.get(view.target.id).state == "waiting"
    await site.targets.change(
        view.target.id, TargetChange(identity=Identity(USER, PASSWORD)), by=COMMAND_LINE
    )
    await site.until(lambda: seq in site.seqs())
    await site.until(lambda: "mail-failed" not in problems(site))


@only_smtps
async def test_a_flood_is_one_or_two_mails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "_MINUTE_SECONDS", 0.3)  # 10 of them between two mails
    await site.add()
    async with trio.open_nursery() as nursery:
        for number in range(500):
            nursery.start_soon(site.raise_alarm, str(number))
    await site.until(lambda: len(site.seqs()) >= 500)
    assert sorted(site.seqs()) == list(range(1, 501))
    assert len(site.server.kept) <= 2


@only_smtps
async def test_what_happens_while_the_server_is_down_is_in_one_mail(site: Site) -> None:
    site.server.hangs = True
    await site.add(url=f"smtps://localhost:{site.server.port + 1}")
    view = site.targets.list()[0]
    seqs = [await site.raise_alarm(str(number)) for number in range(3)]
    await site.until(lambda: site.targets.get(view.target.id).state == "waiting")
    site.server.hangs = False
    await site.targets.change(view.target.id, TargetChange(url=site.server.url), by=COMMAND_LINE)
    await site.until(lambda: sorted(site.seqs()) == seqs)
    assert len(site.server.kept) == 1


@only_smtps
async def test_a_mail_that_is_due_survives_a_restart_and_what_was_told_is_not_told_again(
    tmp_path: Path, clock: FrozenClock, server: MailServer, keys: tuple[ssl.SSLContext, str]
) -> None:
    async with open_site(tmp_path, clock, server, keys[1]) as site:
        await site.add()
        first = await site.raise_alarm("1")
        await site.until(lambda: site.seqs() == [first])
        server.password = "another"
        second = await site.raise_alarm("2")
        await site.until(lambda: site.targets.list()[0].state == "waiting")
    server.password = PASSWORD
    async with open_site(tmp_path, clock, server, keys[1]) as site:
        await site.until(lambda: site.seqs() == [first, second])
        again = await site.raise_alarm("1")
        third = await site.raise_alarm("3")
        await site.until(lambda: third in site.seqs())
        assert again not in site.seqs()
        assert site.seqs() == [first, second, third]


@only_smtps
async def test_only_what_is_severe_enough_and_only_once_while_it_is_open(site: Site) -> None:
    await site.add(mail=MailOptions(sender="a@b.c", recipients=("c@d.e",), severity="critical"))
    await site.raise_alarm("1")
    seq = await site.raise_alarm("2")
    write = site.hub.store.write
    await write(lambda c: c.execute("UPDATE alarm SET severity = 'critical' WHERE seq = ?", (seq,)))
    await write(lambda c: c.execute("UPDATE alarm SET count = count + 1"))
    site.targets.send_again(1, seq)
    await site.until(lambda: site.seqs() == [seq])
    await write(lambda c: c.execute("UPDATE alarm SET count = count + 1"))
    await site.raise_alarm("3")
    await trio.sleep(0.1)
    assert site.seqs() == [seq]


@only_smtps
async def test_one_unknown_recipient_does_not_keep_the_others_from_hearing(site: Site) -> None:
    site.server.refuses = {"b@example.org"}
    await site.add()
    await site.raise_alarm()
    await site.until(lambda: len(site.server.kept) == 1)
    await site.until(lambda: "mail-failed" in problems(site))
    assert site.server.recipients == [["a@example.org"]]
    said = str(site.targets.list()[0].mail_failure)
    assert said == "it refuses the recipients b@example.org: 550 5.1.1 no such user"


@only_smtps
async def test_a_picture_comes_with_it_unless_the_server_finds_it_too_large(site: Site) -> None:
    await site.add(selection=Selection(pictures="alarms"))
    await site.raise_alarm("1", picture=True)
    await site.until(lambda: len(site.server.kept) == 1)
    (picture,) = site.server.kept[0].iter_attachments()
    assert picture.get_content_type() == "image/jpeg"
    assert picture.get_content().startswith(b"\xff\xd8\xff")
    site.server.largest = 1_200
    await site.raise_alarm("2", picture=True)
    await site.until(lambda: len(site.server.kept) == 2)
    assert not list(site.server.kept[1].iter_attachments())


async def test_nothing_is_sent_to_a_server_that_nobody_vouches_for(site: Site) -> None:
    view = await site.add(ca="")
    delivery = await site.targets.test(view.target.id, by=COMMAND_LINE)
    assert "its certificate is not trusted" in str(delivery.reason)
    assert site.server.kept == []


@pytest.mark.parametrize("server", ["starttls"], indirect=True)
async def test_nothing_is_sent_without_encryption(site: Site) -> None:
    site.server.offers_tls = False
    view = await site.add()
    delivery = await site.targets.test(view.target.id, by=COMMAND_LINE)
    assert str(delivery.reason) == "it offers no encryption (STARTTLS)"


@only_smtps
async def test_a_server_that_says_nothing_is_left_at_once_when_the_target_goes(site: Site) -> None:
    site.server.hangs = True
    view = await site.add()
    await site.raise_alarm()
    await site.until(lambda: site.server.connections == 1)
    with trio.fail_after(10):
        await site.targets.remove(view.target.id, by=COMMAND_LINE)


@only_smtps
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mail": None}, "mail"),
        ({"mail": MailOptions(sender="a", recipients=("b@c.d",))}, "sender"),
        ({"mail": MailOptions(sender="a@b.c", recipients=("b@c\nBcc: x@y",))}, "recipients"),
        ({"url": "http://example.org"}, "url"),
        ({"url": "smtp://user:secret@example.org"}, "url"),
        ({"begin": "beginning"}, "from"),
        ({"selection": Selection(kinds=("face",))}, "kinds"),
        ({"password": "naïve"}, "user"),
    ],
)
async def test_what_cannot_be_used_is_refused(
    site: Site, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        await site.add(**fields)
    assert caught.value.field == field
