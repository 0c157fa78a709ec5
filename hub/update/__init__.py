"""Updates that cannot strand the hub: their file, the programs beside the data, and the trial.

An update is a program in `DATA/programs/VERSION`. The installed program, which an update never
touches, starts it on trial; only once it is healthy does it become the program of this data
directory. Everything here uses the standard library, msgspec and, for signatures, cryptography.
"""

from __future__ import annotations

#: In the environment of a program that this one started: TRIAL or CURRENT of hub.update.running.
STARTED_AS = "SITEHUB_STARTED_AS"
#: In the data directory, once there was an update.
FOLDER = "programs"
