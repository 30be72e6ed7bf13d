"""No second notice for the same listing while the first is open, or too soon after it. Pure."""

from datetime import datetime, timedelta

from streams.notices.item import Item, is_open


def earlier_stands(previous: Item | None, *, number: int, now: datetime, window: timedelta) -> str | None:
    """Why the round ``number`` gets no notice now, or ``None``.

    A listing that was seen removed and is back is another appearance: its new round is not held up.
    """
    if previous is None or previous.round < number:
        return None
    if previous.sent_at is None and previous.claim == "void":
        return None  # Withdrawn before anybody had it.
    if is_open(previous):
        return "it is still open"
    if now - previous.queued_at < window:
        return f"a second one is not written within {window.total_seconds() / 3_600:g} hours of it"
    return None
