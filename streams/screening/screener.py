"""The rule set: reference data and packs, compiled; each change makes a new one beside it. Pure."""

import copy
from collections.abc import Container, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from schemas.message import digest
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry
from streams.screening import imported
from streams.screening.disguise import Undisguiser
from streams.screening.gate import Anchors
from streams.screening.law import load_law
from streams.screening.law_desk import LawDesk
from streams.screening.legality import Judge, load_matrix
from streams.screening.lexicon import (
    Animal,
    Product,
    SpecimenWord,
    context_terms,
    emoji_terms,
    listed_terms,
    named_terms,
)
from streams.screening.listing_screener import ListingScreener
from streams.screening.matching import Matcher
from streams.screening.misspelling import ordinary_words
from streams.screening.pack_file import BadPack, Pack
from streams.screening.pack_folder import packaged_packs, packs_from
from streams.screening.pack_tests import run_pack_tests
from streams.screening.places import Places, PlatformLaw
from streams.screening.releases import lay_over
from streams.screening.rules import RuleBook
from streams.screening.scorer import load_scorer
from streams.screening.taxa import Taxa, load_taxa
from streams.screening.vocabulary import Vocabulary

_NO_PLATFORMS: Mapping[str, PlatformLaw] = {}


class ScreeningRuleset:
    """Reference data and packs, loaded once; see :class:`streams.screening.verdict.Ruleset`."""

    def __init__(self, packs: Iterable[Pack], platforms: Mapping[str, PlatformLaw] = _NO_PLATFORMS) -> None:
        self.taxa = load_taxa()
        self._built_in = tuple(packs)
        self._home = self
        """The same packs over the built-in list of taxa."""
        self.rules = RuleBook(self._built_in, load_law())
        self.vocabulary = _vocabulary(self.taxa)
        self._scorer = load_scorer()
        self._law = LawDesk(Judge(load_matrix(self.rules.law)), Places(), platforms)
        told = [f"{name} {law.jurisdiction} {law.policy_forbids}" for name, law in sorted(platforms.items())]
        self._reference = digest([_reference_digest(), *told])
        self._proven: set[str] = set()
        """Digests of released texts whose examples came out right; they rest on the own rules alone."""

    def screener(self, entries: Mapping[str, WatchlistEntry]) -> ListingScreener:
        """An immutable screener for these entries, by entry id."""
        base = digest([self._reference, self.rules.version])
        return ListingScreener(self.vocabulary, self.rules, entries, self.taxa, self._law, base, self._scorer)

    def with_packs(self, releases: Mapping[str, RulePackRelease]) -> Self:
        """See :class:`streams.screening.verdict.Ruleset`; takes some hundredths of a second.

        Raises:
            BadPack: a release is refused; the message names file, line and reason.
        """
        packs = lay_over(self._built_in, releases)
        candidate = copy.copy(self)
        candidate.rules = RuleBook(packs, self.rules.law)
        fresh = [
            one for one in releases.values() if one.state != "retired" and one.sha256 not in self._proven
        ]
        labels = {f"{one.pack}@{one.version}" for one in fresh}
        _, failures = self._examples(candidate.rules, labels)
        if failures:
            more = f" (and {len(failures) - 1} more examples)" if len(failures) > 1 else ""
            raise BadPack(failures[0] + more)
        self._proven.update(one.sha256 for one in fresh)
        return candidate

    def try_examples(
        self, releases: Mapping[str, RulePackRelease], labels: Container[str]
    ) -> tuple[int, list[str]]:
        """How many examples of the packs with these labels ran beside these releases, and which went wrong.

        Raises:
            BadPack: a release is refused before any example could run.
        """
        return self._examples(RuleBook(lay_over(self._built_in, releases), self.rules.law), labels)

    def _examples(self, rules: RuleBook, labels: Container[str]) -> tuple[int, list[str]]:
        # Always over the built-in list: whether a pack is taken must not depend on which list came first.
        proof = copy.copy(self._home)
        proof.rules = rules
        return run_pack_tests(proof, labels)

    def with_reference(self, release: ReferenceRelease | None) -> Self:
        """See :class:`streams.screening.verdict.Ruleset`; takes a second or two.

        Raises:
            BadReference: the release is refused.
        """
        fresh = copy.copy(self)
        home = self._home
        if release is None or release.state == "retired":
            fresh.taxa, fresh.vocabulary, fresh._reference = home.taxa, home.vocabulary, home._reference
            return fresh
        fresh.taxa = imported.lay_over(
            home.taxa,
            imported.unpack(release),
            source=release.source,
            licence=release.licence,
            as_of=release.as_of,
            complete=release.complete,
        )
        fresh.vocabulary = _vocabulary(fresh.taxa)
        # What stands in verdicts: not who released it, nor when.
        fresh._reference = digest(
            [
                home._reference,
                release.sha256,
                release.version,
                release.source,
                release.as_of.isoformat(),
                str(release.complete),
            ]
        )
        return fresh


def _vocabulary(taxa: Taxa) -> Vocabulary:
    named = list(named_terms(taxa))
    names = Matcher([*named, *emoji_terms(named), *listed_terms(taxa)])
    return Vocabulary(
        names=names,
        anchors=Anchors(names.spellings(), names.marked()),
        context=Matcher(context_terms()),
        undisguiser=Undisguiser(**undisguiser_terms(taxa)),
    )


def undisguiser_terms(taxa: Taxa) -> dict[str, Any]:
    """What an :class:`Undisguiser` is made from."""
    named = [term for term in named_terms(taxa) if term is not None]
    context = [term for term in context_terms() if term is not None]
    return {
        "terms": [term.folded for term in named if isinstance(term.meaning, Product | Animal)],
        "names": [term.folded for term in listed_terms(taxa) if term is not None and term.language == "la"],
        "joins": {
            word
            for term in context
            if isinstance(term.meaning, SpecimenWord)
            for word in term.folded.split()
            if len(word) > 2
        },
        "ordinary": ordinary_words(),
    }


def _reference_digest() -> str:
    folder = files("streams.screening") / "reference"
    endings = (".csv", ".gz", ".yaml", ".json")
    named = sorted((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(endings))
    return digest(part for name, entry in named for part in (name, entry.read_bytes()))


def build_ruleset(
    packs_folder: Path | None = None, platforms: Mapping[str, PlatformLaw] = _NO_PLATFORMS
) -> ScreeningRuleset:
    """Load reference data and packs: the packaged ones, or those of a folder. Takes about a second.

    Raises:
        BadPack: a pack is broken; the message says where.
        OSError: the folder cannot be read.
    """
    packs = packaged_packs() if packs_folder is None else packs_from(packs_folder)
    return ScreeningRuleset(packs, platforms)
