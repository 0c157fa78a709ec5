"""What the checks are given: the data directory, the settings, and who holds the directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from hub.config import Config


class Surroundings(Struct, frozen=True):
    """`hub`: the process number of the hub that runs on the data directory; None if none does.

    `config`: the hub's settings if one runs, else those that it would start with. `now`: UNIX
    seconds. `zone`: the site's time zone, an IANA name. `is_clock_doubted`: by the hub that runs.
    `backup_failure`: why the last backup failed, by the hub that runs, or "".
    """

    data_dir: Path
    config: Config
    now: Callable[[], float]
    hub: int | None = None
    zone: str = "UTC"
    is_clock_doubted: bool = False
    backup_failure: str = ""
