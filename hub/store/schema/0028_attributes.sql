-- What records can be searched by: the attributes of people and vehicles, a few bits for each.

CREATE TABLE record_attributes (
    seq INTEGER PRIMARY KEY,
    bits INTEGER NOT NULL
) STRICT;

-- The bits of the words in the details of records, for the two statements below.
CREATE TEMP TABLE word (
    field TEXT NOT NULL,
    word TEXT NOT NULL,
    bits INTEGER NOT NULL,
    PRIMARY KEY (field, word)
) STRICT, WITHOUT ROWID;
INSERT INTO temp.word VALUES
    ('gender', '1', 2), ('gender', '2', 4), ('helmet', 'no', 8), ('helmet', 'yes', 16),
    ('headwear', 'none', 32), ('headwear', 'hat', 64), ('headwear', 'helmet', 96),
    ('mask', 'no', 128), ('mask', 'yes', 256), ('glasses', 'none', 512),
    ('glasses', 'glasses', 1024), ('glasses', 'sunglasses', 1536), ('bag', 'none', 2048),
    ('bag', 'shoulder bag', 4096), ('bag', 'backpack', 6144), ('upper_colour', 'red', 8192),
    ('upper_colour', 'orange', 16384), ('upper_colour', 'yellow', 24576),
    ('upper_colour', 'green', 32768), ('upper_colour', 'blue', 40960),
    ('upper_colour', 'purple', 49152), ('upper_colour', 'pink', 57344),
    ('upper_colour', 'black', 65536), ('upper_colour', 'white', 73728),
    ('upper_colour', 'grey', 81920), ('upper_colour', 'brown', 90112),
    ('lower_colour', 'red', 131072), ('lower_colour', 'orange', 262144),
    ('lower_colour', 'yellow', 393216), ('lower_colour', 'green', 524288),
    ('lower_colour', 'blue', 655360), ('lower_colour', 'purple', 786432),
    ('lower_colour', 'pink', 917504), ('lower_colour', 'black', 1048576),
    ('lower_colour', 'white', 1179648), ('lower_colour', 'grey', 1310720),
    ('lower_colour', 'brown', 1441792), ('upper_wear', 'long sleeves', 2097152),
    ('upper_wear', 'short sleeves', 4194304), ('upper_garment', 'T-shirt', 8388608),
    ('upper_garment', 'sleeveless top', 16777216), ('upper_garment', 'shirt', 25165824),
    ('upper_garment', 'suit', 33554432), ('upper_garment', 'sweater', 41943040),
    ('upper_garment', 'jacket', 50331648), ('upper_garment', 'down jacket', 58720256),
    ('upper_garment', 'trench coat', 67108864), ('upper_garment', 'coat', 75497472),
    ('lower_wear', 'trousers', 134217728), ('lower_wear', 'shorts', 268435456),
    ('lower_wear', 'long skirt', 402653184), ('lower_wear', 'short skirt', 536870912),
    ('safety_clothing', 'no', 1073741824), ('safety_clothing', 'yes', 2147483648),
    ('smoking', 'no', 4294967296), ('smoking', 'yes', 8589934592),
    ('phone_in_hand', 'no', 17179869184), ('phone_in_hand', 'yes', 34359738368),
    ('rides', 'nothing', 68719476736), ('rides', 'motorcycle', 137438953472),
    ('rides', 'bicycle', 206158430208), ('rides', 'tricycle', 274877906944),
    ('carrying', 'no', 549755813888), ('carrying', 'yes', 1099511627776),
    ('umbrella', 'no', 2199023255552), ('umbrella', 'yes', 4398046511104), ('car_type', '1', 2),
    ('car_type', '2', 4), ('car_type', '3', 6), ('car_type', '4', 8), ('car_type', '5', 10),
    ('car_type', '6', 12), ('car_type', '7', 14), ('car_type', '8', 16), ('car_type', '9', 18),
    ('car_type', '10', 20), ('car_type', '11', 22), ('car_type', '12', 24), ('car_type', '13', 26),
    ('car_type', '15', 30), ('car_type', '16', 32), ('car_type', '17', 34), ('car_type', '18', 36),
    ('car_type', '19', 38), ('car_type', '20', 40), ('car_type', '21', 42), ('car_type', '22', 44),
    ('car_type', '23', 46), ('car_type', '24', 48), ('car_type', '25', 50), ('car_type', '26', 52),
    ('car_type', '27', 54), ('car_type', '28', 56), ('car_type', '29', 58), ('car_type', '30', 60),
    ('car_type', '31', 62), ('car_type', '32', 64), ('car_type', '33', 66), ('car_type', '34', 68),
    ('car_type', '35', 70), ('car_type', '36', 72), ('plate_colour', 'blue', 128),
    ('plate_colour', 'yellow', 256), ('plate_colour', 'yellow-green', 384),
    ('plate_colour', 'green', 512), ('plate_colour', 'black', 640), ('plate_colour', 'white', 768),
    ('plate_colour', 'yellow, one row', 256), ('plate_colour', 'yellow, two rows', 256),
    ('plate_type', '1', 128), ('plate_type', '2', 640), ('plate_type', '3', 256),
    ('plate_type', '4', 256), ('plate_type', '5', 768), ('plate_type', '6', 768),
    ('plate_type', '7', 768), ('plate_type', '8', 768), ('plate_type', '9', 768),
    ('plate_type', '10', 640), ('plate_type', '11', 640), ('plate_type', '12', 640),
    ('plate_type', '13', 512), ('plate_type', '14', 256), ('plate_type', '17', 512),
    ('car_colour', 'brown', 1024), ('car_colour', 'orange', 2048), ('car_colour', 'grey', 3072),
    ('car_colour', 'white', 4096), ('car_colour', 'pink', 5120), ('car_colour', 'purple', 6144),
    ('car_colour', 'red', 7168), ('car_colour', 'green', 8192), ('car_colour', 'blue', 9216),
    ('car_colour', 'silver', 10240), ('car_colour', 'yellow', 11264),
    ('car_colour', 'black', 12288), ('car_maker', 'audi', 16384), ('car_maker', '奥迪', 16384),
    ('car_maker', 'hawtai', 32768), ('car_maker', '华泰', 32768), ('car_maker', 'chery', 49152),
    ('car_maker', '奇瑞', 49152), ('car_maker', 'porsche', 65536), ('car_maker', '保时捷', 65536),
    ('car_maker', 'mercedes-benz', 81920), ('car_maker', '奔驰', 81920),
    ('car_maker', 'foton', 98304), ('car_maker', '福田', 98304), ('car_maker', 'brilliance', 114688),
    ('car_maker', '中华', 114688), ('car_maker', 'lamborghini', 131072),
    ('car_maker', '兰博基尼', 131072), ('car_maker', 'nio', 147456), ('car_maker', '蔚来', 147456),
    ('car_maker', 'bestune', 163840), ('car_maker', '奔腾', 163840), ('car_maker', 'dodge', 180224),
    ('car_maker', '道奇', 180224), ('car_maker', 'gmc', 196608), ('car_maker', 'Škoda', 212992),
    ('car_maker', 'škoda', 212992), ('car_maker', '斯柯达', 212992), ('car_maker', 'baic', 229376),
    ('car_maker', '北京汽车', 229376), ('car_maker', 'soueast', 245760), ('car_maker', '东南', 245760),
    ('car_maker', 'dongfeng', 262144), ('car_maker', '东风', 262144), ('car_maker', 'tesla', 278528),
    ('car_maker', '特斯拉', 278528), ('car_maker', 'volvo', 294912), ('car_maker', '沃尔沃', 294912),
    ('car_maker', 'nissan', 311296), ('car_maker', '日产', 311296), ('car_maker', 'lifan', 327680),
    ('car_maker', '力帆汽车', 327680), ('car_maker', 'kia', 344064), ('car_maker', '起亚', 344064),
    ('car_maker', 'jmc', 360448), ('car_maker', '江铃', 360448), ('car_maker', 'mclaren', 376832),
    ('car_maker', '迈凯伦', 376832), ('car_maker', 'huansu', 393216), ('car_maker', '北汽幻速', 393216),
    ('car_maker', 'neta', 409600), ('car_maker', '哪吒汽车', 409600), ('car_maker', 'pagani', 425984),
    ('car_maker', '帕加尼', 425984), ('car_maker', 'infiniti', 442368), ('car_maker', '英菲尼迪', 442368),
    ('car_maker', 'gac', 458752), ('car_maker', '广汽', 458752), ('car_maker', 'mazda', 475136),
    ('car_maker', '马自达', 475136), ('car_maker', 'faw', 491520), ('car_maker', '一汽', 491520),
    ('car_maker', 'volkswagen', 507904), ('car_maker', '大众', 507904),
    ('car_maker', 'baojun', 524288), ('car_maker', '宝骏', 524288), ('car_maker', 'maserati', 540672),
    ('car_maker', '玛莎拉蒂', 540672), ('car_maker', 'chrysler', 557056), ('car_maker', '克莱斯勒', 557056),
    ('car_maker', 'luxgen', 573440), ('car_maker', '纳智捷', 573440),
    ('car_maker', 'chevrolet', 589824), ('car_maker', '雪佛兰', 589824),
    ('car_maker', 'citroën', 606208), ('car_maker', '雪铁龙', 606208),
    ('car_maker', 'renault', 622592), ('car_maker', '雷诺', 622592), ('car_maker', 'suzuki', 638976),
    ('car_maker', '铃木', 638976), ('car_maker', 'landwind', 655360), ('car_maker', '陆风', 655360),
    ('car_maker', 'byd', 671744), ('car_maker', '比亚迪', 671744), ('car_maker', 'ford', 688128),
    ('car_maker', '福特', 688128), ('car_maker', 'ora', 704512), ('car_maker', '欧拉', 704512),
    ('car_maker', 'jetour', 720896), ('car_maker', '捷途', 720896),
    ('car_maker', 'great wall', 737280), ('car_maker', '长城', 737280),
    ('car_maker', 'peugeot', 753664), ('car_maker', '标致', 753664), ('car_maker', 'maxus', 770048),
    ('car_maker', '上汽大通', 770048), ('car_maker', 'mg', 786432), ('car_maker', '名爵', 786432),
    ('car_maker', 'wuling', 802816), ('car_maker', '五菱汽车', 802816), ('car_maker', 'jaguar', 819200),
    ('car_maker', '捷豹', 819200), ('car_maker', 'aito', 835584), ('car_maker', 'polestar', 851968),
    ('car_maker', 'opel', 868352), ('car_maker', '欧宝', 868352), ('car_maker', 'tank', 884736),
    ('car_maker', '坦克', 884736), ('car_maker', 'aston martin', 901120),
    ('car_maker', '阿斯顿马丁', 901120), ('car_maker', 'lincoln', 917504), ('car_maker', '林肯', 917504),
    ('car_maker', 'jeep', 933888), ('car_maker', 'haval', 950272), ('car_maker', '哈弗', 950272),
    ('car_maker', 'rolls-royce', 966656), ('car_maker', '劳斯莱斯', 966656),
    ('car_maker', 'li auto', 983040), ('car_maker', '理想', 983040), ('car_maker', 'mini', 999424),
    ('car_maker', 'cadillac', 1015808), ('car_maker', '凯迪拉克', 1015808),
    ('car_maker', 'honda', 1032192), ('car_maker', '本田', 1032192), ('car_maker', 'hongqi', 1048576),
    ('car_maker', '红旗', 1048576), ('car_maker', 'buick', 1064960), ('car_maker', '别克', 1064960),
    ('car_maker', 'kaicene', 1081344), ('car_maker', '长安凯程', 1081344),
    ('car_maker', 'zotye', 1097728), ('car_maker', '众泰', 1097728), ('car_maker', 'jinbei', 1114112),
    ('car_maker', '金杯', 1114112), ('car_maker', 'subaru', 1130496), ('car_maker', '斯巴鲁', 1130496),
    ('car_maker', 'maisharui', 1146880), ('car_maker', '迈莎锐', 1146880),
    ('car_maker', 'ds', 1163264), ('car_maker', 'im', 1179648), ('car_maker', '智己', 1179648),
    ('car_maker', 'land rover', 1196032), ('car_maker', '路虎', 1196032),
    ('car_maker', 'haima', 1212416), ('car_maker', '海马', 1212416), ('car_maker', 'voyah', 1228800),
    ('car_maker', '岚图汽车', 1228800), ('car_maker', 'weiwang', 1245184),
    ('car_maker', '北汽威旺', 1245184), ('car_maker', 'leapmotor', 1261568),
    ('car_maker', '零跑汽车', 1261568), ('car_maker', 'geely', 1277952), ('car_maker', '吉利', 1277952),
    ('car_maker', 'isuzu', 1294336), ('car_maker', '五十铃', 1294336),
    ('car_maker', 'venucia', 1310720), ('car_maker', '启辰', 1310720),
    ('car_maker', 'bentley', 1327104), ('car_maker', '宾利', 1327104),
    ('car_maker', 'ferrari', 1343488), ('car_maker', '法拉利', 1343488),
    ('car_maker', 'arcfox', 1359872), ('car_maker', '极狐', 1359872), ('car_maker', 'oshan', 1376256),
    ('car_maker', '长安欧尚', 1376256), ('car_maker', 'bmw', 1392640), ('car_maker', '宝马', 1392640),
    ('car_maker', 'jac', 1409024), ('car_maker', '江淮', 1409024), ('car_maker', 'roewe', 1425408),
    ('car_maker', '荣威', 1425408), ('car_maker', 'hyundai', 1441792), ('car_maker', '现代', 1441792),
    ('car_maker', 'changan', 1458176), ('car_maker', '长安', 1458176),
    ('car_maker', 'mitsubishi', 1474560), ('car_maker', '三菱', 1474560),
    ('car_maker', 'wey', 1490944), ('car_maker', '魏牌', 1490944), ('car_maker', 'toyota', 1507328),
    ('car_maker', '丰田', 1507328), ('car_maker', 'xpeng', 1523712), ('car_maker', '小鹏汽车', 1523712),
    ('car_maker', 'acura', 1540096), ('car_maker', '讴歌', 1540096), ('car_maker', 'fiat', 1556480),
    ('car_maker', '菲亚特', 1556480), ('car_maker', 'lynk & co', 1572864),
    ('car_maker', '领克', 1572864), ('car_maker', 'lexus', 1589248), ('car_maker', '雷克萨斯', 1589248);

-- A detail that is damaged has none.
INSERT INTO record_attributes
SELECT seq, bits FROM (
    SELECT seq, CASE WHEN json_valid(sent) THEN
        ifnull((
            SELECT bits FROM temp.word WHERE field = 'gender' AND word = json_extract(sent, '$.gender')
        ), 0) + CASE WHEN instr(sent, '"attributes"') THEN ifnull((
            SELECT sum(word.bits) FROM json_each(sent, '$.attributes') AS each
            CROSS JOIN temp.word AS word ON field = each.key AND word = each.value
            WHERE field <> 'gender'
        ), 0) ELSE 0 END
    ELSE 0 END AS bits
    FROM (
        SELECT seq, CAST(detail AS TEXT) AS sent FROM record
        WHERE kind = 'face' AND erased IS NULL
    )
)
WHERE bits > 0;
INSERT INTO record_attributes
SELECT seq, bits + 1 FROM (
    SELECT seq, CASE WHEN json_valid(sent) THEN
        ifnull((
            SELECT bits FROM temp.word
            WHERE field = 'car_type' AND word = json_extract(sent, '$.vehicle.type')
        ), 0) + ifnull((
            SELECT bits FROM temp.word
            WHERE field = 'car_colour' AND word = json_extract(sent, '$.vehicle.colour')
        ), 0) + ifnull((
            SELECT bits FROM temp.word
            WHERE field = 'car_maker'
                AND word = lower(trim(json_extract(sent, '$.vehicle.brand')))
        ), 0) + CASE ifnull(json_extract(sent, '$.plate.colour'), '') WHEN '' THEN ifnull((
            SELECT bits FROM temp.word
            WHERE field = 'plate_type' AND word = json_extract(sent, '$.plate.type')
        ), 0) ELSE ifnull((
            SELECT bits FROM temp.word
            WHERE field = 'plate_colour' AND word = json_extract(sent, '$.plate.colour')
        ), 0) END
    ELSE 0 END AS bits
    FROM (
        SELECT seq, CAST(detail AS TEXT) AS sent FROM record
        WHERE kind = 'vehicle' AND erased IS NULL
    )
)
WHERE bits > 0;
DROP TABLE temp.word;

CREATE TRIGGER record_attributes_forgotten AFTER DELETE ON record BEGIN
    DELETE FROM record_attributes WHERE seq = old.seq;
END;
CREATE TRIGGER record_attributes_erased AFTER UPDATE OF erased ON record
WHEN new.erased IS NOT NULL BEGIN
    DELETE FROM record_attributes WHERE seq = new.seq;
END;
