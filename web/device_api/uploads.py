"""The device HTTP interface (chapter 二 and D8): one plain ASGI application in front of Quart.

Path, sender, rate limit and announced length are checked before the body is read, so that bad
requests are refused early. 200 is sent once the record is on disk.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from urllib.parse import parse_qsl

import msgspec
import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from hub import metrics
from hub.decoders import json_decoder
from hub.errors import (
    CODES,
    OK,
    BadParameter,
    CannotStoreNow,
    HubError,
    NoSuchPath,
    NotAuthorised,
    TooLarge,
    TooManyRequests,
    WrongSignature,
)
from hub.live.frame_ring import TracedUpload
from hub.log import limited
from hub.net.rate_limits import TokenBuckets
from hub.services import Services
from hub.services.admission.unsigned.paths import hash_path, without_secret
from hub.services.firmware.downloads import PATH as DOWNLOADS
from hub.store.tables.devices import Device
from hub.threads import WorkerThreads
from hub.wire import json_limits
from hub.wire.coercion import LooseText
from hub.wire.signing import body_md5
from hub.wire.uploads.firmware import OtaAnswer, PlainOtaAnswer, base_url, tls_base_url
from web.device_api.firmware_downloads import FirmwareDownloads
from web.error_responses import refusal
from web.http.bodies import MAX_SHORT_BODY_BYTES, Bodies, PeerLeft, TooSlow
from web.http.budget import BodySender

log = logging.getLogger(__name__)

PREFIX = "/api/v1/"
_SERVER_TIME = ("GET", "/api/v1/server/time")
_OTA_QUERY = ("POST", "/api/v1/ota/query")
#: Reports of 2.2 and 2.3, which have a few short fields and no pictures.
_SHORT_PATHS = frozenset({"/api/v1/device/report/info", _OTA_QUERY[1]})
_SLASHES = re.compile("//+")
_MAX_PARAMETERS = 64
_PLAIN_PORT = "sitehub.plain_port"
#: What takes longer than with a body of this size is done in a thread.
_INLINE_BYTES = 256 * 1024
#: A request that the rate limit would delay for longer is refused.
MAX_WAIT_SECONDS = 2.0
#: Longer paths are cut in the trace.
_MAX_PATH_LENGTH = 200
_OK_CODE = str(OK)
_OK_BODY = msgspec.json.encode({"code": OK, "msg": CODES[OK]})

_OtaAnswer = OtaAnswer | PlainOtaAnswer
_Handler = Callable[[Device, bytes], Awaitable[_OtaAnswer | None]]
_Headers = list[tuple[bytes, bytes]]


class _UploadProgress(msgspec.Struct):
    """What is known so far of a request that is traced. `began`: by trio's clock."""

    began: float
    device: Device | None = None
    size: int = 0


class _Sender(msgspec.Struct):
    """The fields of a body that identify its sender (D8, "token-or-address")."""

    sn: LooseText = None
    did: LooseText = None


_SENDER = json_decoder(_Sender)


def device_api(services: Services, bodies: Bodies) -> ASGIFramework:
    return _DeviceApi(services, bodies)


def on_plain_port(api: ASGIFramework) -> ASGIFramework:
    """The interface on the port without TLS, where anybody may change what is not signed."""

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        extensions: dict[str, dict[object, object]] = {**(scope.get("extensions") or {})}
        extensions[_PLAIN_PORT] = {}
        await api({**scope, "extensions": extensions}, receive, send)

    return app


def is_of_devices(path: str) -> bool:
    """Whether a path belongs to the interface, also behind the secret of an unsigned camera."""
    return without_secret(tidy(path)).startswith(PREFIX)


def tidy(path: str) -> str:
    """`path` without double and trailing slashes, which installers type after the hub's address."""
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return path[:-1] if path[-1:] == "/" else path


async def refuse(send: ASGISendCallable, error: HubError) -> None:
    """Answer in the protocol's form, with the HTTP status of D5."""
    headers: _Headers = []
    if isinstance(error, CannotStoreNow | TooManyRequests):
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, TooLarge | TooSlow):
        headers.append((b"connection", b"close"))
    await _send(send, error.device_status, refusal(error.code, error.message), headers)


def _ok_body(data: _OtaAnswer) -> bytes:
    return msgspec.json.encode({"code": OK, "msg": CODES[OK], "data": data})


async def _send(
    send: ASGISendCallable, status: int, body: bytes, further: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *further,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class _DeviceApi:
    def __init__(self, services: Services, bodies: Bodies) -> None:
        ingest = services.records.ingest
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("POST", "/api/v1/adapter/lenfocus/face/capture"): ingest.face,
            ("POST", "/api/v1/face/capture"): ingest.face,
            ("POST", "/api/v1/device/report/info"): ingest.device_info,
            ("POST", "/api/v1/device/report/event"): ingest.event,
            ("POST", "/api/v1/vehicle/capture"): ingest.vehicle,
            ("POST", "/api/v1/adapter/lenfocus/vehicle/capture"): ingest.vehicle,
            ("PUT", "/api/v1/access/record"): ingest.access,
            ("POST", "/api/v1/access/record"): ingest.access,
            ("POST", "/api/v1/access/upload/base64img"): ingest.base64img,
        }
        self._ota_query = ingest.ota_query
        web = services.config.web
        self._tls_port = web.port if web.tls else None
        self._downloads = FirmwareDownloads(services)
        self._clock = services.core.clock
        self._authentication = services.cameras.authentication
        self._note_address = services.access.known_addresses.note
        self._add_trace = services.cameras.trace.add_upload
        self._max_depth = services.config.devices.max_depth
        self._allows_address = services.config.devices.http_auth == "token-or-address"
        self._needs_md5 = services.config.devices.plain_body_md5
        # The requests of one second may arrive at once.
        rate = services.config.devices.max_requests_per_second
        self._rate_limits = TokenBuckets(rate, burst=rate)
        self._bodies = bodies
        self._upload_priority = services.cameras.upload_priority
        self._threads = WorkerThreads(inline_bytes=_INLINE_BYTES)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        assert scope["type"] == "http"
        path_hash = hash_path(tidy(scope["path"]))
        if path_hash:
            # Nothing behind this sees the secret: not the trace, and not the log.
            scope = {**scope, "path": without_secret(tidy(scope["path"]))}
        path = tidy(scope["path"])
        route = (scope["method"], path)
        if route == _SERVER_TIME:
            await self._tell_time(send)
            return
        if path.startswith(DOWNLOADS):
            await self._download(scope, path, send)
            return
        handle = self._handler_of(route, scope)
        progress = _UploadProgress(trio.current_time())
        try:
            if handle is None:
                raise NoSuchPath(f"no such path: {scope['method']} {path}")
            answer = await self._upload(handle, progress, scope, receive, path_hash)
        except HubError as error:
            metrics.uploads.labels(path if handle else "other", error.code).inc()
            self._trace(scope, progress, error.device_status, error.code, error.message)
            await refuse(send, error)
        except PeerLeft:
            metrics.uploads.labels(path, "left").inc()
            self._trace(scope, progress, 0, 0, "the device hung up before its body was complete")
        else:
            metrics.counter_of(metrics.uploads, path, _OK_CODE).inc()
            self._trace(scope, progress, 200, OK, CODES[OK])
            await _send(send, 200, _OK_BODY if answer is None else _ok_body(answer))

    def _trace(
        self, scope: HTTPScope, progress: _UploadProgress, status: int, code: int, msg: str
    ) -> None:
        upload = TracedUpload(
            method=scope["method"],
            path=scope["path"][:_MAX_PATH_LENGTH],
            status=status,
            code=code,
            msg=msg,
            seconds=trio.current_time() - progress.began,
            size=progress.size,
        )
        self._add_trace(progress.device, _address(scope), upload)

    async def _download(self, scope: HTTPScope, path: str, send: ASGISendCallable) -> None:
        try:
            await self._downloads(scope, path, send)
        except HubError as error:
            await refuse(send, error)

    def _handler_of(self, route: tuple[str, str], scope: HTTPScope) -> _Handler | None:
        if route == _OTA_QUERY:
            return partial(self._answer_ota_query, scope)
        return self._handlers.get(route)

    async def _answer_ota_query(
        self, scope: HTTPScope, device: Device, body: bytes
    ) -> _OtaAnswer | None:
        """Answer a query for a release (2.3), the only upload whose answer has data."""
        host = _host(scope)
        base = base_url(scope["scheme"], host)
        if self._tls_port is None or not _is_plain(scope):
            return await self._ota_query(device, body, base_url=base)
        secure = tls_base_url(host, self._tls_port)
        return await self._ota_query(device, body, base_url=base, tls_base_url=secure)

    async def _tell_time(self, send: ASGISendCallable) -> None:
        """Answer the time in UNIX seconds (D8). Cameras ask for it before they have a token.

        While it is doubted, it is the later one of the clock's and the likely time: a camera that
        set its clock by an earlier one would sign what counts as signed before.
        """
        shown, likely = self._clock.shown_time(), self._clock.likely_time()
        told: dict[str, int | bool] = {"time": int(max(shown, likely))}
        if self._clock.is_doubted:
            told["doubted"] = True
        data = {"code": OK, "msg": CODES[OK], "data": told}
        await _send(send, 200, msgspec.json.encode(data))

    async def _upload(
        self,
        handle: _Handler,
        progress: _UploadProgress,
        scope: HTTPScope,
        receive: ASGIReceiveCallable,
        path_hash: str,
    ) -> _OtaAnswer | None:
        address = _address(scope)
        query = _query(scope["query_string"])
        device = progress.device = (
            self._identify_by_path(path_hash, address)
            if path_hash
            else self._identify(scope, query, address)
        )
        sender = BodySender("device", device.did) if device else BodySender("address", address)
        if device is not None:
            self._note_address(address)
        await self._limit_rate(sender)
        # A longer report of versions would only cost time to decode.
        max_bytes = MAX_SHORT_BODY_BYTES if tidy(scope["path"]) in _SHORT_PATHS else None
        async with self._bodies.body(scope, receive, sender, max_bytes=max_bytes) as body:
            progress.size = len(body)
            with self._upload_priority.upload():
                if "appid" in query and (md5 := query.get("body_md5")):
                    await self._threads.run(len(body), partial(_check_md5, md5, body))
                if device is None:
                    device = progress.device = await self._identify_by_body(body, address)
                return await handle(device, body)

    async def _limit_rate(self, sender: BodySender) -> None:
        """Wait as the rate limit demands. Raises CannotStoreNow beyond MAX_WAIT_SECONDS."""
        wait = self._rate_limits.take(sender, trio.current_time(), MAX_WAIT_SECONDS)
        if not wait:
            return
        metrics.limits_reached.labels("requests").inc()
        limited(log, logging.WARNING, f"pace {sender}", "%s uploads too often", sender)
        if wait > MAX_WAIT_SECONDS:
            raise CannotStoreNow("too many requests at once", retry_after=1)
        await trio.sleep(wait)

    def _identify(self, scope: HTTPScope, query: dict[str, str], address: str) -> Device | None:
        """The sender by the head of the request; None if the body must identify it."""
        token = _token(scope)
        if not token and "appid" in query:
            if not query.get("sign"):
                raise WrongSignature("sign: required with appid")
            if self._needs_md5 and not query.get("body_md5") and _is_plain(scope):
                raise WrongSignature("body_md5: must be signed too on a port without TLS")
            return self._authentication.by_signature(query)
        try:
            return self._authentication.by_token(token, address)
        except NotAuthorised:
            if self._allows_address and self._authentication.is_address_known(address):
                return None
            raise

    def _identify_by_path(self, path_hash: str, address: str) -> Device:
        """The unsigned camera whose secret is in the path (D12). Raises NotAuthorised."""
        device = self._authentication.by_path(path_hash, address)
        if device is None:
            raise NotAuthorised("no device with this address of the hub is online from yours")
        return device

    async def _identify_by_body(self, body: bytes, address: str) -> Device:
        """The sender by the body and the address (D8, "token-or-address").

        Raises NotAuthorised, DeviceNotRegistered.
        """
        decode = partial(_sender_of, body, self._max_depth)
        sender = await self._threads.run(json_limits.weight(body), decode)
        sn, did = str(sender.sn or ""), str(sender.did or "")
        device = self._authentication.by_address(sn, did, address)
        if device is None:
            raise NotAuthorised("no token, and no device with this sn is online from your address")
        return device


def _sender_of(body: bytes, max_depth: int) -> _Sender:
    """Raises BadParameter if the body exceeds a limit."""
    json_limits.check_limits(body, max_depth)
    try:
        if len(body) > json_limits.LONG_BYTES:
            names = _Sender.__struct_fields__
            fields = json_limits.distinct_fields(body, names, "the body")
            body = msgspec.json.encode({name: fields[name] for name in names if name in fields})
        return json_limits.decode(_SENDER, body, "the body")
    except BadParameter:  # Treated as a body that identifies no device.
        return _Sender()


def _is_plain(scope: HTTPScope) -> bool:
    return _PLAIN_PORT in (scope.get("extensions") or {})


def _address(scope: HTTPScope) -> str:
    return scope["client"][0] if scope["client"] else ""


def _host(scope: HTTPScope) -> str:
    """The Host header: the hub's address as the device knows it."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return hosts[0].decode("latin-1") if hosts else ""


def _token(scope: HTTPScope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
    return None


def _query(query: bytes) -> dict[str, str]:
    if not query:
        return {}
    try:
        return dict(parse_qsl(query.decode("latin-1"), True, max_num_fields=_MAX_PARAMETERS))
    except ValueError:
        raise BadParameter(f"more than {_MAX_PARAMETERS} query parameters") from None


def _check_md5(sent: str, body: bytes) -> None:
    """Compare a signed `body_md5` with the body (D5). Raises WrongSignature."""
    if sent.upper() != body_md5(body):
        raise WrongSignature("body_md5: does not match the body")
