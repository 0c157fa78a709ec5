"""The usual form of the fields of an HTTP/1.1 head; whatever has another one is left to h11."""

from __future__ import annotations

import re

#: After the first line, one or more fields: a name that is a token, and a value of printable ASCII
#: and tabs; then the blank line.
FIELDS = re.compile(rb"(?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e]*)+\r\n\r\n")
