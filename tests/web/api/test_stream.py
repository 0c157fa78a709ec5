from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from msgspec import Raw
from trio.testing import MockClock, wait_all_tasks_blocked

import web.api.records.shown
import web.live_events
from hub import metrics
from hub.errors import CannotStoreNow, NoSuchResource, TooManyRequests
from hub.live.feed import Change
from hub.services import rounds
from hub.services.audit import COMMAND_LINE, Actor
from hub.services.jobs.jobs import JobProgress, Jobs
from hub.store.jobs.jobs import Job
from hub.store.records.record_log import RecordLog
from hub.store.tables.devices import NewDevice
from hub.wire.uploads.records import Record, render
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face, open_hub_services
from tests.support.sse import COMMENT, EventReader, open_event_stream
from web.app import create_app

STREAM = "/api/hub/v1/stream"


class Site:
    """A hub with an application."""

    def __init__(self, hub: HubServices, key: dict[str, str]) -> None:
        self.hub = hub
        self.key = key
        self.app = create_app(hub.services)

    @asynccontextmanager
    async def stream(self, query: str = "", **headers: str) -> AsyncIterator[EventReader]:
        """An open stream, which gets everything that happens from now on."""
        headers = self.key | named(headers)
        async with open_event_stream(self.app, STREAM, query, headers) as reader:
            assert reader.status == 200
            assert reader.headers["content-type"].startswith("text/event-stream")
            assert reader.headers["cache-control"] == "no-store"
            yield reader

    async def refusal(self, query: str = "", **headers: str) -> tuple[int, str]:
        client = self.app.test_client(use_cookies=False)
        response = await client.get(f"{STREAM}?{query}", headers=self.key | named(headers))
        return response.status_code, (await response.get_json())["msg"]


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
async def site(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    monkeypatch.setattr(rounds, "PAUSE_SECONDS", (0.0, 0.0))
    async with open_hub_services(tmp_path, clock) as hub:
        yield Site(hub, await hub.bearer())


def lags() -> float:
    return metrics.REGISTRY.get_sample_value("sitehub_stream_lags_total") or 0


async def test_a_stream_starts_with_the_next_record(site: Site) -> None:
    await site.hub.add_faces("before")
    async with site.stream() as reader:
        await site.hub.add_faces("after")
        event = await reader.next()
    assert (event.id, event.name, event.data["name"]) == ("2", "record", "after")


async def test_a_stream_resumes_without_a_gap_or_a_repeat(site: Site) -> None:
    await site.hub.add_faces(*"abc")
    async with site.stream("after=0") as reader:
        assert await reader.ids(2) == [1, 2]
    await site.hub.add_faces(*"de")
    async with site.stream(Last_Event_ID="2") as reader:
        assert await reader.ids(3) == [3, 4, 5]
        await site.hub.add_faces("f")
        assert await reader.ids(1) == [6]


async def test_last_event_id_takes_precedence_over_after(
    site: Site,
) -> None:
    await site.hub.add_faces(*"abc")
    async with site.stream("after=0", Last_Event_ID="2") as reader:
        assert await reader.ids(1) == [3]


@pytest.mark.parametrize("seq", ["-1", "x", "1.5", "9" * 30])
async def test_a_bad_cursor_is_refused_by_its_name(site: Site, seq: str) -> None:
    status, message = await site.refusal(f"after={seq}")
    assert (status, message[:6]) == (400, "after:")
    status, message = await site.refusal(Last_Event_ID=seq)
    assert (status, message[:14]) == (400, "Last-Event-ID:")


async def test_a_slow_reader_falls_back_to_the_log_and_delays_no_other(site: Site) -> None:
    big = msgspec.structs.replace(face("x"), extra=Raw(b'{"pad":"%s"}' % (b"x" * 2000)))
    before = lags()
    async with site.stream() as slow, site.stream() as quick:
        # The slow reader reads nothing: its connection buffers ten pieces, then blocks.
        for _ in range(30):
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(site.hub.add, big)
            await quick.ids(20)
        assert await slow.ids(600) == list(range(1, 601))
        assert lags() > before
        await site.hub.add_faces("last")
        assert await slow.ids(1) == [601]


async def test_a_record_is_encoded_once_for_all_who_get_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []

    def encode(record: Record) -> bytes:
        encoded.append(record.seq)
        return render(record)

    monkeypatch.setattr(web.api.records.shown, "render", encode)
    async with AsyncExitStack() as open_streams:
        enter = open_streams.enter_async_context
        readers = [await enter(site.stream(query)) for query in ("", "did=1", "kind=face")]
        await site.hub.add_faces("a", "b")
        for reader in readers:
            assert await reader.ids(2) == [1, 2]
        assert encoded == [1, 2]
        guard = {"Cookie": f"__Host-sitehub_session={await site.hub.add_user('gus', 'guard')}"}
        site.key = guard
        masked = await enter(site.stream())
        await site.hub.add_faces("c")
        assert await masked.ids(1) == await readers[0].ids(1) == [3]
    # Without personal numbers it is another text.
    assert encoded == [1, 2, 3, 3]


async def test_records_of_one_kind_or_device_can_be_requested(site: Site) -> None:
    async with site.stream("did=2&kind=face") as reader:
        await site.hub.add_faces("a", "b", did="1")
        await site.hub.add_faces("c", did="2")
        assert await reader.ids(1) == [3]
    async with site.stream("kind=event&after=0") as reader:
        await wait_all_tasks_blocked()
        await site.hub.services.cameras.devices.add(NewDevice(sn="SN1", code="AB12CD34"))
        assert (await reader.next()).name == "device"


async def test_a_changed_device_is_sent_as_it_is_now_and_without_an_id(site: Site) -> None:
    async with site.stream() as reader:
        await site.hub.services.cameras.devices.add(
            NewDevice(sn="SN1", code="AB12CD34", name="Gate")
        )
        event = await reader.next()
        assert (event.id, event.name) == ("", "device")
        assert (event.data["did"], event.data["name"], event.data["state"]) == (
            "1",
            "Gate",
            "offline",
        )
        await site.hub.services.cameras.devices.remove("1")
        event = await reader.next()
        assert (event.id, event.name, event.data) == (
            "",
            "device",
            {"did": "1", "state": "removed"},
        )


async def test_changes_that_concern_pages_only_are_not_sent(site: Site) -> None:
    async with site.stream() as reader:
        site.hub.services.core.changes.publish([Change("waiting", "SN1"), Change("health")])
        await site.hub.add_faces("a")
        assert await reader.ids(1) == [1]


async def test_a_reader_that_missed_changes_gets_every_device(site: Site) -> None:
    for n in range(3):
        await site.hub.services.cameras.devices.add(NewDevice(sn=f"SN{n}", code="AB12CD34"))
    async with site.stream() as reader:
        site.hub.services.core.changes.restart()
        assert [(await reader.next()).data["did"] for _ in range(3)] == ["1", "2", "3"]


class Steps:
    """A job that goes on by a step whenever it is let."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._let, self._go_on = trio.open_memory_channel[trio.Event](0)

    async def start(self) -> Job:
        by = Actor("user ann")
        self._job = await self.jobs.start("restart", None, by, self._work, total=9)
        return self._job

    async def step(self) -> None:
        """Let it take a step, and wait until that is saved."""
        saved = trio.Event()
        await self._let.send(saved)
        await saved.wait()

    async def end(self) -> None:
        await self._let.aclose()
        await self.jobs.wait(self._job.id)

    async def _work(self, progress: JobProgress) -> None:
        async for saved in self._go_on:
            await progress.advance()
            await progress.save()
            saved.set()


@pytest.fixture
async def steps(site: Site, nursery: trio.Nursery) -> Steps:
    await nursery.start(site.hub.services.jobs.run)
    return Steps(site.hub.services.jobs)


async def test_a_job_is_told_of_at_most_once_a_second_and_at_its_end(
    site: Site, steps: Steps, mock_clock: MockClock
) -> None:
    async with site.stream() as reader:
        job = await steps.start()
        event = await reader.next()
        assert (event.id, event.name) == ("", "job")
        assert event.data == await job_of(site, job.id)
        assert (event.data["state"], event.data["done"]) == ("running", 0)
        for _ in range(3):
            await steps.step()
        await site.hub.add_faces("a")
        assert await reader.ids(1) == [1]
        mock_clock.jump(1)
        event = await reader.next()
        assert (event.name, event.data["done"]) == ("job", 3)
        await steps.step()
        await steps.end()
        mock_clock.jump(1)
        event = await reader.next()
        assert (event.data["state"], event.data["done"]) == ("done", 4)
        mock_clock.jump(1)
        await site.hub.add_faces("b")
        assert await reader.ids(1) == [2]


async def job_of(site: Site, id: int) -> Any:
    client = site.app.test_client(use_cookies=False)
    response = await client.get(f"/api/hub/v1/jobs?after={id + 1}", headers=site.key)
    return (await response.get_json())["items"][0]


async def test_a_reader_that_missed_changes_gets_every_job_that_runs_or_ended_meanwhile(
    site: Site, steps: Steps, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Steps(steps.jobs)
    async with site.stream() as reader:
        first, second = await steps.start(), await other.start()
        assert {(await reader.next()).data["id"] for _ in range(2)} == {first.id, second.id}
        mock_clock.jump(1)
        await wait_all_tasks_blocked()
        failures = [CannotStoreNow("busy")]
        jobs = steps.jobs.list

        async def fail_at_first(*args: Any, **kwargs: Any) -> Any:
            if failures:
                raise failures.pop()
            return await jobs(*args, **kwargs)

        monkeypatch.setattr(steps.jobs, "list", fail_at_first)
        site.hub.services.core.changes.restart()
        await steps.end()
        await wait_all_tasks_blocked()
        mock_clock.jump(1)
        events = [await reader.next() for _ in range(2)]
        assert {(event.data["id"], event.data["state"]) for event in events} == {
            (first.id, "done"),
            (second.id, "running"),
        }


async def test_a_job_that_cannot_be_read_now_is_told_of_later(
    site: Site, steps: Steps, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, failures = steps.jobs.get, [NoSuchResource("gone"), CannotStoreNow("busy")]

    async def fail_at_first(id: int) -> Job:
        if failures:
            raise failures.pop()
        return await get(id)

    async with site.stream() as reader:
        monkeypatch.setattr(steps.jobs, "get", fail_at_first)
        await steps.start()
        await wait_all_tasks_blocked()
        mock_clock.jump(1)  # it is gone
        await wait_all_tasks_blocked()
        await steps.step()
        assert (await reader.next()).data["done"] == 1


async def test_viewers_are_told_of_neither_jobs_nor_people(site: Site, steps: Steps) -> None:
    await site.hub.services.cameras.devices.add(NewDevice(sn="SN1", code="AB12CD34"))
    for role, names in (("viewer", {"record"}), ("guard", {"job", "sync", "record"})):
        token = await site.hub.add_user(role, role)
        site.key = {"Cookie": f"__Host-sitehub_session={token}"}
        async with site.stream() as reader:
            await steps.start()
            site.hub.services.core.changes.publish([Change("sync", "1")])
            await wait_all_tasks_blocked()
            await site.hub.add_faces("a")
            assert {(await reader.next()).name for _ in names} == names


async def test_a_stream_of_one_device_tells_of_no_jobs(site: Site, steps: Steps) -> None:
    async with site.stream("did=1") as reader:
        await steps.start()
        await site.hub.add_faces("a")
        assert await reader.ids(1) == [1]


async def test_a_comment_is_sent_every_15_seconds(site: Site, mock_clock: MockClock) -> None:
    async with site.stream() as reader:
        for _ in range(3):
            await wait_all_tasks_blocked()
            mock_clock.jump(15)
            assert await reader.next() == COMMENT


async def test_a_comment_is_sent_during_traffic_too(site: Site, mock_clock: MockClock) -> None:
    async with site.stream() as reader:
        await site.hub.add_faces("a")
        assert await reader.ids(1) == [1]
        mock_clock.jump(10)
        await site.hub.add_faces("b")
        assert await reader.ids(1) == [2]
        mock_clock.jump(5)
        assert await reader.next() == COMMENT


async def test_streams_end_by_themselves_when_the_hub_closes(site: Site) -> None:
    async with site.stream() as reader:
        site.hub.services.core.closing.set()
        with pytest.raises(trio.EndOfChannel):
            await reader.next()


async def test_a_stream_outlives_neither_its_key_nor_its_session(site: Site) -> None:
    services = site.hub.services
    async with site.stream() as reader:
        await services.access.api_keys.remove(
            services.access.api_keys.all()[0].appid, by=COMMAND_LINE
        )
        with pytest.raises(trio.EndOfChannel):
            await reader.next()
    token = await site.hub.add_user("vic", "viewer")
    site.key = {"Cookie": f"__Host-sitehub_session={token}"}
    async with site.stream() as reader:
        await site.hub.add_faces("b")
        assert await reader.ids(1) == [1]
        await services.access.sessions.sign_out(token)
        with pytest.raises(trio.EndOfChannel):
            await reader.next()


async def test_a_stream_ends_when_its_user_gets_another_role(site: Site) -> None:
    token = await site.hub.add_user("gus", "guard")
    site.key = {"Cookie": f"__Host-sitehub_session={token}"}
    async with site.stream() as reader:
        await site.hub.services.access.users.set_role("gus", "viewer", by=COMMAND_LINE)
        with pytest.raises(trio.EndOfChannel):
            await reader.next()


async def test_the_number_of_readers_is_bounded(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.live_events, "MAX_READERS", 2)
    async with site.stream():
        async with site.stream():
            assert (await site.refusal())[0] == 429
        await wait_all_tasks_blocked()
        async with site.stream():
            pass


async def test_one_user_cannot_take_the_places_of_all_readers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.live_events, "MAX_READERS_OF_ONE", 1)
    async with site.stream():
        assert (await site.refusal())[0] == 429
        async with site.stream(**await site.hub.bearer()):
            pass
    await wait_all_tasks_blocked()
    async with site.stream():
        pass


async def test_a_head_request_does_not_open_a_stream(site: Site) -> None:
    client = site.app.test_client(use_cookies=False)
    response = await client.head(STREAM, headers=site.key)
    assert (response.status_code, response.mimetype) == (200, "text/event-stream")


async def test_the_log_that_is_read_is_named(site: Site) -> None:
    client = site.app.test_client(use_cookies=False)
    log = site.hub.store.log_id
    stream = await client.head(STREAM, headers=site.key)
    page = await client.get(STREAM.replace("stream", "records"), headers=site.key)
    assert stream.headers["Sitehub-Log"] == page.headers["Sitehub-Log"] == log
    assert (await page.get_json())["log"] == log
    assert len(log) == 32


async def test_a_reader_that_left_is_forgotten(site: Site) -> None:
    rounds = site.hub.services.records.rounds
    async with site.stream():
        assert len(rounds._places) == 1
    await wait_all_tasks_blocked()
    assert not rounds._places
    assert not rounds._out


async def test_a_read_that_the_busy_log_refuses_is_repeated(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.hub.add_faces("a")
    page, busy = RecordLog.page, [True]

    async def busy_once(*args: Any, **kwargs: Any) -> Any:
        if busy:
            busy.pop()
            raise TooManyRequests
        return await page(*args, **kwargs)

    monkeypatch.setattr(RecordLog, "page", busy_once)
    async with site.stream("after=0") as reader:
        assert await reader.ids(1) == [1]
