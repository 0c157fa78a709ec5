"""Stands in the executable for a module that a library imports and a hub never uses.

It has every name that is asked of it. Whoever goes on to use one gets the error that importing it
would have been.
"""

from __future__ import annotations

from typing import NoReturn


def __getattr__(name: str) -> type[Exception]:
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_: object, **__: object) -> NoReturn:
        raise ImportError(f"{__name__}.{name} is not in this executable")

    # An exception, for it may stand behind `except`.
    return type(name, (Exception,), {"__new__": refuse})
