"""What the desk asks of a notice: its own strict reading, apart from Takin's own models.

Every unmet requirement is told at once (422, ``unmetRequirements``), with a stable code, a JSON
Pointer (RFC 6901) and a sentence. Codes are append-only.

==============================  ==================================================================
``body_not_json``               the body is not UTF-8 JSON
``body_not_object``             it is JSON, but not an object
``schema_version_unsupported``  ``schema_version`` is not 1
``key_missing``                 no ``Idempotency-Key`` header, or no ``idempotency_key`` in the body
``key_mismatch``                header, ``webhook-id`` and body do not name the same key
``addressee_mismatch``          ``addressee.platform`` is not this platform
``items_missing``               no item
``too_many_items``              more items than this desk takes
``item_malformed``              an item is not an object
``item_id_missing``             an item without ``item_id``
``item_repeated``               the same listing or item id twice in one notice
``listing_id_missing``          an item without ``listing_id``
``round_invalid``               ``round`` is not a whole number of 1 or more
``url_missing``                 an item without its exact location
``url_not_on_this_platform``    the location is somewhere else
``url_names_another_listing``   the location is here, but of another listing
``legal_basis_missing``         no provision named
``legal_basis_incomplete``      a provision without ``law``
``reasons_missing``             no reasons, or blank ones
``reasons_too_long``            more than 20,000 characters
``reporter_missing``            no ``reporter`` with an ``organisation``
``reporter_email_invalid``      the reporter's ``email`` is none
``good_faith_missing``          no good-faith statement (text and who signed)
``requested_action_unknown``    ``requested_action`` is not one this desk knows
``issued_at_invalid``           ``issued_at`` is no instant with a zone, or lies in the future
``reply_to_invalid``            ``reply_to`` is not an http(s) address
``policy_clause_missing``       (only by scenario) names no clause of the platform's own terms
==============================  ==================================================================
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from connectors.desk_contract import Unmet

ACTIONS = frozenset({"remove", "disable", "geo_disable", "suspend_seller", "preserve", "provide_info"})
MAX_REASONS = 20_000
CLOCK_SKEW = timedelta(seconds=300)


def unmet_requirements(
    notice: Any,
    *,
    platform: str,
    base_url: str,
    own_url: Callable[[str], str | None],
    keys: Mapping[str, str | None],
    max_items: int,
    now: datetime,
) -> tuple[Unmet, ...]:
    """Everything that is wrong with a decoded body.

    ``own_url`` gives the address that a listing's row names itself, if any. ``keys`` holds the
    headers ``idempotency-key`` and ``webhook-id``.
    """
    if not isinstance(notice, dict):
        return (Unmet(code="body_not_object", path="", message="The body must be a JSON object."),)
    check = _Check()
    _envelope(check, notice, platform, keys, now)
    _items(check, notice, base_url, own_url, max_items)
    _grounds(check, notice)
    return tuple(check.found)


class _Check:
    def __init__(self) -> None:
        self.found: list[Unmet] = []

    def __call__(self, met: bool, code: str, path: str, message: str) -> bool:
        if not met:
            self.found.append(Unmet(code=code, path=path, message=message))
        return met


def _filled(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _envelope(
    check: _Check, notice: dict[str, Any], platform: str, keys: Mapping[str, str | None], now: datetime
) -> None:
    version = notice.get("schema_version", 1)
    check(
        version == 1 and not isinstance(version, bool),
        "schema_version_unsupported",
        "/schema_version",
        "This desk reads schema_version 1.",
    )
    header, key = keys.get("idempotency-key"), notice.get("idempotency_key")
    has_header = check(_filled(header), "key_missing", "", "The Idempotency-Key header is missing.")
    has_key = check(
        _filled(key) and len(str(key)) <= 128,
        "key_missing",
        "/idempotency_key",
        "A key of 1 to 128 characters is needed.",
    )
    if has_header and has_key:
        check(
            header == key == keys.get("webhook-id"),
            "key_mismatch",
            "/idempotency_key",
            "Idempotency-Key, webhook-id and idempotency_key must be the same.",
        )
    addressee = notice.get("addressee")
    named = addressee.get("platform") if isinstance(addressee, dict) else None
    check(named == platform, "addressee_mismatch", "/addressee/platform", f"This is the desk of {platform}.")
    issued = _instant(notice.get("issued_at"))
    check(
        issued is not None and issued <= now + CLOCK_SKEW,
        "issued_at_invalid",
        "/issued_at",
        "An RFC 3339 instant with a zone is needed, not in the future.",
    )
    reply_to = notice.get("reply_to")
    check(
        reply_to is None or _is_web_address(reply_to),
        "reply_to_invalid",
        "/reply_to",
        "reply_to must be an http or https address.",
    )


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None


def _is_web_address(value: Any) -> bool:
    if not _filled(value) or len(value) > 2_048:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _items(
    check: _Check,
    notice: dict[str, Any],
    base_url: str,
    own_url: Callable[[str], str | None],
    max_items: int,
) -> None:
    items = notice.get("items")
    if not check(
        isinstance(items, list) and bool(items), "items_missing", "/items", "At least one item is needed."
    ):
        return
    assert isinstance(items, list)
    if not check(
        len(items) <= max_items,
        "too_many_items",
        "/items",
        f"At most {max_items} items fit in one notice.",
    ):
        return
    seen: set[tuple[str, str]] = set()
    for index, item in enumerate(items):
        path = f"/items/{index}"
        if not check(isinstance(item, dict), "item_malformed", path, "An item is a JSON object."):
            continue
        for name, code in (("item_id", "item_id_missing"), ("listing_id", "listing_id_missing")):
            value = item.get(name)
            if check(_filled(value), code, f"{path}/{name}", f"{name} must be a text."):
                check(
                    (name, value) not in seen,
                    "item_repeated",
                    f"{path}/{name}",
                    f"This {name} stands in the notice already.",
                )
                seen.add((name, value))
        round_ = item.get("round", notice.get("round", 1))
        check(
            isinstance(round_, int) and not isinstance(round_, bool) and round_ >= 1,
            "round_invalid",
            f"{path}/round",
            "round is a whole number, 1 for the first appearance.",
        )
        _location(check, item, path, base_url, own_url)


def _location(
    check: _Check,
    item: dict[str, Any],
    path: str,
    base_url: str,
    own_url: Callable[[str], str | None],
) -> None:
    url, listing_id = item.get("url"), item.get("listing_id")
    if not check(_filled(url), "url_missing", f"{path}/url", "The exact location is needed."):
        return
    prefix = f"{base_url}/listing/"
    here = str(url).startswith(prefix)
    if not here and _filled(listing_id) and url == own_url(str(listing_id)):
        return
    if not check(
        here,
        "url_not_on_this_platform",
        f"{path}/url",
        f"Listings of this platform are at {prefix}…",
    ):
        return
    named = unquote(str(url).removeprefix(prefix).split("?")[0].split("#")[0])
    if _filled(listing_id):
        check(
            named == listing_id,
            "url_names_another_listing",
            f"{path}/url",
            "The location does not belong to listing_id.",
        )


def _grounds(check: _Check, notice: dict[str, Any]) -> None:
    basis = notice.get("legal_basis")
    if check(
        isinstance(basis, list) and bool(basis),
        "legal_basis_missing",
        "/legal_basis",
        "Name at least one provision of law or clause of our terms.",
    ):
        assert isinstance(basis, list)
        for index, provision in enumerate(basis):
            check(
                isinstance(provision, dict) and _filled(provision.get("law")),
                "legal_basis_incomplete",
                f"/legal_basis/{index}/law",
                "Say which law it is.",
            )
    reasons = notice.get("reasons")
    if check(_filled(reasons), "reasons_missing", "/reasons", "Say why the listing is unlawful."):
        check(
            len(str(reasons)) <= MAX_REASONS,
            "reasons_too_long",
            "/reasons",
            f"At most {MAX_REASONS:,} characters.",
        )
    reporter = notice.get("reporter")
    if check(
        isinstance(reporter, dict) and _filled(reporter.get("organisation")),
        "reporter_missing",
        "/reporter/organisation",
        "Say who reports.",
    ):
        assert isinstance(reporter, dict)
        email = reporter.get("email")
        check(
            _filled(email) and " " not in str(email) and 0 < str(email).find("@") < len(str(email)) - 1,
            "reporter_email_invalid",
            "/reporter/email",
            "An e-mail address is needed to confirm receipt (DSA Article 16(4)).",
        )
    faith = notice.get("good_faith")
    check(
        isinstance(faith, dict) and _filled(faith.get("text")) and _filled(faith.get("signed_by")),
        "good_faith_missing",
        "/good_faith",
        "A signed statement of good faith is needed (DSA Article 16(2)(d)).",
    )
    check(
        isinstance(notice.get("requested_action"), str) and notice["requested_action"] in ACTIONS,
        "requested_action_unknown",
        "/requested_action",
        "One of " + ", ".join(sorted(ACTIONS)) + ".",
    )
