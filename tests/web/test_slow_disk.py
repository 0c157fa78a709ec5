"""Each kind of change on a disk that does not respond: its caller is told, and all of it happens.

The caller gets 503, and a repeat as well, which changes nothing. When the disk responds, everything
that follows from the change has happened, once, and the next repeat gets the answer of the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from hub.app import open_hub
from hub.config import Config
from hub.config_sources import Loaded, Sources
from hub.errors import CannotStoreNow, NotAuthorised, StillStoring
from hub.live.feed import Change
from hub.process.control.access import AddUser, EnableUser, RemoveUser, SetPassword, SetRole
from hub.process.control.channel import _respond
from hub.process.control.request import ApiCall, ControlRequest
from hub.services import Services, changes
from hub.services.audit import COMMAND_LINE
from hub.store.commit import group_commit
from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.record_batch import RecordBatch
from hub.store.commit.write_queue import Write
from hub.store.db import Store
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail, Plate, VehicleDetail
from tests.support import page_site
from tests.support.browsing import Visitor
from tests.support.commanded_link import AskedLink
from tests.support.hub_services import PASSWORD, face
from tests.support.stores import BlockingJob
from tests.web.test_damaged_tables import paths_of
from web.api.owner import answer_owner
from web.app import create_app
from web.auth.csrf import token_for

API = "/api/hub/v1"
NEW_DEVICE = {"sn": "SN1", "code": "AB12CD34", "did": "1"}
expects_slow_disk = pytest.mark.expects_error("now: the disk is not responding")


class Site:
    """A hub, with a key that calls its API, a camera that is online, and a follower of its feed."""

    def __init__(
        self, services: Services, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.services = services
        self.store: Store = services.records.erasures._store
        self.link = AskedLink()
        self.told: list[Change] = []
        self.token = ""
        self._headers = headers
        self._patch = monkeypatch
        app = create_app(services)
        self._client, self._api = app.test_client(use_cookies=False), partial(answer_owner, app)
        self._gate: BlockingJob | None = None

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the answer."""
        response = await self._client.open(
            f"{API}/{path}",
            method=method,
            data=None if body is None else json.dumps(body),
            headers=self._headers,
            scope_base={"client": ("10.0.0.5", 40000)},
        )
        return response.status_code, json.loads(await response.get_data() or b"null")

    async def change_key(self) -> None:
        key = await self.services.access.api_keys.add("other", False, by=COMMAND_LINE)
        self._headers = {"Authorization": f"Bearer {key.appid}:{key.secret}"}

    async def good(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.call(method, path, body)
        assert status == 200, answer
        return answer

    async def command(self, request: ControlRequest[Any]) -> tuple[int, Any]:
        """As the command line does it."""
        line = msgspec.json.encode({"secret": "s", "operation": request})
        response = await _respond(self.services, self._api, line)
        return (200 if response.fault is None else 503), response.fault

    @asynccontextmanager
    async def slow_disk(self) -> AsyncIterator[None]:
        """The disk does not respond in the block, and callers do not wait for long."""
        gate = BlockingJob()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hang, gate)
            await gate.entered.wait()
            self._wait_at_most(0.05)
            try:
                yield
            finally:
                self._wait_at_most(30.0)
                gate.open()
        await self.services.changes.all_ended()

    async def _hang(self, gate: BlockingJob) -> None:
        with suppress(StillStoring):
            await self.store.write(gate)

    def _wait_at_most(self, seconds: float) -> None:
        self._patch.setattr(group_commit, "_COMMIT_SECONDS", seconds)
        self._patch.setattr(changes, "_SLOW_SECONDS", seconds)

    async def follow(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.services.core.changes.subscribe() as feed:
            task_status.started()
            while True:
                self.told += await feed.next()

    async def audited(self) -> list[str]:
        return [entry.action for entry in await self.services.core.audit.oldest(limit=1000)]

    async def upload(self, upload: CheckedUpload) -> int:
        batch = RecordBatch(
            [upload], did="1", sn="SN1", device_name="", digest=bytes(16), arrived_at=0
        )
        (seq,) = (await self.store.records.append(batch)).seqs
        return seq

    def is_told(self, kind: str, key: str = "") -> bool:
        return any(one.kind == kind and key in ("", one.key) for one in self.told)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    loaded = Loaded(Config(), Sources(tmp_path))
    async with (
        open_hub(loaded, tmp_path, closing=trio.Event()) as services,
        trio.open_nursery() as nursery,
    ):
        key = await services.access.api_keys.add("test", False, targets=True, by=COMMAND_LINE)
        headers = {"Authorization": f"Bearer {key.appid}:{key.secret}"}
        site = Site(services, headers, monkeypatch)
        await site.good("POST", "devices", NEW_DEVICE)
        services.cameras.devices._registry.attach(site.link)
        site.token = await services.cameras.authentication.tokens.issue("1")
        await nursery.start(services.records.erasures.run)
        await nursery.start(services.alarms.rules.run)
        await nursery.start(site.follow)
        yield site
        nursery.cancel_scope.cancel()


class Kind:
    """One kind of change. `effect` raises AssertionError as long as something is missing."""

    def __init__(
        self,
        call: Callable[[Site], Awaitable[tuple[int, Any]]],
        effect: Callable[[Site], Awaitable[None]],
        action: str,
        before: Callable[[Site], Awaitable[object]] | None = None,
    ) -> None:
        self.call = call
        self.effect = effect
        self.action = action
        self.before = before


def api(method: str, path: str, body: object = None) -> Callable[[Site], Awaitable[Any]]:
    return lambda site: site.call(method, path, body)


def command(request: ControlRequest[Any]) -> Callable[[Site], Awaitable[Any]]:
    return lambda site: site.command(request)


def owner(method: str, path: str, body: object = None) -> Callable[[Site], Awaitable[Any]]:
    return command(ApiCall(method, path, "" if body is None else json.dumps(body)))


def done(*calls: tuple[str, str, object]) -> Callable[[Site], Awaitable[None]]:
    async def before(site: Site) -> None:
        for method, path, body in calls:
            await site.good(method, path, body)

    return before


def tells(kind: str, key: str = "") -> Callable[[Site], Awaitable[None]]:
    async def effect(site: Site) -> None:
        assert site.is_told(kind, key)

    return effect


async def plate_raises_alarm(site: Site) -> None:
    await site.upload(CheckedUpload(kind="vehicle", detail=VehicleDetail(plate=Plate("AB123"))))
    assert await alarm_kinds(site) == ["plate"]


async def plate_raises_nothing(site: Site) -> None:
    await site.upload(CheckedUpload(kind="vehicle", detail=VehicleDetail(plate=Plate("AB123"))))
    assert await alarm_kinds(site) == []


async def event_raises_nothing(site: Site) -> None:
    await site.upload(CheckedUpload(kind="event", detail=EventDetail(type=1)))
    assert await alarm_kinds(site) == []
    assert site.is_told("alarm-rules")


async def alarm_kinds(site: Site) -> list[str]:
    return [one["kind"] for one in (await site.good("GET", "alarms"))["items"]]


async def camera_is_out(site: Site) -> None:
    assert site.link.closed
    with pytest.raises(NotAuthorised):
        site.services.cameras.authentication.by_token(site.token)
    assert site.is_told("device", "1")


async def records_are_erased(site: Site) -> None:
    with trio.fail_after(20):
        while not site.is_told("erasure"):  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert "Li Wei" not in str(await site.good("GET", "records"))


async def sign_in(site: Site) -> None:
    await site.services.access.users.add("ben", "admin", PASSWORD, by=COMMAND_LINE)
    await site.services.access.users.add("ann", "admin", PASSWORD, by=COMMAND_LINE)
    site.token = (await site.services.access.sessions.sign_in("ann", PASSWORD, "10.0.0.1")).token


async def is_signed_out(site: Site) -> None:
    assert await site.services.access.sessions.user_of(site.token) is None


async def is_guard(site: Site) -> None:
    assert site.services.access.users.get("ann").role == "guard"


async def is_there(site: Site) -> None:
    assert site.services.access.users.get("cid").enabled


ANN = {"name": "Ann", "pid": "7"}
LIST = {"name": "Stolen", "entries": [{"pattern": "AB123"}]}
TARGET = {"kind": "webhook", "name": "mine", "url": "http://127.0.0.1:9/in"}
HAS_ANN = done(("POST", "people", ANN))
HAS_GROUP = done(("POST", "groups", {"name": "Gate"}))
HAS_LIST = done(("POST", "plate-lists", LIST))


async def has_capture(site: Site) -> None:
    await site.upload(face("Li Wei"))


KINDS = {
    "person added": Kind(api("POST", "people", ANN), tells("person", "7"), "person.add"),
    "person put": Kind(
        api("PUT", "people/7", {"name": "Bea"}), tells("person", "7"), "person.put", HAS_ANN
    ),
    "person removed": Kind(
        api("DELETE", "people/7"), tells("person", "7"), "person.remove", HAS_ANN
    ),
    "group added": Kind(api("POST", "groups", {"name": "Gate"}), tells("group"), "group.add"),
    "group changed": Kind(
        api("PUT", "groups/1", {"dids": ["1"]}), tells("group", "1"), "group.change", HAS_GROUP
    ),
    "group removed": Kind(
        api("DELETE", "groups/1"), tells("group", "1"), "group.remove", HAS_GROUP
    ),
    "plate list added": Kind(api("POST", "plate-lists", LIST), plate_raises_alarm, "plates.add"),
    "plate list changed": Kind(
        api("PUT", "plate-lists/1", {"name": "Stolen"}),
        plate_raises_nothing,
        "plates.change",
        HAS_LIST,
    ),
    "plate list removed": Kind(
        api("DELETE", "plate-lists/1"), plate_raises_nothing, "plates.remove", HAS_LIST
    ),
    "alarm rules": Kind(
        api("PUT", "alarm-rules", {"items": [{"kind": "event", "severity": "none"}]}),
        event_raises_nothing,
        "alarm.rules",
    ),
    "camera added": Kind(
        api("POST", "devices", {"sn": "SN2", "code": "AB12CD34"}), tells("device"), "device.add"
    ),
    "code changed": Kind(
        api("PATCH", "devices/1", {"code": "ZZZZ9999"}), camera_is_out, "device.change"
    ),
    "camera disabled": Kind(
        api("PATCH", "devices/1", {"enabled": False}), camera_is_out, "device.change"
    ),
    "camera removed": Kind(api("DELETE", "devices/1"), camera_is_out, "device.remove"),
    "erasure": Kind(
        api("POST", "erasures", {"seqs": [1], "confirm": 1}),
        records_are_erased,
        "erasure.begin",
        has_capture,
    ),
    "records kept": Kind(
        api("POST", "holds", {"reason": "theft", "seqs": [1]}),
        tells("hold"),
        "hold.add",
        has_capture,
    ),
    "target added": Kind(api("POST", "targets", TARGET), tells("target"), "target.add"),
    "target changed": Kind(
        api("PATCH", "targets/1", {"name": "theirs"}),
        tells("target"),
        "target.set",
        done(("POST", "targets", TARGET)),
    ),
    "target removed": Kind(
        api("DELETE", "targets/1"),
        tells("target"),
        "target.remove",
        done(("POST", "targets", TARGET)),
    ),
    "group by the command line": Kind(
        owner("PUT", "groups/1", {"dids": ["1"]}), tells("group", "1"), "group.change", HAS_GROUP
    ),
    "user added": Kind(command(AddUser("cid", "guard", PASSWORD)), is_there, "user.add"),
    "password": Kind(
        command(SetPassword("ann", "another horse")), is_signed_out, "user.password", sign_in
    ),
    "role": Kind(command(SetRole("ann", "guard")), is_guard, "user.role", sign_in),
    "user disabled": Kind(
        command(EnableUser("ann", False)), is_signed_out, "user.disable", sign_in
    ),
    "user removed": Kind(command(RemoveUser("ann")), is_signed_out, "user.remove", sign_in),
}


@expects_slow_disk
@pytest.mark.parametrize("name", KINDS)
async def test_a_change_that_commits_late_is_a_change(site: Site, name: str) -> None:
    kind = KINDS[name]
    if kind.before is not None:
        await kind.before(site)
    await trio.testing.wait_all_tasks_blocked()
    site.told.clear()
    before = (await site.audited()).count(kind.action)
    async with site.slow_disk():
        for _ in range(2):
            status, answer = await kind.call(site)
            assert status == 503, answer
            assert "the change goes on" in str(answer)
    assert (await kind.call(site))[0] == 200
    await kind.effect(site)
    assert (await site.audited()).count(kind.action) == before + 1


BLACK, WHITE = {"name": "Ann", "category": 2}, {"name": "Ann", "category": 1}


async def by_another_key(site: Site) -> None:
    headers = site._headers
    await site.change_key()
    await site.good("PUT", "people/7", WHITE)
    site._headers = headers


UNDOING = {
    "the same caller": done(("PUT", "people/7", WHITE)),
    "another caller": by_another_key,
    "another path": done(("DELETE", "people/7", None)),
    "the command line": command(EnableUser("ann", True)),
}


@expects_slow_disk
@pytest.mark.parametrize("who", UNDOING)
async def test_a_change_that_was_undone_is_made_again(site: Site, who: str) -> None:
    """The same request is a new wish then, not a repeat that asks for the outcome."""
    await site.services.access.users.add("ann", "guard", PASSWORD, by=COMMAND_LINE)
    disable = command(EnableUser("ann", False))
    async with site.slow_disk():
        assert (await site.call("PUT", "people/7", BLACK))[0] == 503
        assert (await disable(site))[0] == 503
    await UNDOING[who](site)
    await site.good("PUT", "people/7", BLACK)
    assert (await disable(site))[0] == 200
    assert (await site.good("GET", "people/7"))["category"] == 2
    assert not site.services.access.users.get("ann").enabled


class Browser:
    """A browser in which ann, an administrator, is signed in."""

    def __init__(self, site: Site, token: str) -> None:
        self._client = create_app(site.services).test_client(use_cookies=False)
        self._cookie = f"__Host-sitehub_session={token}"
        self._csrf = token_for(token)

    async def send(self, path: str) -> tuple[int, str]:
        """Submit a form; the status and the address or the page that is the answer."""
        response = await self._client.post(
            path,
            data=f"csrf_token={self._csrf}",
            headers={
                "Cookie": self._cookie,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept-Language": "en",
            },
            scope_base={"client": ("10.0.0.1", 40000)},
        )
        page = (await response.get_data()).decode()
        return response.status_code, response.headers.get("Location", page)


@expects_slow_disk
async def test_a_form_that_is_submitted_again_shows_the_outcome(site: Site) -> None:
    await site.good("POST", "groups", {"name": "Gate"})
    await sign_in(site)
    browser = Browser(site, site.token)
    async with site.slow_disk():
        for _ in range(2):
            status, page = await browser.send("/cameras/groups/1/remove")
            assert status == 503
            assert "The change is not complete yet" in page
    found = await browser.send("/cameras/groups/1/remove")
    assert found == (303, "/cameras/groups?done=group-removed")
    assert (await browser.send("/cameras/groups/1/remove"))[0] == 404


@expects_slow_disk
async def test_the_outcome_is_for_its_caller_only(site: Site) -> None:
    await site.good("POST", "groups", {"name": "Gate"})
    await sign_in(site)
    ben = (await site.services.access.sessions.sign_in("ben", PASSWORD, "10.0.0.2")).token
    removal = "/cameras/groups/1/remove"
    async with site.slow_disk():
        assert (await Browser(site, site.token).send(removal))[0] == 503
    assert (await Browser(site, ben).send(removal))[0] == 404
    await site.services.access.users.set_enabled("ann", False, by=COMMAND_LINE)
    status, where = await Browser(site, site.token).send(removal)
    assert (status, where[:8]) == (303, "/sign-in")


async def test_every_unsafe_request_is_carried_out_as_a_change(site: Site) -> None:
    app = create_app(site.services)
    carried: list[object] = []

    async def refuse(work: object) -> None:
        carried.append(work)
        raise CannotStoreNow("not now")

    app.carry_out = refuse  # type: ignore[assignment]
    client = app.test_client(use_cookies=False)
    routes = [
        (method, re.sub(r"<[^>]+>", "1", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    ]
    assert len(routes) > 150
    for method, path in routes:
        response = await client.open(path, method=method, scope_base={"client": ("10.0.0.5", 1)})
        assert (response.status_code, len(carried)) == (503, 1), (method, path)
        carried.clear()


async def test_a_request_that_only_reads_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writes are given up after 30 s, so nothing may follow from them but the answer."""
    await site.services.upkeep.certificates.load()
    await site.services.access.users.add("visitor", "admin", page_site.PASSWORD, by=COMMAND_LINE)
    visitor = Visitor(site.services)  # type: ignore[arg-type]
    await visitor.sign_in("visitor")
    written: dict[str, str] = {}
    path = ""
    submit = GroupCommit.submit

    async def noted(self: GroupCommit, write: Write[Any]) -> Any:
        written[write._job.__qualname__.partition(".<")[0]] = path  # type: ignore[union-attr]
        return await submit(self, write)

    for rule in visitor.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()):
            for path in paths_of(rule):
                with monkeypatch.context() as patch:
                    patch.setattr(GroupCommit, "submit", noted)
                    await visitor.get(path)
    assert written.keys() <= {"SessionTable.touch", "AuditTable.add_each"}, written
