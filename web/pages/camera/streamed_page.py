"""Pages that show a device's answer: the page is sent at once, the answer when it arrives.

The answer replaces `{{ answer }}` in the template. The response is streamed, because a device may
take 10 s and a list needs several answers. It works without JavaScript.
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
from web import language
from web.language import gettext
from web.pages.camera.layout import camera_page
from web.pages.device_errors import DEVICE_ERRORS, describe_device_error
from web.pages.layout import shared_values

#: Cannot occur in user or device text, which is escaped.
_ANSWER_MARK = Markup("<!-- answer -->")


class PartRenderer:
    """Renders parts of a page after its request has ended; they must not contain forms."""

    def __init__(self, values: dict[str, object]) -> None:
        self._values = values
        self._templates = current_app.jinja_env

    async def render(self, template: str, **values: object) -> str:
        return await self._templates.get_template(template).render_async(self._values, **values)


#: Asks the device and yields pieces of HTML. May raise what `Commands` raises. It runs outside the
#: request's context, so it must get what it needs from there beforehand.
AskCamera = Callable[[PartRenderer], AsyncGenerator[str, None]]


async def streamed_camera_page(
    template: str,
    device: DeviceView,
    ask: AskCamera,
    *,
    status: int = 200,
    **values: object,
) -> Response:
    """Stream the page `template`; an error of the device is shown as a sentence in it."""
    shared = await shared_values()
    frame = await camera_page(template, device, status=status, answer=_ANSWER_MARK, **values)
    if request.method == "HEAD":
        return frame
    before, _, after = (await frame.get_data(as_text=True)).partition(_ANSWER_MARK)
    pieces = _stream_answer(PartRenderer(shared), ask)
    return Response(_StreamedBody(before, pieces, after), status, content_type=frame.content_type)


async def _stream_answer(renderer: PartRenderer, ask: AskCamera) -> AsyncGenerator[str, None]:
    answer = ask(renderer)
    try:
        async for piece in answer:
            yield piece
    except DEVICE_ERRORS as error:
        yield await renderer.render(
            "camera/_device_error.html", device_error=describe_device_error(error)
        )
    except NoSuchResource:
        gone = gettext("The camera has been removed in the meantime.")
        yield await renderer.render("camera/_device_error.html", device_error=gone)
    finally:
        await answer.aclose()


class _StreamedBody(ResponseBody):
    def __init__(self, before: str, pieces: AsyncGenerator[str, None], after: str) -> None:
        self._before = before
        self._pieces = pieces
        self._after = after
        self._language, self._zone = language.current(), language.zone()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The client may have disconnected in the middle of an answer.
        await self._pieces.aclose()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        language.use(self._language, self._zone)
        yield self._before.encode()
        async for piece in self._pieces:
            yield piece.encode()
        yield self._after.encode()
