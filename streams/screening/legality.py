"""Whether an offer is allowed, place by place: the species-law matrix. Pure; the matrix is data.

Unknown is not no: a place without a fitting row answers ``unknown``, and what rests on unknown alone
is never sent. Only what the listing states is used: a claim (of age, of captive breeding, of a permit)
that nobody has checked never makes an offer lawful, it makes it a case for a person.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from schemas.detection import LegalFinding, Legality
from streams.screening.law import Provision

CLAIMS = ("antique", "captive-bred", "pre-convention", "permit")
INTERNATIONAL = "international"
PLATFORM = "platform"

_ANNEX_OF = {"I": "A", "II": "B", "III": "C"}
_GRAVITY: Mapping[Legality, int] = {
    "lawful": 0,
    "unknown": 1,
    "needs_permit_check": 2,
    "policy_breach": 3,
    "illegal": 4,
}
"""Of several places the gravest answer stands; lawful only when it is lawful everywhere."""

SENDABLE: frozenset[Legality] = frozenset({"illegal", "policy_breach"})
"""What a notice may rest on."""


class LegalityRow(BaseModel):
    """One row of the matrix; an absent condition fits everything."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    jurisdiction: str
    appendix: tuple[str, ...] = ()
    annex: tuple[Literal["A", "B", "C", "D"], ...] = ()
    groups: tuple[str, ...] = ()
    taxa: tuple[str, ...] = ()
    """Scientific names as the claim bears them; a name above or below them does not fit."""
    products: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    claims: tuple[Literal["antique", "captive-bred", "pre-convention", "permit"], ...] = ()
    """Fits when at least one of them is claimed."""
    verdict: Literal["illegal", "needs_permit_check", "lawful", "unknown"]
    basis: tuple[str, ...] = Field(min_length=1)
    """Ids of provisions in ``law.yaml``, which say where to read them."""
    why: str = Field(min_length=1, max_length=300)
    checked: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """What is asked of the matrix; hashable, because the same question comes again and again."""

    appendix: str
    annex: str
    """Empty: taken from the appendix."""
    group: str
    product: str
    kind: str
    claims: frozenset[str] = frozenset()
    """Some of :data:`CLAIMS`, as the seller makes them."""
    taxon: str = ""
    """Scientific name of the taxon that the text names."""
    seller: str = ""
    """Jurisdiction of the seller; empty when it is not known."""
    ships_to: tuple[str, ...] = ()
    """Jurisdictions; ``international`` for the whole world."""
    platform: str = ""
    """Jurisdiction of the platform; empty when it is not known."""
    policy_forbids: bool = False
    """The platform's own policy forbids specimens of this kind."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer for all places together, and each one's."""

    verdict: Legality
    findings: tuple[LegalFinding, ...]

    @property
    def basis(self) -> tuple[str, ...]:
        """Provisions that the verdict rests on."""
        return tuple(dict.fromkeys(one for finding in self.decisive for one in finding.basis))

    @property
    def decisive(self) -> tuple[LegalFinding, ...]:
        """The findings that made the verdict."""
        return tuple(finding for finding in self.findings if finding.verdict == self.verdict)


@dataclass(frozen=True)
class Matrix:
    """The rows, by jurisdiction."""

    rows: tuple[LegalityRow, ...]
    _by_place: dict[str, list[LegalityRow]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for row in self.rows:
            self._by_place.setdefault(row.jurisdiction, []).append(row)

    @property
    def places(self) -> frozenset[str]:
        """Jurisdictions that have rows."""
        return frozenset(self._by_place)

    def judge(self, offered: Offered) -> Judgement:
        """The law of every place that matters.

        Between-country law is asked when goods may cross a border: always when no place is known, and
        else when seller and destinations differ. It also answers for an offer whose places have no
        row, unless it says that it stays within one country.
        """
        ends = dict.fromkeys(place for place in (offered.seller, *offered.ships_to) if place)
        places = dict.fromkeys([*ends, *filter(None, [offered.platform])])
        findings = [self._of(place, offered) for place in places if place != INTERNATIONAL]
        stays = bool(offered.seller and offered.ships_to) and len(ends) == 1
        silent = all(finding.verdict == "unknown" for finding in findings)
        if len(ends) > 1 or (silent and not stays):
            findings.append(self._of(INTERNATIONAL, offered))
        if offered.policy_forbids:
            findings.append(
                LegalFinding(
                    jurisdiction=PLATFORM,
                    verdict="policy_breach",
                    basis=("platform-policy",),
                    why="the platform's own policy forbids it",
                    checked=True,
                )
            )
        verdict: Legality = max((one.verdict for one in findings), key=_GRAVITY.__getitem__)
        return Judgement(verdict, tuple(findings))

    def _of(self, place: str, offered: Offered) -> LegalFinding:
        row = next((row for row in self._by_place.get(place, ()) if _fits(row, offered)), None)
        if row is None:
            return LegalFinding(
                jurisdiction=place,
                verdict="unknown",
                why="no row of the law table speaks of such an offer there",
            )
        return LegalFinding(
            jurisdiction=place, verdict=row.verdict, basis=row.basis, why=row.why, checked=row.checked
        )


def _fits(row: LegalityRow, offered: Offered) -> bool:
    annex = offered.annex or _ANNEX_OF.get(offered.appendix, "")
    asked: Sequence[tuple[Sequence[str], Iterable[str]]] = (
        (row.appendix, (offered.appendix,)),
        (row.annex, annex.split("/")),
        (row.groups, (offered.group,)),
        (row.taxa, (offered.taxon,)),
        (row.products, (offered.product,)),
        (row.kinds, (offered.kind,)),
        (row.claims, offered.claims),
    )
    return all(not wanted or any(one in wanted for one in told) for wanted, told in asked)


def read_matrix(text: str, law: Mapping[str, Provision]) -> Matrix:
    """Read the rows.

    Raises:
        ValueError: a row is broken, an id stands twice, or a provision is not in the law table.
    """
    raw: list[dict[str, Any]] = yaml.safe_load(text)
    rows = tuple(LegalityRow.model_validate(row) for row in raw)
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise ValueError(f"legality.yaml: the id {row.id} stands twice")
        seen.add(row.id)
        missing = [basis for basis in row.basis if basis not in law]
        if missing:
            raise ValueError(f"legality.yaml: row {row.id}: no provision {missing[0]!r} in the law table")
    return Matrix(rows)


def load_matrix(law: Mapping[str, Provision]) -> Matrix:
    """The packaged matrix."""
    return read_matrix((files("streams.screening") / "reference" / "legality.yaml").read_text("utf-8"), law)


class Judge:
    """A matrix that remembers its answers: there are far fewer questions than listings."""

    def __init__(self, matrix: Matrix) -> None:
        self.judge = lru_cache(maxsize=4_096)(matrix.judge)


def told_of(judgement: Judgement) -> str:
    """The answer as a sentence for the explanation."""
    parts = [
        f"{finding.jurisdiction}: {_WORDS[finding.verdict]}, because {finding.why}"
        f"{'' if finding.checked or finding.verdict == 'unknown' else ' (unchecked)'}"
        for finding in judgement.findings
    ]
    return f"By law and policy: {'; '.join(parts)}."


_WORDS: Mapping[Legality, str] = {
    "illegal": "not allowed",
    "policy_breach": "not allowed",
    "needs_permit_check": "depends on papers",
    "lawful": "allowed",
    "unknown": "not known",
}


def reason(verdict: Legality) -> str:
    """Why a verdict is not enough to send a notice."""
    return {
        "lawful": "the law there allows it",
        "needs_permit_check": "by the law there it depends on papers, which a person must check",
    }.get(verdict, "what the law says of it is not known, and unknown is not no")
