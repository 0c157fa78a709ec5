"""Updates that cannot strand the hub: their file, the programs beside the data, and the trial.

An update is a program in `DATA/programs/VERSION`. The installed program, which an update never
touches, starts it on trial; only once it is healthy does it become the program of this data
directory. Everything here uses the standard library, msgspec and, for signatures, cryptography.
"""
