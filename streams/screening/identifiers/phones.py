"""Telephone numbers in E.164, however they are written: other scripts' digits, spaced, dotted, bracketed."""

import re
from collections.abc import Iterator, Sequence

import phonenumbers

from streams.screening.identifiers.found import Identifier, plain_digits

_BETWEEN = r"[ \t.()/*_-]{0,3}"
_RUN = re.compile(rf"(?<![\w@])\+?(?:\({_BETWEEN})?\d(?:{_BETWEEN}\d){{6,16}}(?![\w@])")
"""Seven to seventeen digits with little between them. Linear: each step takes a digit."""
RUNS_LIMIT = 20
REGIONS_LIMIT = 4


def e164(written: str, regions: Sequence[str] = ()) -> str | None:
    """The number in E.164, or ``None`` when it is none that could be dialled.

    A number without a country code is tried in the regions (ISO 3166), in their order.

    >>> e164("００８４-91 234.56.78"), e164("091 234 56 78", ["VN"])
    ('+84912345678', '+84912345678')
    """
    plain = plain_digits(written).strip()
    digits = re.sub(r"\D", "", plain)
    if not 7 <= len(digits) <= 17:
        return None
    international = plain.startswith("+") or digits.startswith("00")
    if international:
        number = f"+{digits.removeprefix('00') if not plain.startswith('+') else digits}"
        return _valid(number, None)
    for region in regions[:REGIONS_LIMIT]:
        known = _valid(digits, region)
        if known is not None:
            return known
    return None


def _valid(number: str, region: str | None) -> str | None:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def phones(text: str, regions: Sequence[str] = ()) -> Iterator[Identifier]:
    """The numbers of a text that could be dialled."""
    plain = plain_digits(text)
    for tried, run in enumerate(_RUN.finditer(plain)):
        if tried >= RUNS_LIMIT:
            return
        number = e164(run.group(), regions)
        if number is not None:
            yield Identifier("phone", "phone", number, run.start(), run.end())
