"""What runs in the background."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

#: Parts in the order in which they start, each with a name for messages.
Parts = Iterator[tuple[str, Callable[..., Awaitable[None]]]]
