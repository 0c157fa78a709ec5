"""The hub as a service of the system: installed, started, and heard by its service manager."""

from __future__ import annotations

#: What the service is called on every system, and on Linux the user that it runs as.
NAME = "sitehub"
