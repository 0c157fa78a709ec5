"""`sitehub simulate`: its options, and the removal of the cameras that it enrolled."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hub.cli.simulate import fleet_run
from hub.cli.simulate.fleet_run import ApiKey, FleetRun
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.faults import FAULTLESS, FAULTS, Quirks
from hub.simulator.identity import make_cameras
from tests.cli.conftest import Sitehub
from tests.support.ports import free_port


class Hub:
    """A fake of the API that enrols and removes devices; it refuses to remove did 1."""

    def __init__(self) -> None:
        self.known: list[str] = []

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.known.append(did := str(len(self.known) + 1))
            return httpx.Response(200, json={"did": did})
        did = request.url.path.rpartition("/")[2]
        if did == "1":
            return httpx.Response(404, content=b"there is no device 1\x1b[2J")
        self.known.remove(did)
        return httpx.Response(200, json={})

    def client(self, url: str, key: ApiKey) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=url, transport=httpx.MockTransport(self.answer))


async def test_a_camera_that_cannot_be_removed_does_not_stop_the_removal_of_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = Hub()
    monkeypatch.setattr(fleet_run, "_client", hub.client)
    asked = FleetRun(
        endpoint=HubEndpoint("hub", ws_port=1, http_port=1, ws_tls=False, http_tls=False),
        web_url="http://hub",
        count=3,
        rate=1,
        seed=1,
        api_key=ApiKey("appid", "secret"),
        csv_file=None,
    )
    async with fleet_run._enrolled(asked, make_cameras(3, 1)) as cameras:
        assert [camera.did for camera in cameras] == ["1", "2", "3"]
    assert hub.known == ["1"]
    assert "there is no device 1\\x1b[2J" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_hub_may_be_named_by_its_ipv6_address(
    sitehub: Sitehub, tmp_path: Path, host: str
) -> None:
    key_file = tmp_path / "key.json"
    key_file.write_text('{"appid": "a", "secret": "b"}')
    port = str(free_port())
    outcome = sitehub(
        *("simulate", "--hub", host, "--web-port", port, "--cameras", "1"),
        *("--apikey-file", str(key_file)),
    )
    assert outcome.status == 1
    assert f"cannot reach the hub at https://[::1]:{port}" in outcome.err


@pytest.mark.parametrize("host", ["https://10.0.0.5:8443", "10.0.0.5:8443", "a b", ""])
def test_a_host_that_is_neither_name_nor_address_is_wrong_usage(
    sitehub: Sitehub, host: str
) -> None:
    outcome = sitehub("simulate", "--hub", host)
    assert outcome.status == 2
    assert "a name or an address" in outcome.err


def test_the_faults_are_listed_with_a_sentence_each(sitehub: Sitehub) -> None:
    outcome = sitehub("simulate", "--faults")
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines] == [fault.name for fault in FAULTS]
    assert "slow               takes 3 seconds for each answer" in lines


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("sloth", 'there is no fault "sloth"'),
        ("slow,", 'there is no fault ""'),
        ("success-0,success-200", '"success-200" contradicts another fault of the same camera'),
    ],
)
def test_an_unknown_or_contradictory_fault_is_wrong_usage(
    sitehub: Sitehub, faults: str, said: str
) -> None:
    outcome = sitehub("simulate", "--hub", "127.0.0.1", "--fault", faults)
    assert outcome.status == 2
    assert said in outcome.err


def test_the_cameras_have_the_given_faults_in_turn(
    sitehub: Sitehub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[FleetRun] = []
    monkeypatch.setattr(fleet_run, "simulate_cameras", asked.append)
    sitehub("simulate", "--hub", "hub", "--fault", "slow,no-ip", "--fault", "none")
    sitehub("simulate", "--hub", "hub")
    assert asked[0].quirks == (Quirks(delay=3.0, tells_ip=False), FAULTLESS)
    assert asked[1].quirks == (FAULTLESS,)
