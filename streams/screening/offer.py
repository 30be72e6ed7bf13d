"""What a listing offers: pure decisions from the words found, explainable one by one.

For each claim two questions are answered on a scale from ``yes`` to ``no``: is it *real* (the
material, not its colour, print, picture or imitation), and is it *offered* (not reported on, asked
for or mourned). The words that decided stand in the claim, for and against, so that the answer can
be told.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
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
_LONG_AGO = re.compile(
    r" (?:c|ca|circa)? ?1(?:[678]\d\d|9[0-3]\d)s? | 1[4-9](?:th|e|eme)? (?:c|cent|century|siecle|jh|jahrhundert) "
    r"| (?:sec|seculo|siglo|siecle|secolo|jahrhundert)? ?x(?:v|vi|vii|viii|ix)e? "
)
_SOCIAL = re.compile(r"https?://|[#@]\w")
_LINK = re.compile(r"https?://|\bwww\.|\b(?:bit\.ly|t\.co|ebay\.|etsy\.)")
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
    post: bool = False
    """True: a short text without heading and price field, as people post it; mere mention is the rule there."""
    linked: bool = False
    """True: it names an address."""

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


_POST_LENGTH = 600


def is_post(title: str, description: str) -> bool:
    """True for a short text of one piece, as people post it in a social network.

    To be asked of listings without a price of their own; on a marketplace a title alone is a heading,
    unless it bears the marks of a post.
    """
    if title and (description or _SOCIAL.search(title) is None):
        return False
    return len(title or description) <= _POST_LENGTH


def _unexplained(found: Sequence[Found]) -> Iterator[tuple[str, Found]]:
    """The cues, without words against that stand inside a longer phrase for: the plastic of ``not plastic``."""
    cues = [
        (term.meaning.category, one)
        for one in found
        for term in one.terms
        if isinstance(term.meaning, Cue) and term.meaning.category not in _SILENT
    ]
    phrases = [one for category, one in cues if category in ("real", "craft", "object", "composite")]
    for category, one in cues:
        inside = category.startswith("not-") and any(
            phrase.field == one.field
            and phrase.start <= one.start
            and one.end <= phrase.end
            and one.end - one.start < phrase.end - phrase.start
            for phrase in phrases
        )
        if not inside:
            yield category, one


def survey(
    found: Sequence[Found],
    fields: Mapping[str, tuple[str, str]],
    *,
    priced: bool,
    heading: int = _HEADING,
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
        post=post,
        linked=any(_LINK.search(original) for original, _ in fields.values()),
    )


def claims(around: Surroundings) -> tuple[Claim, ...]:
    """Every claim of the text, the same one once, each with its two answers."""
    unique: dict[tuple[str, str], list[Claim]] = {}
    for claim in named(around.found, None if around.post else around.heading):
        unique.setdefault((claim.taxon.name, claim.product), []).append(claim)
    judged: list[Claim] = []
    # The surest first, so that a crowd of harmless names cannot push the offer out of sight.
    ordered = sorted(unique.values(), key=lambda same: (not same[0].sure, same[0].klass != "product"))
    for same in ordered[:CLAIMS_LIMIT]:
        weighed = [weigh(claim, around) for claim in same[:6]]
        judged.append(max(weighed, key=lambda one: (min(one.real, one.offered), one.real, one.sure)))
    return tuple(judged)


_FAR = 10_000


def _gaps(claim: Claim, other: Found) -> int | None:
    """Characters to the nearest word of the claim, negative where they overlap; ``None`` in another field."""
    same = [gap(one, other) for one in claim.named_by if one.field == other.field]
    return min(same) if same else None


def _distance(claim: Claim, other: Found) -> int | None:
    """Characters to the nearest word of the claim; ``None`` in another field."""
    same = [max(0, gap(one, other)) for one in claim.named_by if one.field == other.field]
    return min(same) if same else None


_AGAINST_REALITY = {
    "not-imitation": 20,
    "not-look": 24,
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

_ANYWHERE = frozenset(
    {"not-fossil", "not-news", "not-talk", "sale", "dealing", "trade", "permit", "recent", "no-papers"}
)
"""Words that speak about the listing as a whole."""

_SALE_REACH = 14


def weigh(claim: Claim, around: Surroundings) -> Claim:
    """Answer the two questions for one claim."""
    coloured = claim.product in _COLOURED and not claim.sure
    headed = any(around.in_heading(one) for one in claim.named_by)
    indications: list[Indication] = []
    for category, one in around.cues:
        distance = _distance(claim, one)
        if category == "not-talk" and not around.post:
            continue  # "found in", "law", "history" are at home in an ad
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
    if claim.kind == "live" and category in ("not-look", "not-material", "not-food", "not-colour"):
        return True
    if claim.klass == "plant" and category in ("not-plant", "not-food", "not-look"):
        return True
    if category == "not-look" and coloured:
        return False
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
        "not-look",
        "not-said",
    }
)
_OF_MATERIAL = frozenset({"real", "craft", "object"})


def _is_real(
    claim: Claim, indications: Sequence[Indication], around: Surroundings, *, coloured: bool
) -> Answer:
    having = {one.category for one in indications}
    answer = Answer.YES
    ruled_out = having & _RULED_OUT
    if coloured and ruled_out <= {"not-look"}:
        ruled_out = frozenset()  # weighed below
    if ruled_out or ("not-material" in having and "real" not in having):
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
    """For words that are also colours: count what speaks of material, take off what speaks of a colour."""
    having = {one.category for one in indications}
    dealt = any(
        one.category in ("sale", "dealing") and (_distance(claim, one.found) or _FAR) <= _SALE_REACH
        for one in indications
    )
    made = any(
        one.category == "composite" and (gaps := _gaps(claim, one.found)) is not None and gaps < 0
        for one in indications
    )
    points = (
        2 * ("real" in having)
        + 2 * ("craft" in having)
        + 2 * ("object" in having)
        + 3 * made
        + ("jewelry" in having)
        + ("antique" in having)
        + around.dated
        + around.sized
        + dealt
    )
    colours = _against_material(claim, indications, made=made)
    if colours:
        return Answer.UNKNOWN if points - colours >= 2 else Answer.NO
    if points >= 3:
        return Answer.YES
    return Answer.LIKELY if points == 2 else Answer.UNLIKELY


_BESIDE = 10


def _against_material(claim: Claim, indications: Sequence[Indication], *, made: bool) -> int:
    """Points off for words of colour, fabric or look; those right beside the claim weigh most."""
    words: dict[str, int] = {}
    for one in indications:
        if one.category in ("not-colour", "not-look"):
            distance = _distance(claim, one.found)
            distance = _FAR if distance is None else distance
            if made and distance > _BESIDE:
                continue  # an ivory handle on a silk parasol
            word = one.found.terms[0].folded
            words[word] = min(words.get(word, _FAR), distance)
    if not words:
        return 0
    return min(len(words), 3) + (2 if min(words.values()) <= _BESIDE else 1)


def _is_real_animal(claim: Claim, having: set[str], around: Surroundings) -> Answer:
    """For an animal's name beside a specimen word."""
    if claim.klass == "plant":
        return Answer.LIKELY
    if claim.kind == "live":
        sold = around.priced or bool(having & {"sale", "dealing"})
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
    sale, dealing = len(words.get("sale", ())), len(words.get("dealing", ()))
    news, talk = len(words.get("not-news", ())), len(words.get("not-talk", ()))
    if "not-wanted" in words and not sale:
        return Answer.NO
    if news or talk:
        # Words of dealing stand in talk about dealing as well; a price or "dm me" hardly.
        balance = sale + 2 * around.priced + (dealing > 0 and (around.title_like or not around.post))
        against = 2 * news + talk if around.post else news
        return _told_or_offered(balance - against, around, against)
    if around.priced or sale:
        return Answer.YES
    if around.post:
        return _is_offered_in_post(words, around)
    if dealing:
        return Answer.YES
    described = bool(words.keys() & {"condition", "antique"}) or around.sized
    if around.title_like:
        # On a marketplace a heading with measures, and none of the words of a report, is an offer.
        return Answer.YES if around.sized and (described or "trade" in words) else Answer.LIKELY
    if "trade" in words:
        return Answer.LIKELY
    return Answer.UNKNOWN if described else Answer.UNLIKELY


def _is_offered_in_post(words: Mapping[str, set[str]], around: Surroundings) -> Answer:
    """In a post without price and words of sale: an item described as on a label may be on offer."""
    signs = (
        2 * ("dealing" in words)
        + ("trade" in words)
        + around.sized
        + ("condition" in words)
        + ("antique" in words or around.dated)
        + 0.5 * around.linked
        + 0.5 * ("craft" in words)
    )
    if not around.title_like:
        return Answer.UNKNOWN if signs >= 3 else Answer.UNLIKELY
    if signs >= 2:
        return Answer.LIKELY
    return Answer.UNKNOWN if signs >= 1 else Answer.UNLIKELY


def _told_or_offered(balance: int, around: Surroundings, against: int) -> Answer:
    """Words of news and words of sale in one text: which of them outweigh."""
    if balance >= 2:
        return Answer.LIKELY
    if balance == 1:
        return Answer.UNKNOWN
    if around.post:
        return Answer.UNKNOWN if balance == 0 and around.title_like and around.priced else Answer.NO
    return Answer.UNLIKELY if around.title_like and against == 1 else Answer.NO


def watched(found: Sequence[Found]) -> tuple[tuple[Watched, Term, Found], ...]:
    """Watchlist terms that were found, in order."""
    return tuple(
        (term.meaning, term, one) for one in found for term in one.terms if isinstance(term.meaning, Watched)
    )
