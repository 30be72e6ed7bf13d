"""Numbers of permits and certificates that a seller states, and whether their form can be right. Pure.

A plausible form proves nothing; an impossible one is a reason to ask. The forms are those of the
issuers that the table names; of others only what holds everywhere is asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import ahocorasick_rs

from streams.screening.identifiers.found import plain_digits
from streams.screening.taxa import read_table

PermitKind = Literal["cites", "article-10", "registration"]

_KINDS: tuple[tuple[PermitKind, str], ...] = (
    (
        "article-10",
        r"art(?:icle|ikel|ículo|igo)?[\s.]{0,2}10|a10|(?:eu|eg|ec|eg-|eu-)[\s\-]?(?:certificate|bescheinigung)"
        r"|vermarktungs(?:genehmigung|bescheinigung)|certificat intracommunautaire|(?<![a-z])cic",
    ),
    (
        "registration",
        r"ivory act|defra|iacr|ibama|sisfauna|登録番号|登録票|国際希少野生動植物種|专用标识|ทะเบียน|bksda",
    ),
    ("cites", r"cites|сайтис|сайтес|سايتس|सीआईटीईएस|ไซเตส|公约证"),
)
_FILLER = (
    r"(?:[\s:.#№\-]|n[o°º]|nr|num(?:ber|mer|ero|éro)?|número|номер|certificate|cert|permit|export|import|"
    r"bescheinigung|certificat|certificado|licence|license|registration|reg|ref|号|番号|编号|号码|เลขที่|رقم){0,8}"
)
_NUMBER = r"([A-Z0-9][A-Z0-9/\-.]{2,28}[A-Z0-9])"
_STATED = tuple(
    (kind, re.compile(rf"(?<![a-z])(?:{words})(?![a-z]){_FILLER}{_NUMBER}(?![A-Za-z0-9])", re.IGNORECASE))
    for kind, words in _KINDS
)
_SIGNS: dict[str, PermitKind] = {
    **dict.fromkeys(
        ("10", "certificate", "certificat", "bescheinigung", "vermarktungs", "cic"), "article-10"
    ),
    **dict.fromkeys(("ivory", "defra", "iacr", "ibama", "sisfauna", "bksda"), "registration"),
    **dict.fromkeys(("登録番号", "登録票", "国際希少野生動植物種", "专用标识", "ทะเบียน"), "registration"),
    **dict.fromkeys(("cites", "сайтис", "сайтес", "سايتس", "सीआईटीईएस", "ไซเตส", "公约证"), "cites"),
}
"""One of a kind's signs stands in every text that states a number of that kind; to look for them takes a
tenth of the time."""
_SIGN_FINDER = ahocorasick_rs.AhoCorasick(_SIGNS, store_patterns=False)
_KIND_OF_SIGN = tuple(_SIGNS.values())
_ODD_CASE = "\u0131\u0130\u017f\u212a"
"""Letters that an expression takes for i, s and k without regard to case."""
_DIGITS = re.compile(r"\d\D?\d\D?\d")
PERMITS_LIMIT = 10
_COUNTRY = re.compile(r"^([A-Z]{2})(?![A-Z])|^\d{2}([A-Z]{2})(?=\d)")
_YEAR = re.compile(r"(?<!\d)(19[7-9]\d|20\d\d)(?!\d)")
_SEQUENCES = ("0123456789", "9876543210")


@dataclass(frozen=True, slots=True)
class Permit:
    """A number that the text gives for a permit or certificate."""

    kind: PermitKind
    number: str
    """As written, in capital letters and ASCII digits."""
    start: int
    end: int
    plausible: bool
    why: str
    """What speaks for or against the form, in plain words."""


@lru_cache(maxsize=1)
def _forms() -> tuple[tuple[str, str, str, re.Pattern[str]], ...]:
    return tuple(
        (row["kind"], row["issuer"], row["form"], re.compile(row["pattern"]))
        for row in read_table("permit_forms.csv")
    )


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    return frozenset(row["code"] for row in read_table("cites_parties.csv"))


def permits(text: str, year: int) -> Iterator[Permit]:
    """Every stated number, judged as of a year; each place once, of the narrowest kind."""
    if not _DIGITS.search(text):
        return
    plain = plain_digits(text)
    kinds = _may_state(plain)
    taken: set[int] = set()
    for kind, pattern in _STATED:
        if kind not in kinds:
            continue
        for count, place in enumerate(pattern.finditer(plain)):
            number = place.group(1).upper()
            if count >= PERMITS_LIMIT or place.start(1) in taken or sum(map(str.isdigit, number)) < 3:
                continue
            taken.add(place.start(1))
            plausible, why = judge(kind, number, year)
            yield Permit(kind, number, place.start(1), place.end(1), plausible, why)


def _may_state(plain: str) -> frozenset[PermitKind]:
    """The kinds of which a number may stand in the text."""
    if any(letter in plain for letter in _ODD_CASE):
        return frozenset(_KIND_OF_SIGN)
    signs = _SIGN_FINDER.find_matches_as_indexes(plain.casefold(), overlapping=True)
    return frozenset([_KIND_OF_SIGN[number] for number, _, _ in signs])


def judge(kind: PermitKind, number: str, year: int) -> tuple[bool, str]:
    """Whether a number of this form can have been issued, and why.

    >>> judge("cites", "00000000", 2026)
    (False, 'it repeats one digit')
    """
    against = _impossible(number, year)
    if against:
        return False, against
    for form_kind, issuer, form, pattern in _forms():
        if form_kind == kind and pattern.fullmatch(number):
            return True, f"it has the form of {issuer} ({form}); whether it exists only the issuer can say"
    country = _COUNTRY.search(number)
    if country is None:
        return False, "it names no issuing country, as such numbers do, and has no form that is known"
    code = country.group(1) or country.group(2)
    if code not in _countries():
        return False, f"{code} is no country that issues such documents"
    return True, f"it begins with the issuing country ({code}); the form of that issuer is not in the table"


def _impossible(number: str, year: int) -> str:
    """Why nobody can have issued this number; empty when nothing says so."""
    digits = re.sub(r"\D", "", number)
    late = [told for told in map(int, _YEAR.findall(number)) if told > year]
    if len(digits) < 4:
        return "it has fewer than four digits"
    if len(set(digits)) == 1:
        return "it repeats one digit"
    if len(digits) >= 6 and any(digits in row for row in _SEQUENCES):
        return "its digits merely count up or down"
    return f"it names the year {late[0]}, which is still to come" if late else ""
