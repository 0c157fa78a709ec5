"""The cameras of `sitehub simulate` on a hub: what it enrolled, it removes."""

from __future__ import annotations

import httpx
import pytest

from hub.cli import simulation
from hub.cli.simulation import ApiKey, Simulation
from hub.simulator.identity import make_cameras
from hub.simulator.target import Target


class Hub:
    """As much of the API as enrols and removes; where `did` is "1" it refuses to remove."""

    def __init__(self) -> None:
        self.known: list[str] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.known.append(did := str(len(self.known) + 1))
            return httpx.Response(200, json={"did": did})
        did = request.url.path.rpartition("/")[2]
        if did == "1":
            return httpx.Response(404, json={"code": 426, "msg": "there is no device 1"})
        self.known.remove(did)
        return httpx.Response(200, json={})

    def client(self, url: str, key: ApiKey) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=url, transport=httpx.MockTransport(self.answer))


async def test_one_that_cannot_be_removed_does_not_keep_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Hub()
    monkeypatch.setattr(simulation, "_client", hub.client)
    asked = Simulation(
        target=Target("hub", ws_port=1, http_port=1, ws_tls=False, http_tls=False),
        web_url="http://hub",
        count=3,
        rate=1,
        seed=1,
        api_key=ApiKey("appid", "secret"),
        csv_file=None,
    )
    async with simulation._enrolled(asked, make_cameras(3, 1)) as cameras:
        assert [camera.did for camera in cameras] == ["1", "2", "3"]
    assert hub.known == ["1"]
    assert "there is no device 1" in capsys.readouterr().err
