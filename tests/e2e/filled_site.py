"""A hub in its own process whose every page shows something: cameras, people, alarms, jobs."""

from __future__ import annotations

import base64
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from hub.simulator.drawing.people import face_jpeg
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import SimulatedPerson, make_population
from tests.e2e.browser import PASSWORD
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

#: The administrator whom the set-up of the site creates; a guard and a viewer are there as well.
ADMIN = "ada"
#: The time zone of the site.
ZONE = "Asia/Shanghai"
GUARD, VIEWER = "mei", "vic"
_CAMERAS, _WAITING = 6, 2
_RECORDS = 150
_NEW_ALARMS = 2
#: Captures per second while the site is filled, and afterwards: cameras stay online, but quiet.
_FAST, _QUIET = 40, 0.001
_SEED = 7
_TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]+)"')
_API = "/api/hub/v1"
#: Cameras of this machine may connect without a signature (D12).
_ASK = ("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8")
_EDITION_3 = Quirks(edition=3)
#: The name of a file beside the data.
_OUTSIDE = "outside.json"


class _OtherAdapter(CameraIdentity, frozen=True):
    """What claims to be a camera, with its code but another MAC."""

    @property
    def mac(self) -> str:
        return "02:00:00:00:00:01"


class _Outside(msgspec.Struct):
    """What a filled site consists of beside the data of its hub.

    `later`, `suspect`: cameras without a signature. Of one, something that did not fit has come.
    """

    cameras: tuple[CameraIdentity, ...]
    later: CameraIdentity
    suspect: CameraIdentity
    setup_path: str = ""
    door_did: str = ""
    headers: dict[str, str] = {}


class FilledSite:
    """A hub that runs, with a client of each kind."""

    def __init__(self, hub: HubProcess, folder: Path, prefix: str = "") -> None:
        self.hub = hub
        #: Where its pages are: below which path, and at which address.
        self.prefix = prefix
        self.url = hub.url + prefix
        self._folder = folder
        self._outside = _Outside(make_cameras(_CAMERAS, _SEED), *_edition_3_cameras())
        self._api = httpx.Client(
            base_url=f"{self.url}{_API}", verify=False, timeout=TIMEOUT_SECONDS
        )

    @property
    def setup_path(self) -> str:
        """The path of a set-up link for another user, without the prefix."""
        return self._outside.setup_path

    @property
    def edition_3_did(self) -> str:
        """The did of a camera of edition 3, which is online."""
        return self._outside.later.did or ""

    @property
    def door_did(self) -> str:
        """The did of a camera that opens a door."""
        return self._outside.door_did

    @property
    def suspect_did(self) -> str:
        """The did of a camera in whose place another one came."""
        return self._outside.suspect.did or ""

    def edition_3_vehicle(self) -> str:
        """The number of a record of a vehicle that this camera has sent."""
        return str(self._vehicles_of_later()[0]["seq"])

    def close(self) -> None:
        self._api.close()

    def signed_in(self) -> httpx.Client:
        """A new client with a session of the administrator."""
        with self._client() as client:
            token = _TOKEN.findall(client.get("/sign-in").text)[0]
            form = {"csrf_token": token, "name": ADMIN, "password": PASSWORD}
            assert client.post("/sign-in", data=form).status_code == 303
            return self._client(client.cookies)

    def _client(self, cookies: httpx.Cookies | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, verify=False, timeout=TIMEOUT_SECONDS, cookies=cookies
        )

    def set_up(self) -> None:
        """Create the administrator and name the site, as the first person does; add the others."""
        with httpx.Client(verify=False, timeout=TIMEOUT_SECONDS) as client:
            link = self.hub.setup_link.replace("localhost", "127.0.0.1")
            path = httpx.URL(link).path
            token = _TOKEN.findall(client.get(self.hub.url + path).text)[0]
            form = {
                "csrf_token": token,
                "name": ADMIN,
                "password": PASSWORD,
                "site_name": "Riverside School",
                "zone": ZONE,
                "language": "auto",
            }
            assert client.post(self.hub.url + path, data=form).status_code == 303
        for name, role in ((GUARD, "guard"), (VIEWER, "viewer")):
            self.hub.cli("user", "add", name, "--role", role, "--password-stdin", stdin=PASSWORD)
        link = self.hub.cli("user", "setup-link", "--name", "lin", "--role", "guard").strip()
        self._outside.setup_path = httpx.URL(link.split()[-1]).path
        self._outside.headers = self.hub.add_api_key()

    def fill(self) -> None:
        """Add people, cameras and what they see, and one of everything else."""
        for person in make_population().known:
            self._call("PUT", f"/people/{person.uuid}", json=_person(person))
        dids = [self._add_device(camera) for camera in self._outside.cameras]
        with running_cameras(self.hub, self._outside.cameras, rate=_FAST):
            self._wait(lambda: self._records_are(_RECORDS))
            # An erasure also removes what was searched for before.
            self.hub.cli("erase", "--seq", "1", "--confirm", "1", "--with-held")
            self._search_by_photo(dids)
            self._restart(dids[:2])
        self._add_edition_3_cameras()
        rules = [{"types": [2], "severity": "major", "start": "20:00", "end": "06:00"}]
        self._call("PUT", "/alarm-rules", json={"items": rules})
        self._add_gates(dids[:2], dids[2:4])
        self.hub.cli("plate-list", "add", "Stolen", "--plate", "粤A33K91")
        seqs = [str(one["seq"]) for one in self._items("/records?kind=vehicle&limit=3")]
        self.hub.cli("hold", "add", *seqs, "--reason", "Theft in the yard")
        self._add_firmware(dids)
        self._add_targets()
        self._add_door(self.edition_3_did)
        self.hub.cli("device", "disable", dids[-1])
        self.acknowledge_alarms(keep=_NEW_ALARMS)

    def save(self) -> None:
        """Write into the folder what `load` reads."""
        (self._folder / _OUTSIDE).write_bytes(msgspec.json.encode(self._outside))

    def load(self, folder: Path) -> None:
        """Take what the site in another folder consists of beside its data."""
        text = (folder / _OUTSIDE).read_bytes()
        self._outside = msgspec.json.decode(text, type=_Outside)

    def acknowledge_alarms(self, *, keep: int = 0) -> None:
        """Acknowledge the new alarms but for the last ones."""
        alarms = sorted(one["seq"] for one in self._items("/alarms?state=new&limit=200"))
        body = {"seqs": alarms[: len(alarms) - keep], "note": "Seen on patrol"}
        self._call("POST", "/alarms/ack", json=body)

    def _add_gates(self, entrances: list[str], exits: list[str]) -> None:
        """Group the cameras at the entrances and exits, and choose the groups for reports."""
        groups = {"Entrances": entrances, "Exits": exits}
        added = [
            self._call("POST", "/groups", json={"name": name, "dids": dids})["id"]
            for name, dids in groups.items()
        ]
        with self.signed_in() as client:
            token = _TOKEN.findall(client.get("/reports/plates").text)[0]
            form = {"csrf_token": token, "in": added[0], "out": added[1]}
            assert client.post("/reports/plates/gates", data=form).status_code == 303

    def _add_edition_3_cameras(self) -> None:
        """Approve the cameras without a signature; then another one comes in place of one."""
        outside = self._outside
        with running_cameras(
            self.hub, (outside.later, outside.suspect), rate=4, quirks=(_EDITION_3,)
        ):
            outside.later = self._approve(outside.later)
            outside.suspect = self._approve(outside.suspect)
            self._wait(self._vehicles_of_later)
        other = _OtherAdapter(**msgspec.structs.asdict(outside.suspect))
        path = f"/cameras/{self.suspect_did}/unsigned/take-over"
        with (
            self.signed_in() as client,
            running_cameras(self.hub, (other,), rate=_QUIET, quirks=(_EDITION_3,)),
        ):
            self._wait(lambda: path in client.get(f"/cameras/{self.suspect_did}/manage").text)

    def _vehicles_of_later(self) -> list[dict[str, Any]]:
        return self._items(f"/records?kind=vehicle&did={self.edition_3_did}&limit=1")

    def _approve(self, camera: CameraIdentity) -> CameraIdentity:
        path = f"{_API}/devices/waiting/{camera.sn}/accept"
        body = {"code": camera.code, "name": camera.name}
        url, headers = self.url + path, self._outside.headers
        # It is asked for its code, so it must be connected.
        self._wait(lambda: self._api.post(url, json=body, headers=headers).is_success)
        dids = {one["sn"]: one["did"] for one in self._items("/devices")}
        return msgspec.structs.replace(camera, did=dids[camera.sn])

    def _records_are(self, count: int) -> bool:
        return bool(self._items(f"/records?after={count - 1}&limit=1"))

    def _add_firmware(self, dids: list[str]) -> None:
        file = self._folder / "firmware.bin"
        file.write_bytes(bytes(20_000))
        words = ("--ver-code", "453002", "--ver-name", "v1.9.0", "--firmware", str(file))
        text = ("--description", "Fewer false alarms in rain.", "--reports", "fwVer=V1.9.0")
        release = self.hub.cli("firmware", "add", *words, *text).strip()
        self.hub.cli("firmware", "give", release, *dids[:3])

    def _add_door(self, did: str) -> None:
        body = {"name": "Back door", "username": "operator", "password": "Kl9-gate"}
        self._call("PUT", f"/devices/{did}/relay", json={**body, "address": "192.168.1.20"})
        self._outside.door_did = did

    def _add_targets(self) -> None:
        """Add targets that cannot be reached: nobody listens at this port."""
        add = ["target", "add"]
        self.hub.cli(*add, "webhook", "--name", "Doors", "--url", "https://127.0.0.1:9/records")
        self.hub.cli(*add, "mqtt", "--name", "Lights", "--url", "mqtt://127.0.0.1:9")

    def _search_by_photo(self, dids: list[str]) -> None:
        photo = base64.b64encode(face_jpeg(make_population().known[1], 0)).decode()
        # What the cameras already had when they were made: they have it after a restart as well.
        until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
        span = {"since": _text(until - timedelta(days=3)), "until": _text(until)}
        body = {"photo": photo, "threshold": 85, "dids": dids, **span}
        job = self._call("POST", "/search/photo", json=body)["id"]
        self._wait(lambda: self._call("GET", f"/jobs/{job}")["ended_at"])

    def _restart(self, dids: list[str]) -> None:
        body = {"uri": "/system/maintain/reboot", "param": {"delay_ms": 60_000}, "dids": dids}
        self._call("POST", "/devices/commands", json=body)

    def _add_device(self, camera: CameraIdentity) -> str:
        body = {"sn": camera.sn, "code": camera.code, "name": camera.name}
        key = {"key": camera.public_pem()}
        return str(self._call("POST", "/devices", json=body | key)["did"])

    @contextmanager
    def cameras_online(self) -> Iterator[None]:
        """Keep the cameras online within the block, quiet; two others ask to be accepted.

        One of these, and one of those, connects without a signature.
        """
        waiting, outside = make_cameras(_WAITING, _SEED + 1), self._outside
        cameras = (outside.later, *outside.cameras)
        quirks = (_EDITION_3, *[FAULTLESS] * _CAMERAS)
        with (
            running_cameras(self.hub, cameras, rate=_QUIET, quirks=quirks),
            running_cameras(self.hub, waiting, rate=_QUIET, quirks=(FAULTLESS, _EDITION_3)),
        ):
            self._wait_for_cameras()
            yield

    def _wait_for_cameras(self) -> None:
        """Wait until the cameras are online, and those that nobody accepted ask to be."""
        self._wait(lambda: self._count("online") == _CAMERAS)
        self._wait(lambda: len(self._items("/devices/waiting")) == _WAITING)

    def _count(self, state: str) -> int:
        return sum(one["state"] == state for one in self._items("/devices"))

    def _items(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._call("GET", path)["items"]
        return items

    def _call(self, method: str, path: str, **options: Any) -> Any:
        response = self._api.request(method, path, headers=self._outside.headers, **options)
        assert response.status_code < 300, f"{method} {path}: {response.text}"
        return response.json() if response.content else None

    def _wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 4 * TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.hub.err
            time.sleep(0.1)


def _edition_3_cameras() -> list[CameraIdentity]:
    return [
        msgspec.structs.replace(camera, name=name, place="carpark")
        for camera, name in zip(make_cameras(2, _SEED + 2), ("Ramp", "Roof"), strict=True)
    ]


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _person(person: SimulatedPerson) -> dict[str, object]:
    return {
        "name": person.name,
        "work_id": person.work_id,
        "gender": person.gender,
        "age": person.age,
        "department": person.department,
        "category": person.category,
        "photo": base64.b64encode(face_jpeg(person, 0)).decode(),
    }


@contextmanager
def open_empty_site(folder: Path) -> Iterator[FilledSite]:
    """Start a hub with its data below `folder`, and its users. It has no camera and no record."""
    with _site_in(folder) as site:
        site.hub.start()
        site.set_up()
        yield site


@contextmanager
def open_filled_site(folder: Path) -> Iterator[FilledSite]:
    """Start a hub with its data below `folder`, and fill it. It and its cameras end with the block.

    It takes about half a minute. All cameras but one are online, and two wait to be accepted.
    """
    with _site_in(folder) as site:
        site.hub.start()
        site.set_up()
        site.fill()
        with site.cameras_online():
            yield site


def make_filled_site(folder: Path) -> None:
    """Fill a site below `folder`, and end its hub: `open_copy` starts others with the data."""
    with _site_in(folder) as site:
        site.hub.start()
        site.set_up()
        site.fill()
        site.save()
        assert site.hub.stop() == 0, site.hub.err


@contextmanager
def open_copy(made: Path, folder: Path, prefix: str = "") -> Iterator[FilledSite]:
    """As `open_filled_site`, in a second or two, with what was made in the folder `made`.

    `prefix`: the setting `web.prefix` of its hub.
    """
    shutil.copytree(made / "data", folder / "data")
    with _site_in(folder, prefix) as site:
        site.load(made)
        site.hub.start()
        with site.cameras_online():
            yield site


@contextmanager
def _site_in(folder: Path, prefix: str = "") -> Iterator[FilledSite]:
    settings = [*_ASK, f"web.prefix={prefix}"] if prefix else _ASK
    hub = HubProcess(folder / "data", settings)
    with closing(hub), closing(FilledSite(hub, folder, prefix)) as site:
        yield site
