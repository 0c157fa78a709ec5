"""One simulated camera: the device side of the protocol, over real connections.

It stays connected, answers commands, uploads with retries, restarts (1.9) and upgrades its own
firmware (2.3). Its faults are data (`hub.simulator.faults`).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import NoReturn

import trio
from msgspec import Struct
from trio_websocket import ConnectionClosed

from hub.simulator import edition_3_upgrade, firmware_upgrade
from hub.simulator.credentials import Credentials
from hub.simulator.device.responder import Responder
from hub.simulator.device.state import DeviceState
from hub.simulator.endpoint import Endpoint, HubAway, HubEndpoint, first_leaf
from hub.simulator.events import CameraEvent, EventReporter
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.http_client import HttpClient, UploadReply
from hub.simulator.identity import CameraIdentity
from hub.simulator.link import Link
from hub.simulator.scenario.population import Population
from hub.simulator.uploads import UploadRequest, device_info

log = logging.getLogger(__name__)

#: A connection that lasted this long resets the backoff.
_STABLE_SECONDS = 60.0
#: From the answer to another address to the end of the connection.
_MOVE_SECONDS = 0.2


class Timing(Struct, frozen=True):
    """How long a camera takes."""

    #: From a refused connect to the next one.
    connect_retry_seconds: float = 20
    max_backoff_seconds: float = 30
    #: From power-off to the next connect (1.9).
    restart_seconds: float = 3
    #: Between two queries for a new release (2.3).
    upgrade_check_seconds: float = 60


DEFAULT_TIMING = Timing()


class Camera:
    """Start `run` in a nursery, call `upload` for each sighting, and `aclose` at the end.

    `population`: the people and cars in its history. With `preload_faces` its face library
    contains the known ones from the start. `now` is the true time. `on_event` is called with
    each event of the camera. `drawing_limiter` limits the threads in which answers are drawn;
    without it they are drawn in the calling task.
    """

    def __init__(
        self,
        identity: CameraIdentity,
        endpoint: Endpoint,
        *,
        population: Population,
        now: Callable[[], float],
        rng: random.Random,
        on_event: Callable[[CameraEvent], None],
        quirks: Quirks = FAULTLESS,
        timing: Timing = DEFAULT_TIMING,
        drawing_limiter: trio.CapacityLimiter | None = None,
        preload_faces: bool = False,
    ) -> None:
        self.quirks = quirks
        self._true_now = now
        self._rng = rng
        self._timing = timing
        self._credentials = Credentials(identity, quirks, self.now)
        self._events = EventReporter(self._credentials, on_event)
        self.state = DeviceState(
            identity, population, now=self.now, preload_faces=preload_faces, quirks=quirks
        )
        self._endpoint = endpoint
        self._http = HttpClient(
            lambda: self._endpoint.open_http(),
            endpoint.authority,
            base=lambda: self.state.http_base,
        )
        self._link = Link(
            lambda: self._endpoint,
            self._credentials,
            Responder(self.state, quirks),
            self._events,
            quirks=quirks,
            now=self.now,
            rng=rng,
            connect_retry_seconds=timing.connect_retry_seconds,
            on_restart=self._restart_soon,
            on_upgrade=self._upgrade_now,
            on_move=self._move,
            ws_path=lambda: self.state.ws_path,
            drawing_limiter=drawing_limiter,
        )
        self._reported = trio.Event()
        self._is_told_to_upgrade = trio.Event()
        # A restart cancels both: the connection, and what runs between two restarts.
        self._connection_scope = trio.CancelScope()
        self._uptime_scope = trio.CancelScope()
        # Another address ends the connection only.
        self._move_scope = trio.CancelScope()
        self._is_restarting = False
        self._asks_at_once = True

    @property
    def identity(self) -> CameraIdentity:
        return self._credentials.identity

    def now(self) -> float:
        """Return the time of the camera's own clock, which may be wrong."""
        return self._true_now() + self.quirks.clock_offset

    async def run(self) -> NoReturn:
        """Run until cancelled, reconnecting with backoff whenever the hub is away."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._report_and_upgrade)
            if self.quirks.reboot_every:
                self._nursery.start_soon(self._restart_periodically)
            await self._stay_connected()
        raise AssertionError("a camera runs until it is cancelled")

    async def wait_reported(self) -> None:
        """Wait until the hub has accepted the camera's report of itself (2.2)."""
        await self._reported.wait()

    async def upload(self, upload: UploadRequest) -> UploadReply:
        """Send an upload, and repeat the same bytes until the hub accepts or refuses it."""
        if self.quirks.drops in ("upload", "reply"):
            await self._upload_truncated(upload, share=0.5 if self.quirks.drops == "upload" else 1)
        reply = await self._upload(upload)
        for _ in range(self.quirks.copies - 1):
            reply = await self._upload(upload)
        return reply

    async def aclose(self) -> None:
        """Close the connection that `upload` keeps open. Works while cancelled."""
        await self._http.aclose()

    async def _upload(self, upload: UploadRequest) -> UploadReply:
        backoff = 1.0
        while True:
            await self._credentials.wait_token()
            try:
                reply = await self._http.send(
                    upload.method, upload.path, upload.body, self._credentials.http_token
                )
            except HubAway as error:
                self._events.report("not-sent", str(error))
            else:
                if reply.status not in (401, 429, 503):
                    self._events.report("sent", upload.path, reply.code)
                    return reply
                self._events.report("not-sent", upload.path, reply.code)
                if reply.status == 401:
                    self._credentials.token_rejected.set()
                backoff = max(backoff, reply.retry_after)
            backoff = await self._back_off(backoff)

    async def _upload_truncated(self, upload: UploadRequest, *, share: float) -> None:
        await self._credentials.wait_token()
        try:
            await self._http.send_truncated(
                upload.method,
                upload.path,
                upload.body,
                self._credentials.http_token,
                share=share,
            )
        except HubAway as error:
            self._events.report("not-sent", str(error))

    async def _back_off(self, seconds: float) -> float:
        """Sleep up to `seconds`; return how long to sleep after the next failure."""
        await trio.sleep(seconds * self._rng.uniform(0.5, 1.0))
        return min(seconds * 2, self._timing.max_backoff_seconds)

    async def _report_and_upgrade(self) -> None:
        """After each start report the device (2.2), then query for new releases (2.3)."""
        while True:
            self._asks_at_once = True
            with trio.CancelScope() as self._uptime_scope:
                edition = self.quirks.edition
                await self.upload(device_info(self.identity, self.state.versions, edition))
                self._reported.set()
                while True:
                    await self._wait_for_upgrade()
                    await self._upgrade()

    async def _wait_for_upgrade(self) -> None:
        """Wait until it is time to ask for a release: at the start and then now and again.

        A camera of edition 3 asks when it is told to (D12).
        """
        if self.quirks.edition == 3:
            await self._is_told_to_upgrade.wait()
            self._is_told_to_upgrade = trio.Event()
        elif self._asks_at_once:
            self._asks_at_once = False
        else:
            pause = self._timing.upgrade_check_seconds
            await trio.sleep(pause * self._rng.uniform(0.8, 1.2))

    def _move(self) -> None:
        """Leave, and come back at the address that it was told, or by the hub's."""
        self._nursery.start_soon(self._move_soon)

    async def _move_soon(self) -> None:
        # The answer goes out first.
        await trio.sleep(_MOVE_SECONDS)
        if isinstance(self._endpoint, HubEndpoint):
            self._endpoint = self._endpoint.at(self.state.address)
        await self._http.aclose()
        self._move_scope.cancel()

    def _upgrade_now(self) -> None:
        self._is_told_to_upgrade.set()

    async def _upgrade(self) -> None:
        """Install a new release if there is one, and restart."""
        await self._credentials.wait_token()
        if self.quirks.edition == 3:
            await self._upgrade_edition_3()
            return
        try:
            release = await firmware_upgrade.query(
                self._http, self.state, self._credentials.who(), self._credentials.http_token
            )
            if release is None or self.quirks.upgrades == "ignored":
                return
            versions = await firmware_upgrade.download(self._http, release)
        except (HubAway, firmware_upgrade.UpgradeRefused) as error:
            log.debug("simulated camera %s is not upgraded: %s", self.identity.sn, error)
            return
        if self.quirks.upgrades == "installed":
            firmware_upgrade.install(self.state, release, versions)
            self._events.report("upgraded", release.ver_name)
            self._restart_soon(0)

    async def _upgrade_edition_3(self) -> None:
        state, credentials = self.state, self._credentials
        try:
            offer = await edition_3_upgrade.query(self._http, state, credentials.http_token)
            if offer is None or self.quirks.upgrades == "ignored":
                return
            firmware = await edition_3_upgrade.download(self._http, offer)
        except (HubAway, firmware_upgrade.UpgradeRefused) as error:
            log.debug("simulated camera %s is not upgraded: %s", self.identity.sn, error)
            return
        if self.quirks.upgrades == "installed" and edition_3_upgrade.install(state, firmware):
            self._events.report("upgraded", firmware)
            self._restart_soon(0)

    async def _restart_periodically(self) -> None:
        while True:
            await trio.sleep(self.quirks.reboot_every)
            await self._restart_after(0)

    def _restart_soon(self, seconds: float) -> None:
        self._nursery.start_soon(self._restart_after, seconds)

    async def _restart_after(self, seconds: float) -> None:
        if self._is_restarting:
            return
        self._is_restarting = True
        await trio.sleep(seconds)
        self._credentials.forget_token()
        self._connection_scope.cancel()
        self._uptime_scope.cancel()

    async def _stay_connected(self) -> None:
        backoff = 1.0
        while True:
            started = trio.current_time()
            if self.quirks.forgets_people:
                self.state.people.clear()
            with trio.CancelScope() as self._connection_scope:
                try:
                    with trio.CancelScope() as self._move_scope:
                        await self._link.run()
                    self._events.report_state("offline", "it was told another address")
                    continue
                except* (HubAway, ConnectionClosed) as group:
                    self._events.report_state("offline", _reason(first_leaf(group)))
                if trio.current_time() - started > _STABLE_SECONDS:
                    backoff = 1.0
                backoff = await self._back_off(backoff)
            if self._connection_scope.cancelled_caught:
                self._events.report_state("offline", "it restarts")
                await self._http.aclose()
                await trio.sleep(self._timing.restart_seconds)
                self._is_restarting = False
                backoff = 1.0


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionClosed):
        reason = error.reason.reason if error.reason is not None else None
        return f"the connection was closed: {reason}" if reason else "the connection was closed"
    return str(error)
