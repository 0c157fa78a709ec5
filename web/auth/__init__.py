"""Who sends a request, and what they may do.

current     the services, and the client's address, of the current request
sessions    users who are signed in by cookie, and their roles
csrf        checks that forms come from our own pages
api         callers of the API: a key, a signature (三), a signed-in user, or the owner
signatures  the body of a signed request
"""

from __future__ import annotations

from web.auth.api import (
    OWNER,
    PASSWORD_HEADER,
    Caller,
    authenticate,
    authenticate_bearer,
    confirm,
    require_api,
)
from web.auth.csrf import FormRefused, check_csrf, check_origin, csrf_token
from web.auth.current import base_url, client_address, head_of, install, services
from web.auth.sessions import (
    RoleMissing,
    actor,
    browser_marks,
    check_role,
    current_user,
    forget,
    reaches,
    remains,
    remember,
    remember_screen,
    require_role,
    session_token,
    user,
)
from web.auth.signatures import (
    check_body_md5,
    check_signed_body,
    is_signed,
    refuse_repeated_parameters,
    signed_body_md5,
)

__all__ = [
    "OWNER",
    "PASSWORD_HEADER",
    "Caller",
    "FormRefused",
    "RoleMissing",
    "actor",
    "authenticate",
    "authenticate_bearer",
    "base_url",
    "browser_marks",
    "check_body_md5",
    "check_csrf",
    "check_origin",
    "check_role",
    "check_signed_body",
    "client_address",
    "confirm",
    "csrf_token",
    "current_user",
    "forget",
    "head_of",
    "install",
    "is_signed",
    "reaches",
    "refuse_repeated_parameters",
    "remains",
    "remember",
    "remember_screen",
    "require_api",
    "require_role",
    "services",
    "session_token",
    "signed_body_md5",
    "user",
]
