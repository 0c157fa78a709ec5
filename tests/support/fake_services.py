"""A hub that exists in memory only, for the pages: a site, its cameras, records and users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

import trio
from msgspec import UNSET, Raw
from msgspec.structs import asdict, replace

from hub.config import Config, Web
from hub.errors import (
    AlreadyExists,
    BadParameter,
    NoSuchResource,
    NotAuthorised,
    TooManyRequests,
    WrongSignature,
)
from hub.live.feed import Change, Feed
from hub.live.pending_devices import ConnectAttempt
from hub.live.refusal_reasons import RefusalReason
from hub.services.access.audit import Actor
from hub.services.access.sessions import SignedIn
from hub.services.access.users import User
from hub.services.admission.enrolment import AcceptedDevice, CodeCheck, PendingDevice
from hub.services.admission.provisioning import Delivery
from hub.services.commands.photos import Photos
from hub.services.devices.csv_import import DeviceCsv, check_csv, read_csv
from hub.services.devices.directory import DeviceChange, NewDevice
from hub.services.devices.frame_trace import Trace
from hub.services.devices.views import DeviceView
from hub.services.records.record_log import LogReader, RecordFilter, RecordPage
from hub.services.site.health import HealthReason
from hub.services.site.site import SiteSettings
from hub.simulator.faults import FAULTLESS, Quirks
from hub.wire.pictures import Image
from hub.wire.uploads.records import Detail, FaceDetail, Record, RecordKind
from tests.support.clock import NOON
from tests.support.fake_firmware import FakeCampaigns, FakeDownloads, FakeReleases
from tests.support.simulated_link import AnsweringDevices, SimulatedLink
from tests.support.traces import new_traces
from tests.support.web import FakeAuthentication, FakeIngest

NOON_MS = round(NOON * 1000)
PASSWORD = "a long sentence"
CODE = "12345678"
SETUP_TOKEN = "first-run"


def device(
    did: str, name: str, state: Literal["online", "offline", "disabled"], **more: Any
) -> DeviceView:
    values: dict[str, Any] = {
        "sn": f"Y3CA9PGDTKM{int(did):04d}",
        "enabled": state != "disabled",
        "ip": f"192.168.1.{int(did) + 10}",
        "last_seen": NOON_MS,
        "online_since": NOON_MS - 3_600_000 if state == "online" else None,
        "fw_ver": "V2.3.15",
        "sw_ver": "V1.8.2",
        "os_ver": None,
        "hw_ver": "V1.0",
        "dev_name": None,
        "clock_offset": 0.4,
        "clock_trusted": True,
        "waiting": None,
        "has_own_key": False,
        "previous_key_until": None,
        "sign_form": "md5-digestinfo",
        "init_outcome": "taken",
        "last_picture": None,
        "created_at": NOON_MS - 86_400_000,
    }
    return DeviceView(did=did, name=name, state=state, **{**values, **more})


def waiting(sn: str, *codes: Any, tries: int = 3, **args: str) -> PendingDevice:
    """`codes` are its reasons; each takes the `args`."""
    reasons = tuple(RefusalReason(code, args) for code in codes or ("unknown",))
    knock = ConnectAttempt(
        sn=sn,
        ip="192.168.1.77",
        address="192.168.1.77",
        sign="AAAA",
        ts_text="1",
        clock_offset=float(args.get("seconds", "0.4")),
    )
    return PendingDevice(knock, reasons, NOON_MS - 60_000, NOON_MS, tries)


def record(
    seq: int, kind: RecordKind = "face", detail: Detail | None = None, **more: Any
) -> Record:
    values: dict[str, Any] = {
        "did": "1",
        "sn": "Y3CA9PGDTKM0001",
        "device_name": "Main gate",
        "occurred_at": NOON_MS + seq * 1000,
        "received_at": NOON_MS + seq * 1000 + 300,
        "extra": Raw(b"{}"),
        "images": (),
    }
    shown = FaceDetail() if detail is None else detail
    return Record(seq=seq, kind=kind, detail=shown, **{**values, **more})


def image(seq: int, name: str) -> Image:
    return Image(name=name, mime="image/png", path=f"/media/{seq}/{name}.png", size=1000)


class FakeRecords:
    """The record log as the pages ask it, in a list."""

    def __init__(self, feed: Feed[Record]) -> None:
        self._feed = feed
        self.items: list[Record] = []
        self.draw: Callable[[Record, str], bytes] | None = None

    @property
    def last_seq(self) -> int:
        return self.items[-1].seq if self.items else 0

    def add(self, *records: Record) -> None:
        self.items += records
        self._feed.publish(records)

    async def page(
        self,
        filter: RecordFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> RecordPage:
        await trio.lowlevel.checkpoint()
        found = [
            one
            for one in (reversed(self.items) if newest_first else self.items)
            if (filter.kind is None or one.kind == filter.kind)
            and (filter.did is None or one.did == filter.did)
            and (after is None or one.seq > after)
            and (before is None or one.seq < before)
        ]
        more = len(found) > limit
        return RecordPage(items=tuple(found[:limit]), next=found[limit - 1].seq if more else None)

    async def get(self, seq: int) -> Record:
        await trio.lowlevel.checkpoint()
        for one in self.items:
            if one.seq == seq:
                return one
        raise NoSuchResource(f"there is no record {seq}")

    async def picture(self, seq: int, name: str) -> Any:
        one = await self.get(seq)
        if self.draw is None:
            raise NoSuchResource("no picture")
        return SimpleNamespace(mime="image/png", data=self.draw(one, name), etag=f"{seq}-{name}")

    @contextmanager
    def open_reader(self, after: int | None = None) -> Iterator[LogReader]:
        log: Any = SimpleNamespace(records=self)
        with self._feed.subscribe() as live:
            start = self.last_seq if after is None else min(after, self.last_seq)
            yield LogReader(log, live, start, behind=start < self.last_seq)


class FakeDevices:
    def __init__(self, changes: Feed[Change]) -> None:
        self._changes = changes
        self.views: dict[str, DeviceView] = {}
        self.changed: list[tuple[str, DeviceChange]] = []
        self.key: str | None = None

    def put(self, *views: DeviceView) -> None:
        for view in views:
            self.views[view.did] = view
            self._changes.publish([Change("device", view.did)])

    def list(self) -> Sequence[DeviceView]:
        return list(self.views.values())

    def get(self, did: str) -> DeviceView:
        if did not in self.views:
            raise NoSuchResource(f"there is no device {did}")
        return self.views[did]

    def device(self, did: str) -> DeviceView:
        return self.get(did)

    async def add(self, new: NewDevice) -> DeviceView:
        _check_key(new.key)
        if any(view.sn == new.sn for view in self.views.values()):
            raise AlreadyExists("is enrolled already", field="sn")
        did = new.did or str(len(self.views) + 1)
        self.put(device(did, new.name, "offline", sn=new.sn, last_seen=None, init_outcome=None))
        return self.views[did]

    async def change(self, did: str, change: DeviceChange) -> DeviceView:
        if change.key is not UNSET:
            _check_key(change.key)
        self.changed.append((did, change))
        known = asdict(self.get(did))
        given = {
            name: value
            for name, value in asdict(change).items()
            if value is not UNSET and name in known
        }
        self.put(replace(self.get(did), **given))
        return self.views[did]

    async def remove(self, did: str) -> None:
        del self.views[self.get(did).did]
        self._changes.publish([Change("device", did)])

    def site_key(self) -> str | None:
        return self.key

    async def set_site_key(self, pem: str) -> None:
        _check_key(pem or "empty")
        self.key = pem
        self._changes.publish([Change("site")])

    async def remove_site_key(self) -> None:
        self.key = None
        self._changes.publish([Change("site")])

    async def read_csv(self, text: str) -> DeviceCsv:
        return read_csv(text)

    async def check_import(self, sheet: DeviceCsv) -> None:
        check_csv(sheet, {("did", did) for did in self.views})

    async def import_csv(self, sheet: DeviceCsv) -> tuple[DeviceView, ...]:
        await self.check_import(sheet)
        return tuple([await self.add(row.device) for row in sheet.rows])

    def export_csv(self) -> str:
        return "sn,code,did,name,key\r\n"


def _check_key(pem: str | None) -> None:
    if pem is not None and "BEGIN PUBLIC KEY" not in pem:
        raise BadParameter("an RSA public key as PEM", field="key")


class FakeProvisioning:
    """Sends nothing; `delivery` is how it went."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.delivery = Delivery("taken", "taken")

    async def send_again(self, did: str) -> Delivery:
        await trio.lowlevel.checkpoint()
        self.sent.append(did)
        return self.delivery


class FakeEnrolment:
    def __init__(self, devices: FakeDevices, changes: Feed[Change]) -> None:
        self._devices = devices
        self._changes = changes
        self.rows: dict[str, PendingDevice] = {}
        self.provisioning = FakeProvisioning()

    def knock(self, *rows: PendingDevice) -> None:
        for row in rows:
            self.rows[row.sn] = row
            self._changes.publish([Change("waiting", row.sn)])

    def waiting(self) -> list[PendingDevice]:
        return list(self.rows.values())

    def check_code(self, sn: str, code: str, key: str | None = None) -> CodeCheck:
        if sn not in self.rows:
            raise NoSuchResource(f"no device with sn {sn} is waiting")
        if code == CODE:
            return CodeCheck("fits", ())
        return CodeCheck("code-mismatch", (RefusalReason("code-mismatch"),))

    async def accept(
        self,
        sn: str,
        code: str,
        *,
        key: str | None = None,
        name: str = "",
        did: str | None = None,
        replaces: str | None = None,
    ) -> AcceptedDevice:
        if sn not in self.rows:
            raise NoSuchResource(f"no device with sn {sn} is waiting")
        if code != CODE:
            self.knock(waiting(sn, "code-mismatch"))
            raise WrongSignature("the code does not match the signature")
        if replaces is not None:
            if did is not None:
                raise BadParameter("a camera that replaces another one keeps its did", field="did")
            change = DeviceChange(sn=sn, code=code, key=key)
            view = await self._devices.change(replaces, change)
            del self.rows[sn]
            return AcceptedDevice(view, "taken", "taken")
        await self._devices.add(NewDevice(sn=sn, code=code, did=did, name=name, key=key))
        del self.rows[sn]
        self._changes.publish([Change("waiting", sn)])
        view = next(one for one in self._devices.list() if one.sn == sn)
        self._devices.put(replace(view, state="online", online_since=NOON_MS))
        return AcceptedDevice(view, "taken", "it took them")


class FakeAccounts:
    """`admin`, `guard` and `viewer` can sign in, all with PASSWORD; `sessions` by token."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site
        self.people = {
            name: User(name, role, "", NOON_MS)
            for name, role in (("admin", "admin"), ("guard", "guard"), ("viewer", "viewer"))
        }
        self.passwords = dict.fromkeys(self.people, PASSWORD)
        self.sessions: dict[str, User] = {}
        self.audited: list[tuple[str, str, str]] = []
        self.setup_token: str | None = None
        self.throttled = False

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        if self.throttled:
            raise TooManyRequests("too many failed sign-ins", retry_after=30)
        if self.passwords.get(name) != password:
            raise NotAuthorised("name or password is wrong")
        return self._open(self.people[name])

    def _open(self, user: User) -> SignedIn:
        token = f"token-{user.name}-{len(self.sessions)}"
        self.sessions[token] = user
        return SignedIn(user, token)

    async def user_of(self, token: str) -> User | None:
        return self.sessions.get(token)

    async def sign_out(self, token: str) -> None:
        self.sessions.pop(token, None)

    async def sign_out_everywhere(self, name: str, *, by: Actor) -> None:
        self._end(name, keep="")

    def _end(self, name: str, keep: str) -> None:
        self.sessions = {
            token: user
            for token, user in self.sessions.items()
            if user.name != name or token == keep
        }

    async def change_password(self, name: str, old: str, new: str, *, keep: str, by: Actor) -> None:
        if self.passwords[name] != old:
            raise BadParameter("is not your present password", field="old")
        if len(new) < 8:
            raise BadParameter("at least 8 characters", field="new")
        self.passwords[name] = new
        self._end(name, keep)

    def users(self) -> Sequence[User]:
        return tuple(self.people.values())

    def needs_setup(self) -> bool:
        return all(user.role != "admin" for user in self.people.values())

    def check_setup(self, token: str) -> bool:
        return self.setup_token is not None and token == self.setup_token

    async def complete_setup(
        self, token: str, name: str, password: str, site: SiteSettings, *, address: str
    ) -> SignedIn:
        if len(password) < 8:
            raise BadParameter("at least 8 characters", field="password")
        if not self.check_setup(token):
            raise NotAuthorised("this set-up link is used or too old")
        self.setup_token = None
        await self._site.set(site)
        self.people[name] = User(name, "admin", "", NOON_MS)
        self.passwords[name] = password
        return self._open(self.people[name])

    async def audit(self, by: Actor, action: str, target: str) -> None:
        self.audited.append((by.who, action, target))

    async def audit_each(self, by: Actor, action: str, targets: Sequence[str]) -> None:
        for target in targets:
            await self.audit(by, action, target)


class FakeSite:
    def __init__(self) -> None:
        self.settings = SiteSettings("Harbour East", "Asia/Shanghai", "auto")

    def name(self) -> str:
        return self.settings.name

    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.zone)

    def zone_name(self) -> str:
        return self.settings.zone

    def language(self) -> str:
        return self.settings.language

    def check(self, new: SiteSettings) -> None:
        if not new.name:
            raise BadParameter("1 to 100 printable characters", field="name")

    async def set(self, new: SiteSettings) -> None:
        self.check(new)
        self.settings = new

    def addresses(self) -> list[str]:
        return ["192.168.1.5", "10.0.0.5"]


class FakeHealth:
    def __init__(self) -> None:
        self.found: list[HealthReason] = []

    def reasons(self) -> list[HealthReason]:
        return self.found

    def faults(self) -> list[HealthReason]:
        return [reason for reason in self.found if reason.is_fault]


class FakeServices(SimpleNamespace):
    """Everything that the pages ask of Services."""

    def __init__(self, *, web: Web | None = None) -> None:
        record_feed: Feed[Record] = Feed()
        change_feed: Feed[Change] = Feed()
        site = FakeSite()
        accounts = FakeAccounts(site)
        devices = FakeDevices(change_feed)
        enrolment = FakeEnrolment(devices, change_feed)
        answering = AnsweringDevices(devices, change_feed, lambda: self.now())
        traces = new_traces()
        closing = trio.Event()
        room: Any = SimpleNamespace(find=enrolment.rows.get)
        super().__init__(
            config=Config(web=web or Web(tls=False)),
            data_dir=Path("unused"),
            now=lambda: NOON,
            closing=closing,
            record_feed=record_feed,
            change_feed=change_feed,
            traces=traces,
            site=site,
            certificates=SimpleNamespace(
                context=lambda: None,
                ca_pem=lambda: b"-----BEGIN CERTIFICATE-----\n",
                fingerprint=lambda: ":".join(["3F", "A2", "09", "D7"] * 8),
            ),
            accounts=accounts,
            audit=SimpleNamespace(add=accounts.audit, add_each=accounts.audit_each),
            sessions=SimpleNamespace(
                sign_in=accounts.sign_in,
                user_of=accounts.user_of,
                sign_out=accounts.sign_out,
                sign_out_everywhere=accounts.sign_out_everywhere,
            ),
            users=SimpleNamespace(all=accounts.users, change_password=accounts.change_password),
            setup_links=SimpleNamespace(
                is_needed=accounts.needs_setup,
                is_valid=accounts.check_setup,
                complete=accounts.complete_setup,
            ),
            devices=devices,
            links=answering.links,
            commands=answering.commands,
            device_files=answering.files,
            photos=Photos(),
            enrolment=enrolment,
            authentication=FakeAuthentication(),
            ingest=FakeIngest(),
            releases=FakeReleases(change_feed, lambda: self.now()),
            campaigns=FakeCampaigns(change_feed),
            downloads=FakeDownloads(),
            records=FakeRecords(record_feed),
            trace=Trace(traces, cast(Any, devices), room, closing),
            maintenance=SimpleNamespace(),
            health=FakeHealth(),
        )

    def connect(self, view: DeviceView, quirks: Quirks = FAULTLESS) -> SimulatedLink:
        """Put a camera that is online and answers, with these faults."""
        self.devices.put(view)
        link = SimulatedLink(view.name, lambda: self.now(), quirks=quirks)
        self.links[view.did] = link
        return link
