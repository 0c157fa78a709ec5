"""A real Home Assistant on the loopback address, and what it shows.

It is `hass` in the search path, or what `SITEHUB_HOME_ASSISTANT` names, in an environment of its
own (docs/design.md says how to make it). A test that needs one that is not there is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.support.listening import wait_for_port
from tests.support.ports import free_port

_START_SECONDS, _END_SECONDS, _SECONDS = 60.0, 30.0, 30.0
#: Characters of what it wrote, if it does not start.
_SHOWN = 4_000
_CONFIG = """
homeassistant:
  name: Test
  country: GB
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
auth:
config:
onboarding:
"""


class HomeAssistant:
    """A Home Assistant with one user, always on the same port."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""
        (folder / "configuration.yaml").write_text(_CONFIG.format(port=self.port), "utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        output = self._folder / "output.log"
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                # It would install what is missing by itself.
                [self._program, "--config", str(self._folder), "--skip-pip"],
                stdout=log,
                stderr=log,
            )
        try:
            wait_for_port(self.port, _START_SECONDS)
        except OSError as error:
            raise AssertionError(output.read_text("utf-8")[-_SHOWN:]) from error

    def end(self) -> None:
        """End it in order, so that it saves what it knows."""
        if (process := self._process) is not None:
            self._process = None
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def sign_in(self) -> None:
        """Make the first user, as its page does at the first visit."""
        user = {
            "client_id": self.url,
            "name": "Ann",
            "username": "ann",
            "password": "correct horse",
            "language": "en",
        }
        code = self._post("/api/onboarding/users", user)["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": self.url}
        answer = httpx.post(f"{self.url}/auth/token", data=grant, timeout=_SECONDS)
        self._token = answer.raise_for_status().json()["access_token"]

    def add_broker(self, port: int) -> None:
        """Add the integration MQTT, as its page does."""
        flows = "/api/config/config_entries/flow"
        step = self._post(flows, {"handler": "mqtt"})
        if step["type"] == "menu":
            step = self._post(f"{flows}/{step['flow_id']}", {"next_step_id": "broker"})
        answer = {"broker": "127.0.0.1", "port": port}
        step = self._post(f"{flows}/{step['flow_id']}", answer)
        assert step["type"] == "create_entry", step

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(
            self.url + path, json=body, headers=self._headers, timeout=_SECONDS
        ).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    # -- what it shows, and does

    async def get(self, path: str) -> httpx.Response:
        async with self._client() as client:
            return await client.get(path)

    async def entity(self, id: str) -> dict[str, Any] | None:
        """Return an entity with its state and attributes; None if there is none."""
        answer = await self.get(f"/api/states/{id}")
        return answer.raise_for_status().json() if answer.status_code != 404 else None

    async def state(self, id: str) -> str:
        """Return the state of an entity, "" if there is none."""
        entity = await self.entity(id)
        return "" if entity is None else str(entity["state"])

    async def render(self, template: str) -> Any:
        """Return what a template says, whose result is JSON."""
        async with self._client() as client:
            answer = await client.post("/api/template", json={"template": template})
            return answer.raise_for_status().json()

    async def press(self, id: str) -> None:
        """Press a button."""
        async with self._client() as client:
            answer = await client.post("/api/services/button/press", json={"entity_id": id})
            answer.raise_for_status()

    async def until_state(self, id: str, is_wanted: Callable[[str], bool]) -> str:
        """Wait until the state of an entity is what is wanted; return it."""
        state = ""
        with trio.move_on_after(_SECONDS):
            while not is_wanted(state := await self.state(id)):  # noqa: ASYNC110  it has no event
                await trio.sleep(0.05)
            return state
        raise AssertionError(f"{id} is {state!r}")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, headers=self._headers, timeout=_SECONDS)


@contextmanager
def running_home_assistant(folder: Path) -> Iterator[HomeAssistant]:
    """Run it, with nothing but a user; skip the test if there is none."""
    program = os.environ.get("SITEHUB_HOME_ASSISTANT") or shutil.which("hass")
    if program is None:
        pytest.skip("there is no Home Assistant (hass, or SITEHUB_HOME_ASSISTANT)")
    folder.mkdir()
    home = HomeAssistant(program, folder)
    try:
        home.start()
        home.sign_in()
        yield home
    finally:
        home.end()
