"""All errors that the hub raises, and the table of the protocol's codes.

    HubError
    │   The caller (a device or an integrator) is at fault: it must change its request.
    ├── BadParameter 420        a field is wrong; the message names it and what is allowed
    │   ├── TooLarge            a body or frame exceeds its limit (HTTP 413)
    │   ├── AlreadyExists       the item exists already (HTTP 409 for integrators)
    │   ├── ChangedMeanwhile    the item is not any more what the caller has seen (HTTP 409)
    │   └── UpdateRefused       the file of an update cannot be used
    ├── NotAuthorised 401       the token or key is missing, unknown or expired
    │   └── NotAllowed          the caller is known but lacks the permission (HTTP 403)
    ├── NoSuchPath 404          no such route or uri
    ├── DeviceNotRegistered 421
    ├── InvalidAppId 422
    ├── WrongSignature 423      signature wrong or missing, clock off, or replayed
    ├── UnknownEventType 424
    ├── ClientTooOld 425
    ├── NoSuchResource 426      no such item
    │   └── Missing             an item of a kind that pages can name
    ├── TooManyRequests 429     the caller must slow down
    │   The hub is at fault.
    ├── CannotStoreNow 503      nothing was stored; the caller should send it again later
    │   └── StillStoring        the disk does not respond: it may yet be stored
    ├── StartFault              the hub cannot start, or a command line command cannot run
    │   ├── PartFailed          a part that the hub needs has failed: the process ends
    │   └── BackupFault         a backup cannot be made, read or restored
    │       ├── NeedsPassphrase     it is sealed, and no passphrase was given
    │       ├── DamagedBackup       it is not what was written ...
    │       │   └── WrongPassphrase     ... or its passphrase is another one
    │       └── UnreadableDatabase  the hub's database cannot be read for it
    │   A command was never sent to the device: it can be repeated safely.
    ├── NotSent 409
    │   ├── DeviceOffline       the device has no connection
    │   └── DeviceBusy          too many commands wait for the device already
    │   A command was sent, but no answer is known: the device may have executed it.
    ├── Unanswered
    │   ├── DeviceLeft 409      the connection ended before the device answered
    │   └── DeviceSilent 504    the device did not answer in time
    │   The device answered.
    ├── DeviceRefused 502       with an error code of its own
    └── DeviceNonsense 502      with something that the specification does not allow

`code` is the number in the body of the answer (chapter 4). `device_status` is the HTTP status on
the device interface (D5), `status` the HTTP status on the integrator API.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeVar

from hub.reasons import Reason

T = TypeVar("T")

OK = 200

#: Chapter 4, with the hub's own additions (D7): code -> meaning.
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
    502: "device refused, or its answer could not be understood",
    503: "cannot store now",
    504: "device did not answer in time",
}


class HubError(Exception):
    """An error with a code of the protocol and a message for the caller.

    `said`: the message as a reason, without the name of a field.
    """

    code: ClassVar[int] = 503
    device_status: ClassVar[int] = 200
    status: ClassVar[int] = 500

    def __init__(self, message: str | Reason = "") -> None:
        self.said = message if isinstance(message, Reason) else Reason(message or CODES[self.code])
        super().__init__(str(self.said))

    @property
    def message(self) -> str:
        return str(self.args[0])


class BadParameter(HubError):
    """A field is missing or wrong. `field` is its dotted path, or empty for the whole body.

    `fault`: what is wrong with it, where pages have a sentence of their own for that.
    """

    code = 420
    status = 400

    def __init__(self, message: str | Reason = "", *, field: str = "", fault: str = "") -> None:
        super().__init__(message)
        if field:
            self.args = (f"{field}: {self.said}",)
        self.field, self.fault = field, fault


class TooLarge(BadParameter):
    device_status = 413
    status = 413


class AlreadyExists(BadParameter):
    status = 409


class ChangedMeanwhile(BadParameter):
    status = 409


class UpdateRefused(BadParameter):
    """An update cannot be used. `reason` and `values` are for the translation of the message."""

    def __init__(self, reason: str, message: str, **values: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.values = values


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


MissingKind = Literal[
    "device", "waiting device", "relay", "record", "picture", "alarm", "plate list",
    "person", "photo", "group", "job", "release", "campaign",
]  # fmt: skip
#: What callers are told. Pages have a sentence for each kind.
MISSING: dict[MissingKind, str] = {
    "device": "there is no device with did %(did)s",
    "waiting device": "no device with sn %(sn)s is waiting",
    "relay": "device %(did)s has no relay",
    "record": "there is no record %(seq)s",
    "picture": "there is no picture %(name)r of record %(seq)s",
    "alarm": "there is no alarm %(seq)s",
    "plate list": "there is no plate list %(id)s",
    "person": "there is no person %(pid)s",
    "photo": "there is no photo of a person %(pid)s",
    "group": "there is no group %(id)s",
    "job": "there is no job %(id)s",
    "release": "there is no release %(id)s",
    "campaign": "there is no campaign %(id)s",
}


class Missing(NoSuchResource):
    """An item that is not there. `facts`: what its message names."""

    def __init__(self, kind: MissingKind, **facts: object) -> None:
        super().__init__(MISSING[kind] % facts)
        self.kind, self.facts = kind, facts


def existing(found: T | None, kind: MissingKind, **facts: object) -> T:
    """Return what was found. Raises Missing if that is nothing."""
    if found is None:
        raise Missing(kind, **facts)
    return found


class TooManyRequests(HubError):
    """`retry_after` is in seconds."""

    code = 429
    device_status = 429
    status = 429

    def __init__(self, message: str = "", *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CannotStoreNow(HubError):
    """Nothing was stored; the caller should try again after `retry_after` seconds."""

    code = 503
    device_status = 503
    status = 503

    def __init__(self, message: str | Reason = "", *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StillStoring(CannotStoreNow):
    """The disk has not responded for a while: what was to be stored may yet be."""


class NotSent(HubError):
    """The command never reached the device."""

    code = 409
    status = 409


class DeviceOffline(NotSent):
    pass


class DeviceBusy(NotSent):
    pass


class Unanswered(HubError):
    """The command was sent, but it is unknown whether the device executed it."""

    code = 504
    status = 504


class DeviceLeft(Unanswered):
    code = 409
    status = 409


class DeviceSilent(Unanswered):
    pass


class DeviceRefused(HubError):
    """The device answered with an error: its code is `device_code`, its text `device_msg`."""

    code = 502
    status = 502

    def __init__(self, device_code: int, device_msg: str) -> None:
        super().__init__(f"the device refused: {device_code} {device_msg}".rstrip())
        self.device_code = device_code
        self.device_msg = device_msg


class DeviceNonsense(HubError):
    code = 502
    status = 502


class DeviceNoResult(DeviceNonsense):
    """The device took the command, but its answer is empty."""


class StartFault(HubError):
    """The hub cannot start, or a command cannot run. The message says in one line what to do."""


class PartFailed(StartFault):
    """A part that the hub needs has failed: the process ends."""


class BackupFault(StartFault):
    """A backup cannot be made, read or restored. The message says why in one line."""


class NeedsPassphrase(BackupFault):
    """A backup is sealed, and no passphrase was given."""


class DamagedBackup(BackupFault):
    """What a backup contains is not what was written, or a passphrase does not open it."""


class WrongPassphrase(DamagedBackup):
    """A passphrase does not open a backup; or the begin of the backup is damaged."""


class UnreadableDatabase(BackupFault):
    """The database of the hub cannot be read completely, so that no backup can be made of it."""


def os_error_in(error: BaseException) -> OSError | None:
    """The OSError in `error`, which may be an exception group of nothing else; None otherwise.

    It says that the surroundings of the program are at fault, not the program.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error if isinstance(error, OSError) and error.errno is not None else None


def os_error_text(error: OSError) -> str:
    """What the system refused, in one line."""
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror}"


def hub_error_in(error: BaseException) -> HubError | None:
    """The first HubError in `error`, which may be an exception group; None if there is none."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(hub_error_in, error.exceptions)), None)
    return None
