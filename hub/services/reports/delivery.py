"""Reports of the day before, sent every morning into a folder or to a web address, if wanted."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
import trio
from msgspec import Meta, Struct

from hub.decoders import decode_json
from hub.durable_files import write_file
from hub.errors import BadParameter, HubError
from hub.folding import visible
from hub.reasons import Reason, because
from hub.services.audit import Actor
from hub.services.backups.place import try_out
from hub.services.connect_errors import reason_of
from hub.services.devices.directory import Devices
from hub.services.reports.report import Report, ReportKind
from hub.services.reports.reports import Gates, ReportMaker, ReportQuery

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_T = TypeVar("_T", bound=Struct)

FileForm = Literal["xlsx", "csv"]
#: The names of the cameras, by did.
CameraNames = Mapping[str, str]
#: Makes a file of a report in a language: its name and content. Called in a thread.
Render = Callable[[Report, FileForm, str, ZoneInfo, CameraNames], tuple[str, bytes]]

_SETTINGS, _DELIVERED = "reports.delivery", "reports.delivered"
_BY_ITSELF = Actor("hub", "")
_LOOK_SECONDS = 30.0
#: After a failure, each the last one again until it works or the next day's is due.
_RETRY_SECONDS = (60.0, 300.0, 900.0, 3600.0)
_MAKE_SECONDS = 600.0
_CONNECT_SECONDS, _POST_SECONDS = 10.0, 60.0
_MAX_URL = 500


def render_nothing(*_: object) -> tuple[str, bytes]:
    """For a hub that is opened for one command, and sends nothing."""
    raise NotImplementedError


class DeliverySettings(Struct, frozen=True, kw_only=True):
    """What is sent, and where. `at`: HH:MM in the zone of the site.

    `folder` or `url`, whichever is not ""; both: to both. No `kinds`: nothing is sent.
    """

    kinds: tuple[ReportKind, ...] = ()
    form: FileForm = "xlsx"
    at: Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")] = "06:00"
    language: Literal["en", "zh"] = "en"
    folder: str = ""
    url: str = ""

    @property
    def is_on(self) -> bool:
        return bool(self.kinds and (self.folder or self.url))


class _Delivered(Struct, frozen=True):
    """The last day whose reports were sent, as YYYY-MM-DD."""

    day: str = ""


class NotDelivered(HubError):
    """Another system did not take a report."""


class ReportDelivery:
    """Sends reports. run() does so when they are due."""

    def __init__(self, core: Core, reports: ReportMaker, devices: Devices, render: Render) -> None:
        self._store = core.store
        self._reports = reports
        self._site = core.site
        self._clock = core.clock
        self._audit = core.audit
        self._data_dir = core.data_dir
        self._transport = core.outside.transport
        self._devices = devices
        self._render = render
        self._threads = trio.CapacityLimiter(1)
        self._retry_at, self._failures = 0.0, 0
        #: Why the last attempt failed; "" if it did not.
        self.failure: Reason | None = None

    @property
    def settings(self) -> DeliverySettings:
        return _read(self._store.settings.get(_SETTINGS), DeliverySettings())

    @property
    def last_day(self) -> date | None:
        """The last day whose reports were sent."""
        with suppress(ValueError):
            return date.fromisoformat(self._delivered().day)
        return None

    async def change(self, settings: DeliverySettings, *, by: Actor) -> None:
        """Check and save new settings; the next morning's reports are the first ones sent.

        Raises BadParameter, which names the field.
        """
        if settings.url:
            check_url(settings.url)
        if settings.folder:
            await self._try_folder(settings.folder)
        await self._store.settings.set(_SETTINGS, msgspec.json.encode(settings).decode())
        target = f"{','.join(settings.kinds) or '-'} {_place(settings)}"
        await self._audit.add(by, "report.delivery", target)
        self.failure, self._retry_at, self._failures = None, 0.0, 0
        if settings.is_on:
            await self._note_delivered(self._due_day(settings))

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Send what is due, until cancelled."""
        task_status.started()
        while True:
            await self.look()
            await trio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Send what is due now, if anything. Failures are kept in `failure`."""
        settings = self.settings
        if not settings.is_on or self._clock.is_doubted:
            return
        day = self._due_day(settings)
        # A later day than today was noted by a clock that was ahead.
        if day.isoformat() <= self._delivered().day <= self._local_now().date().isoformat():
            return
        if trio.current_time() < self._retry_at:
            return
        try:
            await self._send(settings, day)
        except Exception as error:  # cameras must not go offline because a report cannot be sent
            if not isinstance(error, (HubError, OSError)):
                log.exception("the reports could not be made or sent")
            self._note_failure(_reason(error))
        else:
            self.failure, self._retry_at, self._failures = None, 0.0, 0
            await self._suppress(self._note_delivered(day))
            await self._suppress(
                self._audit.add(_BY_ITSELF, "report.sent", f"{day.isoformat()} {_place(settings)}")
            )

    async def send_now(self, *, by: Actor) -> None:
        """Send the reports of yesterday to try it out. Raises BadParameter if that fails."""
        settings = self.settings
        today = self._local_now().date()
        try:
            await self._send(settings, today - timedelta(days=1))
        except (HubError, OSError) as error:
            raise BadParameter(_reason(error), field="place") from error
        self.failure = None
        await self._audit.add(by, "report.sent", _place(settings))

    async def _send(self, settings: DeliverySettings, day: date) -> None:
        for kind in settings.kinds:
            gates = self._reports.gates() if kind == "plates" else Gates()
            query = ReportQuery(kind, "day", day, (), gates)
            report = await self._reports.make(query, seconds=_MAKE_SECONDS)
            name, data = await trio.to_thread.run_sync(
                self._render,
                report,
                settings.form,
                settings.language,
                self._site.zone(),
                self._devices.names(),
                limiter=self._threads,
            )
            if settings.folder:
                path = self._data_dir / settings.folder / name
                await trio.to_thread.run_sync(write_file, path, data, limiter=self._threads)
            if settings.url:
                await self._post(settings, kind, day, name, data)

    async def _post(
        self, settings: DeliverySettings, kind: ReportKind, day: date, name: str, data: bytes
    ) -> None:
        """Send one file. The answer's body is not read. Raises NotDelivered."""
        headers = {
            "Content-Type": _TYPES[settings.form],
            "Content-Disposition": f'attachment; filename="{name}"',
            "User-Agent": "sitehub",
            "Sitehub-Report": kind,
            "Sitehub-Date": day.isoformat(),
        }
        # Imported here, because most hubs send nothing, and it takes memory.
        import httpx

        timeout = httpx.Timeout(_POST_SECONDS, connect=_CONNECT_SECONDS)
        try:
            with trio.move_on_after(_POST_SECONDS + _CONNECT_SECONDS) as scope:
                async with (
                    httpx.AsyncClient(
                        timeout=timeout,
                        follow_redirects=False,
                        trust_env=False,
                        transport=self._transport,
                    ) as client,
                    client.stream("POST", settings.url, content=data, headers=headers) as answer,
                ):
                    if not answer.is_success:
                        status = answer.status_code
                        raise NotDelivered(because("it answered %(status)s", status=status))
        # UnicodeError: a name that cannot be looked up.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise NotDelivered(reason_of(error)) from error
        if scope.cancelled_caught:
            raise NotDelivered(Reason("it did not answer in time"))

    async def _try_folder(self, folder: str) -> None:
        try:
            await trio.to_thread.run_sync(try_out, self._data_dir, folder, limiter=self._threads)
        except OSError as error:
            raise BadParameter(
                f"it cannot be written to: {error.strerror or error}", field="folder"
            ) from error

    def _due_day(self, settings: DeliverySettings) -> date:
        """Return the day whose reports are due by now: yesterday, or the day before."""
        now = self._local_now()
        days = 1 if f"{now:%H:%M}" >= settings.at else 2
        return now.date() - timedelta(days=days)

    def _local_now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.likely_time(), self._site.zone())

    def _note_failure(self, reason: Reason) -> None:
        self.failure = reason
        wait = _RETRY_SECONDS[min(self._failures, len(_RETRY_SECONDS) - 1)]
        self._failures += 1
        self._retry_at = trio.current_time() + wait
        log.warning("the reports could not be sent, and are sent again later: %s", reason)

    def _delivered(self) -> _Delivered:
        return _read(self._store.settings.get(_DELIVERED), _Delivered())

    async def _note_delivered(self, day: date) -> None:
        text = msgspec.json.encode(_Delivered(day.isoformat())).decode()
        await self._store.settings.set(_DELIVERED, text)

    async def _suppress(self, job: Awaitable[object]) -> None:
        """What was sent is not sent again only because it cannot be noted."""
        try:
            await job
        except HubError as error:
            log.warning("that the reports were sent cannot be noted: %s", error)


_TYPES: dict[FileForm, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def check_url(url: str) -> None:
    """Check an address that reports are sent to. Raises BadParameter.

    Also one of this computer or of the local network: whoever sets it has the password of an
    administrator.
    """
    # Imported here as in `_post`.
    import httpx

    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
        # As it is before the name is looked up: no part of it may be empty or too long.
        (parts.hostname or "").encode("idna")
    except (ValueError, httpx.InvalidURL):
        is_good = False
    if not is_good or len(url) > _MAX_URL or not url.isascii() or any(c <= " " for c in url):
        raise BadParameter("an address that begins with https:// or http://", field="url")
    if parts.username or parts.password:
        raise BadParameter("leave out user name and password", field="url")


def _place(settings: DeliverySettings) -> str:
    """Return where to, without what may be secret in an address."""
    host = urlsplit(settings.url).hostname if settings.url else ""
    return " ".join(visible(one) for one in (settings.folder, host) if one) or "-"


def _reason(error: Exception) -> Reason:
    if isinstance(error, HubError):
        return error.said
    if isinstance(error, OSError):
        return Reason(error.strerror or str(error))
    return Reason(visible(str(error)) or type(error).__name__)


def _read(saved: str | None, otherwise: _T) -> _T:
    """Return saved settings; those of the beginning if they cannot be read."""
    try:
        return decode_json(saved or "{}", type(otherwise))
    except msgspec.MsgspecError:
        return otherwise
