"""Prices with their multipliers (25 tr, 2 lakh, 1k, 3万) and quantities, in plain numbers. Pure.

A number alone is no price: it needs a currency, a multiplier or a word for price before it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from streams.screening.identifiers.found import plain_digits
from streams.screening.taxa import read_table


def _vocabulary(kind: str) -> dict[str, tuple[str, Decimal]]:
    """Value and factor by word of one kind of row."""
    return {
        term: (row["value"], Decimal(row["factor"]))
        for row in read_table("amount_words.csv")
        if row["kind"] == kind
        for term in row["terms"].split("|")
    }


_CURRENCIES = _vocabulary("currency")
"""An empty value: the sign stands for several currencies."""
_MULTIPLIERS = _vocabulary("multiplier")
"""``with-currency``: without one the word counts other things as often."""
_UNITS = _vocabulary("unit")
_PRICE_WORDS = "|".join(map(re.escape, _vocabulary("price")))
AMOUNTS_LIMIT = 40


def _words(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_CURRENCY = _words(_CURRENCIES)
_NUMBER = r"\d{1,3}(?:[.,'’ \u00a0]\d{3})+(?:[.,]\d{1,2})?|\d{1,12}(?:[.,]\d{1,4})?"
_MULTIPLIER = _words(_MULTIPLIERS)
_EDGE = r"(?![A-Za-zÀ-ÿА-я])"
_PRICE = re.compile(
    rf"(?P<word>(?:{_PRICE_WORDS})[\s:：=]{{0,3}})?"
    rf"(?P<before>(?<![A-Za-z])(?:{_CURRENCY})[ .]{{0,2}})?"
    rf"(?P<lead>(?:elfu|laki|milioni) )?"
    rf"(?<![\d.,])(?P<number>{_NUMBER})(?![\d])"
    rf"(?:[ \u00a0]?(?P<times>{_MULTIPLIER})(?:{_EDGE}|(?={_CURRENCY}))\.?)?"
    rf"(?:[ \u00a0]?(?P<after>{_CURRENCY}){_EDGE})?",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    rf"(?<![\d.,])(?P<number>{_NUMBER})[ \u00a0]?(?P<unit>{_words(dict.fromkeys(_UNITS))}){_EDGE}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Price:
    """An amount of money."""

    amount: Decimal
    """In whole units of the currency, multiplied out."""
    currency: str | None
    """ISO 4217; ``None`` when the sign stands for several or none is given."""
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Quantity:
    """How much or how many."""

    amount: Decimal
    unit: str
    """``g`` or ``pieces``."""
    start: int
    end: int


def number(written: str) -> Decimal | None:
    """A number in either convention: the last separator is the decimal one, unless three digits follow.

    >>> number("1.234,50"), number("1,234.50"), number("5.000"), number("2,5")
    (Decimal('1234.50'), Decimal('1234.50'), Decimal('5000'), Decimal('2.5'))
    """
    plain = re.sub(r"['’ \u00a0]", "", written)
    separators = [character for character in plain if character in ".,"]
    if separators:
        last = separators[-1]
        head, _, tail = plain.rpartition(last)
        if len(tail) == 3 and (len(set(separators)) == 1):
            head, tail = head + tail, ""
        plain = re.sub(r"[.,]", "", head) + (f".{tail}" if tail else "")
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None


def prices(text: str) -> Iterator[Price]:
    """Every amount of money in the text."""
    plain = plain_digits(text)
    count = 0
    for place in _PRICE.finditer(plain):
        sign = (place["before"] or place["after"] or "").strip(" .").casefold()
        times = (place["times"] or (place["lead"] or "").strip()).casefold()
        if not (sign or times or place["word"]) or count >= AMOUNTS_LIMIT:
            continue
        if times and not (sign or place["word"]) and _MULTIPLIERS[times][0] == "with-currency":
            continue
        amount = number(place["number"])
        if amount is None:
            continue
        count += 1
        start = min(place.start(name) for name in ("before", "lead", "number") if place[name])
        currency, _ = _CURRENCIES.get(sign) or _CURRENCIES.get(f"{sign}.") or ("", None)
        factor = _MULTIPLIERS[times][1] if times else 1
        yield Price(amount * factor, currency or None, start, place.end())


def quantities(text: str) -> Iterator[Quantity]:
    """Every weight and count in the text."""
    plain = plain_digits(text)
    for count, place in enumerate(_QUANTITY.finditer(plain)):
        if count >= AMOUNTS_LIMIT:
            return
        amount = number(place["number"])
        if amount is not None:
            unit, factor = _UNITS[place["unit"].casefold()]
            yield Quantity(amount * factor, unit, place.start(), place.end())
