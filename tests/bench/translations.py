"""English titles, their Chinese translations, and Chinese titles that are nearly it: made by hand, not by the encoder.

Each English title must find its translation among all Chinese ones: 40 translations and 80 hard negatives (a near
topic, the same words in another sense, a negation, another number, another direction).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from encoders.contract import Encoder

__all__ = ["TRANSLATIONS", "translation_retrieval"]

#: English, its translation, and two that are near.
TRANSLATIONS: tuple[tuple[str, str, tuple[str, str]], ...] = (
    ("Cast iron skillet for induction stoves", "适用于电磁炉的铸铁煎锅", ("适用于电磁炉的不锈钢汤锅", "不适用于电磁炉的铸铁煎锅")),
    ("How to bake sourdough bread at home", "如何在家烤酸面包", ("如何在家做寿司", "城里最好的面包店")),
    ("Running shoes for flat feet", "适合扁平足的跑鞋", ("适合扁平足的凉鞋", "适合高足弓的跑鞋")),
    ("Noise cancelling wireless headphones", "无线降噪耳机", ("有线耳机", "降噪隔音窗")),
    ("The stock market fell sharply today", "今日股市大幅下跌", ("今日股市大幅上涨", "今日气温大幅下降")),
    ("The president did not sign the bill", "总统没有签署该法案", ("总统签署了该法案", "参议院没有通过预算")),
    ("Cheap flights from London to Tokyo", "从伦敦飞往东京的廉价机票", ("从东京飞往纽约的廉价机票", "东京的廉价酒店")),
    ("Vegetarian recipes without eggs", "不含鸡蛋的素食食谱", ("各种鸡蛋食谱", "不含酒精的饮料")),
    ("My phone does not charge anymore", "我的手机充不进电了", ("我的手机充电很快", "我的电动车充不进电了")),
    ("Waterproof hiking boots for winter", "冬季防水登山靴", ("夏季透气登山鞋", "冬季防水手套")),
    ("A guide to growing tomatoes on a balcony", "阳台种植番茄指南", ("阳台种植玫瑰指南", "番茄酱的做法")),
    ("Second-hand electric cars under 10,000 euros", "一万欧元以下的二手电动车", ("全新电动车价格", "一万欧元以下的二手钢琴")),
    ("The team lost the final on penalties", "球队在决赛中点球落败", ("球队在决赛中点球获胜", "球员因受伤缺席决赛")),
    ("Symptoms of vitamin D deficiency", "维生素D缺乏的症状", ("维生素D过量的危害", "缺铁性贫血的治疗")),
    ("Learn to play the guitar in 30 days", "三十天学会弹吉他", ("三十天学会游泳", "二手吉他出售")),
    ("The hotel room was dirty and loud", "酒店房间又脏又吵", ("酒店房间干净又安静", "酒店的早餐很丰盛")),
    ("Stroller that fits in an overhead bin", "可放入行李架的婴儿车", ("可放入行李架的行李箱", "婴儿床安全测评")),
    ("Best science fiction novels of the decade", "十年来最佳科幻小说", ("十年来最佳科幻电影", "十年来最佳侦探小说")),
    ("Heavy rain floods the old town", "暴雨淹没老城区", ("持续干旱影响老城区", "大雪封住山区公路")),
    ("Apple juice without added sugar", "无添加糖的苹果汁", ("苹果公司发布新手机", "加糖的橙汁")),
    ("How to fix a leaking tap", "如何修理漏水的水龙头", ("如何修理漏气的轮胎", "如何选购浴室水龙头")),
    ("Interest rates will rise next year", "明年利率将上升", ("明年利率将下降", "明年房租将上涨")),
    ("Yoga exercises for back pain", "缓解背痛的瑜伽动作", ("缓解头痛的按摩方法", "瑜伽垫选购指南")),
    ("The museum is closed on Mondays", "博物馆周一闭馆", ("博物馆周一免费开放", "图书馆周日闭馆")),
    ("Gaming laptop with a quiet fan", "风扇安静的游戏本电脑", ("风扇安静的空调", "办公用台式电脑")),
    ("Dog refuses to eat dry food", "狗狗拒绝吃干粮", ("猫咪拒绝吃干粮", "狗狗最爱吃的干粮")),
    ("Scientists discover a new planet", "科学家发现一颗新行星", ("科学家发现一种新病毒", "天文馆本周开放")),
    ("Cancel my subscription immediately", "请立即取消我的订阅", ("请续订我的会员", "请立即取消我的航班")),
    ("Silk scarf with a flower pattern", "花卉图案丝巾", ("花卉图案床单", "纯色羊毛围巾")),
    ("Translate a contract into German", "把合同翻译成德语", ("把合同翻译成法语", "起草一份劳动合同")),
    ("The earthquake destroyed hundreds of houses", "地震摧毁了数百座房屋", ("洪水摧毁了数百座桥梁", "数百座新房屋建成")),
    ("Low-fat yoghurt with strawberries", "低脂草莓酸奶", ("草莓果酱", "全脂香草冰淇淋")),
    ("How to remove red wine stains", "如何去除红酒渍", ("如何挑选红酒", "如何去除油漆味")),
    ("The actress won her first Oscar", "这位女演员首次获得奥斯卡奖", ("这位女演员再次无缘奥斯卡奖", "这位导演首次执导电影")),
    ("Part-time jobs for students", "适合学生的兼职工作", ("适合学生的公寓", "适合退休人员的志愿工作")),
    ("Charging stations along the motorway", "高速公路沿线的充电站", ("高速公路沿线的加油站", "高速公路上的交通事故")),
    ("Chess opening for beginners", "适合初学者的国际象棋开局", ("适合初学者的围棋教程", "国际象棋世界冠军赛")),
    ("This medicine is not suitable for children", "此药不适合儿童使用", ("此药适合儿童使用", "此玩具不适合三岁以下儿童")),
    ("Wooden dining table for eight people", "八人木质餐桌", ("八人帐篷", "双人玻璃茶几")),
    ("Tickets for the concert are sold out", "演唱会门票已售罄", ("演唱会门票开始发售", "足球比赛门票已售罄")),
)  # fmt: skip


def translation_retrieval(encoder: Encoder[Any, Any]) -> tuple[float, list[tuple[str, str]]]:
    """Return the share of English titles whose nearest Chinese one is right, and (title, what is nearest) of the others."""
    english = encoder.encode([title for title, _, _ in TRANSLATIONS])
    chinese = [translation for _, translation, _ in TRANSLATIONS]
    chinese += [negative for _, _, negatives in TRANSLATIONS for negative in negatives]
    nearest = np.argmax(english @ encoder.encode(chinese).T, axis=1)
    wrong = [(TRANSLATIONS[i][0], chinese[found]) for i, found in enumerate(nearest) if found != i]
    return 1 - len(wrong) / len(TRANSLATIONS), wrong
