"""Mandarin Chinese, in simplified characters or traditional ones."""

from __future__ import annotations

from jointst.text.normalise.cardinals import chinese, chinese_digits
from jointst.text.normalise.rules import HOUR, MINUTE, Rules

_DIGITS = "零一二三四五六七八九"
_MEASURES = (
    "个|個|只|隻|本|张|張|条|條|位|名|次|天|岁|歲|小时|小時|周|週|倍|家|部|座|辆|輛|杯|瓶|块|塊|万|萬|亿|億|千|种|種|件|套|"
    "年(?!级|級|[0-9一二三四五六七八九十]|月)|分钟|分鐘|秒|点|點|句|首|把|棵|架|匹|头|頭|间|間|公里|公斤|米(?!处)"
)
"""Words before which 2 is 两."""


def _counted(words: str, gender: str) -> str:
    return "两" if words == "二" and gender == "m" else words


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{year}年{chinese(month)}月{chinese(day)}日"


def _clock(hour: int, minute: int, suffix: str) -> str:
    minutes = f"{'零' if minute < 10 else ''}{chinese(minute)}分" if minute else ""
    return f"{_counted(chinese(hour), 'm')}点{minutes}"


RULES = Rules(
    code="zh",
    respelled={"〇": "零"},
    cardinal=chinese,
    counted=_counted,
    decimal=".",
    point="点",
    dot="点",
    minus="负",
    between="到",
    ratio="比",
    ampersand="和",
    year=r"(?<![\d.,])[12]\d{3}(?=\s?年(?!前|来|來|以|间|間|历史|歷史)|\s*[到至]\s*\d{4}\s?年)",
    year_words=lambda year: chinese_digits(str(year)),
    telephone=r"(?<![\d.,])1[3-9]\d{9}(?!\d)",
    date_order="ymd",
    date=_date,
    clocks=(rf"{HOUR}[:]{MINUTE}(?P<suffix>)(?=\s?分)",),
    clock=_clock,
    units={
        "%": "百分之{}, n",
        "‰": "千分之{}, n",
        "°": "度, n",
        "°C": "摄氏度, n",
        "°F": "华氏度, n",
        "mm": "毫米",
        "cm": "厘米",
        "m": "米",
        "km": "公里",
        "cm^2": "平方厘米",
        "m^2": "平方米",
        "km^2": "平方公里",
        "ha": "公顷",
        "cm^3": "立方厘米",
        "m^3": "立方米",
        "ml": "毫升",
        "mL": "毫升",
        "L": "升",
        "l": "升",
        "mg": "毫克",
        "g": "克",
        "kg": "公斤",
        "t": "吨",
        "s": "秒",
        "min": "分钟",
        "h": "小时",
        "km/h": "每小时{}公里",
        "m/s^2": "米每二次方秒",
        "m/s": "每秒{}米",
        "W": "瓦",
        "kW": "千瓦",
        "kWh": "千瓦时",
        "MW": "兆瓦",
        "V": "伏",
        "Hz": "赫兹",
        "kHz": "千赫",
        "MHz": "兆赫",
        "GHz": "吉赫",
        "KB": "千字节",
        "MB": "兆字节",
        "GB": "吉字节",
        "TB": "太字节",
        "dB": "分贝",
        "kcal": "千卡",
    },
    currencies={
        "¥ CNY RMB": "元",
        "$ US$ USD": "美元",
        "€ EUR": "欧元",
        "£ GBP": "英镑",
        "JPY": "日元",
        "₹ INR": "卢比",
        "₽ RUB": "卢布",
        "CHF": "瑞士法郎",
        "HK$ HKD": "港元",
        "NT$ TWD": "新台币",
        "₩ KRW": "韩元",
    },
    magnitudes="万亿|千万|百万|万|萬|亿|億",
    fraction="{d}分之{n}",
    fractions={n: f"{chinese(n)}分之一|{chinese(n)}分之{{}}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10)},
    mixed="{whole}又{fraction}",
    powers={"2": "的平方", "3": "的立方", "": "的{}次方"},
    operators={"+": "加", "=": "等于", "×": "乘以", "÷": "除以", "±": "正负"},
    before_number={"№": "编号", "#": "编号", "No.": "编号"},
    at="艾特",
    slash="斜杠",
    special=(
        (rf"[○◯](?=[○◯]*[{_DIGITS}年])", "零"),  # circles among digits; three in a row at most at their end
        *((rf"(?<=[{_DIGITS}])[○◯]", "零"),) * 3,
        (rf"(?<![第\d.,:/-])2(?=\s?(?:{_MEASURES}))", "两"),
    ),
)
