"""A notice as a XARF v4 report (https://xarf.org/schemas/v4): pure, checked by the public library.

XARF has no wildlife type, and its validator refuses invented ones. So a notice is ``content/fraud``
with ``fraud_type: other`` and ``wildlife:`` tags, and our whole notice travels as its first piece of
evidence: whoever reads only XARF sees what it is about, whoever wants all of it loses nothing.
``_internal`` never leaves. XARF's ``confidence`` is left out: its schema wants 0.0 to 1.0 and the public
library (1.0.0) reads a whole number, so any real confidence makes a valid report that it cannot read.
"""

import base64
import hashlib
import re
import uuid
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.channels.plain import plain_line
from connectors.errors import PlatformRefused, UnmetRequirement
from schemas.follow_up import Information
from schemas.notice import Notice, Party

XARF_VERSION = "4.2.0"
MOST_TAGS = 20
_URI = "!#$%&'()*+,/:;=?@[]~-._"
"""What a URI may hold besides letters and digits; anything else is percent-encoded."""
_DOMAIN = re.compile(r"([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}")


def report_id(idempotency_key: str) -> str:
    """The report's UUID: version 4 in form, and always the same for one key."""
    return str(uuid.UUID(bytes=hashlib.sha256(idempotency_key.encode()).digest()[:16], version=4))


def xarf_report(notice: Notice) -> dict[str, Any]:
    """The report on the notice's one item.

    Raises:
        PlatformRefused: ``invalid``: it has several items, or the public validator refuses the report.
    """
    if len(notice.items) != 1:
        raise _refused(UnmetRequirement("too_many_items", "/items", "A XARF report is about one item."))
    item = notice.items[0]
    url = as_uri(item.url)
    host = urlsplit(url).hostname or ""
    reviewed = notice.detection.method != "automated"
    report: dict[str, Any] = {
        "xarf_version": XARF_VERSION,
        "report_id": report_id(notice.idempotency_key),
        "timestamp": item.last_seen_online_at.isoformat(),
        "reporter": _contact(notice.reporter),
        "sender": _contact(notice.sender),
        "source_identifier": host,
        "category": "content",
        "type": "fraud",
        "fraud_type": "other",
        "url": url,
        "verified_at": item.last_seen_online_at.isoformat(),
        "verification_method": "manual" if reviewed else "automated_crawler",
        "evidence_source": "researcher_analysis" if reviewed else "automated_scan",
        "description": _description(notice),
        "tags": tags(notice),
        "evidence": [_whole_notice(notice)],
    }
    if _DOMAIN.fullmatch(host):
        report["domain"] = host
    _check(report)
    return report


def xarf_report_with(information: Information) -> dict[str, Any]:
    """The report again, with what the receiver asked for about it; a new report that names the first.

    Raises:
        PlatformRefused: as :func:`xarf_report`.
    """
    notice = information.notice
    first = f"report {information.platform_reference}" if information.platform_reference else "our report"
    said = plain_line(information.text, 700)
    whole = information.text.encode()
    report = {
        **xarf_report(notice),
        "report_id": report_id(information.key),
        "description": f"Asked for on {first}, notice {notice.human_reference}: {said}"[:1_000],
        "evidence": [
            _whole_notice(notice),
            {
                "content_type": "text/plain",
                "description": "What was asked for, in full",
                "payload": base64.b64encode(whole).decode(),
                "hash": "sha256:" + hashlib.sha256(whole).hexdigest(),
                "size": len(whole),
            },
        ],
    }
    _check(report)
    return report


def as_uri(url: str) -> str:
    """The address in ASCII (RFC 3986); the seller's own characters stand in the notice itself."""
    scheme, separator, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    try:
        encoded = quote(authority if authority.isascii() else authority.encode("idna").decode(), safe=_URI)
    except UnicodeError:
        encoded = quote(authority, safe=_URI, errors="replace")
    return f"{scheme}{separator}{encoded}{quote(rest[len(authority) :], safe=_URI, errors='replace')}"


def tags(notice: Notice) -> list[str]:
    """Our tags in XARF's form: one colon, lower case; ``wildlife:trade`` first, ``lifecycle:test`` kept."""
    found = ["wildlife:trade"]
    for tag in sorted(notice.tags, key=lambda tag: not tag.startswith("lifecycle:")):
        space, _, predicate = tag.lower().partition(":")
        found.append(f"{_word(space)}:{_word(predicate)}")
    return list(dict.fromkeys(found))[:MOST_TAGS]


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9_+-]+", "-", text).strip("-_+") or "other"


def _contact(party: Party) -> dict[str, str]:
    domain = party.domain or party.email.rpartition("@")[2]
    return {"org": party.organisation, "contact": party.email, "domain": domain.lower()}


def _description(notice: Notice) -> str:
    laws = "; ".join(" ".join(filter(None, (basis.law, basis.article))) for basis in notice.legal_basis)
    text = (
        f"Offer of protected wildlife, notice {notice.human_reference}. "
        f"Asked for: {notice.requested_action}. {laws}. {notice.reasons}"
    )
    return text if len(text) <= 1_000 else text[:999] + "…"


def _whole_notice(notice: Notice) -> dict[str, Any]:
    raw = notice.to_bytes()
    return {
        "content_type": "application/json",
        "description": "The whole notice, with reasons, quoted words, legal basis and hashes of the evidence",
        "payload": base64.b64encode(raw).decode(),
        "hash": "sha256:" + hashlib.sha256(raw).hexdigest(),
        "size": len(raw),
    }


def _check(report: dict[str, Any]) -> None:
    # Imported here: it reads thirty schema files, which only those who send XARF should wait for.
    import xarf

    read = xarf.parse(report)
    errors = read.errors
    if read.report is None and not errors:
        # Valid by the schema and unreadable all the same: the library tells no more than that.
        raise _refused(UnmetRequirement("xarf_invalid", "", "The public XARF library cannot read it."))
    if errors:
        unmet = tuple(
            UnmetRequirement(
                "xarf_invalid", "/" + str(error.field).replace(".", "/"), str(error.message)[:300]
            )
            for error in errors[:20]
        )
        raise _refused(*unmet)


def _refused(*unmet: UnmetRequirement) -> PlatformRefused:
    said = "; ".join(f"{one.path}: {one.message}" for one in unmet)[:500]
    return PlatformRefused("invalid", f"the notice is no valid XARF report: {said}", unmet=unmet)
