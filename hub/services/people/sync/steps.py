"""What is sent to a device for one person, and what follows from its answers (D10). Pure.

`put` and `remove` are generators: they yield the next request, are sent the device's reply, and
return the outcome. So every rule about answers stands here, and can be tested without a device.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Literal

from msgspec import Struct

from hub.errors import BadParameter, NoSuchPath, NoSuchResource, UnknownEventType

#: `add-again`: with the photo prepared once more. `update`: of later editions (D12).
Request = Literal["query", "delete", "add", "add-again", "update"]

#: Codes that mean "no such person": removing it has succeeded.
_GONE = {NoSuchPath.code, NoSuchResource.code}
#: D10: these refuse the person for good.
_FINAL = {BadParameter.code, UnknownEventType.code, NoSuchResource.code}
#: The device cannot do it now: busy, or too many requests.
_NOT_NOW = {408, 409, 429}


class Reply(Struct, frozen=True):
    """How a device answered. `code` is None if it took the request.

    `is_there`: after "query", whether the device holds the person; `is_same`: with the fields of
    the register.
    """

    code: int | None = None
    msg: str = ""
    is_there: bool = False
    is_same: bool = False

    @property
    def is_taken(self) -> bool:
        return self.code is None

    @property
    def is_not_now(self) -> bool:
        return self.code is not None and (self.code >= 500 or self.code in _NOT_NOW)


class Outcome(Struct, frozen=True):
    """What came of a person on a device.

    `kind`: later = try again after a pause. `holds`: whether the device holds the person, in the
    wanted revision if done; None: not known. `deletes_first`: what was learned of the device.
    """

    kind: Literal["done", "failed", "later"]
    holds: bool | None
    code: int | None = None
    msg: str = ""
    deletes_first: bool | None = None


Steps = Generator[Request, Reply, Outcome]


def put(
    *, holds: bool | None, is_ours: bool, deletes_first: bool | None, updates: bool = False
) -> Steps:
    """Put a person on a device.

    `holds`: whether the device holds it already; None: not known, so it is asked first. `is_ours`:
    if it holds the person, it can only be what is to be put there now. `updates`: the device may
    know how to update a person (D12); if it answers 404, it does not.
    """
    if holds is None:
        reply = yield "query"
        if reply.is_not_now:
            return _later(reply, None)
        if reply.is_there and reply.is_same and is_ours:
            return Outcome("done", True)
        holds = reply.is_there
    if holds and updates:
        reply = yield "update"
        if reply.is_taken:
            return Outcome("done", True)
        if reply.is_not_now:
            return _later(reply, True)
        if reply.code in _FINAL and reply.code != NoSuchResource.code:
            return _failed(reply, True)
        holds = reply.code != NoSuchResource.code
    if holds and deletes_first:
        return (yield from _replace(None))
    reply = yield "add"
    if not reply.is_taken and not reply.is_not_now and deletes_first is None:
        # It may be that this device takes no pid that it holds.
        asked = yield "query"
        if asked.is_not_now:
            return _later(asked, None)
        if asked.is_there:
            return (yield from _replace(reply))
        holds = False
    return (yield from _finish(reply, holds, learned=False if holds else None))


def _replace(refusal: Reply | None) -> Steps:
    """Remove what the device holds, and add it anew. `refusal`: to the try without removing."""
    removed = yield "delete"
    if removed.is_not_now:
        return _later(removed, None)
    if not _is_removed(removed):
        return _failed(refusal or removed, True)
    reply = yield "add"
    return (yield from _finish(reply, False, learned=True))


def _finish(reply: Reply, holds: bool, *, learned: bool | None) -> Steps:
    """Judge the answer to 1.12; after a refusal that is not final, try once more.

    `learned`: what success says about `deletes_first`.
    """
    if not reply.is_taken and not reply.is_not_now and reply.code not in _FINAL:
        reply = yield "add-again"
    if reply.is_taken:
        return Outcome("done", True, deletes_first=learned)
    return _later(reply, holds) if reply.is_not_now else _failed(reply, holds)


def remove(*, holds: bool | None) -> Steps:
    """Remove a person from a device. `holds`: see `put`."""
    if holds is None:
        reply = yield "query"
        if reply.is_not_now:
            return _later(reply, None)
        if not reply.is_there:
            return Outcome("done", False)
    refusal: Reply | None = None
    for _ in range(2):
        refusal = yield "delete"
        if _is_removed(refusal):
            return Outcome("done", False)
        if refusal.is_not_now:
            return _later(refusal, None)
        asked = yield "query"
        if asked.is_not_now:
            return _later(asked, None)
        if not asked.is_there:
            return Outcome("done", False)
    assert refusal is not None
    return _failed(refusal, True)


def _is_removed(reply: Reply) -> bool:
    """D10: 1.15 for a pid that is not there is success."""
    return reply.is_taken or reply.code in _GONE


def _later(reply: Reply, holds: bool | None) -> Outcome:
    return Outcome("later", holds, reply.code, reply.msg)


def _failed(reply: Reply, holds: bool | None) -> Outcome:
    return Outcome("failed", holds, reply.code, reply.msg)
