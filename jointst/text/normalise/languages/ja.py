"""Japanese."""

from __future__ import annotations

from jointst.text.normalise.cardinals import words_of
from jointst.text.normalise.rules import Rules


def _cardinal(number: int) -> str:
    return words_of(number, "ja")


def _date(day: int, month: int, year: str, before: str) -> str:
    return f"{year}年{_cardinal(month)}月{_cardinal(day)}日"


def _clock(hour: int, minute: int, suffix: str) -> str:
    return f"{_cardinal(hour)}時{f'{_cardinal(minute)}分' if minute else ''}"


RULES = Rules(
    code="ja",
    respelled={"〇": "零"},
    cardinal=_cardinal,
    decimal=".",
    point="点",
    dot="ドット",
    minus="マイナス",
    between="から",
    ratio="対",
    ampersand="と",
    year_words=_cardinal,
    date_order="ymd",
    date=_date,
    clock=_clock,
    units={
        "%": "パーセント",
        "‰": "パーミル",
        "°": "度",
        "°C": "度",
        "°F": "華氏{}度",
        "mm": "ミリメートル",
        "cm": "センチメートル",
        "m": "メートル",
        "km": "キロメートル",
        "cm^2": "平方センチメートル",
        "m^2": "平方メートル",
        "km^2": "平方キロメートル",
        "ha": "ヘクタール",
        "cm^3": "立方センチメートル",
        "m^3": "立方メートル",
        "ml": "ミリリットル",
        "mL": "ミリリットル",
        "l": "リットル",
        "L": "リットル",
        "mg": "ミリグラム",
        "g": "グラム",
        "kg": "キログラム",
        "t": "トン",
        "s": "秒",
        "min": "分",
        "h": "時間",
        "km/h": "時速{}キロメートル",
        "m/s^2": "メートル毎秒毎秒",
        "m/s": "秒速{}メートル",
        "W": "ワット",
        "kW": "キロワット",
        "kWh": "キロワット時",
        "MW": "メガワット",
        "GW": "ギガワット",
        "V": "ボルト",
        "Hz": "ヘルツ",
        "kHz": "キロヘルツ",
        "MHz": "メガヘルツ",
        "GHz": "ギガヘルツ",
        "KB": "キロバイト",
        "MB": "メガバイト",
        "GB": "ギガバイト",
        "TB": "テラバイト",
        "dB": "デシベル",
        "kcal": "キロカロリー",
        "hPa": "ヘクトパスカル",
    },
    currencies={
        "¥ JPY": "円",
        "$ US$ USD": "ドル",
        "€ EUR": "ユーロ",
        "£ GBP": "ポンド",
        "CNY": "人民元",
        "₹ INR": "ルピー",
        "₽ RUB": "ルーブル",
        "CHF": "スイスフラン",
        "₩ KRW": "ウォン",
        "R$ BRL": "レアル",
    },
    magnitudes="千万|百万|万|億|兆",
    fraction="{d}分の{n}",
    fractions={n: f"{word}分の一|{word}分の{{}}" for n, word in enumerate("二三四五六七八九十", start=2)},
    mixed="{whole}と{fraction}",
    powers={"2": "の二乗", "3": "の三乗", "": "の{}乗"},
    operators={"+": "プラス", "=": "イコール", "×": "かける", "÷": "わる", "±": "プラスマイナス"},
    before_number={"№": "ナンバー", "#": "ナンバー", "No.": "ナンバー"},
    at="アット",
    slash="スラッシュ",
)
