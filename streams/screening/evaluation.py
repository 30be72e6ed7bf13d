"""How right the screening is on labelled listings: counts, rates and honest intervals."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.detection import Outcome

Z95 = 1.959963984540054


def wilson(successes: int, trials: int) -> tuple[float, float] | None:
    """The 95 % interval of a share after Wilson; ``None`` without trials."""
    if trials == 0:
        return None
    share = successes / trials
    spread = Z95 * math.sqrt(share * (1 - share) / trials + Z95**2 / (4 * trials**2))
    middle = share + Z95**2 / (2 * trials)
    below = 1 + Z95**2 / trials
    return (max(0.0, (middle - spread) / below), min(1.0, (middle + spread) / below))


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled listing and what the screening said of it."""

    id: str
    subset: str
    language: str
    label: bool
    """True: a specimen of a listed taxon is offered."""
    outcome: Outcome
    explanation: str

    @property
    def flagged(self) -> bool:
        return self.outcome in ("notify", "review")


@dataclass(slots=True)
class Tally:
    """Right and wrong answers of one question."""

    true_positive: int = 0
    false_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0

    def count(self, *, said: bool, label: bool) -> None:
        """Add one answer."""
        if said:
            self.true_positive += label
            self.false_positive += not label
        else:
            self.false_negative += label
            self.true_negative += not label

    def figures(self) -> dict[str, Any]:
        """Precision, recall and F1 with the counts they rest on; ``None`` where nothing can be said."""
        said = self.true_positive + self.false_positive
        labelled = self.true_positive + self.false_negative
        precision = self.true_positive / said if said else None
        recall = self.true_positive / labelled if labelled else None
        f1 = None
        if precision is not None and recall is not None:
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {
            "precision": precision,
            "precision_interval": wilson(self.true_positive, said),
            "recall": recall,
            "recall_interval": wilson(self.true_positive, labelled),
            "f1": f1,
            "true_positive": self.true_positive,
            "false_positive": self.false_positive,
            "false_negative": self.false_negative,
            "true_negative": self.true_negative,
        }


@dataclass(slots=True)
class Slice:
    """The two questions for one part of the listings."""

    flagged: Tally = field(default_factory=Tally)
    notify: Tally = field(default_factory=Tally)

    def count(self, one: Judged) -> None:
        """Add one listing."""
        self.flagged.count(said=one.flagged, label=one.label)
        self.notify.count(said=one.outcome == "notify", label=one.label)

    def figures(self) -> dict[str, Any]:
        """Both tallies."""
        return {"flagged": self.flagged.figures(), "notify": self.notify.figures()}


def evaluate(judged: Iterable[Judged]) -> dict[str, Any]:
    """Figures over all listings, per subset and per language, and the listings that came out wrong."""
    whole = Slice()
    subsets: dict[str, Slice] = {}
    languages: dict[str, Slice] = {}
    wrong: list[dict[str, Any]] = []
    count = 0
    for one in judged:
        count += 1
        for part in (
            whole,
            subsets.setdefault(one.subset, Slice()),
            languages.setdefault(one.language, Slice()),
        ):
            part.count(one)
        if one.flagged != one.label:
            wrong.append(
                {
                    "id": one.id,
                    "label": int(one.label),
                    "outcome": one.outcome,
                    "explanation": one.explanation,
                }
            )
    return {
        "listings": count,
        "all": whole.figures(),
        "subsets": {name: subsets[name].figures() for name in sorted(subsets)},
        "languages": {name: languages[name].figures() for name in sorted(languages)},
        "wrong": wrong,
    }
