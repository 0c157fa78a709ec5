"""What the checks are given: the data directory, the settings, and who holds the directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from hub.config import Config

if TYPE_CHECKING:
    from hub.services import Services


class Surroundings(Struct, frozen=True):
    """`hub`: the process number of the hub that runs on the data directory; None if none does.

    `config`: the hub's settings if one runs, else those that it would start with. `now`: UNIX
    seconds. `zone`: the site's time zone, an IANA name.
    """

    data_dir: Path
    config: Config
    now: Callable[[], float]
    hub: int | None = None
    zone: str = "UTC"


def surroundings_of(services: Services) -> Surroundings:
    """Return the surroundings of the hub that runs in this process."""
    return Surroundings(
        services.data_dir, services.config, services.now, os.getpid(), services.site.zone_name()
    )
