"""Builds ``streams/screening/reference/ordinary.csv.gz`` from the word lists of ``wordfreq``.

Needs the package ``wordfreq`` (3.1.1), which Takin itself does not: install it beside the development
environment and run ``python deploy/reference/ordinary_words.py``. Kept are ordinary words (frequency
2.3 or more on wordfreq's scale, in any of its languages written with spaces) that Takin would
otherwise take for one of its names in disguise or misspelt (``near``), and those that are part of a
name (``part``), so that the rarer word of a name is the one that is looked for.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from streams.screening.disguise import Undisguiser
from streams.screening.reference_build import REFERENCE, write_table
from streams.screening.screener import build_ruleset, undisguiser_terms
from streams.screening.text import fold

LEAST = 2.3
WITHOUT_SPACES = {"zh", "ja", "ko"}
HEAD = ("word", "how", "frequency", "source", "licence", "as_of")
ORIGIN = ("wordfreq 3.1.1 (PyPI)", "CC BY-SA 4.0", "2026-11-25")


def frequent(wordfreq: Any) -> Iterator[tuple[str, float]]:
    """Folded words with their frequency, one language after the other."""
    for language in sorted(set(wordfreq.available_languages("best")) - WITHOUT_SPACES):
        for word in wordfreq.iter_wordlist(language, wordlist="best"):
            frequency = wordfreq.zipf_frequency(word, language)
            if frequency < LEAST:
                break
            folded = fold(word).strip()
            if " " not in folded and len(folded) > 1:
                yield folded, frequency


def build() -> None:
    """Write the table."""
    ruleset = build_ruleset()
    bare = Undisguiser(**{**undisguiser_terms(ruleset.taxa), "ordinary": {}})
    parts = {word for term in ruleset.vocabulary.names.spellings() for word in term.split()}
    rows: dict[tuple[str, str], float] = {}
    known: dict[str, str] = {}
    for word, frequency in frequent(import_module("wordfreq")):
        how = known.get(word)
        if how is None:
            how = "part" if word in parts else "near" if resembles(bare, word) else ""
            known[word] = how
        if how:
            rows[word, how] = max(rows.get((word, how), 0.0), frequency)
    write_table(
        REFERENCE / "ordinary.csv.gz",
        HEAD,
        [(word, how, f"{frequency:.1f}", *ORIGIN) for (word, how), frequency in sorted(rows.items())],
    )


def resembles(bare: Undisguiser, word: str) -> bool:
    """Whether the word would be read as one of ours, or is one letter away from one."""
    return bare.misread(word) or bare.misspellings.is_near(word)


if __name__ == "__main__":
    build()
