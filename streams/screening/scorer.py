"""A small statistical scorer: a second look at a claim, over the words that nobody listed.

The rules know names, products and cues, and a single cue can rule a claim out: a *museum* in a heading
that otherwise sells a comb. The scorer is a logistic regression over the same cues and over the words
about the claim, with weights learnt from this project's own written texts (``reference/scorer.json``; the
recipe is ``tests/data/screening/train_scorer.py``). It does two things, each where it was measured to help:

- in an ad it raises a claim that a word against took down, at most so far that a person looks;
- in a post it takes down a claim that the rules would show to a person, never one that they are sure of.

It is asked only where there is such a claim, reads a bounded number of words about it, and never makes a
claim by itself, so that neither a notice nor an acquittal of a sure find can come of it.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise

from streams.screening.claims import Answer, Claim, Weighing, gap
from streams.screening.explain import REASONS
from streams.screening.surroundings import Surroundings
from streams.screening.text import is_unspaced

CLAIMS_LIMIT = 6
"""Claims of one text that are looked at again."""
_HEADING_READ = 140
_WORDS_BESIDE = 12
"""Words read on each side of a claim's own; what is stuffed farther off has no weight."""
_WORD_LIMIT = 24
_BESIDE = 10
_TOLD = 4
"""Words and properties named in an explanation, for and against."""

_STATED = frozenset({"not-wanted", "not-said", "not-quoted", "not-depiction"})
"""What leaves nothing to weigh: who looks for a thing sells none; what is denied or only shown is no part."""

_PROPERTIES = {
    "priced": "a price",
    "title_like": "it is worded as a heading",
    "sized": "a measure",
    "dated": "a year of long ago",
    "linked": "a link",
    "label_like": "it is worded as a label",
}
_OF_CLAIM = ("group", "product", "klass", "kind")
_FLAGS = ("sure", "bare", "traded", "curated", "disguised", "misspelt", "pictured")


def _words_of(text: str) -> list[str]:
    words: list[str] = []
    for word in text.split():
        if is_unspaced(word[0]):
            words += [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        else:
            words.append("0" if word.isdigit() else word[:_WORD_LIMIT])
    return words


def _passages(claim: Claim, around: Surroundings) -> Iterator[str]:
    """The heading and what stands right about the claim's words."""
    for at, (field, (_, text)) in enumerate(around.fields.items()):
        if at == 0:
            yield text[:_HEADING_READ]
        for one in claim.named_by:
            if one.field == field:
                span = _WORDS_BESIDE * (_WORD_LIMIT + 1)
                before = text[max(0, one.start - span) : one.start].split()[-_WORDS_BESIDE:]
                after = text[one.end : one.end + span].split()[:_WORDS_BESIDE]
                yield " ".join([*before, text[one.start : one.end], *after])


def _of_words(claim: Claim, around: Surroundings) -> Iterator[str]:
    for passage in _passages(claim, around):
        words = _words_of(passage)
        for word in words:
            yield f"word {word}"
        for word, following in pairwise(words):
            yield f"words {word} {following}"


def _of_cues(claim: Claim, around: Surroundings, place: str) -> Iterator[str]:
    """What the words for and against say: which are there, how near, in the heading, how many."""
    words: dict[str, set[str]] = {}
    for one in claim.indications:
        category = one.category
        words.setdefault(category, set()).add(one.found.terms[0].folded)
        yield f"says {category}"
        yield f"{place} says {category}"
        if any(
            other.field == one.found.field and gap(other, one.found) <= _BESIDE for other in claim.named_by
        ):
            yield f"beside {category}"
        if around.in_heading(one.found):
            yield f"heading {category}"
    for category, said in words.items():
        for least in (2, 3):
            if len(said) >= least:
                yield f"{least} say {category}"
    against = sum(len(said) for category, said in words.items() if category.startswith("not-"))
    speaks_for = sum(len(said) for said in words.values()) - against
    for least in (1, 2, 3, 4):
        if against >= least:
            yield f"{least} against"
        if speaks_for >= least:
            yield f"{least} for"


def features(claim: Claim, others: int, around: Surroundings) -> frozenset[str]:
    """What holds of a claim and its text, as names of weights; ``others``: claims beside this one."""
    place = "post" if around.post else "ad"
    names = {place, *_of_words(claim, around), *_of_cues(claim, around, place)}
    names.update(f"{place} {name}" for name in _PROPERTIES if getattr(around, name))
    for name, count in (("living", around.live_words), ("keeping", around.kept_words)):
        names.update(f"{least} of {name}" for least in (1, 2, 3) if count >= least)
    names.update(f"{name}={getattr(claim, name)}" for name in _OF_CLAIM)
    names.add(f"rank={claim.taxon.rank}")
    names.add(f"appendix={claim.taxon.appendix}")
    names.update(f"claim {name}" for name in _FLAGS if getattr(claim, name))
    if any(around.in_heading(one) for one in claim.named_by):
        names.add("claim in heading")
    if others:
        names.add("other claims")
    return frozenset(names)


class Scorer:
    """Weights by name of the feature, and the scores from which a claim is moved."""

    def __init__(self, weights: Mapping[str, float], raised_from: float, lowered_below: float) -> None:
        self._weights = dict(weights)
        self._raised_from = raised_from
        self._lowered_below = lowered_below

    def look_again(self, made: Sequence[Claim], around: Surroundings) -> tuple[Claim, ...]:
        """The claims with their answers, in order; moved are only those of which the scorer is sure."""
        asked = self._is_held_back if not around.post else self._is_shown
        again = []
        left = CLAIMS_LIMIT
        for claim in made:
            if left and asked(claim):
                left -= 1
                again.append(self._moved(claim, len(made) - 1, around))
            else:
                again.append(claim)
        return tuple(again)

    @staticmethod
    def _is_held_back(claim: Claim) -> bool:
        """A claim of an ad that words against took down, where they are no plain statement.

        Of a living animal there are too many figures and toys.
        """
        weakest = min(claim.real, claim.offered)
        against = claim.against
        return (
            weakest <= Answer.UNLIKELY
            and claim.kind != "live"
            and bool(against)
            and _STATED.isdisjoint(against)
        )

    @staticmethod
    def _is_shown(claim: Claim) -> bool:
        """A claim of a post that a rule would show to a person, and that the rules are not sure of."""
        weakest = min(claim.real, claim.offered)
        return Answer.UNKNOWN <= weakest < Answer.YES

    def score(self, names: frozenset[str]) -> float:
        """The sum of the weights; above 0 the text reads like an offer."""
        return math.fsum(self._weights.get(name, 0.0) for name in names)

    def _moved(self, claim: Claim, others: int, around: Surroundings) -> Claim:
        names = features(claim, others, around)
        score = self.score(names)
        if around.post:
            if score >= self._lowered_below:
                return claim
            offered = min(claim.offered, Answer.UNLIKELY)
            return replace(claim, offered=offered, weighing=self._weighing(names, score, up=False))
        if score < self._raised_from:
            return claim
        real, offered = max(claim.real, Answer.UNKNOWN), max(claim.offered, Answer.UNKNOWN)
        return replace(claim, real=real, offered=offered, weighing=self._weighing(names, score, up=True))

    def _weighing(self, names: frozenset[str], score: float, *, up: bool) -> Weighing:
        weighed = sorted((self._weights[name], name) for name in names if name in self._weights)
        against = [told for weight, name in weighed if weight < 0 and (told := _told(name))]
        speaks_for = [told for weight, name in reversed(weighed) if weight > 0 and (told := _told(name))]
        return Weighing(score, up, _first(speaks_for), _first(against))


def _first(told: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(told))[:_TOLD]


def _told(name: str) -> str:
    """The feature in an officer's words; empty for those that tell an officer nothing."""
    kind, _, rest = name.partition(" ")
    if kind in ("word", "words") and any(letter.isalpha() for letter in rest):
        return f"‘{rest}’"
    if kind in ("ad", "post") and rest in _PROPERTIES:
        return _PROPERTIES[rest]
    if kind in ("says", "beside", "heading"):
        return f"words for {REASONS.get(rest, rest)}" if rest in REASONS else ""
    return ""


def load_scorer() -> Scorer:
    """The scorer that comes with Takin."""
    told = json.loads((files("streams.screening") / "reference" / "scorer.json").read_text("utf-8"))
    return Scorer(told["weights"], told["raised_from"], told["lowered_below"])
