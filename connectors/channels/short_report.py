"""A notice as the one short text that a moderation service takes. Pure.

Moderators read nothing but that text, so who we are, the good-faith statement, the way to answer and our
reference always stand in it whole; the reasons are cut if they must be, and the text then says where the
whole of them is.
"""

from connectors.channels.plain import plain_line, plain_text
from connectors.errors import PlatformRefused
from schemas.notice import Notice

LEAST_REASONS = 300
"""Characters of the reasons below which a report says too little."""
_CUT = "… (cut here: the whole text is at the address below)"
_CUT_UNSEEN = "… (cut here: ask at the address above for the whole text)"


def short_report(notice: Notice, longest: int, *last: str) -> str:
    """What the moderators read, in at most ``longest`` characters; ``last`` are paragraphs at the end.

    Raises:
        PlatformRefused: ``invalid``: there is no room for the reasons.
    """
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
    tail += last
    fixed = "\n\n".join([head, "", *tail])
    room = longest - len(fixed)
    if room < LEAST_REASONS:
        raise PlatformRefused("invalid", "beside the names and addresses there is no room for the reasons")
    reasons = plain_text(notice.reasons)
    if len(reasons) > room:
        cut = _CUT if notice.reply_page else _CUT_UNSEEN
        reasons = reasons[: room - len(cut)] + cut
    return "\n\n".join([head, reasons, *tail])
