"""Logs in to a camera's own HTTP and switches its relay (2.1, 2.8): two requests, one deadline.

The token lives in these functions only: it is neither kept nor logged. No request is repeated: a
camera may lock its account after wrong passwords, and a door may open twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from msgspec import Struct

from hub.errors import DeviceNonsense
from hub.net.http_client import (
    AnswerFailed,
    ConnectFailed,
    ConnectionLost,
    HttpAnswer,
    HttpPlace,
    HttpRequest,
    OpenConnection,
    exchange,
)
from hub.services.camera_functions.relays.faults import RelayReason, fault
from hub.wire import camera_http
from hub.wire.camera_http import MAX_ANSWER_BYTES, OK_CODES, PATH

#: For both requests together, from the first connection to the last answer.
DEADLINE_SECONDS = 10.0
_HTTP_OK, _HTTP_UNAUTHORISED, _HTTP_NO_SUCH = 200, (401, 403), (404, 405)
#: Codes of chapter 四 that say that a command is not known.
_UNKNOWN = (404, 426)


class RelayCredentials(Struct, frozen=True):
    username: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(...)"


class RelayCall:
    """One action on one camera. Use it once."""

    def __init__(
        self,
        open_connection: OpenConnection,
        place: HttpPlace,
        certificate: str,
        pin: Callable[[str], Awaitable[None]],
    ) -> None:
        """`certificate`: the fingerprint that the camera must show; "" accepts any.

        `pin` is given the one that it showed, once the login is good.
        """
        self._open_connection = open_connection
        self._place = place
        self._certificate = certificate
        self._is_first_certificate = not certificate
        self._pin = pin
        #: Why it failed, if the time is over now.
        self._if_late: RelayReason = "unreachable"

    async def switch(self, credentials: RelayCredentials, *, on: bool, seconds: int) -> None:
        """Log in and switch the relay. Raises RelayFault."""
        with trio.move_on_after(DEADLINE_SECONDS):
            token = await self._log_in(credentials)
            await self._switch(token, credentials.username, on=on, seconds=seconds)
            return
        raise fault(self._if_late)

    async def _log_in(self, credentials: RelayCredentials) -> str:
        """2.1: return the token."""
        target = camera_http.login_target(credentials.username, credentials.password)
        try:
            answer = await self._ask(HttpRequest("GET", target), "silent")
        except ConnectionLost as error:
            raise fault("silent") from error
        except AnswerFailed as error:
            raise fault("nonsense", str(error)) from error
        if answer.status in _HTTP_UNAUTHORISED:
            raise fault("password", f"HTTP {answer.status}")
        if answer.status != _HTTP_OK:
            reason: RelayReason = "no-interface" if answer.status in _HTTP_NO_SUCH else "nonsense"
            raise fault(reason, f"HTTP {answer.status}")
        try:
            login = camera_http.read_login(answer.body)
        except DeviceNonsense as error:
            raise fault("nonsense") from error
        if login.code not in OK_CODES:
            raise fault("no-interface" if login.code in _UNKNOWN else "password", str(login.code))
        if login.must_change:
            raise fault("default-password")
        if self._is_first_certificate and self._certificate:
            await self._pin(self._certificate)
        return login.token

    async def _switch(self, token: str, username: str, *, on: bool, seconds: int) -> None:
        """2.8."""
        body = camera_http.relay_body(on=on, seconds=seconds)
        headers = camera_http.session_headers(token, username)
        try:
            answer = await self._ask(HttpRequest("POST", PATH, headers, body), "unanswered")
        except ConnectionLost as error:
            raise fault("unanswered") from error
        except AnswerFailed as error:
            raise fault("unclear", str(error)) from error
        if answer.status != _HTTP_OK:
            reason: RelayReason = "no-relay" if answer.status in _HTTP_NO_SUCH else "refused"
            raise fault(reason, f"HTTP {answer.status}")
        try:
            code = camera_http.read_relay(answer.body).code
        except DeviceNonsense as error:
            raise fault("unclear") from error
        if code not in OK_CODES:
            raise fault("no-relay" if code in _UNKNOWN else "refused", str(code))

    async def _ask(self, request: HttpRequest, if_late: RelayReason) -> HttpAnswer:
        """Send a request on a connection of its own, to the server that was asked before.

        Raises RelayFault, AnswerFailed. `if_late`: why it failed, once the request is on its way.
        """
        self._if_late = "unreachable"
        try:
            connection = await self._open_connection(self._place)
        except ConnectFailed as error:
            raise fault("unreachable") from error
        try:
            if self._certificate and connection.fingerprint != self._certificate:
                raise fault("certificate")
            self._certificate = connection.fingerprint
            self._if_late = if_late
            answer = await exchange(connection, self._place, request, max_bytes=MAX_ANSWER_BYTES)
        finally:
            # Without TLS's farewell, for which a camera may let us wait.
            await trio.aclose_forcefully(connection.stream)
        if 300 <= answer.status < 400:
            raise fault("redirect", f"HTTP {answer.status}")
        return answer
