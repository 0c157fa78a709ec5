"""Which alarms go first if there are too many: those of the cameras that raise the most.

The room is shared evenly among the cameras that have alarms, so that one camera that raises very
many pushes out its own alone. An alarm counts for the camera that has not seen it for longest;
those of the hub share one part. Of the alarms beyond a camera's share, those that matter least go
first.
"""

from __future__ import annotations

import sqlite3

from hub.store.sqlite.sql import one

# A damaged row must not refuse the uploads that need room.
_OWNER = "iif(json_valid(dids), coalesce(json_extract(dids, '$[0]'), ''), '')"
_SEVERITY = "(CASE severity WHEN 'critical' THEN 2 WHEN 'major' THEN 1 ELSE 0 END)"

# A statement that asks for the count alone would use another index, see `raising`.
_ACTIVE = "alarm INDEXED BY alarm_active WHERE state <> 'closed'"
_CLOSED = "alarm WHERE state = 'closed'"
_OWNERS = f"SELECT count(DISTINCT {_OWNER}) FROM {{alarms}}"
_BEYOND_SHARE = f"""
SELECT seq FROM (
    SELECT seq, last_seq, weight,
        row_number() OVER (PARTITION BY owner ORDER BY weight DESC, last_seq DESC) AS place
    FROM (SELECT seq, last_seq, {_OWNER} AS owner, {{weight}} AS weight FROM {{alarms}})
) WHERE place > ? ORDER BY weight, last_seq LIMIT ?
"""
# There is at most one alarm of each offline device and of each problem of the hub. What nobody has
# acknowledged matters more, then what is severe, then what no rule may suppress.
_ACTIVE_WEIGHT = f"""
32 * (kind IN ('offline', 'hub')) + 16 * (state = 'new') + 4 * {_SEVERITY}
    + 2 * (kind IN ('blacklist', 'plate'))
    + iif(json_valid(dids), json_array_length(dids) > 1, 0)
"""
_CLOSED_WEIGHT = f"max({_SEVERITY}, 2 * (note <> ''))"


def least_active(connection: sqlite3.Connection, bound: int, count: int) -> list[int]:
    """Return which active alarms to close if only `bound` may stay, `count` at most."""
    return _least(connection, _ACTIVE, _ACTIVE_WEIGHT, bound, count)


def least_closed(connection: sqlite3.Connection, bound: int, count: int) -> list[int]:
    """Return which closed alarms to remove if only `bound` may stay, `count` at most.

    Severe ones, and those with a note, go last. Takes 0.3 s for 50,000.
    """
    return _least(connection, _CLOSED, _CLOSED_WEIGHT, bound, count)


def _least(
    connection: sqlite3.Connection, alarms: str, weight: str, bound: int, count: int
) -> list[int]:
    owners = one(connection, _OWNERS.format(alarms=alarms))
    share = bound // max(owners if isinstance(owners, int) else 0, 1)
    sql = _BEYOND_SHARE.format(alarms=alarms, weight=weight)
    return [seq for (seq,) in connection.execute(sql, (share, count))]
