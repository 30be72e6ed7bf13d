"""What the notice service does when something happened: one function, one transaction.

Each takes an open transaction, holds the case, asks the pure decisions (:mod:`streams.notices.item`,
:mod:`streams.notices.wording`, :mod:`streams.notices.policy`) and writes the result. Every one of them
may see the same thing twice and then changes nothing.

One room for each kind of thing that can happen; callers use the names given here.
"""

from streams.notices.casebook.set_back import BroughtBack
from streams.notices.handlers.answers import (
    UnknownNotice,
    apply_response,
    apply_responses,
    information_given,
    take_inbox,
)
from streams.notices.handlers.deadlines import FIRE_AT_ONCE, fire_deadlines
from streams.notices.handlers.delivery import (
    Accepted,
    Ended,
    delivered,
    not_delivered,
    received_by,
    settle,
    start_attempts,
)
from streams.notices.handlers.desk import Desk
from streams.notices.handlers.detection import Taken, take_detection
from streams.notices.handlers.looks import take_look
from streams.notices.handlers.set_back import bring_back

__all__ = [
    "FIRE_AT_ONCE",
    "Accepted",
    "BroughtBack",
    "Desk",
    "Ended",
    "Taken",
    "UnknownNotice",
    "apply_response",
    "apply_responses",
    "bring_back",
    "delivered",
    "fire_deadlines",
    "information_given",
    "not_delivered",
    "received_by",
    "settle",
    "start_attempts",
    "take_detection",
    "take_inbox",
    "take_look",
]
