"""Checks of the fields of users and API keys."""

from __future__ import annotations

from hub.errors import BadParameter
from hub.folding import normalise
from hub.services.access.rights import ROLES
from hub.store.tables.users import Role

MAX_NAME_LENGTH = 64
#: A longer name is refused unread: composed, four characters may become one.
MAX_SENT_NAME = 4 * MAX_NAME_LENGTH
MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 1024


def normalise_name(name: str) -> str:
    """Return the name without outer spaces, in NFC: keyboards compose letters differently.

    One that is longer than MAX_SENT_NAME is cut.
    """
    return normalise("NFC", name.strip(), MAX_SENT_NAME).strip()


def check_name(name: str) -> str:
    """Check a name, and return it normalised. Raises BadParameter."""
    is_cut = len(name.strip()) > MAX_SENT_NAME
    name = normalise_name(name)
    if is_cut or not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadParameter(f"1 to {MAX_NAME_LENGTH} printable characters", field="name")
    return name


def check_role(role: str) -> Role:
    """Return the role. Raises BadParameter if there is no such role."""
    for known in ROLES:
        if role == known:
            return known
    raise BadParameter(f"one of {', '.join(ROLES)}", field="role")


def check_password(password: str, *, field: str = "password") -> None:
    """Check the length of a new password. Raises BadParameter for `field`."""
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        raise BadParameter(
            f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters", field=field
        )
