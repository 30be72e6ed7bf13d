"""Sentences that an officer can put in a file: what was quoted, what it was taken for, and why."""

from collections.abc import Mapping, Sequence

from schemas.detection import Match, Outcome
from streams.screening.claims import Answer, Claim
from streams.screening.legality import Judgement, told_of
from streams.screening.rules import Ruling

LIMIT = 8_000

_REASONS = {
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
    return f"{taxon.name} ({taxon.rank}), CITES Appendix {taxon.appendix} as of {taxon.as_of}{doubt}"


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
        named = [quotes[id(one)].quote for one in claim.named_by if id(one) in quotes]
        product = claim.product if claim.kind != "live" else "a living animal"
        sentences.append(f"The listing says {_quoted(named)}, taken for {product} of {_listed(claim)}.")
        if claim.disguised:
            sentences.append("The words were disguised and had to be read through the disguise.")
        for answers, positive in (("speaks for it", True), ("speaks against it", False)):
            parts: dict[str, list[str]] = {}
            for one in claim.indications:
                if one.supports is positive and one.category != "condition" and id(one.found) in quotes:
                    parts.setdefault(one.category, []).append(quotes[id(one.found)].quote)
            if parts:
                told = "; ".join(
                    f"{_quoted(words)} ({_REASONS.get(name, name)})" for name, words in parts.items()
                )
                sentences.append(f"What {answers}: {told}.")
            elif not positive:
                sentences.append("Nothing in the text speaks against it.")
        sentences.append(
            f"That it is the real thing is {_ANSWERS[claim.real]}; "
            f"that it is offered is {_ANSWERS[claim.offered]}."
        )
    if ruling is not None:
        rule = ruling.rule.rule
        basis = f" It rests on: {', '.join(rule.legal_basis)}." if rule.legal_basis else ""
        sentences.append(f"Rule {rule.id} ({rule.title}) applies.{basis}")
        sentences.extend(f"The outcome is softened because {reason}." for reason in ruling.because)
    if judgement is not None and outcome in ("notify", "review"):
        sentences.append(told_of(judgement))
    sentences.extend(extra)
    sentences.append(_OUTCOMES[outcome])
    return " ".join(sentences)[:LIMIT]
