"""What a listing offers: pure decisions from the words found, explainable one by one.

For each claim two questions are answered on a scale from ``yes`` to ``no``: is it *real* (the
material, not its colour, print, picture or imitation), and is it *offered* (not reported on, asked
for or mourned). The words that decided stand in the claim, for and against, so that the answer can
be told.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streams.screening.claims import Answer, Claim, Indication, gap, named
from streams.screening.lexicon import Cue, SpecimenWord, Term, Watched
from streams.screening.matching import Found

CLAIMS_LIMIT = 24
"""Different claims of one text that are weighed; a text of nothing but names must cost no more."""

_COLOURED = frozenset({"ivory", "tortoiseshell"})
"""Products whose names are also names of a colour or a pattern."""

_NEAR = 42
_HEADING = 140

_UNITS = (
    "cm mm g gr gm gms gram grams gramm gramme grammes gramos gramas grammi kg kgs kilo kilos oz "
    "inch inches lb lbs "
    "克 公斤 กรัม กก г гр грамм кг см мм غرام جرام كيلو ग्राम किलो gramu グラム"
)
_SIZE = re.compile(rf" \d{{1,6}} ?(?:{'|'.join(_UNITS.split())})\b")
_LONG_AGO = re.compile(r" (?:c|ca|circa)? ?1(?:[678]\d\d|9[0-3]\d)s? ")
_DENIAL = re.compile(
    r"(?: (?:not|no|non|isn t|without|nicht|kein|keine|keinen|ohne|pas d[eu]?|pas en|sans|no es|sin|nao e"
    r"|sem|non e|senza|не|без|нет|khong phai|khong|bukan|tanpa|ليس|ليست|بدون|नहीं|sio|si|hakuna|niet|geen) "
    r"(?:an? |real |de |d )?"
    r"|非|不是|没有|並非|并非|ไม่ใช่)$"
)
_MONEY_WORDS = "usd eur gbp euro euros dollar dollars vnd idr rp tr triệu"
_PRICE = re.compile(
    rf"[$€£¥₫₽฿₹]\s?\d|\d\s?(?:[$€£¥₫₽฿₹]|руб|บาท|元|円|(?:{'|'.join(_MONEY_WORDS.split())})\b)"
    r"|\b(?:rp|usd|eur|rs|us)\.? ?\d",
    re.IGNORECASE,
)
_FUNCTION_WORDS = (
    "the is are was were be been they their them that this these those we our you i my me he she his "
    "her it its have has had will would can could should not do does did who what when why how "
    "because if than then there der die das und ist sind war waren ein eine nicht wir sie ich les "
    "des est sont était une nous vous ils los las una es son fue que por está os uma são foi não il "
    "lo gli che sono è non и в на не что это как с по для был были "
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

    def denies(self, claim: Claim) -> bool:
        """True when the words right before the claim say that it is not that."""
        one = min(claim.named_by, key=lambda place: place.start)
        before = self.texts.get(one.field, "")[max(0, one.start - 16) : one.start]
        return _DENIAL.search(before) is not None

    def in_heading(self, one: Found) -> bool:
        """True for a word of the heading."""
        return one.field == self.heading[0] and one.start < self.heading[1]


_SILENT = frozenset({"not-other-meaning", "neutral", "other-animal"})
"""Categories that explain a place away and say nothing about others."""


def is_prose(folded: str) -> bool:
    """True when the share of function words is that of sentences."""
    words = folded.split()
    if len(words) < 6:
        return False
    return sum(word in _PROSE for word in words[:200]) / min(len(words), 200) >= 0.2


def survey(
    found: Sequence[Found], fields: dict[str, tuple[str, str]], *, priced: bool, heading: int = _HEADING
) -> Surroundings:
    """Look at the whole text.

    ``fields`` gives original and folded text by name of the field; the first one holds the
    heading, which is ``heading`` characters of it at most.
    """
    cues = tuple(
        (term.meaning.category, one)
        for one in found
        for term in one.terms
        if isinstance(term.meaning, Cue) and term.meaning.category not in _SILENT
    )
    whole = " ".join(folded for _, folded in fields.values())
    return Surroundings(
        found=tuple(found),
        cues=cues,
        title_like=not is_prose(whole),
        priced=priced or any(_PRICE.search(original) for original, _ in fields.values()),
        sized=_SIZE.search(whole) is not None,
        dated=_LONG_AGO.search(whole) is not None,
        texts={name: folded for name, (_, folded) in fields.items()},
        live_words=len(
            {
                term.folded
                for one in found
                for term in one.terms
                if isinstance(term.meaning, SpecimenWord) and term.meaning.kind == "live"
            }
        ),
        heading=(next(iter(fields), "title"), min(heading, _HEADING)),
    )


def claims(around: Surroundings) -> tuple[Claim, ...]:
    """Every claim of the text, the same one once, each with its two answers."""
    unique: dict[tuple[str, str], list[Claim]] = {}
    for claim in named(around.found):
        unique.setdefault((claim.taxon.name, claim.product), []).append(claim)
    judged: list[Claim] = []
    # The surest first, so that a crowd of harmless names cannot push the offer out of sight.
    ordered = sorted(unique.values(), key=lambda same: (not same[0].sure, same[0].klass != "product"))
    for same in ordered[:CLAIMS_LIMIT]:
        weighed = [weigh(claim, around) for claim in same[:6]]
        judged.append(max(weighed, key=_weight))
    return tuple(judged)


def _weight(claim: Claim) -> tuple[bool, Answer, Answer, bool]:
    """What is named in exact words comes before what is guessed from a misspelling or a picture."""
    return (
        not (claim.misspelt or claim.pictured),
        min(claim.real, claim.offered),
        claim.real,
        claim.sure,
    )


_FAR = 10_000


def _distance(claim: Claim, other: Found) -> int | None:
    """Characters to the nearest word of the claim; ``None`` in another field."""
    same = [max(0, gap(one, other)) for one in claim.named_by if one.field == other.field]
    return min(same) if same else None


_AGAINST_REALITY = {
    "not-imitation": 20,
    "not-material": 10,
    "not-depiction": 24,
    "not-document": 60,
    "not-plant": 42,
    "not-colour": 36,
    "not-textile": 40,
    "not-food": 40,
    "not-sham": 60,
}
"""How near, in folded characters, a word against must stand to speak about a claim."""

_WHOLE_HEADING = frozenset({"not-document", "not-sham", "not-plant", "not-food", "not-textile"})
"""Words that, in the heading, speak about everything the listing names: it is about a toy, a book."""

_ANYWHERE = frozenset({"not-fossil", "not-news", "sale", "trade", "permit", "recent", "no-papers"})
"""Words that speak about the listing as a whole."""

_SALE_REACH = 14


def weigh(claim: Claim, around: Surroundings) -> Claim:
    """Answer the two questions for one claim."""
    coloured = claim.product in _COLOURED and not claim.sure
    headed = any(around.in_heading(one) for one in claim.named_by)
    indications: list[Indication] = []
    for category, one in around.cues:
        distance = _distance(claim, one)
        if category in _ANYWHERE:
            indications.append(Indication(category, one))
            continue
        if one in claim.named_by:
            continue
        if category in _AGAINST_REALITY:
            if _beside_the_point(category, claim, coloured=coloured):
                continue
            near = distance is not None and distance <= _AGAINST_REALITY[category]
            if near or (category in _WHOLE_HEADING and around.in_heading(one)):
                indications.append(Indication(category, one))
        elif (distance is not None and distance <= _NEAR) or (headed and around.in_heading(one)):
            indications.append(Indication(category, one))
    kept = tuple(indications)
    if around.denies(claim):
        kept = (*kept, Indication("not-said", claim.named_by[0]))
    real = _is_real(claim, kept, around, coloured=coloured)
    if real is Answer.NO and claim.sure and not headed and not _speaks_beside(claim, kept):
        # A toy's or a book's heading does not make what the text goes on to name go away.
        real = Answer.UNLIKELY
    offered = _is_offered(kept, around)
    return replace(claim, real=real, offered=offered, indications=_thinned(kept))


def _speaks_beside(claim: Claim, indications: Sequence[Indication]) -> bool:
    """True when a word against stands in the claim's own field, near it."""
    return any(
        one.category in _RULED_OUT
        and (distance := _distance(claim, one.found)) is not None
        and distance <= _NEAR
        for one in indications
    )


def _beside_the_point(category: str, claim: Claim, *, coloured: bool) -> bool:
    """True when words of this category say nothing about such a claim."""
    if category == "not-colour":
        return not coloured
    if category == "not-textile":
        return claim.group not in ("tiger", "leopard") or claim.kind == "live"
    named_as_product = claim.klass in ("product", "code")
    return category in ("not-depiction", "not-material") and named_as_product


def _thinned(indications: Sequence[Indication]) -> tuple[Indication, ...]:
    """At most three words of a category: enough to explain by."""
    count: dict[str, int] = {}
    kept = []
    for one in indications:
        count[one.category] = count.get(one.category, 0) + 1
        if count[one.category] <= 3:
            kept.append(one)
    return tuple(kept)


_RULED_OUT = frozenset(
    {
        "not-plant",
        "not-document",
        "not-imitation",
        "not-depiction",
        "not-sham",
        "not-food",
        "not-textile",
        "not-said",
    }
)
_OF_MATERIAL = frozenset({"real", "craft", "object"})


def _is_real(
    claim: Claim, indications: Sequence[Indication], around: Surroundings, *, coloured: bool
) -> Answer:
    having = {one.category for one in indications}
    answer = Answer.YES
    if having & _RULED_OUT or ("not-material" in having and "real" not in having):
        answer = Answer.NO
    elif "not-fossil" in having and claim.group not in ("mammoth", "other-ivory"):
        answer = Answer.UNLIKELY if claim.sure else Answer.NO
    elif claim.sure:
        answer = Answer.YES
    elif claim.klass == "code":
        proven = {"real"} if claim.ref == "code:bovine-bone" else _OF_MATERIAL
        answer = Answer.LIKELY if having & proven else Answer.UNLIKELY
    elif coloured:
        answer = _is_real_coloured(claim, indications, around)
    elif claim.klass == "product":
        answer = Answer.YES if having & _OF_MATERIAL else Answer.LIKELY
    else:
        answer = _is_real_animal(claim, having, around)
    return answer


def _is_real_coloured(claim: Claim, indications: Sequence[Indication], around: Surroundings) -> Answer:
    """For words that are also colours: count what speaks of material."""
    having = {one.category for one in indications}
    dealt = any(
        one.category == "sale" and (_distance(claim, one.found) or _FAR) <= _SALE_REACH for one in indications
    )
    points = (
        2 * ("real" in having)
        + 2 * ("craft" in having)
        + 2 * ("object" in having)
        + ("jewelry" in having)
        + ("antique" in having or around.dated)
        + around.sized
        + dealt
    )
    if "not-colour" in having:
        return Answer.UNKNOWN if points >= 4 else Answer.NO
    if points >= 3:
        return Answer.YES
    return Answer.LIKELY if points == 2 else Answer.UNLIKELY


def _is_real_animal(claim: Claim, having: set[str], around: Surroundings) -> Answer:
    """For an animal's name beside a specimen word."""
    if claim.kind == "live":
        sold = around.priced or "sale" in having
        if sold and around.live_words >= 2:
            return Answer.YES
        return Answer.LIKELY if sold or claim.product == "live" else Answer.UNLIKELY
    if claim.group.startswith("shark") and claim.product == "tooth":
        # Nearly all shark teeth on sale are fossils, and they are called real as well.
        return Answer.LIKELY if "recent" in having else Answer.UNLIKELY
    if "real" in having:
        return Answer.YES
    return Answer.UNLIKELY if claim.product == "paw" else Answer.LIKELY


def _is_offered(indications: Sequence[Indication], around: Surroundings) -> Answer:
    words: dict[str, set[str]] = {}
    for one in indications:
        words.setdefault(one.category, set()).add(one.found.terms[0].folded)
    sale, news = len(words.get("sale", ())), len(words.get("not-news", ()))
    if "not-wanted" in words and not sale:
        return Answer.NO
    if news:
        return _told_or_offered(sale + 2 * around.priced - news, around, news)
    if around.priced or sale:
        return Answer.YES
    described = bool(words.keys() & {"condition", "antique"}) or around.sized
    if around.title_like:
        # On a marketplace a heading with measures, and none of the words of a report, is an offer.
        return Answer.YES if around.sized and (described or "trade" in words) else Answer.LIKELY
    if "trade" in words:
        return Answer.LIKELY
    return Answer.UNKNOWN if described else Answer.UNLIKELY


def _told_or_offered(balance: int, around: Surroundings, news: int) -> Answer:
    """Words of news and words of sale in one text: which of them outweigh."""
    if balance >= 2:
        return Answer.LIKELY
    if balance == 1:
        return Answer.UNKNOWN
    return Answer.UNLIKELY if around.title_like and news == 1 else Answer.NO


def watched(found: Sequence[Found]) -> tuple[tuple[Watched, Term, Found], ...]:
    """Watchlist terms that were found, in order."""
    return tuple(
        (term.meaning, term, one) for one in found for term in one.terms if isinstance(term.meaning, Watched)
    )
