"""Calls of the API and control requests: in the running hub, or if none runs, in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from hub.cli.output import print_line
from hub.errors import StartFault
from hub.process import data_directory
from hub.process.control import client
from hub.process.control.request import ApiCall, ControlRequest

if TYPE_CHECKING:
    from hub.services import Services

R = TypeVar("R")
T = TypeVar("T")

#: How long to wait for a hub that is starting or stopping, or for another command.
_MAX_WAIT_SECONDS = 15.0
_NOT_UTF8 = "the arguments are not all UTF-8 text: set such a locale (LC_ALL=C.UTF-8)"


def call_api(
    data_dir: Path,
    method: str,
    *path: object,
    body: object = None,
    needs_hub: bool = False,
    **query: object,
) -> Any:
    """Call the API with the owner's right, and return the decoded answer.

    `path`: the parts below /api/hub/v1. None in the query is not sent.
    Raises HubErrors with a message for the person who ran the command.
    """
    given = {name: value for name, value in query.items() if value is not None}
    try:
        where = "/".join(quote(str(part), safe="") for part in path)
        where += f"?{urlencode(given)}" if given else ""
        text = "" if body is None else msgspec.json.encode(body).decode()
    except UnicodeEncodeError:
        raise StartFault(_NOT_UTF8) from None
    return execute(data_dir, ApiCall(method, where, text), needs_hub=needs_hub)


def list_api(
    data_dir: Path, *path: object, next_is: str = "after", **query: Any
) -> Iterator[dict[str, Any]]:
    """Yield the items of a list of the API, read page by page. `next_is`: what continues it."""
    while True:
        page = call_api(data_dir, "GET", *path, **query)
        yield from page["items"]
        if page["next"] is None:
            return
        query[next_is] = page["next"]


def find_item(items: list[dict[str, Any]], which: str, what: str, *keys: str) -> dict[str, Any]:
    """Return the item of which one of `keys`, in this order, is `which`. Raises StartFault."""
    for key in keys:
        for one in items:
            if str(one[key]) == which:
                return one
    raise StartFault(f"no {what} {which[:64]}")


def execute(data_dir: Path, request: ControlRequest[R], *, needs_hub: bool = False) -> R:
    """Execute `request` on the data directory, and return the result.

    Raises HubErrors with a message for the person who ran the command.
    """
    _check_text(request)
    data_directory.act_for_owner(data_dir)
    data_directory.prepare(data_dir)
    deadline = time.monotonic() + _MAX_WAIT_SECONDS
    while True:
        try:
            with data_directory.held(data_dir, "command"):
                return _execute_without_hub(data_dir, request, needs_hub)
        except data_directory.DirectoryInUse as error:
            if error.is_held_by_hub and client.is_open(data_dir):
                return client.ask_running_hub(data_dir, request)
            if time.monotonic() > deadline:
                raise
        time.sleep(data_directory.POLL_SECONDS)


def _execute_without_hub(data_dir: Path, request: ControlRequest[R], needs_hub: bool) -> R:
    import trio

    from hub.store.backup.restore import complete_restore

    complete_restore(data_dir)
    if needs_hub or request.needs_running_hub:
        raise StartFault(
            f"no hub runs on {data_dir}, and this command needs one: start it, or name its data "
            "directory with --data"
        )
    return trio.run(_execute_here, data_dir, request)


async def _execute_here(data_dir: Path, request: ControlRequest[R]) -> R:
    import trio

    from hub.app import open_hub
    from hub.config_sources import Sources
    from hub.process.control.channel import remove_channel_file
    from hub.store.commit.patience import Patience, waits_with

    remove_channel_file(data_dir)
    loaded = Sources(data_dir, os.environ).load()
    async with open_hub(loaded, data_dir, closing=trio.Event()) as services:
        # The person who ran the command waits for all that follows from it, or ends it.
        with waits_with(Patience(_say_slow)):
            if isinstance(request, ApiCall):
                answer: R = await _call_here(services, request)
                return answer
            return await request.perform(services)


async def _call_here(services: Services, call: ApiCall) -> Any:
    from web.api.owner import answer_owner
    from web.app import create_app

    app = create_app(services)
    app.carry_out = _carry_out
    answer = await answer_owner(app, call.method, call.path, call.body.encode())
    return msgspec.json.decode(answer)


async def _carry_out(work: Callable[[], Awaitable[T]]) -> T:
    """Carry out a change whose caller waits for all of it."""
    return await work()


def _say_slow(reason: str) -> None:
    print_line(f"sitehub: {reason}: this goes on when it does", err=True)


def _check_text(request: ControlRequest[Any]) -> None:
    """Refuse arguments that are not UTF-8: they can be neither stored nor sent to the hub."""
    try:
        msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise StartFault(_NOT_UTF8) from None
