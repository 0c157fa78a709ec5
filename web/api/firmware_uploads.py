"""Files of firmware by the API: taken in front of Quart, which would hold them in memory."""

from __future__ import annotations

import hashlib

import msgspec
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)

from hub.errors import BadParameter, HubError
from hub.services import Services
from hub.services.firmware.releases import MOST_BYTES, StoredFile
from hub.services.shielding import shielded
from web import auth
from web.api.endpoint import check_no_query
from web.api.firmware import UPLOAD, file_answer
from web.error_responses import refuse, send_json
from web.http.bodies import PeerLeft, tell_of_limit
from web.http.file_bodies import FileBody


def firmware_uploads(services: Services, others: ASGIFramework) -> ASGIFramework:
    """Takes files; all else goes on to `others`."""
    return _Uploads(services, others)


class _Uploads:
    def __init__(self, services: Services, others: ASGIFramework) -> None:
        self._services = services
        self._others = others

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if not (
            scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == UPLOAD.path
        ):
            await self._others(scope, receive, send)
            return
        try:
            file = await self._take(scope, receive)
        except HubError as error:
            tell_of_limit(error, auth.address_of(scope))
            await refuse(send, error)
        except PeerLeft:
            pass
        else:
            await send_json(send, 200, msgspec.json.encode(file_answer(file)))

    async def _take(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> StoredFile:
        head = auth.head_of(scope)
        check_no_query(head)
        caller = await auth.caller_of(
            self._services, head, auth.address_of(scope), write=True, role=UPLOAD.role
        )
        if head.mimetype != UPLOAD.body_file:
            raise BadParameter(f"{UPLOAD.body_file} is expected", field="Content-Type")
        digest = hashlib.md5(usedforsecurity=False) if auth.is_signed(head) else None
        if digest is not None:
            auth.signed_body_md5(head)
        body = FileBody(receive, MOST_BYTES, head.content_length)
        async with self._services.releases.receive(body.left) as upload:
            while part := await body.next():
                await upload.write(part)
                if digest is not None:
                    digest.update(part)
            if digest is not None:
                auth.check_body_md5(head, digest.hexdigest().upper())
            with shielded():
                file = await upload.finish()
                await self._services.accounts.audit(caller.actor, "firmware.file-add", file.sha256)
        return file
