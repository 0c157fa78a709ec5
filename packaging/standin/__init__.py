"""A stand-in for a module that a library imports and the executable does not need.

Any name can be imported from it; using one raises ImportError.
"""

from __future__ import annotations

from typing import NoReturn


def __getattr__(name: str) -> type[Exception]:
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise ImportError(f"{__name__}.{name} is not in this executable")

    # An exception class, because it may be used in `except`.
    return type(name, (Exception,), {"__new__": refuse})
