"""Sentences that an officer can put in a file: what was quoted, what it was taken for, and why."""

from collections.abc import Iterator, Mapping, Sequence

from schemas.detection import Match, Outcome
from streams.screening.claims import Answer, Claim, Weighing
from streams.screening.legality import Judgement, told_of
from streams.screening.rules import Ruling
from streams.screening.taxa import UNCLEAR

LIMIT = 8_000

REASONS = {
    "not-imitation": "imitation",
    "not-depiction": "a figure or a toy",
    "not-document": "a stamp, book or picture",
    "not-plant": "a plant",
    "not-sham": "imitation or toy",
    "not-material": "another material",
    "recent": "not a fossil",
    "no-papers": "no papers",
    "not-food": "something to eat",
    "not-textile": "a fabric or a costume",
    "not-quoted": "the text only quotes it",
    "not-said": "the text says it is not that",
    "not-look": "a look, a print or a picture",
    "not-talk": "talk about it",
    "composite": "an object of that material",
    "not-equipment": "equipment for keeping",
    "dealing": "buying and selling",
    "jewelry": "an object",
    "trade": "dealing",
    "not-fossil": "a fossil",
    "not-colour": "a colour or a fabric",
    "not-news": "a report about wildlife crime or protection",
    "not-wanted": "somebody who looks for it",
    "not-game": "a thing of a game",
    "not-own": "somebody who tells of another's offer",
    "not-other-meaning": "another meaning",
    "permit": "a permit or an exemption",
    "real": "real material",
    "craft": "worked material",
    "object": "an object made of it",
    "antique": "age",
    "sale": "an offer",
    "condition": "the description of an item",
}

_ANSWERS = {
    Answer.YES: "clear",
    Answer.LIKELY: "likely",
    Answer.UNKNOWN: "open",
    Answer.UNLIKELY: "doubtful",
    Answer.NO: "ruled out",
}

_OUTCOMES: dict[str, str] = {
    "notify": "A notice to the platform is called for.",
    "review": "A person should look at it before anything is sent.",
    "monitor": "Nothing is sent; it is kept in view.",
    "clear": "Nothing speaks for an offer of a listed specimen.",
}


def _quoted(quotes: Sequence[str]) -> str:
    return ", ".join(f"“{quote}”" for quote in dict.fromkeys(quotes))


def _listed(claim: Claim) -> str:
    taxon = claim.taxon
    doubt = f" ({taxon.doubt})" if taxon.doubt else ""
    if taxon.appendix in ("none", ""):
        return f"{taxon.name} ({taxon.rank}), which is not listed in the CITES Appendices"
    if taxon.appendix == UNCLEAR:
        return f"{taxon.name} ({taxon.rank}), not all of which are listed in the CITES Appendices"
    return f"{taxon.name} ({taxon.rank}), CITES Appendix {taxon.appendix} as of {taxon.as_of}{doubt}"


_QUESTIONS = {
    "sale": "offered",
    "trade": "offered",
    "dealing": "offered",
    "permit": "papers",
    "no-papers": "papers",
}
"""What words of a category answer; all others speak for or against its being real."""


def _how_written(claim: Claim, named: Sequence[Match]) -> Iterator[str]:
    """How the name is written, where that is not the plain way."""
    if claim.disguised:
        hidden = _quoted([match.quote for match in named if match.disguised])
        yield f"{hidden or 'The name'} is written in disguise and had to be read through it."
    if claim.misspelt:
        yield f"{_quoted([match.quote for match in named])} holds a misspelt name that had to be put right."
    if claim.pictured:
        yield "A picture (emoji) stands for the name."


def _weighed(claim: Claim, quotes: Mapping[int, Match]) -> Iterator[str]:
    """The words that decided, by the question that they answer."""
    parts: dict[str, dict[str, list[str]]] = {}
    for one in claim.indications:
        if one.category == "condition" or id(one.found) not in quotes:
            continue
        question = _QUESTIONS.get(one.category, "real" if one.supports else "against")
        parts.setdefault(question, {}).setdefault(one.category, []).append(quotes[id(one.found)].quote)
    for question, lead in (
        ("real", "Held to be real because of"),
        ("offered", "Held to be an offer because of"),
        ("papers", "Of papers the text says"),
        ("against", "Against it speaks"),
    ):
        if question in parts:
            told = "; ".join(
                f"{_quoted(words)} ({REASONS.get(name, name)})" for name, words in parts[question].items()
            )
            yield f"{lead} {told}."
    if claim.sure and not (claim.misspelt or claim.pictured):
        yield "The words used hardly ever mean anything else."
    if "against" not in parts:
        yield "Nothing in the text speaks against it."


def _read_as_a_whole(weighing: Weighing) -> str:
    """What the scorer added to the words of the rules."""
    reads = "an offer" if weighing.up else "talk or another thing"
    parts = [f"Weighed as a whole, the text reads like {reads} ({weighing.score:+.1f})"]
    if weighing.speaks_for:
        parts.append(f"usual in offers: {', '.join(weighing.speaks_for)}")
    if weighing.speaks_against:
        parts.append(f"rare in offers: {', '.join(weighing.speaks_against)}")
    return "; ".join(parts) + "."


def _unknown(claim: Claim) -> Iterator[str]:
    """What the text leaves open; at least the one thing that a text never proves."""
    if claim.taxon.rank not in ("species", "subspecies"):
        yield f"which species of {claim.taxon.name} it is"
    if claim.kind != "live" and "antique" not in claim.support:
        yield "its age"
    if "permit" not in claim.support:
        yield "whether there is a permit"
    if claim.real is not Answer.YES:
        yield "whether it is the real thing"
    if claim.offered is not Answer.YES:
        yield "whether it is offered"
    yield "what the object itself is, which only an examination shows"


def explain(
    outcome: Outcome,
    ruling: Ruling | None,
    claim: Claim | None,
    quotes: Mapping[int, Match],
    extra: Sequence[str] = (),
    judgement: Judgement | None = None,
) -> str:
    """The explanation of a verdict. ``quotes`` gives the match of each place by its identity."""
    sentences: list[str] = []
    if claim is not None:
        named = [quotes[id(one)] for one in claim.named_by if id(one) in quotes]
        product = claim.product if claim.kind != "live" else "a living animal"
        told = _quoted([match.quote for match in named])
        sentences.append(f"The listing says {told}, taken for {product} of {_listed(claim)}.")
        sentences.extend(_how_written(claim, named))
        sentences.extend(_weighed(claim, quotes))
        if claim.weighing is not None:
            sentences.append(_read_as_a_whole(claim.weighing))
        sentences.append(
            f"That it is the real thing is {_ANSWERS[claim.real]}; "
            f"that it is offered is {_ANSWERS[claim.offered]}."
        )
        sentences.append(f"Not known from the text: {'; '.join(_unknown(claim))}.")
    if ruling is not None:
        rule = ruling.rule.rule
        basis = f" It rests on: {', '.join(rule.legal_basis)}." if rule.legal_basis else ""
        sentences.append(f"Rule {rule.id} of pack {ruling.rule.pack.label} ({rule.title}) applies.{basis}")
        sentences.extend(f"The outcome is softened because {reason}." for reason in ruling.because)
    if judgement is not None and outcome in ("notify", "review"):
        sentences.append(told_of(judgement))
    sentences.extend(extra)
    sentences.append(_OUTCOMES[outcome])
    return " ".join(sentences)[:LIMIT]
