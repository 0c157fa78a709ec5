"""A client without a screen that gets pages and sends forms, as a browser does."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import CodeType
from typing import Any, Self
from urllib.parse import urlencode

import trio
from jinja2.bccache import Bucket, BytecodeCache
from quart import Response

from tests.support.page_site import PASSWORD, PageSite
from web.app import create_app
from web.auth.sessions import cookie_name
from web.quart_app import HubQuart

_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
_STATIC = re.compile(r'"(/static/[^"#]+)')
_IMPORT = re.compile(r'^import .* from "\./(.+)";$', re.MULTILINE)


class _Compiled(BytecodeCache):
    """Templates that were compiled in this process, whichever application did it."""

    def __init__(self) -> None:
        self._codes: dict[str, CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.code


COMPILED = _Compiled()
#: Where a visitor signs in that does not look at the page for it.
_ADDRESS = "127.0.0.1"


class Visitor:
    """A client with cookies. `text` is the last page. `app`: the same as another's."""

    def __init__(self, hub: PageSite, app: HubQuart | None = None) -> None:
        self.hub: Any = hub
        self.app = app or create_app(getattr(hub, "services", hub))  # type: ignore[arg-type]
        self.app.jinja_env.bytecode_cache = COMPILED
        self._client = self.app.test_client()
        self.response: Response
        self.text = ""
        self._token = ""

    async def get(self, path: str, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = await self._client.get(path.partition("#")[0], headers=named)
        self.text = (await self.response.get_data()).decode(errors="replace")
        return self.response

    async def send(
        self,
        path: str,
        *,
        token: str | None = None,
        referer: str = "",
        part: bool = False,
        **fields: str | Sequence[str],
    ) -> Response:
        """Send a form with the CSRF token of the last page; a field may have several values.

        `part`: as a script does that wants only the changing part of the page.
        """
        form = {"csrf_token": self.token if token is None else token, **fields}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        headers |= {"Referer": referer} if referer else {}
        headers |= {"X-Part": "1"} if part else {}
        data = urlencode(form, doseq=True)
        self.response = await self._client.post(path, data=data, headers=headers)
        self.text = (await self.response.get_data()).decode(errors="replace")
        return self.response

    async def try_route(
        self, method: str, path: str, token: str, headers: Mapping[str, str] = {}
    ) -> Response:
        """Ask for a route as a page, a script or a form with files does, with this CSRF token."""
        boundary = "a-boundary"
        field = 'Content-Disposition: form-data; name="csrf_token"'
        data = f"--{boundary}\r\n{field}\r\n\r\n{token}\r\n--{boundary}--\r\n"
        named = {"Content-Type": f"multipart/form-data; boundary={boundary}", **headers}
        self.response = await self._client.open(path, method=method, data=data, headers=named)
        self.text = (await self.response.get_data()).decode(errors="replace")
        return self.response

    @property
    def token(self) -> str:
        """The CSRF token of the last page with a form; it is valid for the whole session."""
        if found := _TOKEN.search(self.text):
            self._token = found[1]
        return self._token

    @classmethod
    async def signed_in(cls, hub: PageSite, name: str = "admin") -> Self:
        """A client with a session, for which it needs no page."""
        visitor = cls(hub)
        services = getattr(hub, "services", hub)
        opened = await services.access.sessions.sign_in(name, PASSWORD, _ADDRESS)
        cookie = cookie_name("sitehub_session", services)
        visitor._client.set_cookie("localhost", cookie, opened.token)
        return visitor

    async def sign_in(self, name: str = "admin") -> None:
        """Sign in as a person does."""
        await self.get("/sign-in")
        await self.send("/sign-in", name=name, password=PASSWORD)
        assert self.response.status_code == 303, self.text

    async def weight(self, *scripts: str) -> int:
        """Bytes of the last page and its assets for a browser with an empty cache.

        `scripts` are modules that it loads dynamically.
        """
        weight = len(self.text.encode())
        wanted = set(_STATIC.findall(self.text))
        folder = next(address for address in wanted if address.endswith("main.js"))[:-7]
        wanted |= {folder + name for name in scripts}
        known: set[str] = set()
        while wanted - known:
            address = (wanted - known).pop()
            known.add(address)
            response = await self._client.get(address, headers={"Accept-Encoding": "gzip, br"})
            assert response.status_code == 200
            assert response.headers["Content-Encoding"] == "gzip"
            packed = await response.get_data(as_text=False)
            weight += len(packed)
            if address.endswith(".js"):
                found = _IMPORT.findall(gzip.decompress(packed).decode())
                wanted |= {folder + name for name in found}
        return weight

    @property
    def goes_to(self) -> str:
        assert self.response.status_code == 303, self.text
        return self.response.headers["Location"]

    @asynccontextmanager
    async def open(self, path: str, method: str = "GET") -> AsyncIterator[Any]:
        """Open the page at `path` and receive it piece by piece within the block."""
        async with self._client.request(path, method=method) as connection:
            await connection.send_complete()
            yield connection
            await connection.disconnect()
            # The test client would wait for ever for the end of the stream.
            connection._client_send.close()

    @asynccontextmanager
    async def listening(self, path: str) -> AsyncIterator[Events]:
        """Open the event stream at `path` within the block."""
        async with self.open(path) as connection:
            yield Events(connection)


class Events:
    """Server-sent events, one by one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._text = ""

    async def next(self) -> tuple[str, Any]:
        """The next event: its name and its data."""
        with trio.fail_after(20):
            while "\n\n" not in self._text:
                self._text += (await self._connection.receive()).decode()
        block, self._text = self._text.split("\n\n", 1)
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        return lines["event"], json.loads(lines["data"])

    async def next_of(self, name: str) -> Any:
        """The data of the next event of this name. A stream without one beats for ever."""
        with trio.fail_after(20):
            while True:
                found, data = await self.next()
                if found == name:
                    return data

    async def ended(self) -> bool:
        """Whether the stream ends without another event."""
        with trio.fail_after(20):
            try:
                return not await self._connection.receive() and not self._text
            except trio.EndOfChannel:
                return not self._text
