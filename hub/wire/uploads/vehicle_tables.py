"""The codes of vehicles in edition 3 (D12): colours, types and makers in both languages.

A record keeps the English name, which does not change; pages show the name in their language.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub.wire.code_tables import CodeName, Language

PLATE_COLOURS: Mapping[int, CodeName] = {
    1: CodeName("blue", "蓝色"),
    2: CodeName("yellow, one row", "单层黄色"),
    3: CodeName("yellow, two rows", "双层黄色"),
    4: CodeName("yellow-green", "黄绿色"),
    5: CodeName("green", "绿色"),
    6: CodeName("black", "黑色"),
    7: CodeName("white", "白色"),
}
CAR_COLOURS: Mapping[int, CodeName] = {
    1: CodeName("brown", "棕色"),
    2: CodeName("orange", "橙色"),
    3: CodeName("grey", "灰色"),
    4: CodeName("white", "白色"),
    5: CodeName("pink", "粉色"),
    6: CodeName("purple", "紫色"),
    7: CodeName("red", "红色"),
    8: CodeName("green", "绿色"),
    9: CodeName("blue", "蓝色"),
    10: CodeName("silver", "银色"),
    11: CodeName("yellow", "黄色"),
    12: CodeName("black", "黑色"),
}
#: 2.5: the colour of the plate, by plate type.
PLATE_COLOUR_OF_TYPE: Mapping[int, str] = {
    1: "blue",
    2: "black",
    3: "yellow",
    4: "yellow",
    5: "white",
    6: "white",
    7: "white",
    8: "white",
    9: "white",
    10: "black",
    11: "black",
    12: "black",
    13: "green",
    14: "yellow",
    17: "green",
}
#: Type in edition 3 -> type in 2.5: saloon, SUV, bus, van, lorry. A record has one numbering.
CAR_TYPES: Mapping[int, int] = {1: 1, 2: 6, 3: 4, 4: 3, 5: 2}

_MAKER_LIST = """
1 Audi/奥迪 2 Hawtai/华泰 3 Chery/奇瑞 4 Porsche/保时捷 5 Mercedes-Benz/奔驰 6 Foton/福田
7 Brilliance/中华 8 Lamborghini/兰博基尼 9 NIO/蔚来 10 Bestune/奔腾 11 Dodge/道奇 12 GMC
13 Škoda/斯柯达 14 BAIC/北京汽车 15 Soueast/东南 16 Dongfeng/东风 17 Tesla/特斯拉 18 Volvo/沃尔沃
19 Nissan/日产 20 Lifan/力帆汽车 21 Kia/起亚 22 JMC/江铃 23 McLaren/迈凯伦 24 Huansu/北汽幻速
25 Neta/哪吒汽车 26 Pagani/帕加尼 27 Infiniti/英菲尼迪 28 GAC/广汽 29 Mazda/马自达 30 FAW/一汽
31 Volkswagen/大众 32 Baojun/宝骏 33 Maserati/玛莎拉蒂 34 Chrysler/克莱斯勒 35 Luxgen/纳智捷
36 Chevrolet/雪佛兰 37 Citroën/雪铁龙 38 Renault/雷诺 39 Suzuki/铃木 40 Landwind/陆风
41 BYD/比亚迪 42 Ford/福特 43 Ora/欧拉 44 Jetour/捷途 45 Great-Wall/长城 46 Peugeot/标致
47 Maxus/上汽大通 48 MG/名爵 49 Wuling/五菱汽车 50 Jaguar/捷豹 51 AITO 52 Polestar 53 Opel/欧宝
54 Tank/坦克 55 Aston-Martin/阿斯顿马丁 56 Lincoln/林肯 57 Jeep 58 Haval/哈弗
59 Rolls-Royce/劳斯莱斯 60 Li-Auto/理想 61 MINI 62 Cadillac/凯迪拉克 63 Honda/本田 64 Hongqi/红旗
65 Buick/别克 66 Kaicene/长安凯程 67 Zotye/众泰 68 Jinbei/金杯 69 Subaru/斯巴鲁
70 Maisharui/迈莎锐 71 DS 72 IM/智己 73 Land-Rover/路虎 74 Haima/海马 75 Voyah/岚图汽车
76 Weiwang/北汽威旺 77 Leapmotor/零跑汽车 78 Geely/吉利 79 Isuzu/五十铃 80 Venucia/启辰
81 Bentley/宾利 82 Ferrari/法拉利 83 ARCFOX/极狐 84 Oshan/长安欧尚 85 BMW/宝马 86 JAC/江淮
87 Roewe/荣威 88 Hyundai/现代 89 Changan/长安 90 Mitsubishi/三菱 91 WEY/魏牌 92 Toyota/丰田
93 XPeng/小鹏汽车 94 Acura/讴歌 95 Fiat/菲亚特 96 Lynk-&-Co/领克 97 Lexus/雷克萨斯
"""
_MAKERS = _MAKER_LIST.split()


def _maker(text: str) -> CodeName:
    """A maker from its entry, in which a hyphen stands for a blank, but for two names."""
    en, _, zh = text.partition("/")
    if en not in ("Mercedes-Benz", "Rolls-Royce"):
        en = en.replace("-", " ")
    return CodeName(en, zh or en)


CAR_MAKERS: Mapping[int, CodeName] = {
    int(number): _maker(text) for number, text in zip(_MAKERS[::2], _MAKERS[1::2], strict=True)
}

#: The first edition sends brands as text, in either language. By that text, without regard to case.
MAKERS_BY_TEXT: Mapping[str, CodeName] = {
    text.casefold(): name for name in CAR_MAKERS.values() for text in (name.en, name.zh)
}
_BY_ENGLISH: Mapping[str, CodeName] = {
    name.en: name for table in (PLATE_COLOURS, CAR_COLOURS, CAR_MAKERS) for name in table.values()
}


def vehicle_word(kept: str, language: Language = "en") -> str:
    """A colour or maker of a record in this language; itself if it is in none of the tables."""
    name = _BY_ENGLISH.get(kept) or MAKERS_BY_TEXT.get(kept.strip().casefold())
    return kept if name is None else name.of(language)
