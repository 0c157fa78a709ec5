"""Signed requests (三): the signature covers the parameters, and `body_md5` the body.

`method` and `path`, which a change must sign, are checked by hub.services.access.api_keys.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from werkzeug.sansio.request import Request as Head

from hub.errors import BadParameter, WrongSignature
from hub.wire.signing import body_md5


def is_signed(head: Head) -> bool:
    """Whether the request is authenticated by a signature, not by its Authorization header."""
    has_header = bool(head.headers.get("Authorization"))
    return not has_header and ("appid" in head.args or "sign" in head.args)


def check_signed_body(head: Head, body: bytes) -> None:
    """Check `body_md5`, which binds the body to the signed parameters. Raises WrongSignature."""
    if body:
        signed_body_md5(head)
    if "body_md5" in head.args:
        check_body_md5(head, body_md5(body))


def signed_body_md5(head: Head) -> str:
    """The signed parameter `body_md5`. Raises WrongSignature if it is missing."""
    signed = head.args.get("body_md5")
    if signed is None:
        raise WrongSignature("body_md5: missing; sign it along with the other parameters")
    return signed


def check_body_md5(head: Head, found: str) -> None:
    """Compare `body_md5` with `found`, an MD5 in upper-case hex. Raises WrongSignature."""
    if not hmac.compare_digest(found.encode(), signed_body_md5(head).encode()):
        raise WrongSignature("body_md5: does not match the body")


def refuse_repeated_parameters(head: Head, lists: Collection[str] = ()) -> None:
    """Refuse a parameter that is given twice: one could be signed, and the other one used.

    `lists`: those that may be. Raises BadParameter.
    """
    for name, values in head.args.lists():
        if len(values) > 1 and name not in lists:
            raise BadParameter("given more than once", field=name)
