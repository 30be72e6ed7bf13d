"""Living animals and plants that the heading of a marketplace listing names.

Who sells a living thing often writes little more than its name: *Retic het albino 6ft*, *Encephalartos
lehmannii, 3 leaf*. Then signs of trade decide, wherever they stand: how it is kept or grown, sex, age,
size, number, price. How many it takes depends on the name: one that only the trade in living things
uses needs one, one that is an everyday word as well needs two, one of them about life.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

from streams.screening.lexicon import Animal, Cue, SpecimenWord, Term
from streams.screening.marks import has_price
from streams.screening.matching import CUE, SPECIMEN, Found
from streams.screening.text import Folded

Named = tuple[Found, Animal, Term]
"""Where an animal or plant is named, and what the name stands for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A living animal or plant that a heading names."""

    name: Found
    animal: Animal
    term: Term
    shown_by: Found | None
    """A word that tells that it lives; absent where only figures do."""
    bare: bool
    """True when hardly more than the name is there, so that nothing is sure."""

    @property
    def product(self) -> str:
        """What is offered, as rules see it."""
        return "plant" if self.animal.klass == "plant" else "live"

    @property
    def kind(self) -> str:
        """``live``; of a plant the words seldom tell."""
        return "unclear" if self.animal.klass == "plant" else "live"


_REACH_EQUIPMENT = 24
_BESIDE = 3
KEPT_WORDS = 2
"""Different words about keeping that make any animal of a heading a living one."""

_SEX_RATIO = re.compile(
    r"(?<![\w.,$£€×#/-])\d\.\d{1,2}(?:\.\d)?(?=$|[\s,;)])"
    r"(?!\s?(?:[x×%\"”″]|mm|cm|m|in|inch|inches|ft|k?g|lbs?|oz|l|litres?|liters?|gal|gallons?|usd|eur|v|hp|ghz)\b)"
)
"""Males, females, and young whose sex nobody knows, as breeders write them: *1.2.3*."""

_ORIGIN = re.compile(r" (?:cbb?|wc|ltc|cf|ncb|ch)(?: ?(?:20)?[12]\d)? (?!radio|antenna)")
"""Captive bred, wild caught, long-term captive, captive farmed, with or without the year."""

_TIME = (
    "wks? weeks? mths? mos? months? yrs? years? yo jahre? monate? wochen? ans mois semaines? años? meses "
    "semanas? anos? mesi anni settimane месяц\\w* мес год\\w* лет недел\\w* bulan tahun miezi miaka"
)
_AGE = re.compile(
    rf" \d{{1,2}} ?(?:{'|'.join(_TIME.split())})\b"
    r"|\d ?(?:个月|岁|か月|ヶ月|歳|tháng|tuổi|เดือน|ปี|شهر|شهور|أشهر|महीने)"
)

_MEASURE = re.compile(
    r"\d\s?(?:[\"”″]|'')"
    r"|\d ?(?:inch(?:es)?|ins?|ft|feet|foot|cms?|mm|gal(?:lons?)?|gr?|kg|litres?|см|寸|นิ้ว|厘米|公分)\b"
    r"|\b(?:large|small|medium|huge|tiny|giant|specimen) (?:plant|one|size|pot)\b|\b(?:large|small)$"
    r"|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve)[ -](?:inch|inches|foot|feet|ft)\b",
    re.IGNORECASE | re.MULTILINE,
)
_PIECES = (
    "pcs? heads? polyps? lea(?:f|ves) ribs? growths? bulbs? noses? leads? spikes? pups? arms? left available "
    "шт ตัว con ekor 只 匹 尾 stück"
)
_COUNT = re.compile(
    rf"\bx ?\d{{1,2}}\b|\b\d{{1,2}} ?x\b|\b\d{{1,3}} ?(?:{'|'.join(_PIECES.split())})\b|\bgroup of\b",
    re.IGNORECASE,
)
_FOR = re.compile(
    r" (?:for|fits|fit|suits?|suitable for|holds|houses|pour|für|para|per|untuk|cho)"
    r" (?:an? |your |my |all |small |large |pet |baby )?$"
)
"""Before a name: something is made for the animal."""

_WITH = re.compile(
    r"(?:\bw/|\bwith\b|[+&]|\band\b|\bplus\b|\bincl?\w*|\bmit\b|\bavec\b|\bcon\b|\bcom\b|\binkl\w*)[^,;.]{0,16}$",
    re.IGNORECASE,
)
"""Before a word for equipment: it comes along with the animal."""

_INCLUDED = re.compile(
    r"\W{0,2}(?:incl|inc\b|go(?:es)? (?:with|along)|comes with (?:him|her|them|it))", re.IGNORECASE
)
"""After it, likewise."""

_OF_SOMETHING_ELSE = frozenset(
    {"not-alive", "not-document", "not-depiction", "not-imitation", "not-sham", "not-fossil", "not-textile"}
)
"""Such a word in a heading: no living thing is offered."""

_OF_A_THING = frozenset({"not-look", "not-material", "not-food", "jewelry", "object", "composite", "craft"})
"""Such a word in a heading: a thing is offered, unless words of life stand in the heading as well."""

_PARTS = frozenset(
    {"body", "fur", "leather", "carrier", "tooth", "bone", "horn", "tusk", "scales", "feather", "fin", "meat"}
)
_TRADED = frozenset({"sale", "dealing", "trade", "permit"})
_LIFELESS = frozenset({"coral", "clam", "rosewood", "agarwood"})
"""Groups of which a dead piece, or a thing made of it, is traded under the same name."""

_FOR_THEIR_PARTS = frozenset({"crocodile", "sea-turtle", "hawksbill"})
"""Groups that are sold in parts, and pictured on stamps, far more often than alive."""

_SEVERAL_GROUPS = frozenset({"coral"})
"""Groups whose names stand together in one heading only where they are sold."""


def _gap(one: Found, other: Found) -> int:
    return max(one.start, other.start) - min(one.end, other.end)


class _Text:
    """The words of a listing, as far as they tell something about what its heading names."""

    def __init__(
        self,
        found: Sequence[Found],
        heading: tuple[str, int],
        fields: Mapping[str, Folded],
        *,
        priced: bool,
    ) -> None:
        self._found = found
        self._fields = fields or {one.field: one.folded for one in found if one.folded is not None}
        self._field, self._length = heading
        self._priced = priced
        self.words: dict[str, dict[str, Found]] = {}
        """Specimen words of living things: the first place of each, by ``keeping``, ``living`` …"""
        for one in found:
            if not one.roles & SPECIMEN or one in self.equipment:
                continue
            for term in one.terms:
                if isinstance(term.meaning, SpecimenWord):
                    word = term.meaning
                    kind = "living" if word.klass in ("live", "livehint") else word.klass
                    if word.id == "coral":
                        kind = "reef"
                    self.words.setdefault(kind, {}).setdefault(term.folded, one)

    def in_heading(self, one: Found) -> bool:
        return one.field == self._field and one.start < self._length

    def first(self, places: Iterable[Found]) -> Found | None:
        """The first of these places, those of the heading before others."""
        return min(places, key=lambda one: not self.in_heading(one), default=None)

    @cached_property
    def _cues(self) -> list[tuple[str, Found]]:
        return [
            (term.meaning.category, one)
            for one in self._found
            if one.roles & CUE
            for term in one.terms
            if isinstance(term.meaning, Cue)
        ]

    def cues(self, categories: AbstractSet[str]) -> Iterator[Found]:
        """Places of words of these categories in the heading."""
        return (one for category, one in self._cues if category in categories and self.in_heading(one))

    @cached_property
    def equipment(self) -> list[Found]:
        """Words for equipment in the field of the heading that does not come along with an animal."""
        return [
            one
            for category, one in self._cues
            if category == "not-equipment" and one.field == self._field and not _comes_along(one)
        ]

    @cached_property
    def brings_equipment(self) -> bool:
        return any(
            category == "not-equipment" and self.in_heading(one) and _comes_along(one)
            for category, one in self._cues
        )

    @cached_property
    def about_a_thing(self) -> bool:
        """True when the heading has a word for a thing."""
        parts = (
            one
            for kind in _PARTS & self.words.keys()
            for one in self.words[kind].values()
            if self.in_heading(one)
        )
        return any(self.cues(_OF_A_THING)) or any(True for _ in parts)

    @cached_property
    def _originals(self) -> tuple[str, str]:
        """The heading and the whole text, as written."""
        heading = self._fields.get(self._field)
        whole = " \n ".join(folded.original for folded in self._fields.values())[:_LOOKED_AT]
        return heading.original[: self._length] if heading is not None else "", whole

    @cached_property
    def figures(self) -> frozenset[str]:
        """What figures tell: ``ratio``, ``origin``, ``age``, ``measure``, ``count``, ``price``, ``trade``."""
        heading, whole = self._originals
        folded = " ".join(one.text[:_LOOKED_AT] for one in self._fields.values())
        told = {
            "ratio": _SEX_RATIO.search(heading),
            "origin": _ORIGIN.search(folded),
            "age": _AGE.search(folded),
            "measure": _MEASURE.search(whole),
            "count": _COUNT.search(whole),
            "price": self._priced or has_price(whole),
            "trade": any(category in _TRADED for category, _ in self._cues),
        }
        return frozenset(name for name, tells in told.items() if tells)


_LOOKED_AT = 4_000
"""Characters of the text in which figures are looked for."""


def _comes_along(one: Found) -> bool:
    """True when the words beside it say *with* or *included*."""
    if one.folded is None:
        return False
    start, end = one.folded.span(one.start, one.end)
    written = one.folded.original
    return (
        _WITH.search(written[max(0, start - 24) : start]) is not None
        or _INCLUDED.match(written[end : end + 24]) is not None
    )


def kept_or_grown(
    found: Sequence[Found],
    animals: Iterable[Named],
    heading: tuple[str, int],
    taken: AbstractSet[str],
    fields: Mapping[str, Folded],
    *,
    priced: bool,
) -> Iterator[Kept]:
    """Living animals and plants that the heading names and the listing is about.

    ``heading`` is the field of the heading and how many folded characters of it are the heading;
    ``taken`` are the taxa of which something is claimed already; ``fields`` are all texts, and where
    they are not given, those in which something was found.
    """
    text = _Text(found, heading, fields, priced=priced)
    candidates = [
        (one, animal, term)
        for one, animal, term in animals
        if text.in_heading(one)
        and animal.taxon.name not in taken
        and (animal.curated or not animal.ambiguous)
    ]
    if not candidates:
        return
    several = len({one.start for one, animal, _ in candidates if animal.group in _SEVERAL_GROUPS}) > 1
    for one, animal, term in candidates:
        shown, enough = _told(animal, text, several=several and animal.group in _SEVERAL_GROUPS)
        reach = _BESIDE if shown is not None and text.in_heading(shown) else _REACH_EQUIPMENT
        if any(
            0 <= _gap(one, other) <= reach or (text.in_heading(other) and other.start < one.start)
            for other in text.equipment
        ):
            continue
        bare = _is_trade_name(one)
        if enough or (bare and _is_offered_bare(one, animal, text, shown, several=several)):
            yield Kept(one, animal, term, shown, bare=bare or shown is None)


def _is_trade_name(one: Found) -> bool:
    """True for a name of the trade in living things, spelt right and with no marks that make it another."""
    names = [
        (term.text, animal)
        for term in one.terms
        if isinstance(animal := term.meaning, Animal) and animal.trade_name
    ]
    if not names or one.misspelt or names[0][1].group in _FOR_THEIR_PARTS:
        return False
    if one.folded is None or not names[0][0].isascii():
        return True
    return one.folded.original[slice(*one.folded.span(one.start, one.end))].isascii()


def _told(animal: Animal, text: _Text, *, several: bool) -> tuple[Found | None, bool]:
    """The word that tells best that it lives, and whether words enough do."""
    words = text.words
    if animal.klass == "plant":
        shown = text.first(words.get("grown", {}).values())
        return shown, shown is not None and not animal.ambiguous
    living = words.get("living", {})
    kept = [place for folded, place in words.get("keeping", {}).items() if folded not in living]
    if animal.group == "coral":
        reef = [*words.get("reef", {}).values()]
        kept = reef if animal.ambiguous else [*reef, *kept]
        living = {} if animal.ambiguous else living
    enough = len(kept) + min(len(living), 1) + several >= KEPT_WORDS and not animal.ambiguous
    return text.first([*kept, *living.values()]), enough or (
        not animal.trade_name and len(kept) + min(len(living), 1) >= KEPT_WORDS
    )


def _is_offered_bare(one: Found, animal: Animal, text: _Text, shown: Found | None, *, several: bool) -> bool:
    """Whether a trade name in a heading, with few words around it, offers the living thing itself."""
    figures = text.figures
    alive_there = (
        (shown is not None and text.in_heading(shown))
        or bool(figures & {"ratio", "origin"})
        or text.brings_equipment
    )
    if any(True for _ in text.cues(_OF_SOMETHING_ELSE)):
        return False
    if not alive_there and _is_about_a_thing(one, animal, text):
        return False
    telling = (shown is not None) + len(figures & {"ratio", "origin"}) + text.brings_equipment
    if animal.group in _SEVERAL_GROUPS:
        telling += several
    if animal.ambiguous:
        return telling >= 1 and telling + len(figures & _WEAK) >= 2
    if not animal.curated and animal.klass == "bird":
        return telling >= 1
    # A price alone stands beside scientific names on stamps as well.
    weak = _WEAK if animal.curated else _WEAK - {"price", "trade"}
    return telling + len(figures & weak) >= 1


_WEAK = frozenset({"age", "measure", "count", "price", "trade"})


def _is_about_a_thing(one: Found, animal: Animal, text: _Text) -> bool:
    """True when the heading is about something for the animal, or made of it or like it."""
    if any(text.in_heading(other) for other in text.equipment):
        return True
    if text.about_a_thing and animal.group not in _LIFELESS:
        return True
    before = one.folded.text[max(0, one.start - 24) : one.start] if one.folded is not None else ""
    return _FOR.search(f"{before.rstrip()} ") is not None
