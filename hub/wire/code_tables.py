"""The specification's numbers and what they mean, in both languages of the product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Language = Literal["zh", "en"]


class Names(Struct, frozen=True):
    """What one number is called."""

    en: str
    zh: str

    def of(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


#: 2.4
EVENT_TYPES: dict[int, Names] = {
    1: Names("Motion detected", "移动侦测"),
    2: Names("Intrusion or line crossing", "区域入侵或绊线"),
    3: Names("Camera covered", "视频遮挡"),
    4: Names("Baby crying", "婴儿啼哭"),
    5: Names("Crowd gathering", "人员聚集"),
    6: Names("Loitering", "人员徘徊"),
    7: Names("Fast movement", "快速移动"),
    8: Names("Fire", "火焰"),
    9: Names("Sudden loud noise", "音量陡升"),
    10: Names("Sudden silence", "环境噪声陡降"),
    11: Names("Person detected", "人形检测"),
    12: Names("Listed person", "关注人员"),
    13: Names("Post left", "离岗"),
    14: Names("Body temperature", "体温检测"),
}

#: 2.5; 14 is not given away.
VEHICLE_TYPES: dict[int, Names] = {
    0: Names("unknown", "未知"),
    1: Names("car", "轿车"),
    2: Names("truck", "货车"),
    3: Names("van", "面包车"),
    4: Names("coach", "客车"),
    5: Names("small truck", "小货车"),
    6: Names("SUV", "SUV"),
    7: Names("medium bus", "中型客车"),
    8: Names("motorcycle", "摩托车"),
    9: Names("pedestrian", "行人"),
    10: Names("school bus", "校车"),
    11: Names("dump truck", "泥头车-渣土车"),
    12: Names("hazardous goods vehicle", "高危车"),
    13: Names("cyclist", "骑行人"),
    15: Names("microcar", "微型轿车"),
    16: Names("small car", "小型轿车"),
    17: Names("compact car", "紧凑型轿车"),
    18: Names("hatchback", "两厢轿车"),
    19: Names("saloon", "三厢轿车"),
    20: Names("minibus", "轻客"),
    21: Names("small SUV", "小型SUV"),
    22: Names("compact SUV", "紧凑型SUV"),
    23: Names("mid-size SUV", "中型SUV"),
    24: Names("large mid-size SUV", "中大型SUV"),
    25: Names("full-size SUV", "大型SUV"),
    26: Names("microvan", "微型面包车"),
    27: Names("MPV", "MPV"),
    28: Names("sports saloon", "轿跑"),
    29: Names("micro truck", "微卡"),
    30: Names("pickup", "皮卡"),
    31: Names("medium truck", "中卡"),
    32: Names("light truck", "轻卡"),
    33: Names("heavy truck", "重卡"),
    34: Names("taxi", "出租车"),
    35: Names("tanker", "油罐车"),
    36: Names("crane", "吊车"),
}

#: 2.5; 12 is not given away.
PLATE_TYPES: dict[int, Names] = {
    0: Names("unknown", "未知类型"),
    1: Names("blue", "普通蓝牌"),
    2: Names("black", "普通黑牌"),
    3: Names("yellow, one row", "普通单层黄牌"),
    4: Names("yellow, two rows", "双层黄牌"),
    5: Names("white, police", "白色警牌"),
    6: Names("white, armed police", "白色武警"),
    7: Names("white, armed police, two rows", "双层白色武警"),
    8: Names("military, one row", "单层军牌"),
    9: Names("military, two rows", "双层军牌"),
    10: Names("embassy or consulate", "领使馆牌"),
    11: Names("Hong Kong", "港牌"),
    13: Names("Macau", "澳门牌"),
    14: Names("farm vehicle or tractor", "农用车牌 拖拉机"),
    15: Names("works vehicle", "厂内牌"),
    16: Names("personalised", "个性化车牌"),
    17: Names("new energy", "新能源牌"),
    18: Names("other", "其他类型"),
}

#: 1.12, and the 0 of D8.
CATEGORIES: dict[int, Names] = {
    0: Names("stranger", "陌生人"),
    1: Names("whitelist", "白名单"),
    2: Names("blacklist", "黑名单"),
    3: Names("VIP", "VIP"),
    4: Names("visitor", "访客"),
}

#: 2.1
GENDERS: dict[int, Names] = {1: Names("male", "男"), 2: Names("female", "女")}


def event_name(number: int, language: Language = "en") -> str:
    """The event type's name; "type N" where the number is none of the table's."""
    names = EVENT_TYPES.get(number, Names(f"type {number}", f"类型 {number}"))
    return names.of(language)


def vehicle_name(number: int, language: Language = "en") -> str:
    return _name(VEHICLE_TYPES, number, language)


def plate_name(number: int, language: Language = "en") -> str:
    return _name(PLATE_TYPES, number, language)


def category_name(number: int, language: Language = "en") -> str:
    return _name(CATEGORIES, number, language)


def gender_name(number: int, language: Language = "en") -> str:
    return _name(GENDERS, number, language)


def _name(table: Mapping[int, Names], number: int, language: Language) -> str:
    names = table.get(number, Names(f"unknown ({number})", f"未知 ({number})"))
    return names.of(language)
