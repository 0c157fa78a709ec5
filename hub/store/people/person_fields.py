"""The fields of a person of the register (D10), said once: bounds, and what people call them.

The row in the database, the API, the form, the columns of files and the options of the command line
are made from what stands here. A new field that only the hub knows is a line in `PersonFacts`, one
in `PersonEdit` and a column in the schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args, get_type_hints

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from hub.wire.code_tables import CATEGORIES, GENDERS
from hub.wire.times import Moment

FieldKind = Literal["text", "lines", "pid", "number", "choice", "moment"]


class PersonField(Struct, frozen=True, kw_only=True):
    """What people are told of a field. Pages translate `label`, `hint` and `expected`.

    `column`: its Chinese name in files, whose English one is that of the field; `others`: further
    names that are read. `option`: its help on the command line; without, `label` is. `choices`:
    what the command line calls the codes from 1 on. `least`, `most`: of a number, or of the length
    of a text. `is_personal`: a number that is masked for most.
    """

    label: str
    column: str
    others: tuple[str, ...] = ()
    kind: FieldKind = "text"
    hint: str = ""
    expected: str = ""
    option: str = ""
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    is_personal: bool = False


#: Of names, and of the short texts of 1.12.
_LENGTH = 128
_ShortText = Annotated[str, Meta(max_length=_LENGTH)]
_CHOOSE = "Choose one of the options."

Pid = Annotated[
    str,
    PersonField(
        label="Person ID",
        column="人员编号",
        others=("person id", "id", "编号"),
        kind="pid",
        hint="Cameras and records identify the person by this number. Leave blank to assign one.",
        expected="A whole number from 1 to 18446744073709551615 that is not in use.",
    ),
]
Name = Annotated[
    str,
    Meta(min_length=1, max_length=_LENGTH),
    PersonField(
        label="Name",
        column="姓名",
        others=("full name", "名字"),
        expected="A name is required, without line breaks.",
    ),
]
WorkNumber = Annotated[
    _ShortText,
    PersonField(
        label="Work number",
        column="工号",
        others=("work number", "staff number", "employee number", "员工编号"),
    ),
]
IdCardNumber = Annotated[
    _ShortText,
    PersonField(
        label="ID card number",
        column="身份证号",
        others=("id card number", "id card", "身份证号码", "身份证"),
        is_personal=True,
    ),
]
IcCardNumber = Annotated[
    _ShortText,
    PersonField(
        label="IC card number",
        column="IC卡号",
        others=("access card", "ic card", "ic card number", "卡号", "门禁卡号"),
        is_personal=True,
    ),
]
Gender = Annotated[
    int,
    Meta(ge=1, le=2, description="1 male, 2 female"),
    PersonField(
        label="Gender",
        column="性别",
        others=("sex",),
        kind="choice",
        expected=_CHOOSE,
        option="The gender, in the terms of the cameras.",
        choices=tuple(name.en for name in GENDERS.values()),
    ),
]
Age = Annotated[
    int,
    Meta(ge=0, le=150),
    PersonField(
        label="Age",
        column="年龄",
        kind="number",
        hint="Enter the age or the year of birth, not both.",
        expected="A whole number from 0 to 150.",
        option="In years.",
    ),
]
BirthYear = Annotated[
    int,
    Meta(ge=1850, le=9999),
    PersonField(
        label="Year of birth",
        column="出生年份",
        others=("year of birth",),
        kind="number",
        expected="A year, such as 1990.",
        option="Instead of the age.",
    ),
]
Department = Annotated[_ShortText, PersonField(label="Department", column="部门")]
Phone = Annotated[
    _ShortText,
    PersonField(
        label="Phone",
        column="电话",
        others=("telephone", "mobile", "手机", "电话", "手机号码", "电话号码"),
        is_personal=True,
    ),
]
Category = Annotated[
    int,
    Meta(ge=1, le=4, description="1 whitelist, 2 blacklist, 3 VIP, 4 visitor"),
    PersonField(
        label="List",
        column="类别",
        others=("list", "名单", "人员类别", "人员类型", "类型"),
        kind="choice",
        expected=_CHOOSE,
        option="The category [default of a new person: whitelist].",
        choices=tuple(name.en.lower() for code, name in CATEGORIES.items() if code),
    ),
]
ValidFrom = Annotated[
    Moment,
    PersonField(
        label="Valid from",
        column="有效期开始",
        others=("生效时间",),
        kind="moment",
        hint="Leave blank to start immediately.",
        expected="A date with a time.",
        option="On cameras from this time on, in RFC 3339.",
    ),
]
ValidUntil = Annotated[
    Moment,
    PersonField(
        label="Valid until",
        column="有效期结束",
        others=("失效时间",),
        kind="moment",
        hint="The person is then removed from the cameras. Leave blank for no expiry.",
        expected="A date with a time, after the one before.",
        option="On cameras until this time, in RFC 3339.",
    ),
]
Note = Annotated[
    str,
    Meta(max_length=1000),
    PersonField(
        label="Note",
        column="备注",
        others=("notes", "remark", "remarks"),
        kind="lines",
        option="A text that only the hub knows.",
    ),
]
GroupIds = tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...]


class SentFacts(Struct, frozen=True, kw_only=True):
    """What cameras are given of a person but for the photo, with the field names of 1.12.

    Either `age` or `birth_year` is known, or neither.
    """

    pid: Pid
    name: Name
    work_id: WorkNumber
    id_card_no: IdCardNumber
    ic_card_no: IcCardNumber
    gender: Gender | None
    age: Age | None
    birth_year: BirthYear | None
    department: Department
    phone: Phone
    category: Category


class PersonFacts(SentFacts, frozen=True, kw_only=True):
    """What is known of a person. `everywhere`: on all cameras; otherwise on those of `groups`."""

    everywhere: bool
    groups: GroupIds
    note: Note


class PersonEdit(Struct, frozen=True, kw_only=True):
    """Fields of a person to set. UNSET leaves a field as it is; of a new person, empty.

    Setting `age` forgets the year of birth, and the other way round. `groups` not empty: on their
    cameras only, unless `everywhere` says otherwise.
    """

    name: Name | UnsetType = UNSET
    work_id: WorkNumber | UnsetType = UNSET
    id_card_no: IdCardNumber | UnsetType = UNSET
    ic_card_no: IcCardNumber | UnsetType = UNSET
    gender: Gender | UnsetType | None = UNSET
    age: Age | UnsetType | None = UNSET
    birth_year: BirthYear | UnsetType | None = UNSET
    department: Department | UnsetType = UNSET
    phone: Phone | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    everywhere: bool | UnsetType = UNSET
    groups: GroupIds | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class _Validity(Struct):
    valid_from: ValidFrom
    valid_until: ValidUntil


def _fields() -> dict[str, PersonField]:
    hints = {
        name: hint
        for shape in (PersonFacts, _Validity)
        for name, hint in get_type_hints(shape, include_extras=True).items()
    }
    return {name: field for name, hint in hints.items() if (field := _field_of(hint)) is not None}


def _field_of(hint: object) -> PersonField | None:
    """The field that a type is annotated with, itself or beside None, with its bounds."""
    marks = [mark for part in (hint, *get_args(hint)) for mark in getattr(part, "__metadata__", ())]
    bounds = next((mark for mark in marks if isinstance(mark, Meta)), Meta())
    for mark in marks:
        if isinstance(mark, PersonField):
            return replace(
                mark,
                least=int(bounds.min_length or bounds.ge or 0),
                most=int(bounds.max_length or bounds.le or 0),
            )
    return None


#: By name: those of 1.12 in its order, then what only the hub knows.
PERSON_FIELDS: Mapping[str, PersonField] = _fields()
