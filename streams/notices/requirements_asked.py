"""What a notice must hold for what it asks, and what an authority's order must hold. Pure.

Codes stand in :mod:`streams.notices.requirements`.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.notice import Notice
from streams.notices.unmet import CLOCK_SKEW, Regime, Unmet

ORDERS = ("art9_order", "tco_order")
LONGEST_QUOTE = 2_000
"""Longer words are cut there, so that the place is longer than what is quoted."""
SIX_WEEKS = timedelta(weeks=6)
SIX_MONTHS = 6
_TERRITORY = re.compile(r"[A-Z]{2}|EEA|world")


def asked_requirements(notice: Notice, now: datetime) -> Iterator[Unmet]:
    """What the quoted words, the languages and the action that is asked for need."""

    def unmet(code: str, path: str, message: str) -> Unmet:
        return Unmet(code, path, message, "dsa")

    for index, item in enumerate(notice.items):
        path = f"/items/{index}"
        for place, quote in enumerate(item.quotes):
            if quote.end - quote.start != len(quote.text) < LONGEST_QUOTE:
                yield unmet(
                    "quote_offsets_invalid",
                    f"{path}/quotes/{place}",
                    "start and end do not span as many characters as the quoted words have.",
                )
        yield from _territories(item.territory_requested, f"{path}/territory_requested", "dsa")
        if notice.requested_action == "geo_disable" and not item.territory_requested:
            yield unmet(
                "territory_missing", f"{path}/territory_requested", "Say where access is to be disabled."
            )
        if notice.requested_action == "suspend_seller" and not (item.seller_handle or "").strip():
            yield unmet("seller_missing", f"{path}/seller_handle", "Say whose account is to be suspended.")
    seen = {_first_subtag(notice.language)}
    for place, reasons in enumerate(notice.reasons_in):
        language = _first_subtag(reasons.language)
        if language in seen:
            yield unmet(
                "reasons_language_repeated",
                f"/reasons_in/{place}/language",
                "The reasons stand in the notice in this language already.",
            )
        seen.add(language)
    if notice.requested_action == "preserve" and notice.preservation is None:
        yield unmet("preservation_missing", "/preservation", "Say for how long which data is to be kept.")
    if notice.secrecy is not None and notice.secrecy.until <= now:
        yield unmet("secrecy_ended", "/secrecy/until", "The secrecy is over already.")


def _first_subtag(language: str) -> str:
    return language.partition("-")[0].lower()


def _territories(codes: tuple[str, ...], path: str, regime: Regime) -> Iterator[Unmet]:
    for place, code in enumerate(codes):
        if not _TERRITORY.fullmatch(code):
            yield Unmet(
                "territory_unknown",
                f"{path}/{place}",
                "A territory is a country's code, EEA or world.",
                regime,
            )


def order_requirements(notice: Notice, now: datetime) -> Iterator[Unmet]:
    """What makes a notice an order, where it calls itself one or holds one."""

    def unmet(code: str, path: str, message: str) -> Unmet:
        return Unmet(code, path, message, "order")

    order = notice.order
    if order is None:
        if notice.kind in ORDERS:
            yield unmet(
                "order_missing", "/order", "An order says who orders, by what power, under which file."
            )
        return
    if notice.kind not in ORDERS:
        yield unmet(
            "order_not_called_one", "/kind", "A notice with an order is of kind art9_order or tco_order."
        )
    yield from _who_orders(notice, now)
    law = [basis for basis in notice.legal_basis if basis.country and not basis.policy_clause]
    if not law:
        yield unmet(
            "order_law_missing",
            "/legal_basis",
            "Name a provision of Union or national law that the content breaks.",
        )
    if not (notice.redress or "").strip():
        yield unmet("redress_missing", "/redress", "Say how the order can be challenged.")
    yield from _territories(order.territory, "/order/territory", "order")
    if notice.kind == "art9_order" and not order.territory:
        yield unmet(
            "territory_missing", "/order/territory", "Say where the order holds (DSA Article 9(2)(b))."
        )
    if notice.kind == "tco_order":
        yield from _removal_order(notice)


def _who_orders(notice: Notice, now: datetime) -> Iterator[Unmet]:
    def unmet(code: str, path: str, message: str) -> Unmet:
        return Unmet(code, path, message, "order")

    order = notice.order
    assert order is not None, "asked about orders only"
    parties = [("/order/authority", order.authority)]
    if order.effect_to is not None:
        parties.append(("/order/effect_to", order.effect_to))
    for path, party in parties:
        for name, value in (("name", party.name), ("contact", party.contact)):
            if not value.strip():
                yield unmet(
                    "authority_missing", f"{path}/{name}", "Say who the authority is and how to reach it."
                )
    if not order.power.strip():
        yield unmet("order_power_missing", "/order/power", "Name the provision that empowers the authority.")
    if not order.reference.strip():
        yield unmet("order_reference_missing", "/order/reference", "Give the authority's file number.")
    if notice.signature is not None and notice.signature.signed_at > now + CLOCK_SKEW:
        yield unmet("signed_in_future", "/signature/signed_at", "The signature is dated in the future.")


def _removal_order(notice: Notice) -> Iterator[Unmet]:
    def unmet(code: str, path: str, message: str) -> Unmet:
        return Unmet(code, path, message, "order")

    if notice.signature is None:
        yield unmet("signature_missing", "/signature", "A removal order carries the authority's signature.")
    if notice.secrecy is not None and notice.secrecy.until > notice.issued_at + SIX_WEEKS:
        yield unmet(
            "secrecy_too_long",
            "/secrecy/until",
            "Secrecy lasts six weeks at most (Regulation (EU) 2021/784, Article 11(3)).",
        )
    if notice.preservation is not None and notice.preservation.months < SIX_MONTHS:
        yield unmet(
            "preservation_too_short",
            "/preservation/months",
            "Data is kept for six months (Regulation (EU) 2021/784, Article 6).",
        )
