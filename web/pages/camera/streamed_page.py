"""A page whose part a camera has to be asked for: its frame is there at once, the rest as it comes.

The part stands where the page's template has `{{ answer }}`, and the page is sent piece by piece:
a device may take 10 s, and a list is many answers. It needs no script.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Self

from markupsafe import Markup
from quart import Response, current_app, request
from quart.wrappers.response import ResponseBody

from hub.errors import NoSuchResource
from hub.services.devices.views import DeviceView
from web.pages import language
from web.pages.camera.layout import camera_page
from web.pages.device_errors import DEVICE_ERRORS, device_trouble
from web.pages.language import gettext
from web.pages.layout import shared_values

#: Nothing that is told by anybody contains it: all of that is escaped.
_PLACE = Markup("<!-- answer -->")


class Parts:
    """Renders parts of a page whose request may be over; so they have no form in them."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values
        self._templates = current_app.jinja_env

    async def show(self, template: str, **values: object) -> str:
        return await self._templates.get_template(template).render_async(self._values, **values)


#: Asks, and gives the pieces of the part. It may raise what `Commands` does. It runs when the
#: request's own context is gone: what it needs of it is to be taken before.
Ask = Callable[[Parts], AsyncGenerator[str, None]]


async def asking_page(
    template: str, device: DeviceView, ask: Ask, *, tab: str, status: int = 200, **values: object
) -> Response:
    """`template` is the frame; errors of the device become a sentence in it."""
    shared = await shared_values()
    frame = await camera_page(template, device, tab=tab, status=status, answer=_PLACE, **values)
    if request.method == "HEAD":
        return frame
    before, _, after = (await frame.get_data(as_text=True)).partition(_PLACE)
    pieces = _pieces(Parts(shared), ask)
    return Response(_Body(before, pieces, after), status, content_type=frame.content_type)


async def _pieces(parts: Parts, ask: Ask) -> AsyncGenerator[str, None]:
    answer = ask(parts)
    try:
        async for piece in answer:
            yield piece
    except DEVICE_ERRORS as error:
        yield await parts.show("camera/_device_error.html", trouble=device_trouble(error))
    except NoSuchResource:
        gone = gettext("The camera has been removed in the meantime.")
        yield await parts.show("camera/_device_error.html", trouble=gone)
    finally:
        await answer.aclose()


class _Body(ResponseBody):
    def __init__(self, before: str, pieces: AsyncGenerator[str, None], after: str) -> None:
        self._before = before
        self._pieces = pieces
        self._after = after
        self._language = language.current()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Its reader may be gone, and it in the middle of an answer.
        await self._pieces.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        language.use(self._language)
        yield self._before.encode()
        async for piece in self._pieces:
            yield piece.encode()
        yield self._after.encode()
