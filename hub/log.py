"""The log: one line an event, to stderr and, where that is no terminal, to files too."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict

_QUIET_SECONDS = 60.0
_MOST_KEYS = 1024
#: key -> (when the last line was written, how many were held back since)
_last: OrderedDict[str, tuple[float, int]] = OrderedDict()


def limited(logger: logging.Logger, level: int, key: str, message: str, *args: object) -> None:
    """Log at most one line a minute for `key`; the next one says how many were held back."""
    now = time.monotonic()
    written, held = _last.get(key, (-_QUIET_SECONDS, 0))
    if now - written < _QUIET_SECONDS:
        _last[key] = (written, held + 1)
        return
    _last[key] = (now, 0)
    _last.move_to_end(key)
    if len(_last) > _MOST_KEYS:
        _last.popitem(last=False)
    if held:
        logger.log(level, message + " (%d more like this in the last minute)", *args, held)
    else:
        logger.log(level, message, *args)
