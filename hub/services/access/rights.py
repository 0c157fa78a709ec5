"""What each role may do. Routes ask for a right, not for a place in an order of roles."""

from __future__ import annotations

from typing import Literal, get_args

from hub.store.tables.users import Role

Right = Literal["admin", "guard", "viewer", "people", "register", "signed-in"]
"""What a route needs:

admin      change the site
guard      work with records, alarms and cameras
viewer     see records, alarms and cameras
people     keep the register: change, import and export people, see their numbers in full
register   see the register and attendance
signed-in  the own account, and the help
"""

#: The first is the one with all rights.
ROLES: tuple[Role, ...] = get_args(Role)
_RIGHTS: dict[Role, frozenset[Right]] = {
    "admin": frozenset(get_args(Right)),
    "guard": frozenset(("guard", "viewer", "register", "signed-in")),
    "people": frozenset(("people", "register", "signed-in")),
    "viewer": frozenset(("viewer", "signed-in")),
}


def includes(role: Role, right: Right) -> bool:
    """Whether `role` has `right`."""
    return right in _RIGHTS[role]


def least_role(right: Right) -> Role:
    """The role with the fewest rights that has this one: what somebody without it is told."""
    return min(
        (role for role in ROLES if includes(role, right)), key=lambda role: len(_RIGHTS[role])
    )
