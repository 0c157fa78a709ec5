"""Cameras of several editions of the protocol against a real process (D12)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import httpx
import msgspec
import pytest

from hub.simulator import fleet
from hub.simulator.camera import Camera
from hub.simulator.device.state import DeviceState
from hub.simulator.drawing.people import face_jpeg
from hub.simulator.endpoint import Endpoint
from hub.simulator.faults import Quirks
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from hub.wire.commands.capabilities import EDITIONS, Edition
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import HubProcess
from tests.e2e.load import RECORDS
from tests.e2e.waiting import wait_until

_EDITIONS = (Quirks(edition=1), Quirks(edition=2), Quirks(edition=3))
_ASK = ("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8")
_DEVICES = "/api/hub/v1/devices"
_CAMERAS = 30
_PIDS = range(101, 106)
_NUMBERS = {"id_card_no": "110101199003078515", "ic_card_no": "0042", "phone": "13800138000"}
_MONTH = {"year": 2026, "month": 1}
_TODAY = {
    "start_time": "2026-01-01 00:00:00",
    "end_time": "2026-01-02 00:00:00",
    "page_size": 10,
}


def enrolled(client: httpx.Client) -> list[CameraIdentity]:
    """Make cameras of all editions in turn, and enrol those that connect with a signature."""
    cameras = list(make_cameras(_CAMERAS, seed=5, one_key=True))
    for number, camera in enumerate(cameras):
        if number % 3 < 2:
            body = {"sn": camera.sn, "code": camera.code, "key": camera.public_pem()}
            did = client.post(_DEVICES, json=body).json()["did"]
            cameras[number] = msgspec.structs.replace(camera, did=did)
    return cameras


def accept(client: httpx.Client, cameras: Sequence[CameraIdentity]) -> None:
    """Accept the cameras that connect without a signature."""
    for camera in cameras:
        path = f"{_DEVICES}/waiting/{camera.sn}/accept"
        code = {"code": camera.code}
        wait_until(lambda path=path, code=code: client.post(path, json=code).is_success)


class KnownCamera(Camera):
    """A simulated camera that the test can look into; it knows nobody from the start."""

    made: ClassVar[dict[str, KnownCamera]] = {}

    def __init__(self, identity: CameraIdentity, endpoint: Endpoint, **more: Any) -> None:
        super().__init__(identity, endpoint, **{**more, "preload_faces": False})
        self.made[identity.sn] = self


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, KnownCamera]:
    """The cameras that run, by SN."""
    monkeypatch.setattr(KnownCamera, "made", {})
    monkeypatch.setattr(fleet, "Camera", KnownCamera)
    return KnownCamera.made


@pytest.fixture
def site(make_hub: MakeHub, states: Mapping[str, KnownCamera]) -> Iterator[Site]:
    hub = make_hub(*_ASK).start()
    with closing(hub.sync_client(headers=hub.add_api_key())) as client:
        yield Site(hub, client, states)
    assert "Traceback" not in hub.err


class Site:
    """A hub, and cameras of all editions in turn."""

    def __init__(
        self, hub: HubProcess, client: httpx.Client, cameras: Mapping[str, KnownCamera]
    ) -> None:
        self.hub = hub
        self.client = client
        self._cameras = cameras
        self.identities = enrolled(client)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the cameras within the block; they are all accepted and online."""
        with running_cameras(self.hub, self.identities, rate=20, quirks=_EDITIONS):
            accept(self.client, self.identities[2::3])
            wait_until(lambda: len(self._online()) == _CAMERAS)
            self.dids = [self._online()[one.sn] for one in self.identities]
            yield

    def states(self, edition: Edition) -> list[DeviceState]:
        """What the cameras of an edition hold."""
        return [self._cameras[one.sn].state for one in self.identities[edition - 1 :: 3]]

    def all_states(self) -> list[DeviceState]:
        return [state for edition in EDITIONS for state in self.states(edition)]

    def send(self, uri: str, param: dict[str, Any]) -> list[int]:
        """Send a command to each; return the codes of their answers."""
        body = {"uri": uri, "param": param}
        paths = [f"{_DEVICES}/{did}/commands" for did in self.dids]
        return [self.client.post(path, json=body).json()["code"] for path in paths]

    def put(self, pid: int, name: str, photo: bytes) -> None:
        """Put a person with all numbers into the register."""
        body = {"name": name, "photo": base64.b64encode(photo).decode(), **_NUMBERS}
        self.client.put(f"/api/hub/v1/people/{pid}", json=body).raise_for_status()

    def wait_synced(self, pid: int) -> None:
        path = f"/api/hub/v1/people/{pid}/sync"

        def states() -> set[str]:
            return {one["state"] for one in self.client.get(path).json()["items"]}

        wait_until(lambda: states() == {"done"})

    def senders(self, kind: str, has: Callable[[dict[str, Any]], bool]) -> set[Edition]:
        """The editions of the cameras that sent a record of this kind and sort."""
        query = {"kind": kind, "limit": 1000, "order": "desc"}
        records = self.client.get(RECORDS, params=query).json()["items"]
        dids = {one["did"] for one in records if has(one)}
        return {edition for edition in EDITIONS if dids & set(self.dids[edition - 1 :: 3])}

    def give(self, release: str, dids: Sequence[str]) -> str:
        """Give cameras a release; return the path of the campaign."""
        number = self.hub.cli("firmware", "give", release, *dids).strip()
        return f"/api/hub/v1/firmware/campaigns/{number}"

    def wait_given(self, path: str) -> None:
        wait_until(lambda: self.client.get(path).json()["state"] == "done")

    def _online(self) -> dict[str, str]:
        """The dids of the cameras that are online, by SN."""
        items = self.client.get(_DEVICES).json()["items"]
        return {one["sn"]: one["did"] for one in items if one["state"] == "online"}


def test_a_setting_and_a_person_reach_cameras_of_all_editions(site: Site) -> None:
    face = {
        **dict.fromkeys(("enable", "show_face", "show_human", "push_face", "push_bg"), True),
        **dict.fromkeys(("push_stranger", "push_vip", "relay"), True),
        **dict.fromkeys(("threshold", "reg_threshold", "quality_face", "quality_human"), 60),
        "play_audio": False,
        "mini_face": 80,
        "mini_human": 120,
        "alarm_out": {"interval": 10, "alarm_push": True},
    }
    with site.running():
        # One setting, which each edition has in its own shape.
        assert site.send("/ivp/person_param_set", face) == [200] * _CAMERAS
        taken = {edition: [state.face for state in site.states(edition)] for edition in EDITIONS}
        for edition, settings in taken.items():
            assert {one and one.reg_threshold for one in settings} == {60}
            assert {one and one.push_vip for one in settings} == {None if edition == 1 else True}
        # What an edition does not have is answered so.
        assert site.send("/storage/record_by_month", _MONTH) == [0, 404, 404] * 10
        assert site.send("/storage/get_record_list", _TODAY) == [0, 404, 0] * 10

        portraits = [face_jpeg(person, 0) for person in make_population().strangers]
        for pid in _PIDS:
            site.put(pid, f"Person {pid}", portraits[pid % 10])
        for pid in _PIDS:
            site.wait_synced(pid)
        # A later edition updates a person whom it has, edition 1 is given it again.
        site.put(_PIDS[0], "Another name", portraits[9])
        site.wait_synced(_PIDS[0])
        photos = {
            pid: {state.people[str(pid)].checksum for state in site.all_states()} for pid in _PIDS
        }
        # Every camera has the same photo of a person, and of each person another one.
        assert {len(one) for one in photos.values()} == {1}
        assert len(set.union(*photos.values())) == len(_PIDS)
        for edition in EDITIONS:
            for state in site.states(edition):
                assert set(state.people) == {str(pid) for pid in _PIDS}
                rows = [entry.row for entry in state.people.entries()]
                assert {row.name for row in rows} == {
                    "Another name",
                    *(f"Person {p}" for p in _PIDS[1:]),
                }
                # No numbers to cameras that cannot prove who they are.
                numbers = {(row.id_card_no, row.ic_card_no, row.phone) for row in rows}
                assert numbers == ({("", "", None)} if edition == 3 else {tuple(_NUMBERS.values())})
        additions = {state.people.additions for state in site.states(1)}
        assert additions == {len(_PIDS) + 1}


def test_what_cameras_of_all_editions_see_and_install(site: Site, tmp_path: Path) -> None:
    # A camera of edition 1 or 2 asks by itself, when it has started.
    asked = site.give(
        add_release(site.hub, tmp_path), [one.did or "" for one in site.identities[:2]]
    )
    with site.running():
        everybody = set(EDITIONS)
        wait_until(lambda: site.senders("face", lambda one: "attributes" in one) == {2, 3})
        wait_until(lambda: site.senders("face", lambda one: "attributes" not in one) >= {1})
        wait_until(lambda: site.senders("vehicle", lambda one: True) == everybody)
        wait_until(lambda: site.senders("event", lambda one: True) == everybody)
        assert site.senders("face", lambda one: "face_loc" in one) == {3}
        assert site.senders("vehicle", lambda one: "colour" in one["vehicle"]) == {3}
        site.wait_given(asked)
        # One of edition 3 asks when it is told to.
        site.wait_given(site.give(add_edition_3_release(site.hub, tmp_path), site.dids[2:9:3]))


def add_release(hub: HubProcess, folder: Path) -> str:
    """Add a release for cameras of editions 1 and 2; return its number."""
    (folder / "app.bin").write_bytes(bytes(300_000))
    words = ("--ver-code", "2", "--ver-name", "V2.0", "--reports", "swVer=V2.0")
    return hub.cli("firmware", "add", *words, "--app", str(folder / "app.bin")).strip()


def add_edition_3_release(hub: HubProcess, folder: Path) -> str:
    """Add a release for cameras of edition 3; return its number."""
    (folder / "a-ver.bin").write_text('{"fwVer": "1.1.58_sim"}')
    (folder / "a.bin").write_bytes(bytes(300_000))
    words = ("--ver-code", "58", "--ver-name", "1.1.58", "--reports", "fwVer=1.1.58")
    files = ("--firmware", str(folder / "a.bin"), "--description-file", str(folder / "a-ver.bin"))
    return hub.cli("firmware", "add", *words, *files).strip()
