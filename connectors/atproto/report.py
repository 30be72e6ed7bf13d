"""A notice as a report of the AT Protocol. Pure.

``com.atproto.moderation.createReport`` takes a subject (a record by address and CID), a reason type and a
text of at most 2,000 graphemes; our characters are counted as graphemes, of which there are never more.
Moderators read nothing but that text, so who we are, the good-faith statement, the way to answer and our
reference always stand in it whole; the reasons are cut if they must be, and the text then says where the
whole of them is.
"""

from connectors.atproto.posts import split_uri
from connectors.channels.plain import plain_line, plain_text
from connectors.errors import PlatformRefused
from connectors.platform import RenderedNotice
from schemas.message import canonical_json
from schemas.notice import Notice

LONGEST = 2_000
"""Characters of the text."""
LEAST_REASONS = 300
_CUT = "… (cut here: the whole text is at the address below)"
_CUT_UNSEEN = "… (cut here: ask at the address above for the whole text)"


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
        "reason": report_text(notice),
        "subject": {"$type": "com.atproto.repo.strongRef", "uri": item.listing_id, "cid": item.revision},
        "modTool": {
            "name": "takin",
            "meta": {"reference": notice.human_reference, "idempotencyKey": notice.idempotency_key},
        },
    }
    return RenderedNotice(canonical_json(body), "application/json")


def report_text(notice: Notice) -> str:
    """What the moderators read."""
    who = plain_line(notice.reporter.organisation, 200)
    by = (
        f" (trusted flagger, {plain_line(notice.trusted_flagger.awarded_by, 100)})"
        if notice.trusted_flagger
        else ""
    )
    mail = plain_line(notice.reporter.email, 320)
    head = f"{notice.human_reference}: notice of unlawful content by {who}{by}, {mail}."
    tail = [f"{plain_line(notice.good_faith.text, 300)} ({plain_line(notice.good_faith.signed_by, 100)})"]
    if notice.reply_page:
        tail.append(f"Answer without a login: {plain_line(notice.reply_page, 400)}")
    # The key is what a second try looks for, so that it makes no second report.
    tail.append(f"Reference {notice.human_reference}, {notice.idempotency_key}")
    fixed = "\n\n".join([head, "", *tail])
    room = LONGEST - len(fixed)
    if room < LEAST_REASONS:
        raise PlatformRefused("invalid", "beside the names and addresses there is no room for the reasons")
    reasons = plain_text(notice.reasons)
    if len(reasons) > room:
        cut = _CUT if notice.reply_page else _CUT_UNSEEN
        reasons = reasons[: room - len(cut)] + cut
    return "\n\n".join([head, reasons, *tail])
