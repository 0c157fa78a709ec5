"""Below a path: requests with or without it, and every own address in an answer with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hub.errors import StartFault
from web.proxy.prefix import below, refuse_own_path

_SCRIPTS = Path(__file__).parents[3] / "web/static"
_TEMPLATES = _SCRIPTS.with_name("templates")
#: A text that is an address, in a script. Selectors compare with the end or a part of one.
_ADDRESS = re.compile(r"""(?<![$*]=)["'`]/[a-z?#]""")
HTML, JSON, EVENTS = "text/html; charset=utf-8", "application/json", "text/event-stream"


class Asked:
    """Answers as told, and keeps the path that it was asked for."""

    def __init__(self, *parts: bytes, **headers: str) -> None:
        self.path = self.raw_path = ""
        self._parts = parts
        self._headers = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.path, self.raw_path = scope["path"], scope["raw_path"].decode()
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Answer:
    status = 0

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []

    async def send(self, event: Any) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {k.decode(): v.decode() for k, v in event["headers"]}
        else:
            self.parts.append(event["body"])

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)


async def ask(app: Any, path: str = "/hub/", method: str = "GET", query: bytes = b"") -> Answer:
    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
    }
    answer, receive = Answer(), None
    await below("/hub", app)(scope, receive, answer.send)  # type: ignore[arg-type]
    return answer


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/hub/", "/"),
        ("/hub/cameras", "/cameras"),
        ("/cameras", "/cameras"),
        ("/", "/"),
        ("/hubs", "/hubs"),
        ("/hub/hub/", "/hub/"),
    ],
)
async def test_requests_may_carry_the_prefix_or_not(path: str, seen: str) -> None:
    app = Asked()
    await ask(app, path)
    assert (app.path, app.raw_path) == (seen, seen)


async def test_the_prefix_alone_leads_to_the_first_page() -> None:
    answer = await ask(Asked(), "/hub", query=b"kind=face")
    assert (answer.status, answer.headers["location"]) == (308, "/hub/?kind=face")


async def test_without_a_prefix_there_is_nothing_between() -> None:
    app = Asked()
    assert below("", app) is app


@pytest.mark.parametrize(
    ("sent", "leaves"),
    [
        ("/cameras?done=added", "/hub/cameras?done=added"),
        ("/", "/hub/"),
        ("/hub/cameras", "/hub/cameras"),
        ("/hub", "/hub"),
        ("/hubs", "/hub/hubs"),
        ("//elsewhere", "//elsewhere"),
        ("https://elsewhere/", "https://elsewhere/"),
    ],
)
async def test_redirects_lead_below_the_prefix(sent: str, leaves: str) -> None:
    assert (await ask(Asked(location=sent))).headers["location"] == leaves


@pytest.mark.parametrize(
    ("sent", "leaves"),
    [
        ("a=1; HttpOnly; Path=/; SameSite=Lax", "a=1; HttpOnly; Path=/hub; SameSite=Lax"),
        ("a=1; Path=/", "a=1; Path=/hub"),
        ("a=1; Path=/else", "a=1; Path=/else"),
    ],
)
async def test_cookies_count_below_the_prefix_only(sent: str, leaves: str) -> None:
    assert (await ask(Asked(set_cookie=sent))).headers["set-cookie"] == leaves


@pytest.mark.parametrize(
    ("sent", "leaves"),
    [
        ('<a href="/">', '<a href="/hub/">'),
        ('<a class="b" href="/cameras/1?q=/x">', '<a class="b" href="/hub/cameras/1?q=/x">'),
        ('<img src="/media/1/face.jpg">', '<img src="/hub/media/1/face.jpg">'),
        ('<form action="/sign-out">', '<form action="/hub/sign-out">'),
        ('<button formaction="/site">', '<button formaction="/hub/site">'),
        ('<div data-part="/notices">', '<div data-part="/hub/notices">'),
        ('<a\nhref="/x">', '<a\nhref="/hub/x">'),
        # Sent back by forms, and compared there.
        ('<input name="back" value="/cameras">', '<input name="back" value="/cameras">'),
        ('<a href="#main">', '<a href="#main">'),
        ('<a href="//elsewhere">', '<a href="//elsewhere">'),
        ('<a href="/hub/cameras">', '<a href="/hub/cameras">'),
        ("<p>href=&#34;/x&#34;</p>", "<p>href=&#34;/x&#34;</p>"),
    ],
)
async def test_addresses_in_pages_get_the_prefix_once(sent: str, leaves: str) -> None:
    assert (await ask(Asked(sent.encode(), content_type=HTML))).body.decode() == leaves


def addresses_in_templates() -> list[str]:
    """The attributes of our pages whose value begins as an address of the hub does."""
    templates = _TEMPLATES.rglob("*.html")
    texts = [template.read_text("utf-8") for template in templates]
    names = {name for text in texts for name in re.findall(r'\s([a-z-]+)="/', text)}
    # A value is sent back by a form, and compared there.
    return sorted(names - {"value"})


@pytest.mark.parametrize("name", addresses_in_templates())
async def test_every_attribute_that_holds_an_address_gets_the_prefix(name: str) -> None:
    sent = f'<p {name}="/cameras/1">'
    answer = await ask(Asked(sent.encode(), content_type=HTML))
    assert answer.body.decode() == f'<p {name}="/hub/cameras/1">'


@pytest.mark.parametrize(
    ("sent", "leaves"),
    [
        ('{"path":"/media/12/face.jpg"}', '{"path":"/hub/media/12/face.jpg"}'),
        ('{"picture":"/media/device/1?path=x"}', '{"picture":"/hub/media/device/1?path=x"}'),
        # Paths on a camera, names of calls, and what a person wrote.
        ('{"path":"/media/sd/1.jpg"}', '{"path":"/media/sd/1.jpg"}'),
        ('{"path":"/media/0/ch1/face.jpg"}', '{"path":"/media/0/ch1/face.jpg"}'),
        ('{"name":"/media/12"}', '{"name":"/media/12"}'),
        ('{"/media/device/{did}":1}', '{"/media/device/{did}":1}'),
        ('{"name":"\\"/media/12/face.jpg"}', '{"name":"\\"/media/12/face.jpg"}'),
    ],
)
async def test_paths_of_pictures_in_json_get_the_prefix(sent: str, leaves: str) -> None:
    assert (await ask(Asked(sent.encode(), content_type=JSON))).body.decode() == leaves


async def test_what_people_wrote_stays_as_it_is_in_the_events_of_the_api() -> None:
    event = b'data: {"images":{"face":"/media/1/face.jpg"},"name":" href=\\"/x\\""}\n\n'
    answer = await ask(Asked(event, content_type=EVENTS), "/hub/api/hub/v1/records/stream")
    assert answer.body == event.replace(b"/media", b"/hub/media")


async def test_parts_of_pages_in_an_event_stream_get_the_prefix_and_leave_at_once() -> None:
    event = b'data: {"picture":"/media/1/face.jpg","html":"<a href=\\"/records/1\\">"}\n\n'
    answer = await ask(Asked(event, event[:30], event[30:], content_type=EVENTS))
    leaves = b'data: {"picture":"/hub/media/1/face.jpg","html":"<a href=\\"/hub/records/1\\">"}\n\n'
    assert answer.parts[0] == leaves
    assert answer.body == leaves * 2


@pytest.mark.parametrize(
    ("kind", "sent", "leaves"),
    [
        (
            HTML,
            b'<p>1</p><a class="x" href="/a">b</a>',
            b'<p>1</p><a class="x" href="/hub/a">b</a>',
        ),
        (JSON, b'[{"p":"/media/1/a.jpg","n":"\\"/media/1"}]', None),
    ],
)
async def test_a_streamed_body_may_be_cut_anywhere(
    kind: str, sent: bytes, leaves: bytes | None
) -> None:
    leaves = leaves or sent.replace(b'"/media/1/a', b'"/hub/media/1/a')
    for at in range(len(sent)):
        answer = await ask(Asked(sent[:at], sent[at:], content_type=kind))
        assert answer.body == leaves


async def test_the_length_is_that_of_what_leaves() -> None:
    sent = b'<a href="/">'
    app = Asked(sent, content_type=HTML, content_length=str(len(sent)))
    answer = await ask(app)
    assert answer.headers["content-length"] == str(len(answer.body)) == str(len(sent) + 4)
    # Nobody knows it without the body.
    assert "content-length" not in (await ask(app, method="HEAD")).headers


async def test_files_stay_as_they_are() -> None:
    sent = b'<a href="/">'
    app = Asked(sent, content_type="text/csv", content_length=str(len(sent)))
    answer = await ask(app)
    assert answer.body == sent
    assert answer.headers["content-length"] == str(len(sent))


def test_a_prefix_that_the_hub_uses_itself_is_refused() -> None:
    rules = ["/", "/cameras/<did>", "/static/<path:name>"]
    for prefix in ("", "/hub", "/camera", "/x/cameras"):
        refuse_own_path(prefix, rules)
    with pytest.raises(StartFault, match="the hub itself has addresses below /cameras"):
        refuse_own_path("/cameras/x", rules)


@pytest.mark.parametrize("script", sorted(_SCRIPTS.glob("*.js")), ids=lambda script: script.name)
def test_scripts_ask_where_the_hub_is(script: Path) -> None:
    """Their own addresses begin where the page says: nothing adds the prefix to them."""
    for line in script.read_text("utf-8").splitlines():
        if _ADDRESS.search(line) and not line.startswith("//"):
            assert "addressOf(" in line
