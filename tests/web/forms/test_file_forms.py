"""Forms with a file, read in front of Quart: what is taken for one, and for how long it counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from hub.config import Web
from hub.errors import BadParameter, CannotStoreNow, HubError, TooLarge
from hub.services.access.accounts import User
from web.forms.file_forms import FileForm, file_forms, read_form
from web.http.bodies import Bodies, TooSlow

MULTIPART = 'multipart/form-data; boundary="xYz"'


def part(name: str, data: bytes, file: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{file}"\r\nContent-Type: image/jpeg' if file else ""
    return b"--xYz\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--xYz--\r\n"


def test_fields_and_photo_are_what_was_sent() -> None:
    photo = bytes(range(256)) * 500 + b"\r\n--xY\r\n"
    body = form(part("name", "张三".encode()), part("photo", photo, "a.jpg"), part("age", b""))
    assert read_form(MULTIPART, body, "photo") == FileForm({"name": "张三", "age": ""}, photo)


def test_no_file_is_an_empty_photo() -> None:
    assert read_form(MULTIPART, form(part("name", b"x")), "photo").file == b""
    empty = form(part("photo", b"", " ").replace(b'filename=" "', b'filename=""'))
    assert read_form(MULTIPART, empty, "photo").file == b""


def test_of_two_of_a_name_the_last_counts_and_what_is_no_utf8_is_replaced() -> None:
    body = form(part("name", b"a"), part("name", b"\xff"))
    assert read_form(MULTIPART, body, "photo").fields == {"name": "�"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", form(part("name", b"x"))),
        ("application/x-www-form-urlencoded", b"name=x"),
        ("multipart/form-data", form(part("name", b"x"))),
        ("multipart/form-data; boundary=ä", form(part("name", b"x"))),
        (MULTIPART, b""),
        (MULTIPART, b"--xYz--\r\n"[:-4]),
        (MULTIPART, part("photo", b"cut off", "a.jpg")),
        (MULTIPART, form(part("name", b"x")).replace(b"Content-Disposition", b"Content")),
        (MULTIPART, form(*(part(str(n), b"") for n in range(40)))),
        (MULTIPART, b"\r\n" * 100_000),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(BadParameter):
        read_form(content_type, body, "photo")


# In front of Quart


class Front:
    """The forms of one hub; `handed` is what was given to the page, as it was given."""

    def __init__(self, **web: Any) -> None:
        self.handed: list[Any] = []
        self.leave = trio.Event()
        self.leave.set()
        self.third = trio.Event()
        self.user: User | None = User("mei", "guard", "", 0)

        async def session(token: str) -> User | None:
            return self.user

        config = Web(tls=False, **web)
        services: Any = SimpleNamespace(
            config=SimpleNamespace(web=config), accounts=SimpleNamespace(session=session)
        )
        self._app = file_forms(services, Bodies(config), cast(Any, self._page))

    async def _page(self, scope: Any, receive: Any, send: Any) -> None:
        self.handed.append((scope, receive))
        if len(self.handed) == 3:
            self.third.set()
        await self.leave.wait()

    async def post(
        self,
        *messages: Any,
        path: str = "/cameras/1/search",
        length: int | None = None,
        method: str = "POST",
    ) -> None:
        """A request of these messages, after which its sender is gone."""
        headers = [
            (b"cookie", b"sitehub_session=x"),
            (b"content-type", MULTIPART.encode()),
            (b"transfer-encoding", b"chunked")
            if length is None
            else (b"content-length", b"%d" % length),
        ]
        scope: Any = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "client": ("10.0.0.1", 1),
            "server": None,
            "extensions": {},
        }
        left = [*messages, {"type": "http.disconnect"}]

        async def receive() -> Any:
            await trio.lowlevel.checkpoint()
            if left[0] is None:
                await trio.sleep_forever()
            return left.pop(0)

        await self._app(scope, receive, cast(Any, None))

    @property
    def form(self) -> Any:
        """The form that the page was handed, or what kept it from being read."""
        ((scope, _),) = self.handed
        return scope["extensions"]["sitehub.form"]


def message(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


BODY = form(part("threshold", b"80"), part("photo", b"a photo", "a.jpg"))


async def test_a_guards_form_is_read_and_handed_on() -> None:
    front = Front()
    await front.post(message(BODY[:40], more=True), message(BODY[40:]))
    assert front.form == FileForm({"threshold": "80"}, b"a photo")
    ((scope, receive),) = front.handed
    assert [name for name, _ in scope["headers"]] == [b"cookie"]
    assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
    assert await receive() == {"type": "http.disconnect"}


@pytest.mark.parametrize(
    "asked",
    [
        {"path": "/cameras/1/people"},
        {"path": "/cameras/x/search"},
        {"path": "/cameras/1/people/add/"},
        {"method": "GET"},
    ],
)
async def test_all_else_goes_on_as_it_is(asked: dict[str, str]) -> None:
    front = Front()
    await front.post(message(BODY), **asked)  # type: ignore[arg-type]
    ((scope, receive),) = front.handed
    assert scope["extensions"] == {}
    assert await receive() == message(BODY)


@pytest.mark.parametrize("user", [None, User("vic", "viewer", "", 0)])
async def test_of_nobody_else_a_form_is_read(user: User | None) -> None:
    front = Front()
    front.user = user
    await front.post(message(BODY))
    ((scope, receive),) = front.handed
    assert scope["extensions"] == {}
    assert await receive() == message(BODY)


async def test_a_form_that_is_too_large_is_not_read_and_what_comes_of_it_is_dropped() -> None:
    front = Front(max_body_mb=1)
    await front.post(message(bytes(1 << 20), more=True), message(b"xx"), length=(1 << 20) + 2)
    assert isinstance(front.form, TooLarge)
    ((_, receive),) = front.handed
    assert (await receive())["body"] == b""
    assert await receive() == {"type": "http.disconnect"}


async def test_a_form_that_does_not_say_how_large_it_is_is_stopped_there() -> None:
    front = Front(max_body_mb=1)
    await front.post(message(bytes(1 << 20), more=True), message(b"xx", more=True))
    assert isinstance(front.form, TooLarge)


async def test_a_form_that_does_not_come_in_time_is_told_so(autojump_clock: Any) -> None:
    front = Front(body_seconds=5)
    await front.post(message(BODY[:9], more=True), None)
    assert isinstance(front.form, TooSlow)


async def test_a_sender_who_leaves_meanwhile_is_answered_by_nobody() -> None:
    front = Front()
    await front.post(message(BODY[:9], more=True))
    assert front.handed == []


async def test_a_form_counts_in_the_budget_of_uploads_until_it_is_answered(
    autojump_clock: Any,
) -> None:
    """A sender has a quarter of it: the third photo of 6 MB has to wait, and then to go."""
    front = Front(upload_budget_mb=48)
    front.leave = trio.Event()
    size = 6 << 20
    body = form(part("photo", bytes(size - 200), "a.jpg"))
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(
                lambda: front.post(message(body), length=size)  # type: ignore[misc]
            )
        await front.third.wait()
        front.leave.set()
    outcomes = [scope["extensions"]["sitehub.form"] for scope, _ in front.handed]
    refused = [one for one in outcomes if isinstance(one, HubError)]
    assert [type(one) for one in refused] == [CannotStoreNow]
