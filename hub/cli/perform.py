"""How a command is carried out: by the hub that runs, or here on the store where none runs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from hub.app import open_services
from hub.config import load
from hub.errors import StartFault
from hub.process import control_channel, data_directory
from hub.process.control_requests import ControlRequest

R = TypeVar("R")

#: A hub that is starting or ending, and a command that is at work, are waited for.
_PATIENCE_SECONDS = 15.0


def carry_out(data_dir: Path, operation: ControlRequest[R]) -> R:
    """Raises HubErrors with the words for the person who gave the command."""
    _check_text(operation)
    data_directory.act_for_owner(data_dir)
    data_directory.prepare(data_dir)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            with data_directory.held(data_dir, "command"):
                if operation.needs_running_hub:
                    raise StartFault(f"no hub runs on {data_dir}, and only a running one knows")
                return trio.run(_perform_here, data_dir, operation)
        except data_directory.Taken as taken:
            if taken.by_a_hub and control_channel.is_open(data_dir):
                return trio.run(control_channel.ask, data_dir, operation)
            if time.monotonic() > deadline:
                raise
        time.sleep(data_directory.POLL_SECONDS)


async def _perform_here(data_dir: Path, operation: ControlRequest[R]) -> R:
    control_channel.forget_control(data_dir)
    config = load(data_dir, environment=os.environ)
    async with open_services(config, data_dir, closing=trio.Event()) as services:
        return await operation.perform(services)


def _check_text(operation: ControlRequest[Any]) -> None:
    """What came in another encoding can neither be kept nor handed to a running hub."""
    try:
        msgspec.json.encode(operation)
    except UnicodeEncodeError:
        raise StartFault("not everything that was given is text in UTF-8") from None
