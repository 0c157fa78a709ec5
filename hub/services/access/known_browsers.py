"""Marks of browsers in which a user has signed in: signed texts that they keep as a cookie.

A mark tells nothing by itself, and lets nobody in. It says that the sign-ins of this browser are no
guesses of a stranger, so that a flood of those does not hold it up. It ends when the user's
password changes.
"""

from __future__ import annotations

import hmac
import secrets

from hub.store.tables.users import User

#: Users of one browser whose marks are kept.
MAX_MARKS = 8
_NONCE_BYTES = 9
_MAC_DIGITS = 32
_MARK_LENGTH = 12 + 1 + _MAC_DIGITS
_SEPARATOR = "~"


class KnownBrowsers:
    """Makes and recognises marks. `key` must stay the same across restarts."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def with_mark(self, marks: str, user: User) -> str:
        """Return the marks of a browser, with a new one for `user` first."""
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        mine = self._find(marks, user)
        others = [mark for mark in _split(marks) if mark != mine]
        new = f"{nonce}.{self._mac(nonce, user)}"
        return _SEPARATOR.join([new, *others][:MAX_MARKS])

    def recognise(self, marks: str, user: User) -> str | None:
        """Return a name for the browser, if one of its marks is of this user; else None."""
        mark = self._find(marks, user)
        return None if mark is None else mark.partition(".")[0]

    def _find(self, marks: str, user: User) -> str | None:
        for mark in _split(marks):
            nonce, _, mac = mark.partition(".")
            if hmac.compare_digest(mac.encode(), self._mac(nonce, user).encode()):
                return mark
        return None

    def _mac(self, nonce: str, user: User) -> str:
        text = "\0".join((nonce, user.name, user.password_hash))
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()[:_MAC_DIGITS]


def _split(marks: str) -> list[str]:
    found = marks.split(_SEPARATOR, MAX_MARKS)[:MAX_MARKS]
    return [mark for mark in found if len(mark) == _MARK_LENGTH]
