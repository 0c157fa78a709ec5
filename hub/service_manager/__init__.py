"""The hub as a service of the system: installing it, and talking to its service manager."""

from __future__ import annotations

#: The service's name on every system, and on Linux the user that it runs as.
NAME = "sitehub"
#: The directory below the service's data that the one-file executable is unpacked into. Cleaners of
#: temporary files ignore it, and no other user can write to it.
UNPACKED = "unpacked"
