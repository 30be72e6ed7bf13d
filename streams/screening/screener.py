"""The screening itself: text to matches to claims to rules to a verdict, pure from end to end."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from schemas.detection import Match, Outcome, RuleFinding, Severity, Specimen, TaxonRef
from schemas.listing import Listing
from schemas.message import digest
from schemas.watchlist import ReferenceRelease, RulePackRelease, WatchlistEntry
from streams.screening import imported
from streams.screening.claims import Claim
from streams.screening.disguise import Undisguiser
from streams.screening.explain import explain
from streams.screening.identifiers.claims import claimed
from streams.screening.identifiers.entries import IdentifierIndex, identifiers
from streams.screening.identifiers.permits import Permit
from streams.screening.images import ImageIndex
from streams.screening.law import load_law
from streams.screening.law_desk import LawDesk, permit_form, stated_permits
from streams.screening.legality import Judge, Judgement, load_matrix
from streams.screening.lexicon import (
    Animal,
    Cue,
    Product,
    Term,
    context_terms,
    listed_terms,
    named_terms,
    quote,
    watchlist_terms,
)
from streams.screening.matching import Found, Matcher, uncovered
from streams.screening.offer import claims, watched
from streams.screening.pack_tests import run_pack_tests
from streams.screening.places import Places, PlatformLaw
from streams.screening.releases import lay_over
from streams.screening.rules import ORDER, BadPack, Pack, RuleBook, Ruling, packaged_packs, packs_from
from streams.screening.surroundings import is_post, survey
from streams.screening.taxa import Taxa, load_taxa
from streams.screening.text import Folded
from streams.screening.verdict import RuleInForce, Verdict

LOGIC_VERSION = "2"
"""Raised with every change of code that can change a verdict, because the version must say so."""

MATCHES_LIMIT = 60

NOTIFY_CONFIDENCE = 0.9
"""A watchlist entry that is less sure than this leads to review at most."""

_CLEAR = "Nothing speaks for an offer of a listed specimen."
_FIELDS = ("title", "description")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that is looked for, apart from the watchlist; compiled once."""

    names: Matcher
    context: Matcher
    undisguiser: Undisguiser

    def read(self, fields: Mapping[str, Folded]) -> list[Found]:
        """Names and the words around them, in order; nothing when no field names anything.

        The words around are looked for only then: most listings name nothing.
        """
        named = {name: self.names.find(name, folded) for name, folded in fields.items()}
        if not any(named.values()):
            return []
        found: list[Found] = []
        for name, folded in fields.items():
            found += uncovered([*named[name], *self.context.find(name, folded)])
        return found


class ListingScreener:
    """Reference data, packs and one watchlist, compiled; see :class:`streams.screening.verdict.Screener`."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        rules: RuleBook,
        entries: Mapping[str, WatchlistEntry],
        taxa: Taxa,
        law: LawDesk,
        base: str,
    ) -> None:
        self._vocabulary = vocabulary
        self._rules = rules
        self._taxa = taxa
        self._law = law
        self._asks_contacts = rules.mentions("contacts")
        texts = [entry for entry in entries.values() if entry.state != "retired"]
        watched_terms = list(watchlist_terms(texts))
        self._watch = Matcher(watched_terms) if watched_terms else None
        self._sellers = {
            entry.value.casefold(): entry for entry in texts if entry.kind in ("seller", "not_seller")
        }
        self._identifiers = IdentifierIndex(texts, law.countries)
        self._images = ImageIndex(texts)
        listed = digest(entries[key].to_bytes() for key in sorted(entries))
        self._version = f"r{LOGIC_VERSION}-{base[:20]}-{listed[:12]}"

    @property
    def version(self) -> str:
        """Over code, reference data, packs and watchlist entries."""
        return self._version

    def rules_in_force(self) -> tuple[RuleInForce, ...]:
        """See :class:`streams.screening.verdict.Screener`."""
        return tuple(
            (one.pack.label, one.rule.id, one.rule.outcome, one.pack.shadow) for one in self._rules.rules
        )

    def screen(self, listing: Listing, now: datetime) -> Verdict:  # noqa: ARG002 — part of the contract
        """Decide on one snapshot; deterministic.

        Raises:
            RuleFailed: a rule could not be evaluated on this listing.
        """
        fields = self._fields(listing)
        found = self._vocabulary.read(fields)
        seen = self._watchlist(listing, fields)
        if not found and not seen:
            return _NOTHING
        # When the description repeats the title, the heading is only that part of it.
        heading = len(listing.title) + 2 if "title" not in fields and listing.title else 140
        texts = {name: (folded.original, folded.text) for name, folded in fields.items()}
        around = survey(
            found,
            texts,
            priced=listing.price is not None,
            heading=heading,
            post=listing.price is None and is_post(listing.title, listing.description),
        )
        made = claims(around)
        text = " ".join(folded.text for folded in fields.values())
        rulings: list[Ruling] = []
        judged: dict[int, Judgement] = {}
        stated = claimed(text, listing.permit_statement or "") if made else frozenset()
        originals = [folded.original for folded in fields.values()]
        numbers = stated_permits(originals, listing) if made else ()
        contacts = self._contacts(fields, listing) if made and self._asks_contacts else []
        for claim in made:
            judgement = judged[id(claim)] = self._law.judge(claim, listing, stated)
            facts = _facts(claim, listing, text, judgement, priced=around.priced)
            facts["permit_form"] = permit_form(numbers)
            facts["contacts"] = contacts
            rulings += self._rules.rule(claim, facts)
        return _verdict(rulings, made, seen, fields, self._taxa, judged, numbers)

    def _contacts(self, fields: Mapping[str, Folded], listing: Listing) -> list[str]:
        """Services under which the text offers to be reached or paid: ``phone``, ``zalo``, ``upi`` …"""
        regions = self._law.regions(listing)
        found = (one for folded in fields.values() for one in identifiers(folded.original, regions))
        return list(dict.fromkeys(one.service for one in found))

    def _fields(self, listing: Listing) -> dict[str, Folded]:
        """The texts to read; a description that repeats the title is read once."""
        title, description = listing.title, listing.description
        fields: dict[str, Folded] = {}
        if title and not description.startswith(title):
            fields["title"] = self._meant(title)
        if description:
            fields["description"] = self._meant(description)
        return fields

    def _meant(self, text: str) -> Folded:
        plain = Folded(text)
        meant = self._vocabulary.undisguiser.read(text, plain.text)
        return plain if meant is text or meant == text else Folded(text, meant)

    def _watchlist(self, listing: Listing, fields: Mapping[str, Folded]) -> "list[_Seen]":
        seen: list[_Seen] = []
        if self._watch is not None:
            for name, folded in fields.items():
                for entry, term, one in watched(self._watch.find(name, folded)):
                    if entry.entry.platform in (None, listing.platform):
                        seen.append(_Seen(entry.entry, term, one))
        if self._sellers and listing.seller is not None:
            for shown in (listing.seller.handle, listing.seller.account_id):
                entry_for_seller = self._sellers.get(shown.casefold()) if shown else None
                if entry_for_seller and entry_for_seller.platform in (None, listing.platform):
                    seen.append(
                        _Seen(entry_for_seller, None, None, _shown(entry_for_seller, "seller", shown or ""))
                    )
                    break
        if self._identifiers or self._images:
            self._by_normal_form(listing, fields, seen)
        return seen

    def _by_normal_form(self, listing: Listing, fields: Mapping[str, Folded], seen: "list[_Seen]") -> None:
        """Add what no spelling gives away: numbers and accounts in other writings, and images."""
        known = {one.entry.entry_id for one in seen}
        if self._identifiers:
            texts = {name: folded.original for name, folded in fields.items()}
            for place in self._identifiers.find(texts, listing, self._law.regions(listing)):
                if place.entry.entry_id not in known:
                    match = _shown(place.entry, place.field, place.quote, place.start)
                    seen.append(_Seen(place.entry, None, None, match))
        for image in self._images.find(listing) if self._images else ():
            how = (
                f"{image.distance} of 256 bits differ"
                if image.entry.kind == "image_pdq"
                else "the same bytes"
            )
            seen.append(_Seen(image.entry, None, None, _shown(image.entry, "image", image.image.url), how))


@dataclass(frozen=True, slots=True)
class _Seen:
    """A watchlist entry that the listing matches."""

    entry: WatchlistEntry
    term: Term | None
    found: Found | None
    match: Match | None = None
    """Of what was found otherwise than by a term."""
    how: str = ""
    """How near it comes, where that is not plain."""


def _shown(entry: WatchlistEntry, field: str, quote: str, start: int = 0) -> Match:
    where: Any = field
    return Match.model_construct(
        field=where,
        start=start,
        end=start + len(quote),
        quote=quote[:2_000],
        term=entry.value[:512],
        kind="watchlist",
        ref=f"watchlist:{entry.entry_id}"[:256],
        disguised=False,
    )


_NOTHING = Verdict("clear", "normal", 0.0, None, None, (), (), _CLEAR)


def _facts(
    claim: Claim, listing: Listing, text: str, judgement: Judgement, *, priced: bool
) -> dict[str, object]:
    return {
        "group": claim.group,
        "taxon": claim.taxon.name,
        "rank": claim.taxon.rank,
        "appendix": claim.taxon.appendix,
        "product": claim.product,
        "kind": claim.kind,
        "klass": claim.klass,
        "real": claim.real.word,
        "offered": claim.offered.word,
        "sure": claim.sure,
        "disguised": claim.disguised,
        "curated": claim.curated,
        "scientific": claim.by_scientific_name,
        "excepted_population": claim.taxon.names_excepted_population(text),
        "support": list(claim.support),
        "against": list(claim.against),
        "permit": "permit" in claim.support or bool(listing.permit_statement),
        "priced": priced,
        "platform": listing.platform,
        "language": listing.language or "",
        "legality": judgement.verdict,
        "legality_basis": list(judgement.basis),
        "unchecked_taxon": claim.taxon.needs_check and not claim.curated,
        "category": (listing.category or "").encode("utf-8", "replace").decode("utf-8"),
    }


def _term_for(one: Found) -> Term:
    """The term to show for a place: what names a taxon or product before what merely indicates."""
    return next((term for term in one.terms if not isinstance(term.meaning, Cue)), one.terms[0])


def _match(one: Found, fields: Mapping[str, Folded], term: Term | None = None) -> Match:
    folded = fields[one.field]
    start, end = folded.span(one.start, one.end)
    return quote(
        term or _term_for(one),
        one.field,
        start,
        end,
        folded.original[start:end],
        disguised=one.disguised,
    )


def _verdict(
    rulings: Sequence[Ruling],
    made: Sequence[Claim],
    seen: Sequence[_Seen],
    fields: Mapping[str, Folded],
    taxa: Taxa,
    judged: Mapping[int, Judgement],
    numbers: Sequence[Permit],
) -> Verdict:
    effective = [one for one in rulings if not one.rule.pack.shadow]
    best = max(effective, key=_gravity, default=None)
    outcome: Outcome = best.outcome if best else "clear"
    severity: Severity = best.rule.rule.severity if best else "normal"
    claim = best.claim if best else max(made, key=lambda one: one.score, default=None)
    findings = [one.finding() for one in sorted(rulings, key=_gravity, reverse=True)]
    quotes: dict[int, Match] = {}
    if claim is not None:
        for one in (*claim.named_by, *(indication.found for indication in claim.indications)):
            if len(quotes) < MATCHES_LIMIT:
                quotes.setdefault(id(one), _match(one, fields))
        for ruling in effective:
            for one in ruling.claim.named_by:
                if len(quotes) < MATCHES_LIMIT:
                    quotes.setdefault(id(one), _match(one, fields))
    matches = list(quotes.values())
    extra = [
        f"It states the number {one.number} of a permit or certificate: {one.why}." for one in numbers[:3]
    ]
    outcome, severity = _with_watchlist(seen, fields, matches, findings, extra, (outcome, severity))
    active = [one for one in seen if one.entry.state == "active"]
    taxon, specimen = _subject(claim, active, taxa)
    score = claim.score if claim else 0.0
    if outcome in ("review", "notify"):
        listed = [one.entry.confidence for one in active if not one.entry.kind.startswith("not_")]
        score = max(score, *listed) if listed else score
    judgement = judged.get(id(claim)) if claim is not None else None
    explanation = explain(outcome, best, claim, quotes, extra, judgement) if claim or extra else _CLEAR
    return Verdict(
        outcome=outcome,
        severity=severity,
        score=score,
        taxon=taxon,
        specimen=specimen,
        matches=tuple(matches),
        rules=tuple(findings),
        explanation=explanation,
        legality=judgement.findings if judgement is not None else (),
        entries=tuple(dict.fromkeys(one.entry.entry_id for one in seen)),
    )


def _gravity(ruling: Ruling) -> tuple[int, float, bool]:
    return (ORDER[ruling.outcome], ruling.claim.score, ruling.rule.rule.zero_tolerance)


def _with_watchlist(
    seen: Sequence[_Seen],
    fields: Mapping[str, Folded],
    matches: list[Match],
    findings: list[RuleFinding],
    extra: list[str],
    so_far: tuple[Outcome, Severity],
) -> tuple[Outcome, Severity]:
    """Add what the watchlist says to the verdict so far.

    Of shadow entries only a finding is told: neither evidence nor explanation may rest on them.
    """
    outcome, severity = so_far
    findings.extend(_entry_finding(one.entry) for one in seen if not one.entry.kind.startswith("not_"))
    active = [one for one in seen if one.entry.state == "active"]
    negative = [one for one in active if one.entry.kind.startswith("not_")]
    for one in active:
        entry = one.entry
        if one.term is not None and one.found is not None:
            match = _match(one.found, fields, one.term)
        elif one.match is not None:
            match = one.match
        else:
            continue
        if len(matches) < 2 * MATCHES_LIMIT:
            matches.append(match)
        if entry.kind.startswith("not_"):
            continue
        says = f"shows the image {match.quote}" if match.field == "image" else f"says “{match.quote}”"
        how = f"; {one.how}" if one.how else ""
        extra.append(
            f"The listing {says}, which is on the watchlist as {entry.entry_id} "
            f"({entry.reason}; source: {entry.source}{how})."
        )
        wanted: Outcome = entry.outcome
        if wanted == "notify" and entry.confidence < NOTIFY_CONFIDENCE:
            wanted = "review"
            extra.append(f"That entry is {entry.confidence:.0%} sure, which is not enough for a notice.")
        if not negative and ORDER[wanted] > ORDER[outcome]:
            outcome, severity = wanted, "high" if severity == "normal" else severity
    if negative and outcome == "notify":
        outcome = "review"
    for one in negative:
        extra.append(f"On the negative list as {one.entry.entry_id}: {one.entry.reason}.")
    return outcome, severity


def _entry_finding(entry: WatchlistEntry) -> RuleFinding:
    return RuleFinding.model_construct(
        rule_id=f"watchlist.{entry.kind.replace('_', '-')}",
        pack="watchlist",
        title=entry.reason[:512],
        outcome=entry.outcome,
        severity="high",
        zero_tolerance=False,
        legal_basis=(),
        shadow=entry.state != "active",
    )


def _subject(
    claim: Claim | None, seen: Sequence[_Seen], taxa: Taxa
) -> tuple[TaxonRef | None, Specimen | None]:
    if claim is not None:
        product = claim.product[:128]
        kind: Any = claim.kind
        return claim.taxon.reference(), Specimen.model_construct(kind=kind, product=product)
    for one in seen:
        if one.entry.taxon:
            known = taxa.find(one.entry.taxon)
            if known is not None:
                return known.reference(), Specimen.model_construct(kind="unclear", product=one.entry.product)
    return None, None


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
        self._law = LawDesk(Judge(load_matrix(self.rules.law)), Places(), platforms)
        told = [f"{name} {law.jurisdiction} {law.policy_forbids}" for name, law in sorted(platforms.items())]
        self._reference = digest([_reference_digest(), *told])
        self._proven: set[str] = set()
        """Digests of released texts whose examples came out right; they rest on the own rules alone."""

    def screener(self, entries: Mapping[str, WatchlistEntry]) -> ListingScreener:
        """An immutable screener for these entries, by entry id."""
        base = digest([self._reference, self.rules.version])
        return ListingScreener(self.vocabulary, self.rules, entries, self.taxa, self._law, base)

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
        # Always over the built-in list: whether a pack is taken must not depend on which list came first.
        proof = copy.copy(self._home)
        proof.rules = candidate.rules
        _, failures = run_pack_tests(proof, labels)
        if failures:
            more = f" (and {len(failures) - 1} more examples)" if len(failures) > 1 else ""
            raise BadPack(failures[0] + more)
        self._proven.update(one.sha256 for one in fresh)
        return candidate

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
    named = [term for term in named_terms(taxa) if term is not None]
    return Vocabulary(
        names=Matcher([*named, *listed_terms(taxa)]),
        context=Matcher(context_terms()),
        undisguiser=Undisguiser(term.folded for term in named if isinstance(term.meaning, Product | Animal)),
    )


def _reference_digest() -> str:
    folder = files("streams.screening") / "reference"
    named = sorted(
        (entry.name, entry) for entry in folder.iterdir() if entry.name.endswith((".csv", ".gz", ".yaml"))
    )
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
