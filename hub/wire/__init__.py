"""The devices' protocol, pure: no module here waits, stores, logs or reads a clock.

Docstrings cite sections of the protocol by number (1.7, 2.3, and 三 for the signature of HTTP
requests) and decisions of this project as D1 to D9. The sections are in docs/protocol.md, the
decisions in docs/decisions.md.

The folders `uploads` (what devices send over HTTP) and `commands` (what the hub sends to devices)
may import the modules beside them; those never import from the folders.
"""
