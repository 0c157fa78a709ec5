"""What the settings of a relay may be: its address, and a password that nobody guesses."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from hub.errors import BadParameter
from hub.net.networks import Networks

MAX_NAME_LENGTH = 40
MAX_USERNAME_LENGTH = 32
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 6, 64
MAX_SECONDS = 60

#: It stands in a cookie.
_USERNAME = re.compile(rf"[A-Za-z0-9_.@-]{{1,{MAX_USERNAME_LENGTH}}}", re.ASCII)
#: The networks that sites are made of; see RFC 1918 and RFC 4193.
_PRIVATE = Networks("10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7")
#: Passwords that cameras are delivered with, or that are tried first, in small letters.
_KNOWN_PASSWORDS = frozenset(
    [
        "admin",
        "admin1",
        "admin123",
        "admin1234",
        "admin12345",
        "administrator",
        "operator",
        "password",
        "password1",
        "passw0rd",
        "default",
        "system",
        "service",
        "camera",
        "guest",
        "root",
        "root123",
        "toor",
        "user",
        "1234",
        "12345",
        "123456",
        "1234567",
        "12345678",
        "123456789",
        "1234567890",
        "654321",
        "87654321",
        "123123",
        "112233",
        "121212",
        "123321",
        "abc123",
        "abcd1234",
        "abc12345",
        "a123456",
        "aa123456",
        "qwerty",
        "qwerty123",
        "1q2w3e4r",
        "1qaz2wsx",
    ]
)


def checked_name(name: str) -> str:
    """Return a name without superfluous spaces. Raises BadParameter, as all of these."""
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadParameter(f"1 to {MAX_NAME_LENGTH} characters are expected", field="name")
    return name


def checked_seconds(seconds: int) -> int:
    if not 1 <= seconds <= MAX_SECONDS:
        raise BadParameter(f"1 to {MAX_SECONDS} is expected", field="seconds")
    return seconds


def checked_port(port: int) -> int:
    if not 1 <= port <= 65535:
        raise BadParameter("1 to 65535 is expected", field="port")
    return port


def checked_username(username: str) -> str:
    if not _USERNAME.fullmatch(username):
        text = f"1 to {MAX_USERNAME_LENGTH} letters, digits and . _ - @ are expected"
        raise BadParameter(text, field="username")
    return username


def checked_password(password: str, username: str) -> str:
    """Return a password that is not one of those that everybody tries first."""
    if is_known_password(password, username):
        raise BadParameter(
            "a default password, or one as easy to guess", field="password", fault="default"
        )
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        text = f"{MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters are expected"
        raise BadParameter(text, field="password")
    if not password.isprintable():
        raise BadParameter("characters that can be printed are expected", field="password")
    return password


def is_known_password(password: str, username: str) -> bool:
    """Whether a password is a default, the user name, or one character again and again."""
    plain = password.casefold()
    return plain in _KNOWN_PASSWORDS or plain == username.casefold() or len(set(plain)) == 1


def normal_address(text: str) -> str:
    """Return an IP address in its usual form; "" if it is none."""
    try:
        found = ip_address(text.strip())
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def check_reachable(address: str, networks: str, *, is_own: bool, allow_loopback: bool) -> None:
    """Check an address that credentials may be sent to. Raises BadParameter.

    `is_own`: the camera is connected from it. A typed one must be in a private network or in
    `networks`, the setting `devices.unsigned_networks`.
    """
    found = ip_address(address)
    if allow_loopback and found.is_loopback:
        return
    if _is_special(found):
        raise BadParameter("an address of the site's network is expected", field="address")
    if not (is_own or _PRIVATE.include(address) or Networks(networks).include(address)):
        text = "an address in a private network, or in devices.unsigned_networks, is expected"
        raise BadParameter(text, field="address")


def _is_special(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address == IPv4Address("255.255.255.255")
    )
