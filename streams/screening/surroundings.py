"""What a text as a whole says, worked out once for all that it names.

How it reads (like the heading of an ad, like sentences, like a post), whether it shows a price, a
measure or a year, and which of its words speak for or against an offer.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from streams.screening.claims import Claim
from streams.screening.lexicon import Cue, SpecimenWord, Term
from streams.screening.marks import LONG_AGO, SIZE, has_link, has_price
from streams.screening.matching import CUE, SPECIMEN, Found
from streams.screening.text import fold

HEADING = 140
"""Folded characters of a text without a title that count as its heading."""

_SOCIAL = re.compile(r"https?://|[#@]\w")
_DENIAL = re.compile(
    r"(?: (?:not|no|non|isn t|without|nicht|kein|keine|keinen|ohne|pas d[eu]?|pas en|sans|no es|sin|nao e"
    r"|sem|non e|senza|не|без|нет|khong phai|khong|bukan|tanpa|ليس|ليست|بدون|नहीं|sio|si|hakuna|niet|geen) "
    r"(?:an? |real |de |d )?"
    r"|非|不是|没有|並非|并非|ไม่ใช่)$"
)
_DENIES_WHAT_CAME_BEFORE = re.compile(r"\b(?:not?|non|nein|нет|net)(?:[,;:.!]| [-–—] )", re.IGNORECASE)
"""*Resin? No, elephant ivory.*"""
_COMPARED = re.compile(
    r" (?:than|instead of|rather than|alternative to|mistaken for|besser als|schoner als|mieux que"
    r"|plus beau que|mejor que|mas bonito que|melhor que|meglio di) (?:real |genuine |elephant )?$"
)
"""*Antler, better than ivory*: it is compared with what it is not."""
_LEFT_OUT = re.compile(r"^ (?:(?:is|are) )?not (?:included|used|involved) ")
"""*Scrimshaw kit, ivory not included.*"""
_FUNCTION_WORDS = (
    "the is are was were be been they their them that this these those we our you i my me he she his "
    "her it its have has had will would can could should not do does did who what when why how "
    "because if than then there der die das und ist sind war waren ein eine nicht wir sie ich les "
    "des est sont était une nous vous ils los las una es son fue que por está os uma são foi não il "
    "lo gli che sono è non и в на не что это как с по для был были ve ll don t isn didn couldn wouldn m "
)
_PROSE = frozenset(_FUNCTION_WORDS.split())


@dataclass(frozen=True)
class Surroundings:
    """What the text as a whole says; each answer is worked out when it is first asked for."""

    found: tuple[Found, ...]
    fields: Mapping[str, tuple[str, str]]
    """Original and folded text by field; the first one holds the heading."""
    price_field: bool
    """True: the platform shows a price of its own."""
    heading_length: int
    post: bool = False
    """True: a short text without heading and price field, as people post it. Mere mention is the rule."""

    @cached_property
    def cues(self) -> tuple[tuple[str, Found], ...]:
        """The words that speak for or against an offer, each with its category."""
        return tuple(_unexplained(self.found))

    @cached_property
    def _whole(self) -> str:
        return " ".join(folded for _, folded in self.fields.values())

    @cached_property
    def title_like(self) -> bool:
        """True: the text reads like the heading of an ad, not like sentences."""
        return not is_prose(_heading_of(self.fields, self.heading_length) or self._whole)

    @cached_property
    def priced(self) -> bool:
        """True: it says what it costs."""
        return self.price_field or any(has_price(original) for original, _ in self.fields.values())

    @cached_property
    def sized(self) -> bool:
        """True: a measure is named."""
        return SIZE.search(self._whole) is not None

    @cached_property
    def dated(self) -> bool:
        """True: a year of long ago is named."""
        return LONG_AGO.search(self._whole) is not None

    @cached_property
    def heading(self) -> tuple[str, int]:
        """Field that holds the heading, and how many folded characters of it are the heading."""
        return heading_of(self.fields, self.heading_length)

    @cached_property
    def live_words(self) -> int:
        """Different words that speak of a living animal."""
        return len({term.folded for term, word in self._specimens if _is_living(word)})

    @cached_property
    def kept_words(self) -> int:
        """Different words about keeping one."""
        return len({term.folded for term, word in self._specimens if word.klass == "keeping"})

    @cached_property
    def _specimens(self) -> list[tuple[Term, SpecimenWord]]:
        return [
            (term, term.meaning)
            for one in self.found
            if one.roles & SPECIMEN
            for term in one.terms
            if isinstance(term.meaning, SpecimenWord)
        ]

    @cached_property
    def label_like(self) -> bool:
        """True: not one function word, as on a label."""
        return _PROSE.isdisjoint(self._whole.split())

    @cached_property
    def linked(self) -> bool:
        """True: it names an address."""
        return any(has_link(original) for original, _ in self.fields.values())

    @cached_property
    def quoted(self) -> tuple[str, ...]:
        """Folded text of what a post puts between quotation marks, where it asks no price outside of them."""
        if not self.post:
            return ()
        return tuple(one for original, _ in self.fields.values() for one in _quotations(original))

    def quotes(self, claim: Claim) -> bool:
        """True when a post only repeats the words of the claim: it speaks about somebody else's offer."""
        return any(
            all(f" {one.terms[0].folded.strip()} " in said for one in claim.named_by) for said in self.quoted
        )

    def denies(self, claim: Claim) -> bool:
        """True when the words right beside the claim say that it is not that."""
        one = min(claim.named_by, key=lambda place: place.start)
        _, text = self.fields.get(one.field, ("", ""))
        before = text[max(0, one.start - 24) : one.start]
        if _COMPARED.search(before) or _LEFT_OUT.search(text[one.end : one.end + 24]):
            return True
        if _DENIAL.search(before) is None:
            return False
        if one.folded is None:
            return True
        start = one.folded.span(one.start, one.end)[0]
        return _DENIES_WHAT_CAME_BEFORE.search(one.folded.original[max(0, start - 16) : start]) is None

    def in_heading(self, one: Found) -> bool:
        """True for a word of the heading."""
        field, length = self.heading
        return one.field == field and one.start < length


_SILENT = frozenset(
    {
        "not-other-meaning",
        "not-alive",
        "motif",
        "neutral",
        "other-animal",
        "metal",
        "fitting",
        "likeness",
        "base-metal",
        "fired",
    }
)
"""Categories that explain a place away and say nothing about others."""


def _heading_of(fields: Mapping[str, tuple[str, str]], length: int) -> str:
    """The folded title where there is one: an ad may go on in sentences."""
    title = fields.get("title")
    if title is not None:
        return title[1]
    return next(iter(fields.values()))[1][:length] if length != HEADING else ""


def heading_of(fields: Iterable[str], length: int) -> tuple[str, int]:
    """The field that holds the heading, and how many folded characters of it are the heading."""
    return next(iter(fields), "title"), min(length, HEADING)


def is_prose(folded: str) -> bool:
    """True when the share of function words is that of sentences."""
    words = folded.split()
    if len(words) < 6:
        return False
    return sum(word in _PROSE for word in words[:200]) / min(len(words), 200) >= 0.2


_POST_LENGTH = 600


def is_post(title: str, description: str) -> bool:
    """True for a short text of one piece, as people post it in a social network.

    To be asked of listings without a price of their own; on a marketplace a title alone is a heading,
    unless it bears the marks of a post.
    """
    if title and (description or _SOCIAL.search(title) is None):
        return False
    return len(title or description) <= _POST_LENGTH


_EXPLAINING = frozenset({"real", "craft", "object", "composite", "recent", "sale", "jewelry"})
"""Categories whose phrases take the meaning off a word inside them: the *we buy* of *we buy and sell*."""


_SPOKEN = frozenset({"not-talk", "not-news", "not-own", "not-wanted"})
"""Categories of what somebody says; a word of an address (``/forum/rules/``) says nothing."""
_ADDRESS = re.compile(r"(?:https?://|\bwww\.)\S+|\b[\w-]+(?:\.[\w-]+)+/\S+")


def _is_in_address(one: Found) -> bool:
    if one.folded is None or not any(mark in one.folded.original for mark in ("/", "www.")):
        return False
    original = one.folded.original
    start, end = one.folded.span(one.start, one.end)
    return any(link.start() <= start and end <= link.end() for link in _ADDRESS.finditer(original))


_DOUBTED = frozenset({"not-imitation", "not-sham"})
"""Categories that a question mark takes back: *faux? not sure*."""


def _is_asked(one: Found) -> bool:
    if one.folded is None or "?" not in one.folded.original:
        return False
    end = one.folded.span(one.start, one.end)[1]
    return one.folded.original[end : end + 2].lstrip().startswith("?")


def _unexplained(found: Sequence[Found]) -> Iterator[tuple[str, Found]]:
    """The cues, without words against inside a longer phrase for: the plastic of ``not plastic``."""
    cues = [
        (term.meaning.category, one)
        for one in found
        if one.roles & CUE
        for term in one.terms
        if isinstance(term.meaning, Cue) and term.meaning.category not in _SILENT
    ]
    phrases = [(one.field, one.start, one.end) for category, one in cues if category in _EXPLAINING]
    for category, one in cues:
        if category in _SPOKEN and _is_in_address(one):
            continue
        if category in _DOUBTED and _is_asked(one):
            continue
        if not (category.startswith("not-") and _is_inside(one, phrases)):
            yield category, one


def _is_inside(one: Found, phrases: Iterable[tuple[str, int, int]]) -> bool:
    """True when one of these longer phrases covers it."""
    for field, start, end in phrases:
        if start <= one.start and one.end <= end and field == one.field and one.end - one.start < end - start:
            return True
    return False


_QUOTED = re.compile(r"[\"“”„«]([^\"“”„«»]{8,200})[\"”“»]")
_SPOKEN_ABOUT = 3
"""Least words outside of the quotation marks, and least inside: a shop's name or one word is no quotation."""


def _quotations(original: str) -> tuple[str, ...]:
    if not any(mark in original for mark in '"“”„«'):
        return ()
    said = [one for one in _QUOTED.findall(original) if len(one.split()) >= _SPOKEN_ABOUT]
    outside = _QUOTED.sub(" ", original)
    if len(outside.split()) < _SPOKEN_ABOUT or has_price(outside):
        return ()
    return tuple(f" {fold(one).strip()} " for one in said)


def survey(
    found: Sequence[Found],
    fields: Mapping[str, tuple[str, str]],
    *,
    priced: bool,
    heading: int = HEADING,
    post: bool = False,
) -> Surroundings:
    """Look at the whole text.

    ``fields`` gives original and folded text by name of the field; the first one holds the
    heading, which is ``heading`` characters of it at most. ``post``: see :func:`is_post`.
    """
    return Surroundings(tuple(found), fields, priced, heading, post)


def _is_living(word: SpecimenWord) -> bool:
    return word.kind == "live" and word.klass != "keeping"
