"""What the checks are given: the data directory, the settings, and who holds the directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from hub.clock_reading import LikelyTime
from hub.config import Config
from hub.services.backups.views import BackupFailure


class CheckContext(Struct, frozen=True):
    """`hub`: the process number of the hub that runs on the data directory; None if none does.

    `config`: the hub's settings if one runs, else those that it would start with. `now`: UNIX
    seconds. `zone`: the site's time zone, an IANA name. By the hub that runs: `is_clock_doubted`;
    `backup_failure`, the last one if no backup succeeded since; `likely_now`, the time that is most
    probably right.
    """

    data_dir: Path
    config: Config
    now: Callable[[], float]
    hub: int | None = None
    zone: str = "UTC"
    is_clock_doubted: bool = False
    backup_failure: BackupFailure | None = None
    likely_now: Callable[[], LikelyTime] | None = None
