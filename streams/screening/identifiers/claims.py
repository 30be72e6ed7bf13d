"""What a seller claims that would make an offer lawful, beyond the words that screening weighs. Pure."""

from functools import lru_cache

import ahocorasick_rs

from streams.screening.taxa import read_table
from streams.screening.text import fold, is_unspaced


@lru_cache(maxsize=1)
def _terms() -> tuple[ahocorasick_rs.AhoCorasick, tuple[str, ...]]:
    """All terms in one automaton, and the claim that each makes."""
    terms: list[tuple[str, str]] = []
    for row in read_table("lawful_claims.csv"):
        for term in row["terms"].split("|"):
            plain = fold(term).strip()
            terms.append((plain if is_unspaced(term[0]) else f" {plain} ", row["claim"]))
    automaton = ahocorasick_rs.AhoCorasick([term for term, _ in terms], store_patterns=False)
    return automaton, tuple(claim for _, claim in terms)


def claimed(folded: str, permit_statement: str = "") -> frozenset[str]:
    """Some of :data:`streams.screening.legality.CLAIMS`: what the text or its permit field claims.

    ``folded``: text as :func:`streams.screening.text.fold` makes it, with a space at both ends.
    """
    text = f"{folded} {fold(permit_statement)} " if permit_statement else folded
    automaton, claims = _terms()
    made = {claims[number] for number, _, _ in automaton.find_matches_as_indexes(text, overlapping=True)}
    if permit_statement.strip():
        made.add("permit")
    return frozenset(made)
