"""Marks that a text bears whatever its words: a price, a measure, a year of long ago, a link."""

import re

_UNITS = (
    "cm mm g gr gm gms gram grams gramm gramme grammes gramos gramas grammi kg kgs kilo kilos oz "
    "inch inches lb lbs ft feet "
    "克 公斤 กรัม กก กิโล กิโลกรัม г гр грамм кг см мм غرام جرام كيلو ग्राम किलो gramu グラム"
)
SIZE = re.compile(rf" \d{{1,6}} ?(?:{'|'.join(_UNITS.split())})\b")
"""A measure, in folded text."""
LONG_AGO = re.compile(
    r" (?:c|ca|circa)? ?1(?:[678]\d\d|9[0-3]\d)s? "
    r"| 1[4-9](?:th|e|eme)? (?:c|cent|century|siecle|jh|jahrhundert) "
    r"| (?:sec|seculo|siglo|siecle|secolo|jahrhundert)? ?x(?:v|vi|vii|viii|ix)e? "
)
"""A year or century of long ago, in folded text."""

_MONEY_WORDS = (
    "usd eur gbp euro euros dollar dollars vnd idr rp tr triệu baht yen rmb naira ksh zar rand ringgit "
    "peso pesos quid bucks"
)
_PRICE = re.compile(
    rf"[$€£¥₫₽฿₹]\s?\d|\d\s?(?:[$€£¥₫₽฿₹]|руб|บาท|元|円|(?:{'|'.join(_MONEY_WORDS.split())})\b)"
    r"|\b(?:rp|usd|eur|rs|us)\.? ?\d"
    r"|(?<![\d.,])\d{1,5}(?:[.,]\d\d)? ?(?:each|ea|o\.?[bn]\.?o|shipped|posted|firm|(?:for )?the lot|cash)\b",
    re.IGNORECASE,
)
_SUM = re.compile(
    r"[$€£¥]\s?[\d.,]+\s?(?:m|bn|mn|k?\s?million\w*|billion|mio|mrd|millones|milhões|млн)\b"
    r"|\b(?:fine[ds]|fetch(?:e[ds])?|sold for|sells for|went for|hammered|offered (?:me|us|him|her))\b"
    r"[^.;]{0,24}?[$€£]\s?[\d.,]+k?"
    r"|[$€£]\s?[\d.,]+k?\s(?:worth\s)?of\b",
    re.IGNORECASE,
)
"""What a haul was worth, what somebody had to pay or once paid, not what something costs."""

_LINK = re.compile(r"https?://|\bwww\.|\b(?:bit\.ly|t\.co|ebay\.|etsy\.)")
_IN_LINKS = ("http", "www.", "bit.ly", "t.co", "ebay.", "etsy.")
"""One of these stands in every link; to look for them takes a tenth of the time."""


def has_price(original: str) -> bool:
    """True when the text names what something costs."""
    return _PRICE.search(_SUM.sub(" ", original)) is not None


def has_link(original: str) -> bool:
    """True when the text names an address."""
    return any(sign in original for sign in _IN_LINKS) and _LINK.search(original) is not None
