"""Every error of ours, and the one table of the protocol's codes.

    HubError
    ├── BadParameter 420        a field is wrong; the message names it and what is allowed
    │   ├── TooLarge            a body or frame beyond its limit (HTTP 413)
    │   └── AlreadyExists       such an item is there already (HTTP 409 for integrators)
    ├── NotAuthorised 401       no, an unknown or an expired token or key
    │   └── NotAllowed          known, but not for this (HTTP 403 for integrators)
    ├── NoSuchPath 404          no such route or uri
    ├── DeviceNotRegistered 421
    ├── InvalidAppId 422
    ├── WrongSignature 423      signature wrong or missing, clock off, or replayed
    ├── UnknownEventType 424
    ├── ClientTooOld 425
    ├── NoSuchResource 426      no such item
    ├── DeviceBusy 409          too much is asked of it already (integrators)
    │   ├── DeviceOffline       it has no connection
    │   └── DeviceLeft          its connection ended before it answered
    ├── TooManyRequests 429
    ├── CannotStoreNow 503      HTTP only: send it again later
    ├── DeviceRefused 502       a device answered with an error of its own
    ├── DeviceNonsense 502      a device's answer is not what the specification says
    ├── DeviceSilent 504        a device did not answer in time (integrators)
    └── StartFault              the hub cannot start or a command cannot run: one line for a person
        └── PartFailed          a part that the hub cannot live without has failed

`code` is the number in the answer's body (chapter 四). `device_status` is the HTTP status on the
device interface (D5), `status` the HTTP status on the integrator API.
"""

from __future__ import annotations

from typing import ClassVar

OK = 200

#: Chapter 四, with the hub's own additions (D7): code -> meaning.
CODES: dict[int, str] = {
    200: "OK",
    401: "not authorised",
    404: "no such path",
    409: "device offline or busy",
    420: "bad parameter",
    421: "device not registered",
    422: "invalid appid",
    423: "signature error",
    424: "unknown event type",
    425: "client version too low",
    426: "no such resource",
    429: "too many requests",
    502: "device refused or answered nonsense",
    503: "cannot store now",
    504: "device did not answer in time",
}


class HubError(Exception):
    """An error that has a code of the protocol and a message for whoever caused it."""

    code: ClassVar[int] = 503
    device_status: ClassVar[int] = 200
    status: ClassVar[int] = 500

    def __init__(self, message: str = "") -> None:
        super().__init__(message or CODES[self.code])

    @property
    def message(self) -> str:
        return str(self.args[0])


class BadParameter(HubError):
    """A field is missing or wrong. `field` is its dotted path, empty for the whole."""

    code = 420
    status = 400

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class TooLarge(BadParameter):
    device_status = 413
    status = 413


class AlreadyExists(BadParameter):
    status = 409


class NotAuthorised(HubError):
    code = 401
    device_status = 401
    status = 401


class NotAllowed(NotAuthorised):
    status = 403


class NoSuchPath(HubError):
    code = 404
    device_status = 404
    status = 404


class DeviceNotRegistered(HubError):
    code = 421
    status = 404


class InvalidAppId(HubError):
    code = 422
    status = 422


class WrongSignature(HubError):
    code = 423
    status = 422


class UnknownEventType(HubError):
    code = 424
    status = 400


class ClientTooOld(HubError):
    code = 425
    status = 400


class NoSuchResource(HubError):
    code = 426
    status = 404


class DeviceBusy(HubError):
    code = 409
    status = 409


class DeviceOffline(DeviceBusy):
    pass


class DeviceLeft(DeviceBusy):
    pass


class TooManyRequests(HubError):
    """`retry_after` is in seconds."""

    code = 429
    device_status = 429
    status = 429

    def __init__(self, message: str = "", *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CannotStoreNow(HubError):
    """Nothing was stored; the sender should try again after `retry_after` seconds."""

    code = 503
    device_status = 503
    status = 503

    def __init__(self, message: str = "", *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeviceRefused(HubError):
    """`device_code` and `device_msg` are the device's own words."""

    code = 502
    status = 502

    def __init__(self, device_code: int, device_msg: str) -> None:
        super().__init__(f"the device refused: {device_code} {device_msg}".rstrip())
        self.device_code = device_code
        self.device_msg = device_msg


class DeviceNonsense(HubError):
    code = 502
    status = 502


class DeviceSilent(HubError):
    code = 504
    status = 504


class StartFault(HubError):
    """The hub cannot start, or a command cannot run: one line that says what to do."""


class PartFailed(StartFault):
    """A part that the hub cannot live without has failed: the process ends."""


def hub_error_in(error: BaseException) -> HubError | None:
    """The first HubError in an exception or in a group of them."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(hub_error_in, error.exceptions)), None)
    return None
