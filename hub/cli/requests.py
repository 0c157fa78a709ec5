"""Executing a control request: in the running hub, or if none runs, in this process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from hub.app import open_hub
from hub.cli.output import print_line
from hub.config_sources import Sources
from hub.errors import StartFault
from hub.process import data_directory
from hub.process.control import channel
from hub.process.control.request import ControlRequest
from hub.store.backup.restore import complete_restore
from hub.store.commit.patience import Patience, waits_with

R = TypeVar("R")

#: How long to wait for a hub that is starting or stopping, or for another command.
_MAX_WAIT_SECONDS = 15.0


def execute(data_dir: Path, request: ControlRequest[R]) -> R:
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
                complete_restore(data_dir)
                if request.needs_running_hub:
                    raise StartFault(f"no hub runs on {data_dir}, and this command needs one")
                return trio.run(_execute_here, data_dir, request)
        except data_directory.DirectoryInUse as error:
            if error.is_held_by_hub and channel.is_open(data_dir):
                return trio.run(channel.ask_running_hub, data_dir, request)
            if time.monotonic() > deadline:
                raise
        time.sleep(data_directory.POLL_SECONDS)


async def _execute_here(data_dir: Path, request: ControlRequest[R]) -> R:
    channel.remove_channel_file(data_dir)
    loaded = Sources(data_dir, os.environ).load()
    async with open_hub(loaded, data_dir, closing=trio.Event()) as services:
        # The person who ran the command waits for all that follows from it, or ends it.
        with waits_with(Patience(_say_slow)):
            return await request.perform(services)


def _say_slow(reason: str) -> None:
    print_line(f"sitehub: {reason}: this goes on when it does", err=True)


def _check_text(request: ControlRequest[Any]) -> None:
    """Refuse arguments that are not UTF-8: they can be neither stored nor sent to the hub."""
    try:
        msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise StartFault("the arguments are not all UTF-8 text") from None
