"""The calls about one kind of thing, such as groups: list, add, one, change and remove."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, Generic, Literal, TypeVar

from msgspec import Struct

from hub.services.access.rights import Right
from hub.services.audit import Actor
from web.api.endpoint import Endpoint, Nothing
from web.api.routes import Call, Routes

T = TypeVar("T")
B = TypeVar("B", bound=Struct)


class Resource(Generic[T]):
    """Adds the calls about a kind of thing to the API, one by one.

    `path`: of one thing; the path above it is that of all. `get`: the thing of a path; it raises
    NoSuchResource. `show`: what is answered of a thing. `read`: the role of who may read;
    administrators change. `more` of a call: fields of its `Endpoint`.
    """

    def __init__(
        self,
        routes: Routes,
        path: str,
        *,
        tag: str,
        example: Struct,
        get: Callable[[Call[Any, Any]], T],
        show: Callable[[T], Struct],
        read: Right = "viewer",
    ) -> None:
        self._routes = routes
        self._one = path
        self._all = path.rpartition("/")[0]
        self._tag = tag
        self._example = example
        self._get = get
        self._show = show
        self._read = read

    def list(
        self,
        summary: str,
        answer: Callable[[Any], Struct],
        items: Callable[[], Iterable[T]],
        **more: Any,
    ) -> None:
        """All things, on one page. `answer`: the struct of a list of answers."""

        async def view(call: Call[Nothing, Nothing]) -> Struct:
            return answer([self._show(one) for one in items()])

        example = answer([self._example])
        self._add("GET", self._all, view, summary, role=self._read, answer_example=example, **more)

    def add(
        self, summary: str, body: B, work: Callable[[Call[Nothing, B]], Awaitable[T]], **more: Any
    ) -> None:
        """Add a thing, and answer with it. `body`: an example."""
        self._add("POST", self._all, self._changing(work), summary, body_example=body, **more)

    def one(self, summary: str) -> None:
        async def view(call: Call[Nothing, Nothing]) -> Struct:
            return self._show(self._get(call))

        self._add("GET", self._one, view, summary, role=self._read)

    def change(
        self,
        method: Literal["PUT", "PATCH"],
        summary: str,
        body: B,
        work: Callable[[Call[Nothing, B]], Awaitable[T]],
        **more: Any,
    ) -> None:
        """Change a thing, and answer with it. `body`: an example."""
        self._add(method, self._one, self._changing(work), summary, body_example=body, **more)

    def remove(
        self, summary: str, work: Callable[[T, Actor], Awaitable[None]], **more: Any
    ) -> None:
        """Remove a thing, and answer with it as it was."""

        @wraps(work)
        async def view(call: Call[Nothing, Nothing]) -> Struct:
            gone = self._get(call)
            answer = self._show(gone)
            await work(gone, call.caller.actor)
            return answer

        self._add("DELETE", self._one, view, summary, **more)

    def _changing(self, work: Callable[[Call[Nothing, B]], Awaitable[T]]) -> Any:
        @wraps(work)
        async def view(call: Call[Nothing, B]) -> Struct:
            return self._show(await work(call))

        return view

    def _add(self, method: Any, path: str, view: Any, summary: str, **more: Any) -> None:
        fields: dict[str, Any] = {"tag": self._tag, "answer_example": self._example} | more
        self._routes.add(Endpoint(method=method, path=path, summary=summary, **fields), view)
