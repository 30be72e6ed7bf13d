"""What a listing offers: pure decisions from the words found, explainable one by one.

For each claim two questions are answered on a scale from ``yes`` to ``no``: is it *real* (the
material, not its colour, print, picture or imitation), and is it *offered* (not reported on, asked
for or mourned). The words that decided stand in the claim, for and against, so that the answer can
be told.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from streams.screening.claims import SOLD_ALIVE, Answer, Claim, Indication, gap, named
from streams.screening.lexicon import Cue, SpecimenWord, Term, Watched
from streams.screening.likeness import figure_of, fired_of, look_of, metal_of, worn_of
from streams.screening.matching import Found
from streams.screening.offered import is_offered
from streams.screening.surroundings import Surroundings

CLAIMS_LIMIT = 24
"""Different claims of one text that are weighed; a text of nothing but names must cost no more."""

_COLOURED = frozenset({"ivory", "tortoiseshell"})
"""Products whose names are also names of a colour or a pattern."""

_NEAR = 42


def claims(around: Surroundings, made: Sequence[Claim] | None = None) -> tuple[Claim, ...]:
    """Every claim of the text, the same one once, each with its two answers.

    ``made`` are the claims unweighed, where they are known already.
    """
    if made is None:
        made = named(around.found, None if around.post else around.heading, priced=around.priced)
    unique: dict[tuple[str, str], list[Claim]] = {}
    for claim in made:
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


def _gaps(claim: Claim, other: Found) -> int | None:
    """Characters to the nearest word of the claim, negative where they overlap; ``None`` in another field."""
    nearest: int | None = None
    for one in claim.named_by:
        if one.field == other.field:
            apart = gap(one, other)
            nearest = apart if nearest is None or apart < nearest else nearest
    return nearest


def _distance(claim: Claim, other: Found) -> int | None:
    """Characters to the nearest word of the claim; ``None`` in another field."""
    nearest = _gaps(claim, other)
    return nearest if nearest is None or nearest > 0 else 0


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
    {
        "not-fossil",
        "not-news",
        "not-own",
        "not-talk",
        "not-game",
        "sale",
        "dealing",
        "trade",
        "permit",
        "recent",
        "no-papers",
    }
)
"""Words that speak about the listing as a whole."""

_SALE_REACH = 14


def weigh(claim: Claim, around: Surroundings) -> Claim:
    """Answer the two questions for one claim."""
    claim = replace(claim, sure=claim.sure and not _runs_into_colour(claim, around))
    coloured = claim.product in _COLOURED and not claim.sure
    headed = any(around.in_heading(one) for one in claim.named_by)
    indications: list[Indication] = []
    for category, one in around.cues:
        if category in ("not-talk", "not-own") and not around.post:
            continue  # "found in", "law", "history" are at home in an ad
        if category in _ANYWHERE:
            indications.append(Indication(category, one))
            continue
        if one in claim.named_by or (category == "not-material" and _is_garment(claim, one)):
            continue
        distance = _distance(claim, one)
        if category in _AGAINST_REALITY:
            if _beside_the_point(category, claim, coloured=coloured):
                if category == "not-colour" and claim.product in _COLOURED and distance is not None:
                    # "Genuine ivory pearl finish": not enough to rule it out, too much to notify.
                    indications += [Indication(category, one)] * (distance <= _NEAR)
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
    shown, at_most = _only_shown(claim, kept, around)
    kept, real = (*kept, *shown), min(real, at_most)
    if real is Answer.NO and claim.sure and not headed and not _speaks_beside(claim, kept):
        # A toy's or a book's heading does not make what the text goes on to name go away.
        real = Answer.UNLIKELY
    offered = is_offered(kept, around)
    if around.quotes(claim):
        kept = (*kept, Indication("not-quoted", claim.named_by[0]))
        offered = min(offered, Answer.UNLIKELY)
    return replace(claim, real=real, offered=offered, indications=_thinned(kept))


def _only_shown(
    claim: Claim, indications: Sequence[Indication], around: Surroundings
) -> tuple[tuple[Indication, ...], Answer]:
    """What says that the thing only shows the animal, and how real it can be then."""
    having = {one.category for one in indications}
    if (metal := metal_of(claim, having, around)) is not None:
        return (Indication("not-material", metal),), Answer.UNLIKELY
    if (fired := fired_of(claim, having, around)) is not None:
        return (Indication("not-material", fired),), Answer.UNLIKELY
    if (worn := worn_of(claim, having, around)) is not None:
        return (Indication("not-depiction", worn),), Answer.UNLIKELY
    if (look := look_of(claim, having, around)) is not None:
        return (Indication("not-look", look),), Answer.UNLIKELY
    if (figure := figure_of(claim, around)) is not None:
        return (Indication("not-depiction", figure),), Answer.NO
    return (), Answer.YES


def _runs_into_colour(claim: Claim, around: Surroundings) -> bool:
    """True when words of a colour begin in the name and go on after it: *elephant ivory colour*."""
    place = claim.named_by[0]
    return claim.product in _COLOURED and any(
        category == "not-colour" and one.field == place.field and one.start < place.end < one.end
        for category, one in around.cues
    )


def _speaks_beside(claim: Claim, indications: Sequence[Indication]) -> bool:
    """True when a word against stands in the claim's own field, near it."""
    return any(
        one.category in _RULED_OUT
        and (distance := _distance(claim, one.found)) is not None
        and distance <= _NEAR
        for one in indications
    )


_BESIDE_THE_LIVING = frozenset({"not-look", "not-material", "not-food", "not-colour", "not-textile"})
_BESIDE_PLANTS = frozenset({"not-plant", "not-food", "not-look", "not-colour", "not-textile"})


_GARMENTS = frozenset(
    {"hat", "headband", "scarf", "blanket", "cushion", "pillow", "sneakers", "trainers", "case for"}
)
_LAMPS = _GARMENTS | {"lamp"}
_PATTERNED = frozenset({"tiger", "leopard"})
"""Groups whose fur is printed far more often than sold."""


def _is_garment(claim: Claim, one: Found) -> bool:
    """True for what a fur or leather was made into, which is no other material: an *otter fur hat*."""
    return (
        claim.product in ("fur", "leather", "skin", "carrier", "feather", "taxidermy")
        and claim.group not in _PATTERNED
        and one.terms[0].folded.strip() in (_LAMPS if claim.product == "taxidermy" else _GARMENTS)
    )


def _beside_the_point(category: str, claim: Claim, *, coloured: bool) -> bool:
    """True when words of this category say nothing about such a claim."""
    if claim.kind == "live":
        return category in _BESIDE_THE_LIVING
    if claim.klass == "plant":
        return category in _BESIDE_PLANTS
    if category in ("not-colour", "not-look"):
        return category == "not-colour" and not coloured
    if category == "not-food":  # chocolate and caramel are colours of leather and fur
        return claim.kind == "derivative" or claim.product in ("leather", "fur", "skin", "taxidermy")
    if category == "not-textile":
        return claim.group not in ("tiger", "leopard")
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
        "not-look",
        "not-said",
        "not-game",
    }
)
_OF_MATERIAL = frozenset({"real", "craft", "object"})


def _is_real(
    claim: Claim, indications: Sequence[Indication], around: Surroundings, *, coloured: bool
) -> Answer:
    having = {one.category for one in indications}
    answer = Answer.YES
    ruled_out = having & _RULED_OUT
    if ruled_out == {"not-look"} and (coloured or not _looks_beside(claim, indications)):
        ruled_out = set()  # weighed below, or said of the bag rather than of the skin
    material = "not-material" in having and "real" not in having
    if ruled_out or (material and not _is_worked(claim, indications, around)):
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
    elif claim.group == "tusk":
        answer = _is_real_tusk(claim, having, around)
    elif claim.klass == "product":
        answer = Answer.YES if having & _OF_MATERIAL else Answer.LIKELY
    else:
        answer = _is_real_animal(claim, having, around)
    return answer


_SHAPES = frozenset({"earring", "earrings", "cufflinks", "keychain", "keyring", "ornament", "figure", "mask"})
"""Words among those for other materials that only say what something was made into."""
_WORKED = frozenset({"tooth", "claw", "bone", "horn", "tusk", "casque", "shell"})


def _is_worked(claim: Claim, indications: Sequence[Indication], around: Surroundings) -> bool:
    """True for earrings *carved* of a part: no other material is named, only what it became."""
    return (
        claim.product in _WORKED
        and any(category == "craft" for category, _ in around.cues)
        and all(
            one.found.terms[0].folded.strip() in _SHAPES
            for one in indications
            if one.category == "not-material"
        )
    )


_NAMES_NO_COLOUR = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff]")
"""Thai, Chinese and Japanese have another word for the colour: *สีงาช้าง*, *象牙色*."""


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
    described = bool(having & {"real", "craft", "antique"}) or around.dated
    bare = made and not described
    points = (
        2 * ("real" in having)
        + 2 * ("craft" in having)
        + 3 * made
        # The thing of "ivory bracelet" is counted with it, where nothing else speaks of the material.
        + (0 if bare else 2 * ("object" in having) + ("jewelry" in having))
        + ("antique" in having)
        + around.dated
        + around.sized
        + dealt
        + claim.disguised  # who hides a colour?
        + (_NAMES_NO_COLOUR.search(claim.named_by[0].terms[0].folded) is not None)
    )
    if _runs_into_colour(claim, around):
        return Answer.NO
    colours = _against_material(claim, indications, made=made, described=described)
    if colours:
        return Answer.UNKNOWN if points - colours >= 2 else Answer.NO
    if points >= 3:
        return Answer.YES
    return Answer.LIKELY if points == 2 else Answer.UNLIKELY


def _is_real_tusk(claim: Claim, having: set[str], around: Surroundings) -> Answer:
    """For a tusk of nobody knows what: a thing described and sold, or a beer, a song?"""
    place = claim.named_by[0]
    if not (around.post or around.in_heading(place)):
        return Answer.UNLIKELY
    several = place.terms[0].folded.strip().endswith("s")
    described = (
        bool(having & {"real", "craft", "object", "composite", "antique", "no-papers"})
        + ("condition" in having)
        + around.sized
    )
    sold = around.priced + ("sale" in having)
    if described + several + sold >= 2 and described + several:
        return Answer.LIKELY
    return Answer.LIKELY if described and "dealing" in having else Answer.UNLIKELY


_BESIDE = 10


def _looks_beside(claim: Claim, indications: Sequence[Indication]) -> bool:
    """True when *style*, *print* or *pattern* stands right beside the name, and nothing says it is real."""
    if any(one.category == "real" for one in indications):
        return False
    return any(
        one.category == "not-look"
        and (distance := _distance(claim, one.found)) is not None
        and distance <= _BESIDE
        and not _is_of_a_form(claim, one.found)
        for one in indications
    )


def _is_of_a_form(claim: Claim, look: Found) -> bool:
    """True for the *style* before the name, which is a maker's or an age's: *rodeo style caiman boots*."""
    first = min((one for one in claim.named_by if one.field == look.field), key=lambda one: one.start)
    return look.terms[0].folded.strip() in ("style", "styled") and look.end <= first.start + 1


def _is_motif(colour: Found, indications: Sequence[Indication]) -> bool:
    """True for the flower that a piece of jewelry shows: an ivory *rose* brooch, a *broche rose*."""
    return any(
        isinstance(term.meaning, Cue) and term.meaning.category == "motif" for term in colour.terms
    ) and any(
        one.category in ("jewelry", "object", "composite")
        and one.found.field == colour.field
        and 0 <= gap(colour, one.found) <= 1
        for one in indications
    )


def _against_material(claim: Claim, indications: Sequence[Indication], *, made: bool, described: bool) -> int:
    """Points off for words of colour, fabric or look; those right beside the claim weigh most.

    ``made``: words say what is made of it; ``described``: others say that it is the material. Then
    words farther off are said of something else.
    """
    words: dict[str, int] = {}
    for one in indications:
        if one.category in ("not-colour", "not-look"):
            if _is_motif(one.found, indications):
                continue
            distance = _distance(claim, one.found)
            distance = _FAR if distance is None else distance
            if made and described and distance > _BESIDE:
                continue  # an antique ivory handle on a silk parasol
            word = one.found.terms[0].folded
            words[word] = min(words.get(word, _FAR), distance)
    if not words:
        return 0
    if made and len(words) == 1 and min(words.values()) > _BESIDE:
        return 1  # the silk of an ivory fan
    return min(len(words), 3) + (2 if min(words.values()) <= _BESIDE else 1)


_ALIVE = 2
"""Different words of a living animal after which a price makes it sure."""
_TOLD_ALIVE = 3
"""Different words of living and keeping after which an ad speaks of a living animal."""


_SAID_OF_CHINA = frozenset({"pair", "male", "female", "young", "baby"})


def _is_told_of_rearing(around: Surroundings) -> bool:
    """True when a word of life stands there that nobody says of a figure or a motorcycle."""
    return any(
        isinstance(term.meaning, SpecimenWord)
        and term.meaning.klass in ("live", "livehint")
        and term.folded.strip() not in _SAID_OF_CHINA
        for one in around.found
        for term in one.terms
    )


def _is_alive(claim: Claim, having: set[str], around: Surroundings) -> Answer:
    """For a living animal: is it one, or its likeness?"""
    sold = around.priced or bool(having & {"sale", "dealing"})
    if claim.bare:
        return Answer.LIKELY
    # The name of a cub or pup tells of life as a word beside it does.
    named_young = claim.traded and claim.klass == "mammal"
    if sold and (around.live_words >= _ALIVE or (named_young and _is_told_of_rearing(around))):
        return Answer.YES
    if (
        claim.product == "livehint"
        and claim.group not in SOLD_ALIVE
        and not named_young
        and around.live_words < _ALIVE
    ):
        return Answer.UNLIKELY  # a "pair" of elephants is more often of china
    told = not around.post and around.live_words + around.kept_words >= _TOLD_ALIVE
    return Answer.LIKELY if sold or told or claim.product == "live" else Answer.UNLIKELY


def _is_real_animal(claim: Claim, having: set[str], around: Surroundings) -> Answer:
    """For an animal's name beside a specimen word."""
    if claim.klass == "plant":
        return Answer.LIKELY
    if claim.kind == "live":
        return _is_alive(claim, having, around)
    if claim.group.startswith("shark") and claim.product == "tooth":
        # Nearly all shark teeth on sale are fossils, and they are called real as well.
        return Answer.LIKELY if "recent" in having else Answer.UNLIKELY
    if "real" in having:
        return Answer.YES
    return Answer.UNLIKELY if claim.product == "paw" else Answer.LIKELY


def watched(found: Sequence[Found]) -> tuple[tuple[Watched, Term, Found], ...]:
    """Watchlist terms that were found, in order."""
    return tuple(
        (term.meaning, term, one) for one in found for term in one.terms if isinstance(term.meaning, Watched)
    )
