"""The attributes of people that editions 2 and 3 send with a capture, as named values (D12).

A record keeps them as {attribute: value}, both in English words that do not change: a search can
compare them, whatever edition sent them. What the camera does not know is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hub.wire.code_tables import CodeName, Language

#: The names of the values of one attribute, by the number that is sent.
Values = Mapping[int, CodeName]
#: As records keep them.
Attributes = dict[str, str]


class Attribute(Struct, frozen=True):
    """One attribute. `key`: its name in records; `name`: how a person calls it.

    The English name of a value is what records keep of it.
    """

    key: str
    name: CodeName
    values: Values


YES, NO = CodeName("yes", "是"), CodeName("no", "否")
_NO_YES_FROM_1: Values = {1: NO, 2: YES}
_NO_YES_FROM_0: Values = {0: NO, 1: YES}

COLOURS: Values = {
    1: CodeName("red", "红色"),
    2: CodeName("orange", "橙色"),
    3: CodeName("yellow", "黄色"),
    4: CodeName("green", "绿色"),
    5: CodeName("blue", "蓝色"),
    6: CodeName("purple", "紫色"),
    7: CodeName("pink", "粉色"),
    8: CodeName("black", "黑色"),
    9: CodeName("white", "白色"),
    10: CodeName("grey", "灰色"),
    11: CodeName("brown", "棕色"),
}

MASK = Attribute("mask", CodeName("Mask", "口罩"), _NO_YES_FROM_1)
UMBRELLA = Attribute("umbrella", CodeName("Umbrella", "打伞"), _NO_YES_FROM_1)
SMOKING = Attribute("smoking", CodeName("Smoking", "抽烟"), _NO_YES_FROM_1)
CARRYING = Attribute("carrying", CodeName("Carries something", "手持物"), _NO_YES_FROM_1)
PHONE_IN_HAND = Attribute("phone_in_hand", CodeName("Phone in hand", "手机"), _NO_YES_FROM_1)
SAFETY_CLOTHING = Attribute(
    "safety_clothing", CodeName("Safety clothing", "安全服"), _NO_YES_FROM_1
)
SAFETY_ROPE = Attribute("safety_rope", CodeName("Safety rope", "安全绳"), _NO_YES_FROM_1)
UPPER_CUT = Attribute("upper_cut", CodeName("Cut off at the top", "上方截断"), _NO_YES_FROM_1)
LOWER_CUT = Attribute("lower_cut", CodeName("Cut off at the bottom", "下方截断"), _NO_YES_FROM_1)
RESCUE_KIT = Attribute("rescue_kit", CodeName("Red rescue kit", "红色自救包"), _NO_YES_FROM_1)
HELMET = Attribute("helmet", CodeName("Helmet", "安全帽"), _NO_YES_FROM_0)
HEADWEAR = Attribute(
    "headwear",
    CodeName("Headwear", "帽子"),
    {1: CodeName("none", "无"), 2: CodeName("hat", "普通帽"), 3: CodeName("helmet", "安全帽")},
)
GLASSES = Attribute(
    "glasses",
    CodeName("Glasses", "眼镜"),
    {
        1: CodeName("none", "无"),
        2: CodeName("glasses", "眼镜"),
        3: CodeName("sunglasses", "墨镜"),
    },
)
BAG = Attribute(
    "bag",
    CodeName("Bag", "包"),
    {
        1: CodeName("none", "无"),
        2: CodeName("shoulder bag", "单肩包"),
        3: CodeName("backpack", "双肩包"),
    },
)
UPPER_WEAR = Attribute(
    "upper_wear",
    CodeName("Sleeves", "袖长"),
    {1: CodeName("long sleeves", "长袖"), 2: CodeName("short sleeves", "短袖")},
)
LOWER_WEAR = Attribute(
    "lower_wear",
    CodeName("Lower clothing", "下装"),
    {
        1: CodeName("trousers", "长裤"),
        2: CodeName("shorts", "短裤"),
        3: CodeName("long skirt", "长裙"),
        4: CodeName("short skirt", "短裙"),
    },
)
UPPER_COLOUR = Attribute("upper_colour", CodeName("Colour of upper clothing", "上衣颜色"), COLOURS)
LOWER_COLOUR = Attribute("lower_colour", CodeName("Colour of lower clothing", "下装颜色"), COLOURS)
UPPER_GARMENT = Attribute(
    "upper_garment",
    CodeName("Upper clothing", "上衣款式"),
    {
        1: CodeName("T-shirt", "T恤"),
        2: CodeName("sleeveless top", "无袖"),
        3: CodeName("shirt", "衬衫"),
        4: CodeName("suit", "西装"),
        5: CodeName("sweater", "毛衣"),
        6: CodeName("jacket", "夹克"),
        7: CodeName("down jacket", "羽绒服"),
        8: CodeName("trench coat", "风衣"),
        9: CodeName("coat", "外套"),
    },
)
UPPER_PATTERN = Attribute(
    "upper_pattern",
    CodeName("Pattern of the upper clothing", "上衣纹理"),
    {
        1: CodeName("plain", "纯色"),
        2: CodeName("pattern", "图案"),
        3: CodeName("floral", "碎花"),
        4: CodeName("stripes or checks", "条纹或格子"),
    },
)
RIDES = Attribute(
    "rides",
    CodeName("Rides", "交通工具"),
    {
        1: CodeName("nothing", "无"),
        2: CodeName("motorcycle", "摩托车"),
        3: CodeName("bicycle", "自行车"),
        4: CodeName("tricycle", "三轮车"),
    },
)
OCCLUSION = Attribute(
    "occlusion",
    CodeName("Occlusion", "遮挡"),
    {1: CodeName("none", "无"), 2: CodeName("light", "轻度"), 3: CodeName("heavy", "重度")},
)
ORIENTATION = Attribute(
    "orientation",
    CodeName("Seen from", "朝向"),
    {
        1: CodeName("front", "正面"),
        2: CodeName("back", "背面"),
        3: CodeName("right", "右侧面"),
        4: CodeName("left", "左侧面"),
    },
)
EXPRESSION = Attribute(
    "expression",
    CodeName("Expression", "表情"),
    {
        0: CodeName("angry", "生气"),
        1: CodeName("disgusted", "厌恶"),
        2: CodeName("afraid", "害怕"),
        3: CodeName("happy", "快乐"),
        4: CodeName("neutral", "自然"),
        5: CodeName("sad", "悲伤"),
        6: CodeName("surprised", "惊讶"),
    },
)
_AGE_GROUP = CodeName("Age group", "年龄段")
#: A recogniser's age of a stranger.
RECOGNISED_AGES = Attribute(
    "age_group",
    _AGE_GROUP,
    {
        0: CodeName("0-2", "0-2 岁"),
        1: CodeName("3-9", "3-9 岁"),
        2: CodeName("10-19", "10-19 岁"),
        3: CodeName("20-29", "20-29 岁"),
        4: CodeName("30-39", "30-39 岁"),
        5: CodeName("40-49", "40-49 岁"),
        6: CodeName("50-59", "50-59 岁"),
        7: CodeName("60-69", "60-69 岁"),
        8: CodeName("70+", "70 岁以上"),
    },
)
#: A capture camera's age of anybody.
CAPTURED_AGES = Attribute(
    "age_group",
    _AGE_GROUP,
    {
        1: CodeName("infant", "幼儿"),
        2: CodeName("youth", "青少年"),
        3: CodeName("young adult", "青年"),
        4: CodeName("middle-aged", "中年"),
        5: CodeName("old", "老年"),
    },
)

#: Edition 3, by key on the wire.
SENT_BY_3: Mapping[str, Attribute] = {
    "faceMask": MASK,
    "umbrella": UMBRELLA,
    "smoke": SMOKING,
    "carryingItem": CARRYING,
    "cellphone": PHONE_IN_HAND,
    "safetyClothing": SAFETY_CLOTHING,
    "lock": SAFETY_ROPE,
    "upperCut": UPPER_CUT,
    "lowerCut": LOWER_CUT,
    "redRescueKit": RESCUE_KIT,
    "headwear": HEADWEAR,
    "glasses": GLASSES,
    "bag": BAG,
    "upperWear": UPPER_WEAR,
    "lowerWear": LOWER_WEAR,
    "upperColor": UPPER_COLOUR,
    "lowerColor": LOWER_COLOUR,
    "upperWearFg": UPPER_GARMENT,
    "upperWearTexture": UPPER_PATTERN,
    "vehicle": RIDES,
    "occlusion": OCCLUSION,
    "orientation": ORIENTATION,
    "express": EXPRESSION,
}
#: Edition 2, by key on the wire. Its `smoke` 1 is yes, which is no in edition 3.
SENT_BY_2: Mapping[str, Attribute] = {
    "helmet": HELMET,
    "smoke": Attribute(SMOKING.key, SMOKING.name, _NO_YES_FROM_0),
    "handed": Attribute(CARRYING.key, CARRYING.name, _NO_YES_FROM_0),
}

_AGE_GROUPS = (*RECOGNISED_AGES.values.values(), *CAPTURED_AGES.values.values())
_SHOWN: tuple[Attribute, ...] = (
    *SENT_BY_3.values(),
    HELMET,
    Attribute("age_group", _AGE_GROUP, dict(enumerate(_AGE_GROUPS))),
)
#: Every attribute that a record may have, by its key.
ATTRIBUTES: Mapping[str, Attribute] = {one.key: one for one in _SHOWN}
_NAMES: Mapping[str, Mapping[str, CodeName]] = {
    one.key: {name.en: name for name in one.values.values()} for one in _SHOWN
}


def attribute_name(key: str, language: Language = "en") -> str:
    """How a person calls the attribute; the key itself if it is not in the table."""
    known = ATTRIBUTES.get(key)
    return key if known is None else known.name.of(language)


def value_name(key: str, value: str, language: Language = "en") -> str:
    """How a person calls an attribute's value; the value itself if it is not in the table."""
    name = _NAMES.get(key, {}).get(value)
    return value if name is None else name.of(language)


def named(attribute: Attribute, number: int | None) -> Attributes:
    """The attribute with the value of this number; {} if it is unknown, as 0 mostly is."""
    name = None if number is None else attribute.values.get(number)
    if name is None:
        return {}
    values = {attribute.key: name.en}
    if attribute is HEADWEAR:
        # Edition 2 tells of helmets only: so both can be searched for in the same way.
        values[HELMET.key] = (YES if name.en == "helmet" else NO).en
    return values


def is_unknown(attribute: Attribute, number: int) -> bool:
    """Whether the number says, as documented, that the camera does not know."""
    return number == 0 and 0 not in attribute.values
