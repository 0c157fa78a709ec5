"""The protocol's numeric codes and their names, in both languages of the product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Language = Literal["zh", "en"]


class CodeName(Struct, frozen=True):
    """The name of one code."""

    en: str
    zh: str

    def of(self, language: Language) -> str:
        """The name in this language."""
        return self.zh if language == "zh" else self.en


#: Types of events of cameras (2.4).
_CAMERA_EVENT_TYPES = {
    1: CodeName("Motion detected", "移动侦测"),
    2: CodeName("Intrusion or line crossing", "区域入侵或绊线"),
    3: CodeName("Camera covered", "视频遮挡"),
    4: CodeName("Baby crying", "婴儿啼哭"),
    5: CodeName("Crowd gathering", "人员聚集"),
    6: CodeName("Loitering", "人员徘徊"),
    7: CodeName("Fast movement", "快速移动"),
    8: CodeName("Fire", "火焰"),
    9: CodeName("Sudden loud noise", "音量陡升"),
    10: CodeName("Sudden silence", "环境噪声陡降"),
    11: CodeName("Person detected", "人形检测"),
    12: CodeName("Person on a list", "名单人员"),
    13: CodeName("Guard absent from post", "离岗"),
    14: CodeName("Body temperature", "体温检测"),
}
CAMERA_EVENT_TYPES = frozenset(_CAMERA_EVENT_TYPES)

#: All types of events: those of cameras, and those of boxes (D12).
EVENT_TYPES: dict[int, CodeName] = _CAMERA_EVENT_TYPES | {
    16: CodeName("Fall", "跌倒"),
    17: CodeName("Vital signs", "生命体征"),
    18: CodeName("Kitchen hygiene", "明厨亮灶"),
    19: CodeName("Behaviour", "行为"),
    20: CodeName("Non-motor vehicle", "非机动车"),
}

#: The types of a box from 12 on (D12) -> type of 2.4 or of a box, and category of the person. A
#: person on no list or a harmless one is a person detected (11), which raises no alarm by itself.
BOX_EVENT_TYPES: dict[int, tuple[int, int | None]] = {
    12: (11, 1),
    13: (12, 2),
    14: (11, 3),
    15: (13, None),
    **{number: (number, None) for number in range(16, 21)},
    21: (11, 0),
}

#: Types of vehicles (2.5). 14 is not assigned.
VEHICLE_TYPES: dict[int, CodeName] = {
    0: CodeName("unknown", "未知"),
    1: CodeName("car", "轿车"),
    2: CodeName("truck", "货车"),
    3: CodeName("van", "面包车"),
    4: CodeName("coach", "客车"),
    5: CodeName("small truck", "小货车"),
    6: CodeName("SUV", "SUV"),
    7: CodeName("medium bus", "中型客车"),
    8: CodeName("motorcycle", "摩托车"),
    9: CodeName("pedestrian", "行人"),
    10: CodeName("school bus", "校车"),
    11: CodeName("dump truck", "泥头车-渣土车"),
    12: CodeName("hazardous goods vehicle", "高危车"),
    13: CodeName("cyclist", "骑行人"),
    15: CodeName("microcar", "微型轿车"),
    16: CodeName("small car", "小型轿车"),
    17: CodeName("compact car", "紧凑型轿车"),
    18: CodeName("hatchback", "两厢轿车"),
    19: CodeName("saloon", "三厢轿车"),
    20: CodeName("minibus", "轻客"),
    21: CodeName("small SUV", "小型SUV"),
    22: CodeName("compact SUV", "紧凑型SUV"),
    23: CodeName("mid-size SUV", "中型SUV"),
    24: CodeName("medium to large SUV", "中大型SUV"),
    25: CodeName("full-size SUV", "大型SUV"),
    26: CodeName("microvan", "微型面包车"),
    27: CodeName("MPV", "MPV"),
    28: CodeName("sports saloon", "轿跑"),
    29: CodeName("micro truck", "微卡"),
    30: CodeName("pickup", "皮卡"),
    31: CodeName("medium truck", "中卡"),
    32: CodeName("light truck", "轻卡"),
    33: CodeName("heavy truck", "重卡"),
    34: CodeName("taxi", "出租车"),
    35: CodeName("tanker", "油罐车"),
    36: CodeName("crane", "吊车"),
}

#: Types of plates (2.5). 12 is not assigned.
PLATE_TYPES: dict[int, CodeName] = {
    0: CodeName("unknown", "未知类型"),
    1: CodeName("blue", "普通蓝牌"),
    2: CodeName("black", "普通黑牌"),
    3: CodeName("yellow, one row", "普通单层黄牌"),
    4: CodeName("yellow, two rows", "双层黄牌"),
    5: CodeName("white, police", "白色警牌"),
    6: CodeName("white, armed police", "白色武警"),
    7: CodeName("white, armed police, two rows", "双层白色武警"),
    8: CodeName("military, one row", "单层军牌"),
    9: CodeName("military, two rows", "双层军牌"),
    10: CodeName("embassy or consulate", "领使馆牌"),
    11: CodeName("Hong Kong", "港牌"),
    13: CodeName("Macau", "澳门牌"),
    14: CodeName("farm vehicle or tractor", "农用车牌 拖拉机"),
    15: CodeName("works vehicle", "厂内牌"),
    16: CodeName("personalised", "个性化车牌"),
    17: CodeName("new energy", "新能源牌"),
    18: CodeName("other", "其他类型"),
}

#: Categories of persons (1.12); 0 is undocumented, but real cameras send it (D8).
CATEGORIES: dict[int, CodeName] = {
    0: CodeName("stranger", "陌生人"),
    1: CodeName("whitelist", "白名单"),
    2: CodeName("blacklist", "黑名单"),
    3: CodeName("VIP", "VIP"),
    4: CodeName("visitor", "访客"),
}

#: Genders (2.1).
GENDERS: dict[int, CodeName] = {1: CodeName("male", "男"), 2: CodeName("female", "女")}


def event_name(number: int, language: Language = "en") -> str:
    """The event type's name; "type N" if the number is not in the table."""
    names = EVENT_TYPES.get(number, CodeName(f"type {number}", f"类型 {number}"))
    return names.of(language)


def vehicle_name(number: int, language: Language = "en") -> str:
    """The vehicle type's name; "unknown (N)" if the number is not in the table."""
    return _name(VEHICLE_TYPES, number, language)


def plate_name(number: int, language: Language = "en") -> str:
    """The plate type's name; "unknown (N)" if the number is not in the table."""
    return _name(PLATE_TYPES, number, language)


def category_name(number: int, language: Language = "en") -> str:
    """The person category's name; "unknown (N)" if the number is not in the table."""
    return _name(CATEGORIES, number, language)


def gender_name(number: int, language: Language = "en") -> str:
    """The gender's name; "unknown (N)" if the number is not in the table."""
    return _name(GENDERS, number, language)


def _name(table: Mapping[int, CodeName], number: int, language: Language) -> str:
    names = table.get(number, CodeName(f"unknown ({number})", f"未知 ({number})"))
    return names.of(language)
