"""The services that admit devices, built around a store, and connects with real signatures."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from hub.config import Config, DevicesConfig
from hub.errors import HubError
from hub.live.feed import Change
from hub.live.pending_devices import PendingDevices
from hub.live.presence import Presence
from hub.live.registry import DeviceAnswer, Registry
from hub.services.admission.authentication import Authentication
from hub.services.admission.code_guesses import CodeGuesses
from hub.services.admission.connect import Admission, Admitted
from hub.services.admission.enrolment import Enrolment
from hub.services.devices.capabilities import CameraCapabilities
from hub.services.devices.directory import Devices
from hub.store.tables.devices import Device, NewDevice
from hub.wire.session import ConnectParam
from hub.wire.signing import sign_connect
from tests.support.answering_link import AnsweringLink
from tests.support.clock import FrozenClock
from tests.support.core import TrustedClock, core_of
from tests.support.memory_store import MemoryStore
from tests.support.traces import new_traces

T = TypeVar("T")

SN = "Y3C122AP1234512"
CODE = "ABCD1234"
ADDRESS = "10.0.0.8"


@cache
def private_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Key 0 is the site key; the others belong to cameras."""
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@cache
def public_pem(number: int = 0) -> str:
    return (
        private_key(number)
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


class FakeLink(AnsweringLink):
    """A connection that records what is done to it; requests get `answers` in turn."""

    def __init__(self, address: str = ADDRESS) -> None:
        super().__init__(address=address)
        self.requests: list[tuple[str, Any]] = []
        self.answers: list[DeviceAnswer | Exception] = []
        #: Runs after a request is sent and before it is answered.
        self.meanwhile: Callable[[], Any] | None = None

    async def answered(
        self, uri: str, param: object, seconds: float, free: Callable[[], None]
    ) -> DeviceAnswer:
        self.requests.append((uri, param))
        if self.meanwhile is not None:
            await self.meanwhile()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def at_once(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


class _GateClock(TrustedClock):
    """As the test of a gate says."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate.clock)
        self._gate = gate
        self.likely_time = lambda: gate.likely or gate.clock()

    @property
    def is_doubted(self) -> bool:
        return self._gate.likely is not None

    def forget_before(self) -> int:
        return self._gate.forget_before()


class Gate:
    """The services that admit devices."""

    def __init__(
        self, store: Any, clock: FrozenClock, *, site_clock: Any = None, **config: Any
    ) -> None:
        """`site_clock`: judges the clock; without it, `clock` is right unless `likely` is set."""
        self.store = store
        self.clock = clock
        self.config = DevicesConfig(**config)
        #: As long as the clock is not doubted.
        self.forget_before: Callable[[], int] = lambda: clock.ms
        #: The time that is most probably right, while the clock is doubted.
        self.likely: float | None = None
        self.core = core_of(
            store, clock, Config(devices=self.config), clock=site_clock or _GateClock(self)
        )
        self.changes, self.records = self.core.changes, self.core.records
        self.audit = self.core.audit
        self.registry = Registry(clock)
        self.pending = PendingDevices(self.config.max_waiting, self.changes, clock)
        self.traces = new_traces(clock)
        self.presence = Presence(self.registry, self.pending, self.traces)
        self.devices = Devices(self.core, self.presence)
        self.enrolment = Enrolment(self.core, self.devices, self.pending, at_once)
        self.authentication = Authentication(self.core, self.registry)
        self.guesses = CodeGuesses(clock)
        self.capabilities = CameraCapabilities(self.core)
        self.admission = Admission(
            self.core,
            self.presence,
            self.devices,
            self.enrolment,
            self.authentication.tokens,
            self.guesses,
            self.capabilities,
        )
        self._ts = itertools.count(int(clock.seconds))

    def change_settings(self, **config: Any) -> None:
        """Let `devices` have these settings from now on."""
        settings = self.core.settings
        settings.current = replace(settings.current, devices=DevicesConfig(**config))
        self.changes.publish([Change("settings")])

    async def enrol(self, sn: str = SN, **fields: Any) -> Device:
        """Add a device; the site key is set, and applies unless `key` is given."""
        if self.devices.site_key() is None:
            await self.devices.set_site_key(public_pem())
        view = await self.devices.add(NewDevice(**{"sn": sn, "code": CODE, **fields}))
        return self.devices.device(view.did)

    def connect_param(self, sn: str = SN, **fields: Any) -> ConnectParam:
        """Return a signed connect with an unused ts; `fields` replace parts of it."""
        ts = fields.pop("ts", None) or next(self._ts)
        key, code = fields.pop("key", 0), fields.pop("code", CODE)
        form = fields.pop("form", "md5-digestinfo")
        sign = sign_connect(private_key(key), sn=sn, code=code, ts=ts, form=form)
        param = {"sign": sign, "did": None, "ip": None, **fields}
        return ConnectParam(sn=sn, ts=float(ts), ts_text=str(ts), **param)

    async def connect(self, link: FakeLink, param: ConnectParam) -> Admitted:
        """Connect, and go online on success, as the link does."""
        admitted = await self.admission.connect(param, link)
        assert isinstance(admitted, Admitted)
        link.did, link.sn = admitted.device.did, admitted.device.sn
        self.admission.enter(link)
        return admitted


def refusal_codes(site: Gate, did: str) -> list[str]:
    """Return the codes of the reasons why an enrolled device is refused."""
    waiting = site.devices.get(did).waiting
    return [reason.code for reason in waiting.reasons] if waiting else []


def pending_codes(site: Gate, sn: str = SN) -> list[str]:
    """Return the codes of the reasons why a pending device is refused."""
    waiting = site.pending.find(sn)
    return [reason.code for reason in waiting.reasons] if waiting else []


def online(site: Gate) -> int:
    return sum(view.state == "online" for view in site.devices.list())


def gate(clock: FrozenClock, **config: Any) -> Gate:
    """Build a gate on a store in memory; a did is required only if `require_did` says so."""
    return Gate(MemoryStore(clock), clock, **{"require_did": "never", **config})


async def refusal(site: Gate, link: FakeLink, param: ConnectParam | None = None) -> HubError:
    """Connect, and return the error that refuses it."""
    with pytest.raises(HubError) as caught:
        await site.connect(link, param or site.connect_param())
    return caught.value


async def pending_camera(clock: FrozenClock, **config: str) -> tuple[Gate, FakeLink]:
    """Build a gate with a site key, and a pending camera on the link."""
    site = gate(clock, **{"require_did": "auto", **config})
    await site.devices.set_site_key(public_pem())
    link = FakeLink()
    await refusal(site, link)
    return site, link
