"""A notice as a report of the AT Protocol. Pure.

``com.atproto.moderation.createReport`` takes a subject (a record by address and CID), a reason type and a
text of at most 2,000 graphemes; our characters are counted as graphemes, of which there are never more.
"""

from connectors.atproto.posts import split_uri
from connectors.channels.short_report import short_report
from connectors.errors import PlatformRefused
from connectors.platform import RenderedNotice
from schemas.message import canonical_json
from schemas.notice import Notice

LONGEST = 2_000
"""Characters of the text."""


def report_of(notice: Notice, reason_type: str) -> RenderedNotice:
    """The report's body, in canonical JSON.

    Raises:
        PlatformRefused: ``invalid``: it is not about one post whose CID is known, or the text has no room.
    """
    if len(notice.items) != 1:
        raise PlatformRefused("invalid", "a report is about one post")
    [item] = notice.items
    if split_uri(item.listing_id) is None:
        raise PlatformRefused("invalid", "the listing's id is not the address of a post (at://…)")
    if item.revision is None:
        raise PlatformRefused("invalid", "it is not known which state (CID) of the post was seen")
    body = {
        "reasonType": reason_type,
        # The key is what a second try looks for, so that it makes no second report.
        "reason": short_report(
            notice, LONGEST, f"Reference {notice.human_reference}, {notice.idempotency_key}"
        ),
        "subject": {"$type": "com.atproto.repo.strongRef", "uri": item.listing_id, "cid": item.revision},
        "modTool": {
            "name": "takin",
            "meta": {"reference": notice.human_reference, "idempotencyKey": notice.idempotency_key},
        },
    }
    return RenderedNotice(canonical_json(body), "application/json")
