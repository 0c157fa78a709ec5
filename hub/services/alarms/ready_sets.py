"""Which events raise an alarm where no rule decides: three ready sets to choose from (D11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from hub.config import RaisedBy
from hub.store.alarms.alarm import LISTED_PERSON

#: The category of blacklisted persons (1.12).
BLACKLIST = 2
#: The type of event (2.4) that tells of a person.
PERSON_DETECTED = 11

#: Someone has to go there at once, at any hour: intrusion, camera covered, fire, fall, vital signs.
FEW = frozenset({2, 3, 8, 16, 17})
#: A guard at the desk looks at it: crowd, loitering, loud noise, post left, body temperature,
#: behaviour, non-motor vehicle.
USUAL = FEW | {5, 6, 9, 13, 14, 19, 20}
_SETS: Mapping[Literal["few", "usual"], frozenset[int]] = {"few": FEW, "usual": USUAL}


def is_raised_by(ready_set: RaisedBy, type: int, category: int | None = None) -> bool:
    """Whether an event is in the set. `type`: of 2.4 or of a box. `category`: of the person."""
    if ready_set == "all":
        return type != PERSON_DETECTED
    if type == LISTED_PERSON:  # The protocol has no category here: many cameras send none.
        return category in (None, BLACKLIST)
    return type in _SETS[ready_set]
