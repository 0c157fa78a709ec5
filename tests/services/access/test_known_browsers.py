from __future__ import annotations

from msgspec.structs import replace

from hub.services.access.known_browsers import MAX_MARKS, KnownBrowsers
from hub.store.tables.users import User

ANN = User("ann", "admin", "hash of ann", 0)
BOB = User("bob", "guard", "hash of bob", 0)


def test_a_mark_is_recognised_for_its_user_alone() -> None:
    browsers = KnownBrowsers(bytes(32))
    marks = browsers.with_mark("", ANN)
    assert browsers.recognise(marks, ANN)
    assert browsers.recognise(marks, BOB) is None
    assert KnownBrowsers(bytes(31) + b"x").recognise(marks, ANN) is None


def test_a_mark_tells_no_name_and_ends_with_the_password() -> None:
    browsers = KnownBrowsers(bytes(32))
    marks = browsers.with_mark("", ANN)
    assert "ann" not in marks
    assert browsers.recognise(marks, replace(ANN, password_hash="another")) is None


def test_the_users_of_one_browser_share_a_cookie_of_bounded_length() -> None:
    browsers = KnownBrowsers(bytes(32))
    users = [User(f"user{number}", "guard", str(number), 0) for number in range(MAX_MARKS + 3)]
    marks = ""
    for user in users:
        marks = browsers.with_mark(marks, user)
        marks = browsers.with_mark(marks, user)
    known = [user for user in users if browsers.recognise(marks, user)]
    assert known == users[-MAX_MARKS:]
    assert len(marks) < 400


def test_anything_else_is_no_mark() -> None:
    browsers = KnownBrowsers(bytes(32))
    mark = browsers.with_mark("", ANN)
    for wrong in ("", "~", ".", mark[:-1], f"x{mark}", mark[:-1] + "é", "~" * 10_000, "a" * 45):
        assert browsers.recognise(wrong, ANN) is None
