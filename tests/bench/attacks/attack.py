"""What an attack is: a module in this package with a docstring of one line, and these names.

- `async def attack(target: Target, got: Got) -> None` attacks until it is cancelled. It runs in a
  process of its own (`python -m tests.bench.attacks.attack NAME`), so that the attacker's work does
  not disturb what is measured. Bound everything; only loopback is attacked.
- optional `def prepare(site: Site) -> dict[str, Any]` prepares the hub before the neighbours are
  measured (keys, records, pictures); what it returns is `target.prepared`.
- optional `SETTINGS: dict[str, object]` of the hub, and `CAMERAS: int`, the enrolled cameras that
  the attacker has (their tokens are `target.tokens`).
"""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from typing import Any

import msgspec
import trio

from tests.bench.cameras import Plan
from tests.bench.hub_process import HOST, Hub, raise_limit_of_open_files

#: From which address an attack comes that needs one alone.
ATTACKER = "127.0.3.1"
_STOP_SECONDS = 10.0


class Target(msgspec.Struct):
    """`plan` names the device port and the attacker's own cameras, whose tokens are `tokens`."""

    web_port: int
    tls: bool
    plan: Plan
    tokens: list[str]
    prepared: dict[str, Any]
    seconds: float
    host: str = HOST


class Got(Counter[str]):
    """What the attacker got: count anything by a name; printed as "name: count"."""


class Site(msgspec.Struct):
    """A running hub for `prepare`. `tokens` are of the attacker's cameras."""

    hub: Hub
    plan: Plan
    tokens: list[str]


def load(name: str) -> Any:
    """The module of an attack."""
    return importlib.import_module(f"tests.bench.attacks.{name}")


async def _run(name: str, target: Target) -> Got:
    got = Got()
    with trio.move_on_after(target.seconds):
        await load(name).attack(target, got)
        await trio.sleep_forever()
    return got


if __name__ == "__main__":
    raise_limit_of_open_files()
    wanted = msgspec.json.decode(sys.stdin.buffer.readline(), type=Target)
    print(msgspec.json.encode(trio.run(_run, sys.argv[1], wanted)).decode())
