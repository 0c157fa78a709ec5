"""Why the hub cannot write to a folder, and what an administrator can do about it."""

from __future__ import annotations

import getpass
import os
import shlex

from hub.errors import HubError
from hub.reasons import Reason
from web.language import gettext
from web.pages.labels import reason_text


def folder_fault(folder: str, error: HubError) -> str:
    """A sentence; where the hub lacks the permission on Linux, the command that gives it too."""
    cause, why = error.__cause__, error.said
    if isinstance(cause, OSError) and cause.errno:
        # By its number: Windows has other words, in the language of the computer.
        why = Reason(os.strerror(cause.errno))
    reason = reason_text(why)
    fault = gettext("This folder does not exist or cannot be written to: %(reason)s.") % {
        "reason": reason
    }
    if os.name == "nt" or not isinstance(cause, PermissionError):
        return fault
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        return fault
    command = f"sudo install -d -m 700 -o {account} {shlex.quote(folder)}"
    hint = gettext("A folder that this hub can write to is made by: %(command)s")
    return f"{fault} {hint % {'command': command}}"
