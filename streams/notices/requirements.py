"""What a notice must hold before anything is sent: the strictest receiver's reading of it. Pure.

Every unmet requirement is told at once, in the shape that large abuse desks answer with: a stable
code, a JSON Pointer (RFC 6901) into the notice, and one sentence. Codes are append-only, and the
same as the sandbox desk's (``connectors/sandbox/requirements.py``) where the same thing is meant.

Regime ``dsa``: Regulation (EU) 2022/2065, Article 16(2).

==============================  ==================================================================
``url_missing``                 (b) an item without its exact location: an absolute http(s) URL
``reasons_missing``             (a) no reasons, or blank ones
``reasons_not_substantiated``   (a) reasons too short to explain anything
``legal_basis_missing``         (a) no provision named
``legal_basis_incomplete``      (a) a provision without ``law``
``reporter_missing``            (c) no name of the person or entity that reports
``reporter_email_invalid``      (c) the reporter's e-mail address is none
``good_faith_missing``          (d) no statement of good faith, or nobody signed it
``trusted_flagger_missing``     Article 22: the notice calls itself a trusted flagger's and names no
                                award
``item_repeated``               the same listing or item twice in one notice
``issued_at_invalid``           it is dated more than five minutes after now
``reply_to_invalid``            ``reply_to`` is not an http(s) address
``quote_offsets_invalid``       quoted words whose length is not that of their place
``reasons_language_repeated``   the reasons twice in one language
``territory_missing``           ``geo_disable`` without the territory of an item
``territory_unknown``           a territory that is no country code, ``EEA`` or ``world``
``seller_missing``              ``suspend_seller`` without the seller of an item
``preservation_missing``        ``preserve`` without how long and which data
``secrecy_ended``               the seller was not to be told until an instant that is past
==============================  ==================================================================

Regime ``order``: an authority's order, by Article 9(2) of Regulation (EU) 2022/2065 and Article 3(4), 6 and
11(3) of Regulation (EU) 2021/784.

==============================  ==================================================================
``order_missing``               it calls itself an order and holds none
``order_not_called_one``        it holds an order and calls itself something else
``authority_missing``           no name of the authority, or no way to reach it
``order_power_missing``         no provision that empowers the authority
``order_reference_missing``     no file number of the authority
``order_law_missing``           no provision of Union or national law (with its article or title) that the
                                content breaks; a treaty or the platform's own rules alone carry no order
``redress_missing``             nothing of how the order can be challenged
``territory_missing``           the order does not say where it holds (Article 9(2)(b))
``secrecy_too_long``            a removal order's secrecy lasts more than six weeks (Article 11(3))
``preservation_too_short``      a removal order's preservation is asked for less than six months (Article 6)
``signature_missing``           a removal order without the authority's electronic signature
``signed_in_future``            the signature is dated more than five minutes after now
==============================  ==================================================================

Regime ``xarf``: XARF v4 core and ``content/fraud``, within the limits of a large host's abuse API.

==============================  ==================================================================
``too_many_items``              a report is about one item
``reporter_domain_missing``     no domain of the reporter, and none in its e-mail address
``sender_missing``              no name of who transmits
``sender_email_invalid``        the sender's e-mail address is none
``sender_domain_missing``       no domain of the sender, and none in its e-mail address
``organisation_too_long``       an organisation's name of more than 200 characters
``evidence_too_much``           more than 49 pieces of evidence (50, with the notice itself)
``evidence_too_large``          evidence of more than 5 MB in all
``tags_malformed``              a tag that is not ``namespace:predicate``
==============================  ==================================================================

Regime ``shape``: what is no notice at all (:func:`read_notice`).

==============================  ==================================================================
``body_not_json``               the bytes are not UTF-8 JSON
``body_not_object``             they are JSON, but not an object
``key_missing``                 no ``idempotency_key``, or none of ours
``items_missing``               no item
``item_id_missing``             an item without ``item_id``
``listing_id_missing``          an item without ``listing_id``
``requested_action_unknown``    ``requested_action`` is not one that exists
``field_missing``               any other field that a notice must have
``field_invalid``               any other field that does not hold what it must
==============================  ==================================================================

A part of ``dsa`` that is missing altogether has its code from the table of ``dsa``.

Regime ``platform``: what the addressee itself asks for.

==============================  ==================================================================
``addressee_mismatch``          ``addressee.platform`` is another platform
``too_many_items``              more items than the platform takes in one notice
``url_not_on_this_platform``    the location is not on one of the platform's hosts
``policy_clause_missing``       names no clause of the platform's own terms
``language_not_taken``          written in a language that the platform does not take
``reasons_too_long``            longer than the platform takes
==============================  ==================================================================
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import ValidationError

from schemas.notice import Notice, Party
from streams.notices.requirements_asked import asked_requirements, order_requirements
from streams.notices.unmet import CLOCK_SKEW, Regime, Unmet

__all__ = [
    "CLOCK_SKEW",
    "Demands",
    "Unmet",
    "domain_of",
    "host_of",
    "is_mailbox",
    "read_notice",
    "sentences",
    "unmet_requirements",
]

SHORTEST_REASONS = 20
"""Characters. Nothing that explains why a listing is unlawful is shorter."""
XARF_EVIDENCE = 49
"""XARF takes 50; the notice itself travels as one of them."""
XARF_EVIDENCE_BYTES = 5_000_000
XARF_ORGANISATION = 200
_DOMAIN = re.compile(r"(?=.{1,253}\Z)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
_MAILBOX = re.compile(r"[^\s@<>\"(),:;\\\[\]\x00-\x1f\x7f]{1,64}")
_TAG = re.compile(r"[a-z0-9][a-z0-9_+-]*(:[a-z0-9][a-z0-9_+/-]*)+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Demands:
    """What one platform asks of a notice, beside the law."""

    xarf: bool = False
    """Notices reach it as XARF v4."""
    max_items: int = 300
    hosts: tuple[str, ...] = ()
    """Where its listings are (and below); empty: not checked."""
    policy_clause: bool = False
    """It looks at nothing that does not name one of its own clauses."""
    languages: tuple[str, ...] = ()
    """Languages it takes, by their first subtag; empty: any."""
    max_reasons: int = 20_000
    """Characters."""


def unmet_requirements(
    notice: Notice, demands: Demands, *, platform: str, now: datetime
) -> tuple[Unmet, ...]:
    """Everything that the law, the format and the platform would find missing, in that order."""
    found = [*_dsa(notice, now), *order_requirements(notice, now)]
    if demands.xarf:
        found += _xarf(notice)
    found += _platform(notice, demands, platform)
    return tuple(found)


def sentences(unmet: tuple[Unmet, ...]) -> str:
    """The same for a person, in one line."""
    return "; ".join(f"{one.code} at {one.path}: {one.message}" for one in unmet)


_CODES: tuple[tuple[str, str, Regime], ...] = (
    (r"/idempotency_key", "key_missing", "shape"),
    (r"/items", "items_missing", "shape"),
    (r"/items/\d+/item_id", "item_id_missing", "shape"),
    (r"/items/\d+/listing_id", "listing_id_missing", "shape"),
    (r"/requested_action", "requested_action_unknown", "shape"),
    (r"/items/\d+/url", "url_missing", "dsa"),
    (r"/legal_basis", "legal_basis_missing", "dsa"),
    (r"/legal_basis/\d+/law", "legal_basis_incomplete", "dsa"),
    (r"/reporter(/organisation)?", "reporter_missing", "dsa"),
    (r"/reporter/email", "reporter_email_invalid", "dsa"),
    (r"/good_faith(/text|/signed_by)?", "good_faith_missing", "dsa"),
    (r"/issued_at", "issued_at_invalid", "dsa"),
    (r"/reply_to", "reply_to_invalid", "dsa"),
    (r"/order/authority(/name|/contact)?", "authority_missing", "order"),
    (r"/order/power", "order_power_missing", "order"),
    (r"/order/reference", "order_reference_missing", "order"),
    (r"/signature(/.+)?", "signature_missing", "order"),
    (r"/preservation(/months|/data_kinds)?", "preservation_missing", "dsa"),
)
"""Where a misshapen notice breaks, and what that is called: whole pointer, code, regime."""
_MOST_PROBLEMS = 100


def read_notice(raw: bytes) -> Notice | tuple[Unmet, ...]:
    """The notice in these bytes, or why they are none (at most 100 reasons)."""
    try:
        return Notice.from_bytes(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
    except UnicodeDecodeError:
        return (Unmet("body_not_json", "", "The notice must be UTF-8 JSON.", "shape"),)
    return tuple(_misshapen(problem["type"], problem["loc"]) for problem in problems[:_MOST_PROBLEMS])


def _misshapen(kind: str, where: tuple[int | str, ...]) -> Unmet:
    path = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in where)
    if kind == "json_invalid":
        return Unmet("body_not_json", path, "The notice must be UTF-8 JSON.", "shape")
    if not path:
        return Unmet("body_not_object", path, "The notice must be a JSON object.", "shape")
    sentence = "This must be there." if kind == "missing" else "This does not hold what it must."
    for pattern, code, regime in _CODES:
        if re.fullmatch(pattern, path):
            return Unmet(code, path, sentence, regime)
    if path == "/reasons":
        return Unmet(
            "reasons_too_long" if kind == "string_too_long" else "reasons_missing", path, sentence, "dsa"
        )
    return Unmet("field_missing" if kind == "missing" else "field_invalid", path, sentence, "shape")


def _dsa(notice: Notice, now: datetime) -> Iterator[Unmet]:
    yield from _locations(notice)
    yield from _grounds(notice)
    yield from _who_and_when(notice, now)
    yield from asked_requirements(notice, now)


def _law(code: str, path: str, message: str) -> Unmet:
    return Unmet(code, path, message, "dsa")


def _locations(notice: Notice) -> Iterator[Unmet]:
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate(notice.items):
        path = f"/items/{index}"
        if host_of(item.url) is None:
            yield _law("url_missing", f"{path}/url", "The exact location is needed: an http(s) address.")
        for name, value in (("item_id", item.item_id), ("listing_id", item.listing_id)):
            if (name, value) in seen:
                yield _law("item_repeated", f"{path}/{name}", f"This {name} stands in the notice already.")
            seen.add((name, value))


def _grounds(notice: Notice) -> Iterator[Unmet]:
    reasons = notice.reasons.strip()
    if not reasons:
        yield _law("reasons_missing", "/reasons", "Say why the listing is unlawful.")
    elif len(reasons) < SHORTEST_REASONS:
        yield _law("reasons_not_substantiated", "/reasons", "The reasons are too short to explain anything.")
    if not notice.legal_basis:
        yield _law("legal_basis_missing", "/legal_basis", "Name at least one provision of law.")
    for index, basis in enumerate(notice.legal_basis):
        if not basis.law.strip():
            yield _law("legal_basis_incomplete", f"/legal_basis/{index}/law", "Say which law it is.")


def _who_and_when(notice: Notice, now: datetime) -> Iterator[Unmet]:
    if not notice.reporter.organisation.strip():
        yield _law("reporter_missing", "/reporter/organisation", "Say who reports.")
    if not is_mailbox(notice.reporter.email):
        yield _law(
            "reporter_email_invalid",
            "/reporter/email",
            "An e-mail address is needed to confirm receipt (DSA Article 16(4)).",
        )
    if not notice.good_faith.text.strip() or not notice.good_faith.signed_by.strip():
        yield _law(
            "good_faith_missing",
            "/good_faith",
            "A signed statement of good faith is needed (DSA Article 16(2)(d)).",
        )
    if notice.kind == "trusted_flagger" and notice.trusted_flagger is None:
        yield _law(
            "trusted_flagger_missing",
            "/trusted_flagger",
            "A trusted flagger names who awarded the status (DSA Article 22).",
        )
    if notice.issued_at > now + CLOCK_SKEW:
        yield _law("issued_at_invalid", "/issued_at", "The notice is dated in the future.")
    if notice.reply_to is not None and host_of(notice.reply_to) is None:
        yield _law("reply_to_invalid", "/reply_to", "reply_to must be an http or https address.")


def _xarf(notice: Notice) -> Iterator[Unmet]:
    def unmet(code: str, path: str, message: str) -> Unmet:
        return Unmet(code, path, message, "xarf")

    if len(notice.items) != 1:
        yield unmet("too_many_items", "/items", "A XARF report is about one item.")
    for role, party in (("reporter", notice.reporter), ("sender", notice.sender)):
        if domain_of(party) is None:
            yield unmet(f"{role}_domain_missing", f"/{role}/domain", "A domain is needed to check who it is.")
        if len(party.organisation) > XARF_ORGANISATION:
            yield unmet(
                "organisation_too_long",
                f"/{role}/organisation",
                f"At most {XARF_ORGANISATION} characters.",
            )
    if not notice.sender.organisation.strip():
        yield unmet("sender_missing", "/sender/organisation", "Say who transmits the notice.")
    if not is_mailbox(notice.sender.email):
        yield unmet("sender_email_invalid", "/sender/email", "An e-mail address of the sender is needed.")
    if len(notice.evidence) > XARF_EVIDENCE:
        yield unmet("evidence_too_much", "/evidence", f"At most {XARF_EVIDENCE} pieces of evidence.")
    if sum(evidence.size for evidence in notice.evidence) > XARF_EVIDENCE_BYTES:
        yield unmet("evidence_too_large", "/evidence", "At most 5 MB of evidence in all.")
    for index, tag in enumerate(notice.tags):
        if not _TAG.fullmatch(tag):
            yield unmet("tags_malformed", f"/tags/{index}", "A tag is written namespace:predicate.")


def _platform(notice: Notice, demands: Demands, platform: str) -> Iterator[Unmet]:
    def unmet(code: str, path: str, message: str) -> Unmet:
        return Unmet(code, path, message, "platform")

    if notice.addressee.platform != platform:
        yield unmet("addressee_mismatch", "/addressee/platform", f"The notice goes to {platform}.")
    if len(notice.items) > demands.max_items:
        yield unmet("too_many_items", "/items", f"At most {demands.max_items} items fit in one notice.")
    if demands.hosts:
        for index, item in enumerate(notice.items):
            host = host_of(item.url)
            if host is not None and not any(_below(host, known) for known in demands.hosts):
                yield unmet(
                    "url_not_on_this_platform",
                    f"/items/{index}/url",
                    "The location is not on one of the platform's hosts.",
                )
    if demands.policy_clause and not any(basis.policy_clause for basis in notice.legal_basis):
        yield unmet("policy_clause_missing", "/legal_basis", "Name the clause of the platform's own terms.")
    written_in = {
        one.partition("-")[0].lower()
        for one in (notice.language, *(one.language for one in notice.reasons_in))
    }
    if demands.languages and not written_in & {one.partition("-")[0].lower() for one in demands.languages}:
        yield unmet(
            "language_not_taken", "/language", f"The platform takes {', '.join(sorted(demands.languages))}."
        )
    if len(notice.reasons) > demands.max_reasons:
        yield unmet("reasons_too_long", "/reasons", f"At most {demands.max_reasons:,} characters.")


def host_of(url: str) -> str | None:
    """Host of an absolute http(s) address in lower case; ``None`` for anything else."""
    if any(character.isspace() for character in url.strip()):
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number is found only when it is read
        return parts.hostname if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def is_mailbox(address: str) -> bool:
    """Whether a mail can be addressed to it: one ``@``, nothing that could end a header."""
    local, _, domain = address.rpartition("@")
    return bool(_MAILBOX.fullmatch(local) and _DOMAIN.fullmatch(domain))


def domain_of(party: Party) -> str | None:
    """The domain by which a receiver checks a party: its own, or that of its mail address."""
    for candidate in (party.domain, party.email.rpartition("@")[2]):
        if candidate and _DOMAIN.fullmatch(candidate):
            return candidate.lower()
    return None


def _below(host: str, known: str) -> bool:
    known = known.lower().rstrip(".")
    host = host.rstrip(".")
    return host == known or host.endswith("." + known)
