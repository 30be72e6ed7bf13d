"""Who acts. A name is what the person gives; two acts by one person do not make two people."""

import unicodedata

from schemas.errors import OperatorError

LONGEST_NAME = 100
LONGEST_REASON = 2_000


class ActRefused(OperatorError):
    """The act is not allowed now; nothing was changed. ``reason`` is from a closed set:

    ``no_name``, ``no_reason``, ``not_in_review``, ``noticed_already``, ``cannot_write``, ``unknown``,
    ``withdrawn``, ``under_way``, ``same_person``, ``held``, ``not_held``, ``expired``, ``stopped``,
    ``not_stopped``, ``too_much``, ``done``, ``empty``, ``too_long``, ``not_sent``, ``no_way``,
    ``stale_preview``, ``same_case``, ``other_platform``, ``not_sampled``, ``not_proven``, ``address``,
    ``not_tried``, ``not_yours``, ``unknown_person``, ``two_people``; about a report also ``decided``,
    ``unknown_platform``, ``no_law``, ``no_quote``, ``malformed``.
    """

    def __init__(self, reason: str, text: str, *, command: str = "") -> None:
        super().__init__(f"{text} {command}".strip())
        self.reason = reason
        self.text = text
        """Without ``command``, which only helps somebody at a command line."""


def person_named(name: str) -> str:
    """The name as it is kept: one line, without characters that act or hide.

    Raises:
        ActRefused: nobody is named.
    """
    shown = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c)[0] != "C")
    found = " ".join(shown.split())
    if not found or len(found) > LONGEST_NAME:
        raise ActRefused(
            "no_name", f"Say who acts: a name of 1 to {LONGEST_NAME} characters.", command="Use --as NAME."
        )
    return found


def who(name: str) -> str:
    """What of a name tells people apart: letters and digits, whatever their case and the spaces between."""
    return "".join(person_named(name).casefold().split())


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's, written in any case and with any spaces."""
    return who(one) == who(other)


def actor(by: str) -> str:
    """The person as events and the audit chain name them."""
    return f"person:{person_named(by)}"


def reason_given(reason: str) -> str:
    """The reason as it is kept.

    Raises:
        ActRefused: there is none.
    """
    found = " ".join(reason.split())
    if not found or len(found) > LONGEST_REASON:
        raise ActRefused(
            "no_reason", f"Say why, in 1 to {LONGEST_REASON:,} characters.", command="Use --reason TEXT."
        )
    return found
