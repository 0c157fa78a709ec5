"""The limit of open files: how many connections it leaves room for.

A part of it is a reserve for files, the database, the log, health and sign-in: so it is connections
that are refused when descriptors become few, and nothing else.
"""

from __future__ import annotations

import logging
import sys

from hub.errors import StartFault

log = logging.getLogger(__name__)

#: What a hub without connections, and a page, need at most; fewer do not let it start.
LEAST = 64
_RESERVE = 256
_LEAST_RESERVE = 44
#: The ports share what is left; the device port and the web port may each have a plain one.
_PORTS = 2


def connection_limit(wanted: int) -> int:
    """Return how many connections a port may have, of those that are wanted."""
    limit = _limit()
    if limit is None:
        return wanted
    reserve = max(_LEAST_RESERVE, min(_RESERVE, limit // 4))
    return max(1, min(wanted, (limit - reserve) // _PORTS))


def require_open_files() -> None:
    """Raise the limit as far as it goes. Raises StartFault if it is too low to work with."""
    raise_limit()
    limit = _limit()
    if limit is not None and limit < LEAST:
        raise StartFault(
            f"this process may have {limit} open files, and a hub needs at least {LEAST}: raise "
            "the limit (ulimit -n, or LimitNOFILE of the service)"
        )


if sys.platform == "win32":

    def raise_limit() -> None:
        """Do nothing: Windows has no such limit for sockets."""

    def _limit() -> int | None:
        return None
else:
    import resource

    def raise_limit() -> None:
        """Allow thousands of connections, each an open file; the soft limit is often 1,024."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            log.warning("cannot raise the limit of %d open files: %s", soft, error)

    def _limit() -> int | None:
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return None if soft == resource.RLIM_INFINITY else soft
