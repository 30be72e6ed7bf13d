"""What a text as a whole says, worked out once for all that it names.

How it reads (like the heading of an ad, like sentences, like a post), whether it shows a price, a
measure or a year, and which of its words speak for or against an offer.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from streams.screening.claims import Claim
from streams.screening.lexicon import Cue, SpecimenWord
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
    """What the text as a whole says, worked out once for all its claims."""

    found: tuple[Found, ...]
    cues: tuple[tuple[str, Found], ...]
    title_like: bool
    """True: the text reads like the heading of an ad, not like sentences."""
    priced: bool
    sized: bool
    dated: bool
    """True: a year of long ago is named."""
    heading: tuple[str, int]
    """Field that holds the heading, and how many folded characters of it are the heading."""

    texts: dict[str, str]
    """Folded text by field."""
    live_words: int
    """Different words that speak of a living animal."""
    kept_words: int
    """Different words about keeping one."""
    post: bool = False
    """True: a short text without heading and price field, as people post it. Mere mention is the rule."""
    label_like: bool = False
    """True: not one function word, as on a label."""
    linked: bool = False
    """True: it names an address."""

    quoted: tuple[str, ...] = ()
    """Folded text of what a post puts between quotation marks, where it asks no price outside of them."""

    def quotes(self, claim: Claim) -> bool:
        """True when a post only repeats the words of the claim: it speaks about somebody else's offer."""
        return any(
            all(f" {one.terms[0].folded.strip()} " in said for one in claim.named_by) for said in self.quoted
        )

    def denies(self, claim: Claim) -> bool:
        """True when the words right beside the claim say that it is not that."""
        one = min(claim.named_by, key=lambda place: place.start)
        text = self.texts.get(one.field, "")
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
        return one.field == self.heading[0] and one.start < self.heading[1]


_SILENT = frozenset(
    {"not-other-meaning", "not-alive", "motif", "neutral", "other-animal", "metal", "fitting", "likeness"}
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
    phrases = [one for category, one in cues if category in _EXPLAINING]
    for category, one in cues:
        if category in _SPOKEN and _is_in_address(one):
            continue
        if category in _DOUBTED and _is_asked(one):
            continue
        inside = category.startswith("not-") and any(
            phrase.field == one.field
            and phrase.start <= one.start
            and one.end <= phrase.end
            and one.end - one.start < phrase.end - phrase.start
            for phrase in phrases
        )
        if not inside:
            yield category, one


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
    cues = tuple(_unexplained(found))
    whole = " ".join(folded for _, folded in fields.values())
    return Surroundings(
        found=tuple(found),
        cues=cues,
        title_like=not is_prose(_heading_of(fields, heading) or whole),
        priced=priced or any(has_price(original) for original, _ in fields.values()),
        sized=SIZE.search(whole) is not None,
        dated=LONG_AGO.search(whole) is not None,
        texts={name: folded for name, (_, folded) in fields.items()},
        live_words=len(
            {
                term.folded
                for one in found
                if one.roles & SPECIMEN
                for term in one.terms
                if isinstance(term.meaning, SpecimenWord)
                and term.meaning.kind == "live"
                and term.meaning.klass != "keeping"
            }
        ),
        kept_words=len(
            {
                term.folded
                for one in found
                if one.roles & SPECIMEN
                for term in one.terms
                if isinstance(term.meaning, SpecimenWord) and term.meaning.klass == "keeping"
            }
        ),
        heading=heading_of(fields, heading),
        post=post,
        label_like=_PROSE.isdisjoint(whole.split()),
        quoted=tuple(one for original, _ in fields.values() for one in _quotations(original)) if post else (),
        linked=any(has_link(original) for original, _ in fields.values()),
    )
