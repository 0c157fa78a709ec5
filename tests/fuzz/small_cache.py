"""Run the hub with a page cache of 1 MB per connection instead of 64 and 16.

SQLite fills its page cache, which is bounded, over hours as the database grows; in a hub with
this cache, whatever else grows can be seen in the resident memory.
"""

from __future__ import annotations

import re

from hub.__main__ import main
from hub.store.sqlite import connection

_CACHE = "PRAGMA cache_size = -1024;"


def _with_small_cache(setup: str) -> str:
    changed, count = re.subn(r"PRAGMA cache_size = -\d+;", _CACHE, setup)
    if count != 1:
        raise RuntimeError("the set-up of SQLite's connections has no page cache")
    return changed


if __name__ == "__main__":
    connection._WRITER_SETUP = _with_small_cache(connection._WRITER_SETUP)
    connection._READER_SETUP = _with_small_cache(connection._READER_SETUP)
    main()
