"""What a seller claims that would make an offer lawful, beyond the words that screening weighs. Pure."""

import re
from functools import lru_cache

from streams.screening.taxa import read_table
from streams.screening.text import fold, is_unspaced


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    terms: dict[str, list[str]] = {}
    for row in read_table("lawful_claims.csv"):
        for term in row["terms"].split("|"):
            plain = re.escape(fold(term).strip())
            terms.setdefault(row["claim"], []).append(plain if is_unspaced(term[0]) else f" {plain} ")
    return tuple((claim, re.compile("|".join(words))) for claim, words in sorted(terms.items()))


def claimed(folded: str, permit_statement: str = "") -> frozenset[str]:
    """Some of :data:`streams.screening.legality.CLAIMS`: what the text or its permit field claims.

    ``folded``: text as :func:`streams.screening.text.fold` makes it, with a space at both ends.
    """
    text = f"{folded} {fold(permit_statement)} " if permit_statement else folded
    made = {claim for claim, pattern in _patterns() if pattern.search(text)}
    if permit_statement.strip():
        made.add("permit")
    return frozenset(made)
