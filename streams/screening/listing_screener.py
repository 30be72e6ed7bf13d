"""The screening of one listing: text to matches to claims to rules to a verdict, pure from end to end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.detection import Match, Outcome, Severity, Specimen, TaxonRef
from schemas.listing import Listing, Seller
from schemas.message import digest
from schemas.watchlist import WatchlistEntry
from streams.screening.claims import Answer, Claim, may_claim, named
from streams.screening.explain import explain
from streams.screening.expressions import Expressions, Place
from streams.screening.gate import Anchors, Gate, Look
from streams.screening.identifiers.claims import claimed
from streams.screening.identifiers.entries import IdentifierIndex, identifiers
from streams.screening.identifiers.permits import Permit
from streams.screening.images import ImageIndex
from streams.screening.law_desk import LawDesk, permit_form, stated_permits
from streams.screening.legality import Judgement
from streams.screening.lexicon import (
    watchlist_terms,
)
from streams.screening.matching import Matcher
from streams.screening.offer import claims, watched
from streams.screening.rules import ORDER, RuleBook, Ruling
from streams.screening.scorer import Scorer
from streams.screening.seen import MATCHES_LIMIT, Seen, match_of, shown, with_watchlist
from streams.screening.surroundings import HEADING, Surroundings, heading_of, is_post
from streams.screening.taxa import Taxa
from streams.screening.text import Folded
from streams.screening.verdict import RuleInForce, Verdict
from streams.screening.vocabulary import Reading, Vocabulary

LOGIC_VERSION = "17"
"""Raised with every change of code that can change a verdict, because the version must say so."""

_NONE_IN_IT = Look.NONE
_CLEAR = "Nothing speaks for an offer of a listed specimen."


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
        scorer: Scorer,
    ) -> None:
        self._vocabulary = vocabulary
        self._rules = rules
        self._taxa = taxa
        self._law = law
        self._scorer = scorer
        self._asks_contacts = rules.mentions("contacts")
        texts = [entry for entry in entries.values() if entry.state != "retired"]
        watched_terms = list(watchlist_terms(texts))
        self._watch = Matcher(watched_terms) if watched_terms else None
        self._expressions = Expressions(texts)
        own = Anchors(term.folded for term in watched_terms)
        self._sellers = {
            entry.value.casefold(): entry for entry in texts if entry.kind in ("seller", "not_seller")
        }
        self._identifiers = IdentifierIndex(texts, law.countries)
        self._images = ImageIndex(texts)
        self._gate = Gate([vocabulary.anchors, own], vocabulary.undisguiser, self._identifiers.may_name)
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

    def screen(self, listing: Listing, now: datetime, *, told: bool = True) -> Verdict:  # noqa: ARG002
        """Decide on one snapshot; deterministic. See :class:`streams.screening.verdict.Screener`.

        Raises:
            RuleFailed: a rule could not be evaluated on this listing.
        """
        if listing.gone:
            return _NOTHING
        look = self._gate.look
        title, description = look(listing.title), look(listing.description)
        if title is _NONE_IN_IT and description is _NONE_IN_IT and not self._may_match(listing):
            return _NOTHING
        quiet = {"title": title is not Look.CLOSER, "description": description is not Look.CLOSER}
        fields = self._fields(listing, quiet)
        read = self._read(listing, fields, quiet)
        looks = {"title": title, "description": description}
        seen = self._watchlist(listing, fields, looks)
        priced = listing.price is not None
        unweighed = named(read.found, read.headed, fields, priced=priced) if read.found else []
        if not unweighed and not seen:
            return _NOTHING
        around = read.survey(priced=priced)
        made = self._scorer.look_again(claims(around, unweighed), around)
        if not (told or seen):  # what is ruled out comes to nothing, whatever the rules
            made = tuple(claim for claim in made if min(claim.real, claim.offered) is not Answer.NO)
            if not made:
                return _NOTHING
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
        if not (told or seen or any(one.outcome != "clear" for one in rulings if not one.rule.pack.shadow)):
            return replace(_NOTHING, rules=tuple(one.finding() for one in rulings))
        return _verdict(rulings, made, seen, fields, self._taxa, judged, numbers)

    def claims_of(self, listing: Listing) -> tuple[Surroundings, tuple[Claim, ...]]:
        """What the words make of the listing before the scorer looks at it: what the scorer learns from."""
        fields = self._fields(listing, dict.fromkeys(("title", "description"), False))
        read = self._read(listing, fields, {})
        priced = listing.price is not None
        around = read.survey(priced=priced)
        return around, claims(around, named(read.found, read.headed, fields, priced=priced))

    def _read(self, listing: Listing, fields: Mapping[str, Folded], quiet: Mapping[str, bool]) -> Reading:
        # When the description repeats the title, the heading is only that part of it.
        heading = len(listing.title) + 2 if "title" not in fields and listing.title else HEADING
        post = listing.price is None and is_post(listing.title, listing.description)
        headed = None if post else heading_of(fields, heading)
        roles = self._vocabulary.context.roles
        found = self._vocabulary.read(
            fields, quiet, lambda names, around: may_claim(names, around, roles, headed)
        )
        return Reading(fields, found, heading, post, headed)

    def _may_match(self, listing: Listing) -> bool:
        """False when no entry can match by anything but the words of the texts, which the gate has read."""
        seller = listing.seller
        return (
            bool(listing.contacts and self._identifiers)
            or bool(listing.images and self._images)
            or bool(self._sellers and seller is not None and self._seller_entry(seller, listing.platform))
            or (bool(self._expressions) and any(True for _ in self._places(listing)))
            or self._identifiers.may_number(listing.title + listing.description)
        )

    def _contacts(self, fields: Mapping[str, Folded], listing: Listing) -> list[str]:
        """Services under which the text offers to be reached or paid: ``phone``, ``zalo``, ``upi`` …"""
        regions = self._law.regions(listing)
        found = (one for folded in fields.values() for one in identifiers(folded.original, regions))
        return list(dict.fromkeys(one.service for one in found))

    def _fields(self, listing: Listing, quiet: Mapping[str, bool]) -> dict[str, Folded]:
        """The texts to read; a description that repeats the title is read once."""
        title, description = listing.title, listing.description
        fields: dict[str, Folded] = {}
        if title and not description.startswith(title):
            fields["title"] = self._meant(title, quiet["title"])
        if description:
            fields["description"] = self._meant(description, quiet["description"])
        return fields

    def _meant(self, text: str, quiet: bool) -> Folded:
        if quiet:
            return Folded(text)
        return Folded(text, self._vocabulary.undisguiser.edits(text))

    def _watchlist(
        self, listing: Listing, fields: Mapping[str, Folded], looks: Mapping[str, Look]
    ) -> list[Seen]:
        seen: list[Seen] = []
        if self._watch is not None:
            for name, folded in fields.items():
                if looks[name] is not Look.CLOSER:
                    continue
                # As written, too: an entry may be for the very spelling that is read as another.
                places: set[tuple[str, tuple[int, int]]] = set()
                for text in (folded, Folded(folded.original)) if folded.edits else (folded,):
                    for entry, term, one in watched(self._watch.find(name, text)):
                        place = (entry.entry.entry_id, text.span(one.start, one.end))
                        if place not in places and entry.entry.platform in (None, listing.platform):
                            places.add(place)
                            seen.append(Seen(entry.entry, term, one))
        for found in self._places(listing):
            match = shown(found.entry, found.field, found.quote, found.start)
            seen.append(Seen(found.entry, None, None, match))
        if self._sellers and listing.seller is not None:
            known = self._seller_entry(listing.seller, listing.platform)
            if known is not None:
                entry_for_seller, called = known
                seen.append(Seen(entry_for_seller, None, None, shown(entry_for_seller, "seller", called)))
        if self._identifiers or self._images:
            self._by_normal_form(listing, fields, looks, seen)
        return seen

    def _seller_entry(self, seller: Seller, platform: str) -> tuple[WatchlistEntry, str] | None:
        """The entry for a seller, and under which name it is known."""
        for called in (seller.handle, seller.account_id):
            entry = self._sellers.get(called.casefold()) if called else None
            if called and entry and entry.platform in (None, platform):
                return entry, called
        return None

    def _places(self, listing: Listing) -> Iterator[Place]:
        """Where the analysts' regular expressions are found."""
        for place in (
            *self._expressions.find("title", listing.title),
            *self._expressions.find("description", listing.description),
        ):
            if place.entry.platform in (None, listing.platform):
                yield place

    def _by_normal_form(
        self, listing: Listing, fields: Mapping[str, Folded], looks: Mapping[str, Look], seen: list[Seen]
    ) -> None:
        """Add what no spelling gives away: numbers and accounts in other writings, and images."""
        known = {one.entry.entry_id for one in seen}
        texts = {
            name: folded.original
            for name, folded in fields.items()
            if looks[name] is not Look.NONE or self._identifiers.may_number(folded.original)
        }
        if self._identifiers and (texts or listing.contacts):
            for place in self._identifiers.find(texts, listing, self._law.regions(listing)):
                if place.entry.entry_id not in known:
                    match = shown(place.entry, place.field, place.quote, place.start)
                    seen.append(Seen(place.entry, None, None, match))
        for image in self._images.find(listing) if self._images else ():
            how = (
                f"{image.distance} of 256 bits differ"
                if image.entry.kind == "image_pdq"
                else "the same bytes"
            )
            seen.append(Seen(image.entry, None, None, shown(image.entry, "image", image.image.url), how))


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
        "traded": claim.traded,
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


def _verdict(
    rulings: Sequence[Ruling],
    made: Sequence[Claim],
    seen: Sequence[Seen],
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
                quotes.setdefault(id(one), match_of(one, fields))
        for ruling in effective:
            for one in ruling.claim.named_by:
                if len(quotes) < MATCHES_LIMIT:
                    quotes.setdefault(id(one), match_of(one, fields))
    matches = list(quotes.values())
    extra = [
        f"It states the number {one.number} of a permit or certificate: {one.why}." for one in numbers[:3]
    ]
    outcome, severity = with_watchlist(seen, fields, matches, findings, extra, (outcome, severity))
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


def _subject(
    claim: Claim | None, seen: Sequence[Seen], taxa: Taxa
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
