"""What the shop sells and publishes: titles in English and Chinese, six themes, Zipf popularity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["THEMES", "Catalogue"]

#: theme -> (English nouns, Chinese nouns)
THEMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kitchen": (
        ("cast iron skillet", "chef knife", "espresso machine", "baking stone", "pepper mill", "stock pot", "wok",
         "bread tin", "salad spinner", "kitchen scale", "rice cooker", "whisk"),
        ("铸铁煎锅", "菜刀", "咖啡机", "烤盘", "研磨器", "汤锅", "炒锅", "面包模具", "沥水篮", "厨房秤", "电饭煲", "打蛋器"),
    ),
    "outdoor": (
        ("hiking boots", "two-person tent", "sleeping bag", "trekking poles", "rain jacket", "camping stove",
         "climbing rope", "head torch", "backpack", "water filter", "compass", "hammock"),
        ("登山鞋", "双人帐篷", "睡袋", "登山杖", "冲锋衣", "露营炉", "攀岩绳", "头灯", "双肩包", "净水器", "指南针", "吊床"),
    ),
    "gadgets": (
        ("wireless earbuds", "smart watch", "mechanical keyboard", "gaming mouse", "power bank", "4k monitor",
         "graphics card", "phone stand", "usb hub", "action camera", "tablet", "drone"),
        ("蓝牙耳机", "智能手表", "机械键盘", "电竞鼠标", "充电宝", "显示器", "显卡", "手机支架", "扩展坞", "运动相机", "平板电脑", "无人机"),
    ),
    "family": (
        ("baby stroller", "wooden blocks", "picture book", "night light", "high chair", "crib sheet", "teether",
         "toddler shoes", "story cards", "play mat", "bath toy", "school bag"),
        ("婴儿推车", "积木玩具", "儿童绘本", "小夜灯", "餐椅", "婴儿床单", "牙胶", "学步鞋", "故事卡片", "爬行垫", "洗澡玩具", "书包"),
    ),
}  # fmt: skip

_ENGLISH = (
    "red", "blue", "compact", "classic", "premium", "lightweight", "vintage", "folding", "organic", "portable", "large",
    "small", "matte", "handmade", "waterproof", "soft", "sturdy", "slim", "deluxe", "basic", "black", "white", "green",
    "silent", "modern", "rustic", "double", "mini", "pro", "everyday", "travel", "limited", "signature", "heavy duty",
    "easy", "family", "bright", "warm", "cool", "smart", "natural", "original", "quick", "deep", "long", "wide", "fine",
    "grey", "golden", "silver", "winter", "summer", "spring", "autumn", "city", "country", "nordic", "french", "royal",
)  # fmt: skip
_CHINESE = (
    "红色", "蓝色", "紧凑型", "经典", "高端", "轻便", "复古", "折叠", "有机", "便携", "大号", "小号", "磨砂", "手工", "防水",
    "柔软", "结实", "超薄", "豪华", "基础款", "黑色", "白色", "绿色", "静音", "现代", "乡村风", "双层", "迷你", "专业", "日常",
    "旅行", "限量", "签名款", "加厚", "简易", "家用", "明亮", "保暖", "清爽", "智能", "天然", "原装", "快速", "加深", "加长",
    "加宽", "精致", "灰色", "金色", "银色", "冬季", "夏季", "春季", "秋季", "城市", "田园", "北欧", "法式", "皇家",
)  # fmt: skip


@dataclass(frozen=True)
class Catalogue:
    """Items, by index.

    Attributes
    ----------
    themes : ndarray of int64
        Which theme an item is about.
    chinese : ndarray of bool
    popularity : ndarray of float64
        Zipf weights, to be normalised over whatever subset is drawn from.
    """

    titles: list[str]
    themes: npt.NDArray[np.int64]
    chinese: npt.NDArray[np.bool_]
    prices: npt.NDArray[np.float64]
    popularity: npt.NDArray[np.float64]

    @classmethod
    def make(cls, random: np.random.Generator) -> Catalogue:
        """Return every combination of word and noun: 5,664 distinct titles."""
        titles, themes, chinese = [], [], []
        for theme, (english, hanzi) in enumerate(THEMES.values()):
            for nouns, words, joint, is_chinese in ((english, _ENGLISH, " ", False), (hanzi, _CHINESE, "", True)):
                found = [f"{word}{joint}{noun}" for noun in nouns for word in words]
                titles += found
                themes += [theme] * len(found)
                chinese += [is_chinese] * len(found)
        n = len(titles)
        return cls(
            titles,
            np.array(themes),
            np.array(chinese),
            np.round(random.lognormal(3.0, 0.5, n), 2).astype(np.float64),
            1.0 / (1.0 + random.permutation(n).astype(np.float64)),
        )
