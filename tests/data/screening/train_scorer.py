"""The recipe of the scorer's weights: ``python -m tests.data.screening.train_scorer`` writes them anew.

A logistic regression (L2) over the written texts of this folder that make a claim; nobody else's text is
in it. Full gradients with momentum from zero, so that the same texts give the same weights. Features that
stand in one text only are left out, as are words of next to no weight. ``--check`` measures instead: each
set is scored by weights that were learnt from the others.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from streams.screening import scorer
from streams.screening.claims import Claim
from streams.screening.listing_screener import ListingScreener
from streams.screening.scorer import Scorer, features
from streams.screening.screener import build_ruleset
from streams.screening.tools import listing_from

FOLDER = Path(__file__).parent
WEIGHTS = Path(scorer.__file__).parent / "reference" / "scorer.json"
VERSION = 1
AS_OF = "2026-11-27"
L2 = 5.0
"""Strength of the penalty on a weight's square."""
STEPS = 400
LEAST = 2
"""Texts in which a feature must stand."""
SLIGHT = 0.02
RAISED_FROM, LOWERED_BELOW = 1.5, -2.0
"""Sets that were not learnt from gain 11 offers in ads for 1 false, and lose 3 in posts beside 21 false."""


class Example(NamedTuple):
    """A labelled text that makes a claim."""

    group: str
    id: str
    label: bool
    names: frozenset[str]


def _weight(claim: Claim) -> tuple[Any, ...]:
    return (
        not (claim.misspelt or claim.pictured),
        min(claim.real, claim.offered),
        claim.real,
        claim.sure,
        claim.taxon.name,
        claim.product,
    )


def examples_of(path: Path, screener: ListingScreener) -> list[Example]:
    """The texts of one file, each by the claim that is most likely an offer."""
    examples = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        if row.get("ambiguous"):
            continue
        around, made = screener.claims_of(listing_from(row))
        if made:
            names = features(max(made, key=_weight), len(made) - 1, around)
            examples.append(Example(path.stem, row["id"], bool(row["label"]), names))
    return examples


@cache
def written() -> tuple[Example, ...]:
    """Every written text that makes a claim, in order."""
    screener = build_ruleset().screener({})
    return tuple(one for path in sorted(FOLDER.glob("*.jsonl")) for one in examples_of(path, screener))


def learn(examples: Sequence[Example]) -> dict[str, float]:
    """Weights by feature."""
    count = Counter(name for one in examples for name in one.names)
    columns = sorted(name for name, texts in count.items() if texts >= LEAST)
    at = {name: number for number, name in enumerate(columns)}
    constant = len(columns)
    rows = [[*sorted(at[name] for name in one.names if name in at), constant] for one in examples]
    where = np.array([number for row in rows for number in row])
    lengths = np.array([len(row) for row in rows])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])

    def scored(weights: Any) -> Any:
        return np.add.reduceat(weights[where], starts)

    def gathered(errors: Any) -> Any:
        return np.bincount(where, weights=np.repeat(errors, lengths), minlength=constant + 1)

    labels = np.array([one.label for one in examples], float)
    penalty = np.full(constant + 1, L2)
    penalty[-1] = 1e-6
    steepest = np.ones(constant + 1)
    for _ in range(60):  # the largest singular value, squared, is its length in the end
        steepest = gathered(scored(steepest / np.linalg.norm(steepest)))
    step = 1 / (0.25 * 1.01 * np.linalg.norm(steepest) + L2)
    weights = ahead = np.zeros(constant + 1)
    pace = 1.0
    for _ in range(STEPS):
        sure = 1 / (1 + np.exp(-scored(ahead)))
        following = ahead - step * (gathered(sure - labels) + penalty * ahead)
        faster = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead = following + (pace - 1) / faster * (following - weights)
        weights, pace = following, faster
    learnt = dict(zip(columns, weights.tolist(), strict=False))
    # The constant goes to the two features of which every text has one.
    for place in ("ad", "post"):
        learnt[place] = learnt.get(place, 0.0) + float(weights[-1])
    return {name: round(weight, 2) for name, weight in learnt.items() if abs(weight) >= SLIGHT}


def digest() -> str:
    """Of this recipe and of the features: weights belong to both."""
    parts = (Path(__file__).read_bytes(), Path(scorer.__file__).read_bytes())
    return sha256(b"\0".join(parts)).hexdigest()


def made_anew(examples: Sequence[Example]) -> dict[str, Any]:
    """What stands in the file of weights."""
    return {
        "version": VERSION,
        "as_of": AS_OF,
        "recipe": digest(),
        "learnt_from": dict(sorted(Counter(one.group for one in examples).items())),
        "raised_from": RAISED_FROM,
        "lowered_below": LOWERED_BELOW,
        "weights": dict(sorted(learn(examples).items())),
    }


def _check(examples: Sequence[Example]) -> None:
    """Print, set by set, how well weights that were learnt from the other sets tell offers."""
    for group in sorted({one.group for one in examples}):
        weighed = Scorer(learn([one for one in examples if one.group != group]), 0, 0)
        scores = [(weighed.score(one.names), one.label) for one in examples if one.group == group]
        offers = [score for score, label in scores if label]
        others = [score for score, label in scores if not label]
        right = sum((a > b) + 0.5 * (a == b) for a in offers for b in others) / (len(offers) * len(others))
        sure = sum(score >= RAISED_FROM for score in others)
        lost = sum(score < LOWERED_BELOW for score in offers)
        print(
            f"{group:14} {len(offers)} offers, {len(others)} others: ranked right {right:.3f}; "
            f"others at {RAISED_FROM} or above {sure}; offers below {LOWERED_BELOW} {lost}"
        )


def main() -> None:
    """Write the weights, or with ``--check`` measure them."""
    if "--check" in sys.argv:
        _check(written())
        return
    text = json.dumps(made_anew(written()), ensure_ascii=False, indent=0)
    WEIGHTS.write_text(text + "\n", "utf-8")
    print(f"{WEIGHTS.name}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
