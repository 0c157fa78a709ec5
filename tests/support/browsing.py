"""A browser without a screen: follows forms of the pages as a person would."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import trio
from quart import Response

from tests.support.page_site import PASSWORD, PageSite
from web.app import create_app

_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
_STATIC = re.compile(r'"(/static/[^"#]+)')
_IMPORT = re.compile(r'^import .* from "\./(.+)";$', re.MULTILINE)


class Visitor:
    """Somebody with cookies. `text` is the last page."""

    def __init__(self, hub: PageSite) -> None:
        self.hub: Any = hub
        self.app = create_app(getattr(hub, "services", hub))  # type: ignore[arg-type]
        self._client = self.app.test_client()
        self.response: Response
        self.text = ""
        self._token = ""

    async def get(self, path: str, **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = await self._client.get(path, headers=named)
        self.text = (await self.response.get_data()).decode()
        return self.response

    async def send(
        self, path: str, *, token: str | None = None, referer: str = "", **fields: str
    ) -> Response:
        """Send a form, with the token of the last page."""
        form = {"csrf_token": self.token if token is None else token, **fields}
        headers = {"Referer": referer} if referer else {}
        self.response = await self._client.post(path, form=form, headers=headers)
        self.text = (await self.response.get_data()).decode()
        return self.response

    @property
    def token(self) -> str:
        """The token of the last page with a form; it lasts as long as the session."""
        if found := _TOKEN.search(self.text):
            self._token = found[1]
        return self._token

    @classmethod
    async def signed_in(cls, hub: PageSite, name: str = "admin") -> Self:
        visitor = cls(hub)
        await visitor.sign_in(name)
        return visitor

    async def sign_in(self, name: str = "admin") -> None:
        await self.get("/sign-in")
        await self.send("/sign-in", name=name, password=PASSWORD)
        assert self.response.status_code == 303, self.text

    async def weight(self, *scripts: str) -> int:
        """Bytes of the last page and of what comes with it to a browser that has nothing yet.

        `scripts` are those that it loads besides, for what stands in the page.
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
        """The page at `path`, to be received as it comes, for as long as the block lasts."""
        async with self._client.request(path, method=method) as connection:
            await connection.send_complete()
            yield connection
            await connection.disconnect()
            # The test client waits for an end that a page left alone does not have.
            connection._client_send.close()

    @asynccontextmanager
    async def listening(self, path: str) -> AsyncIterator[Events]:
        """The stream at `path`, for as long as the block lasts."""
        async with self.open(path) as connection:
            yield Events(connection)


class Events:
    """Server-sent events, one by one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._text = ""

    async def next(self) -> tuple[str, Any]:
        """Its name and its data."""
        with trio.fail_after(20):
            while "\n\n" not in self._text:
                self._text += (await self._connection.receive()).decode()
        block, self._text = self._text.split("\n\n", 1)
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        return lines["event"], json.loads(lines["data"])

    async def ended(self) -> bool:
        """Whether the stream ends, without saying another word."""
        with trio.fail_after(20):
            try:
                return not await self._connection.receive() and not self._text
            except trio.EndOfChannel:
                return not self._text
