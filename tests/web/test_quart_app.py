"""Requests to Quart: bodies are read on demand, and changes outlast their clients."""

from __future__ import annotations

import runpy
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from quart import request
from quart.asgi import ASGIHTTPConnection
from quart.routing import QuartRule

from hub.config import WebConfig
from hub.errors import CannotStoreNow, HubError, TooLarge
from hub.services.changes import Changes, open_changes
from web import quart_app
from web.http.bodies import Bodies, TooSlow
from web.quart_app import HubQuart, request_body

MB = 1 << 20


class Client:
    """One request to a view, which reads the body in `read`."""

    def __init__(self, app: HubQuart) -> None:
        self._app = app
        self._sent, self._received = trio.open_memory_channel[Any](10)
        self.answer: list[Any] = []

    def send(self, body: bytes, *, complete: bool = True) -> None:
        self._sent.send_nowait({"type": "http.request", "body": body, "more_body": not complete})

    def hang_up(self) -> None:
        self._sent.send_nowait({"type": "http.disconnect"})

    def events_left(self) -> int:
        return self._received.statistics().current_buffer_used

    async def call(
        self, method: str = "POST", *, length: int | None = None, host: bytes = b"hub"
    ) -> None:
        """Handle the request until it is answered, or the client has hung up."""
        announced = (
            (b"transfer-encoding", b"chunked")
            if length is None
            else (b"content-length", b"%d" % length)
        )
        scope: Any = {
            "type": "http",
            "http_version": "1.1",
            "asgi": {},
            "method": method,
            "scheme": "http",
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", host), announced],
        }

        async def send(event: Any) -> None:
            self.answer.append(event)
            await trio.lowlevel.checkpoint()

        await self._app(scope, self._received.receive, cast(Any, send))


class Site:
    """An application with one view, which reads the body by `read` and then takes two steps."""

    def __init__(self, changes: Changes, read: Callable[[], Awaitable[Any]], **web: Any) -> None:
        self.app = HubQuart(__name__)
        self.app.carry_out = changes.carry_out
        self.app.config["BODY_TIMEOUT"] = None
        self.app.bodies = Bodies(WebConfig(**web))
        #: The result or error of `read`, and the steps that were taken.
        self.steps: list[Any] = []
        self.first_step = trio.Event()
        self.second_step = trio.Event()

        @self.app.route("/", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
        async def view() -> str:
            try:
                self.steps.append(await read())
            except HubError as error:
                self.steps.append(type(error))
            self.first_step.set()
            await self.second_step.wait()
            self.steps.append("done")
            return ""

    def client(self) -> Client:
        return Client(self.app)


@pytest.fixture
async def changes() -> AsyncIterator[Changes]:
    async with open_changes(trio.Event()) as changes:
        yield changes


async def read_short() -> object:
    return await request.get_data()


async def read_nothing() -> object:
    return None


async def read_long() -> object:
    return await request_body().read("ann")


# A change is finished


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("read", [read_short, read_long])
async def test_a_change_is_finished_even_if_its_client_hangs_up(
    method: str, read: Any, changes: Changes
) -> None:
    site = Site(changes, read)
    client = site.client()
    client.send(b"body")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call, method)
        await site.first_step.wait()
        client.hang_up()
        await trio.testing.wait_all_tasks_blocked()
        assert site.steps == [b"body"]
        site.second_step.set()
    await trio.testing.wait_all_tasks_blocked()
    assert site.steps == [b"body", "done"]


async def test_a_request_that_only_reads_is_stopped_when_its_client_hangs_up(
    changes: Changes,
) -> None:
    site = Site(changes, read_short)
    client = site.client()
    client.send(b"")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call, "GET")
        await site.first_step.wait()
        client.hang_up()
    assert site.steps == [b""]


@pytest.mark.parametrize("read", [read_short, read_long])
async def test_a_change_whose_body_never_becomes_complete_is_not_begun(
    read: Any, changes: Changes
) -> None:
    site = Site(changes, read)
    client = site.client()
    client.send(b"bo", complete=False)
    client.hang_up()
    await client.call()
    assert (site.steps, client.answer) == ([], [])


async def test_a_body_that_takes_long_does_not_count_as_a_slow_change(
    autojump_clock: trio.testing.MockClock, changes: Changes
) -> None:
    site = Site(changes, read_short)
    site.second_step.set()
    client = site.client()
    client.send(b"bo", complete=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call)
        await trio.sleep(1_000)
        client.send(b"dy")
    assert site.steps == [b"body", "done"]


# Bodies


async def test_nothing_is_received_of_a_body_that_the_view_does_not_read(changes: Changes) -> None:
    site = Site(changes, read_nothing)
    client = site.client()
    client.send(b"body", complete=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call)
        await site.first_step.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert client.events_left() == 1
        site.second_step.set()
    assert client.answer[0]["status"] == 200


async def test_a_body_may_be_read_twice(changes: Changes) -> None:
    async def read_twice() -> object:
        return await request.get_data(), await request.get_data()

    site = Site(changes, read_twice)
    site.second_step.set()
    client = site.client()
    client.send(b"bo", complete=False)
    client.send(b"dy")
    await client.call()
    assert site.steps == [(b"body", b"body"), "done"]


@pytest.mark.parametrize("length", [4, None])
async def test_a_short_body_has_the_limit_of_the_application(
    length: int | None, changes: Changes
) -> None:
    site = Site(changes, read_short)
    site.app.config["MAX_CONTENT_LENGTH"] = 3
    client = site.client()
    client.send(b"body", complete=False)
    await client.call(length=length)
    assert client.answer[0]["status"] == 413
    assert site.steps == []


@pytest.mark.parametrize("length", [MB + 1, None])
async def test_a_long_body_has_the_limit_of_the_settings(
    length: int | None, changes: Changes
) -> None:
    site = Site(changes, read_long, max_body_mb=1)
    site.second_step.set()
    client = site.client()
    client.send(bytes(MB), complete=False)
    client.send(b"x", complete=False)
    await client.call(length=length)
    assert site.steps == [TooLarge, "done"]


async def test_a_long_body_that_does_not_arrive_in_time_is_too_slow(
    autojump_clock: trio.testing.MockClock, changes: Changes
) -> None:
    site = Site(changes, read_long, body_seconds=5)
    site.second_step.set()
    client = site.client()
    client.send(b"bo", complete=False)
    await client.call()
    assert site.steps == [TooSlow, "done"]


async def test_a_long_body_counts_in_the_budget_of_uploads_until_it_is_answered(
    autojump_clock: trio.testing.MockClock, changes: Changes
) -> None:
    """One sender may use a quarter of it: the third body of 6 MB waits, and then is refused."""
    site = Site(changes, read_long, upload_budget_mb=48)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            client = site.client()
            client.send(bytes(6 * MB))
            nursery.start_soon(lambda one=client: one.call(length=6 * MB))  # type: ignore[misc]
        await trio.sleep(60)
        assert [len(step) if isinstance(step, bytes) else step for step in site.steps] == [
            6 * MB,
            6 * MB,
            CannotStoreNow,
        ]
        site.second_step.set()
    assert site.app.bodies._budget.used == 0


def test_a_rule_compiles_what_builds_its_urls_for_the_first_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compile_builder, compiled = QuartRule._compile_builder, list[str]()

    def noted(rule: QuartRule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled.append(rule.rule)
        return compile_builder(rule, append_unknown)

    monkeypatch.setattr(QuartRule, "_compile_builder", noted)
    app = HubQuart("test")
    for path in ("/people", "/cameras/<did>/people/"):
        app.add_url_rule(path, path, lambda **values: "")
    urls = app.url_map.bind("hub")
    assert compiled == []
    for page in (2, 3):
        built = urls.build("/cameras/<did>/people/", {"did": "a b/人", "page": page})
        assert built == f"/cameras/a%20b/%E4%BA%BA/people/?page={page}"
    assert compiled == ["/cameras/<did>/people/"]


def test_an_import_with_another_quart_names_the_versions_that_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(ASGIHTTPConnection, "_create_request_from_scope")
    with pytest.raises(ImportError, match=r"_create_request.*Install quart==") as error:
        runpy.run_path(quart_app.__file__)
    assert error.value.name == "quart"


def test_the_versions_that_work_are_those_that_the_project_requires() -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    required = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    assert set(quart_app.QUART_VERSIONS) <= set(required)
