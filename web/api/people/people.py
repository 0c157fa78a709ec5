"""/people: the site's register."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace
from quart import Response, request

from hub.errors import BadParameter
from hub.services import Services
from hub.services.people.masking import masked
from hub.services.photos.photos import MAX_FILE_MB
from hub.store.people.people import PersonFilter, SyncState
from hub.store.people.person_fields import Category, PersonEdit
from hub.store.people.person_rows import MAX_PEOPLE, Person, PersonChange, empty_person
from hub.threads import WorkerThreads
from hub.wire.pictures import picture_of_text
from hub.wire.times import parse_rfc3339
from web import auth
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing, Seq, Text
from web.api.people import answers
from web.api.routes import Call, Routes

TAG = "People"
_PEOPLE = f"{PREFIX}/people"
_ONE = f"{_PEOPLE}/{{pid}}"
#: Room for the photo as base64.
_MAX_BODY_BYTES = (MAX_FILE_MB * 4 // 3 + 2) << 20
#: Longer photos are decoded in a thread.
_INLINE_BYTES = 256 * 1024
#: Private: no shared cache may keep pictures of people. The path has the person's revision.
_PHOTO_HEADERS = {
    "Cache-Control": "private, max-age=86400",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}

Photo = Annotated[
    str,
    Meta(
        description="a JPEG, PNG, WebP, GIF or BMP as base64, with or without a `data:` prefix",
        extra_json_schema={"contentEncoding": "base64"},
    ),
]


class PeopleQuery(Struct, frozen=True, forbid_unknown_fields=True):
    q: Annotated[
        Text | None,
        Meta(
            description=(
                "a part of the name, the pid, the work number, the department or the last four "
                "digits of a personal number; for those who may see them, any part of it"
            )
        ),
    ] = None
    category: Category | None = None
    group: Annotated[Seq | None, Meta(description="the id of a group of cameras")] = None
    state: Annotated[
        SyncState | None,
        Meta(
            description="`failed`: a camera refused the person; `pending`: a camera has yet to get "
            "or to lose it; `done`: neither"
        ),
    ] = None
    after: Annotated[
        Did | None, Meta(description="people after this pid: `next` of the previous page")
    ] = None
    masked: Annotated[
        bool, Meta(description="for nobody a personal number in full, which is not audited")
    ] = False
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 100


class PhotoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    revision: Annotated[
        Seq | None, Meta(description="changes with the photo, so that it can be cached")
    ] = None


class PersonBody(PersonEdit, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Fields that are not given keep their values; of a new person, they are empty.

    `age` and `birth_year` exclude each other. `groups` not empty: on their cameras only, unless
    `everywhere` says otherwise. `photo` null removes it.
    """

    valid_from: Annotated[
        Text | UnsetType | None, Meta(description="in RFC 3339; null: at once")
    ] = UNSET
    valid_until: Annotated[
        Text | UnsetType | None, Meta(description="in RFC 3339; null: no end")
    ] = UNSET
    photo: Photo | UnsetType | None = UNSET


class NewPersonBody(PersonBody, frozen=True, kw_only=True):
    """`pid` is assigned unless given; `name` is required. See PersonBody for the others."""

    pid: Did | UnsetType | None = UNSET


_EXAMPLE = answers.person_fields(
    replace(
        empty_person("1000001", 1_795_593_600_000),
        name="王芳",
        work_id="A-7",
        id_card_no="**************1234",
        gender=2,
        birth_year=1990,
        department="Sales",
        phone="*******0000",
        valid_until=1_830_268_800_000,
        has_photo=True,
        revision=7,
        changed_by="user mei",
    ),
    year=2026,
)
_NUMBERS = (
    "Personal numbers (ID card, IC card, phone) are in full for administrators, the role "
    "`people` and API keys that may write, which the audit log notes; for others all but the last "
    "four digits are `*`."
)

LIST = Endpoint(
    method="GET",
    path=_PEOPLE,
    tag=TAG,
    summary="The people by pid, page by page",
    description=(
        f"Ordered by pid, as a number; the register holds at most {MAX_PEOPLE:,} people. {_NUMBERS}"
    ),
    query=PeopleQuery,
    query_example="q=li&limit=100",
    answer_example=answers.PeopleList([_EXAMPLE], None),
    role="register",
)
ADD = Endpoint(
    method="POST",
    path=_PEOPLE,
    tag=TAG,
    summary="Add a person",
    description=(
        "The hub puts the person on the cameras automatically. The photo becomes an upright JPEG "
        f"of at most 640 pixels and 200 KB; a file of more than {MAX_FILE_MB} MB is refused. An "
        "existing `pid` is refused (409)."
    ),
    max_body_bytes=_MAX_BODY_BYTES,
    body_example=NewPersonBody(name="王芳", gender=2, birth_year=1990, category=1),
    answer_example=_EXAMPLE,
    role="people",
)
ONE = Endpoint(
    method="GET",
    path=_ONE,
    tag=TAG,
    summary="One person",
    description=_NUMBERS,
    answer_example=_EXAMPLE,
    role="register",
)
PUT = Endpoint(
    method="PUT",
    path=_ONE,
    tag=TAG,
    summary="Change a person, or add it under this pid",
    max_body_bytes=_MAX_BODY_BYTES,
    body_example=PersonBody(category=2, note="Lost the badge"),
    answer_example=_EXAMPLE,
    role="people",
)
CHANGE = Endpoint(
    method="PATCH",
    path=_ONE,
    tag=TAG,
    summary="Change a person",
    description="The answer has no personal number in full.",
    max_body_bytes=_MAX_BODY_BYTES,
    body_example=PersonBody(category=2, note="Lost the badge"),
    answer_example=_EXAMPLE,
    role="people",
)
REMOVE = Endpoint(
    method="DELETE",
    path=_ONE,
    tag=TAG,
    summary="Remove a person",
    description=(
        "Returns the removed person. Cameras delete the person as soon as they can; their records "
        "stay."
    ),
    answer_example=_EXAMPLE,
    role="people",
)
PHOTO = Endpoint(
    method="GET",
    path=f"{_ONE}/photo",
    tag=TAG,
    summary="A person's photo, as cameras are given it",
    query=PhotoQuery,
    query_example="revision=7",
    media_type="image/jpeg",
    role="register",
)


def add(routes: Routes, services: Services) -> None:
    people = services.people.register
    threads = WorkerThreads(inline_bytes=_INLINE_BYTES)

    async def list_people(call: Call[PeopleQuery, Nothing]) -> answers.PeopleList:
        query = call.query
        matching = PersonFilter(
            q=query.q or "",
            sees_numbers=call.caller.may("people") and not query.masked,
            category=query.category,
            group=query.group,
            state=query.state,
        )
        page = await people.page(matching, after=query.after, limit=query.limit)
        if query.masked:
            return answers.PeopleList(list(map(hidden, page.items)), page.next)
        return answers.PeopleList(await shown(call.caller, *page.items), page.next)

    async def get_person(call: Call[Nothing, Nothing]) -> answers.Person:
        person = await people.get(call.path["pid"])
        return (await shown(call.caller, person))[0]

    async def get_person_photo(call: Call[PhotoQuery, Nothing]) -> Response:
        jpeg = await people.photo(call.path["pid"])
        response = Response(jpeg, content_type="image/jpeg", headers=_PHOTO_HEADERS)
        await response.add_etag()
        await response.make_conditional(request)
        return response

    async def add_person(call: Call[Nothing, NewPersonBody]) -> answers.Person:
        pid = call.body.pid or None
        change = await change_of(call.body)
        person = await people.add(change, pid=pid, by=call.caller.actor)
        # Whoever sent the numbers has seen them.
        return answers.person_fields(person, people.this_year())

    async def put_person(call: Call[Nothing, PersonBody]) -> answers.Person:
        change = await change_of(call.body)
        person = await people.put(call.path["pid"], change, by=call.caller.actor)
        return (await shown(call.caller, person))[0]

    async def change_person(call: Call[Nothing, PersonBody]) -> answers.Person:
        change = await change_of(call.body)
        return hidden(await people.change(call.path["pid"], change, by=call.caller.actor))

    async def remove_person(call: Call[Nothing, Nothing]) -> answers.Person:
        person = await people.get(call.path["pid"])
        await people.remove(person.pid, by=call.caller.actor)
        return hidden(person)

    def hidden(person: Person) -> answers.Person:
        return answers.person_fields(masked(person), people.this_year())

    async def shown(caller: auth.Caller, *found: Person) -> list[answers.Person]:
        """The people as this caller may see them; notes in the audit log what it sees in full."""
        if not caller.may("people"):
            return list(map(hidden, found))
        await people.note_numbers_shown(found, caller.actor)
        return [answers.person_fields(person, people.this_year()) for person in found]

    async def change_of(body: PersonBody) -> PersonChange:
        photo: bytes | UnsetType | None = None
        if body.photo is UNSET:
            photo = UNSET
        elif body.photo is not None:
            photo = await threads.run(len(body.photo), partial(decoded_photo, body.photo))
        return _change(body, photo)

    routes.add(LIST, list_people)
    routes.add(ADD, add_person)
    routes.add(ONE, get_person)
    routes.add(PUT, put_person)
    routes.add(CHANGE, change_person)
    routes.add(REMOVE, remove_person)
    routes.add(PHOTO, get_person_photo)


def _change(body: PersonBody, photo: bytes | UnsetType | None) -> PersonChange:
    return PersonChange(
        **{name: getattr(body, name) for name in PersonEdit.__struct_fields__},
        valid_from=_time(body.valid_from, "valid_from"),
        valid_until=_time(body.valid_until, "valid_until"),
        photo=photo,
    )


def _time(text: str | UnsetType | None, field: str) -> int | UnsetType | None:
    return parse_rfc3339(text, field) if isinstance(text, str) else text


def decoded_photo(text: str) -> bytes:
    """The picture of a `photo`. Raises BadParameter."""
    content = memoryview(text.strip().encode("utf-8", "replace"))
    picture = picture_of_text(content, name="photo", field="photo")
    if picture is None:
        raise BadParameter("a picture as base64 text is expected", field="photo")
    return picture.data
