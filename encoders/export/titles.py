"""A fixed sample of titles in English and Chinese, many themes: what the projection is fitted on. Never reorder it."""

from __future__ import annotations

from itertools import product

__all__ = ["SAMPLE_TITLES"]

_ENGLISH = {
    "cooking": (
        ("cast iron skillet", "chef knife", "sourdough starter", "slow cooker recipes"),
        ("for beginners", "review"),
    ),
    "sport": (
        ("running shoes", "football boots", "yoga mat", "marathon training plan"),
        ("for women", "of the season"),
    ),
    "phones": (("android phone", "wireless earbuds", "phone case", "fast charger"), ("with long battery", "compared")),
    "travel": (
        ("weekend in Kyoto", "cheap flights to Lisbon", "carry-on suitcase", "hiking in Norway"),
        ("on a budget", "guide"),
    ),
    "finance": (("index funds", "mortgage rates", "tax return", "credit card"), ("explained", "this year")),
    "fashion": (("linen dress", "denim jacket", "leather boots", "silk scarf"), ("for summer", "sale")),
    "garden": (("tomato seedlings", "rose pruning", "lawn mower", "compost bin"), ("in spring", "tips")),
    "games": (("open world game", "board game", "gaming mouse", "chess opening"), ("for two", "ranked")),
    "children": (("baby stroller", "picture book", "wooden blocks", "night light"), ("for toddlers", "safety test")),
    "cars": (("electric car", "winter tyres", "dash cam", "motor oil"), ("price", "long-term test")),
    "film": (("crime series", "space opera", "animated film", "documentary"), ("trailer", "best of the decade")),
    "books": (("historical novel", "detective story", "poetry collection", "biography"), ("new edition", "book club")),
    "health": (
        ("blood pressure monitor", "vitamin D", "sleep tracker", "back pain exercises"),
        ("what doctors say", "test"),
    ),
    "home": (("standing desk", "floor lamp", "sofa bed", "vacuum robot"), ("small rooms", "assembly")),
    "music": (("acoustic guitar", "vinyl record", "piano lessons", "concert tickets"), ("online", "near me")),
    "politics": (("election results", "trade talks", "city council", "climate summit"), ("live", "analysis")),
}
_CHINESE = {
    "cooking": (("铸铁煎锅", "家常菜谱", "面包机", "川菜调料"), ("新手入门", "评测")),
    "sport": (("跑步鞋", "足球联赛", "瑜伽垫", "马拉松训练"), ("女款", "本赛季")),
    "phones": (("国产手机", "蓝牙耳机", "手机壳", "快充充电器"), ("长续航", "对比")),
    "travel": (("京都周末游", "特价机票", "登机箱", "云南徒步"), ("省钱攻略", "指南")),
    "finance": (("基金定投", "房贷利率", "个人所得税", "信用卡"), ("详解", "今年")),
    "fashion": (("亚麻连衣裙", "牛仔外套", "真皮短靴", "丝巾"), ("夏季新款", "打折")),
    "garden": (("番茄种苗", "月季修剪", "阳台种菜", "园艺工具"), ("春季", "技巧")),
    "games": (("开放世界游戏", "桌游", "电竞鼠标", "围棋入门"), ("双人", "排行")),
    "children": (("婴儿推车", "儿童绘本", "积木玩具", "小夜灯"), ("幼儿", "安全")),
    "cars": (("新能源汽车", "冬季轮胎", "行车记录仪", "机油"), ("价格", "试驾")),
    "film": (("悬疑剧", "科幻电影", "动画片", "纪录片"), ("预告", "十年最佳")),
    "books": (("历史小说", "侦探故事", "诗集", "人物传记"), ("新版", "读书会")),
    "health": (("血压计", "维生素D", "睡眠监测", "腰痛锻炼"), ("医生怎么说", "测评")),
    "home": (("升降桌", "落地灯", "沙发床", "扫地机器人"), ("小户型", "安装")),
    "music": (("民谣吉他", "黑胶唱片", "钢琴课", "演唱会门票"), ("在线", "附近")),
    "politics": (("选举结果", "贸易谈判", "市政会议", "气候峰会"), ("直播", "分析")),
}

#: 256 titles.
SAMPLE_TITLES = [
    f"{noun} {detail}" for nouns, details in _ENGLISH.values() for noun, detail in product(nouns, details)
] + [f"{noun}{detail}" for nouns, details in _CHINESE.values() for noun, detail in product(nouns, details)]
