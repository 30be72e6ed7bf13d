"""What every handler must know besides the casebook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.follow_up import FollowUp, Information
from schemas.notice import LegalBasis, Notice
from streams.notices.policy import PlatformPolicy, SenderPolicy


def carried_by_nobody(follow_up: FollowUp, recipient: str | None) -> tuple[bytes, str] | None:  # noqa: ARG001
    """No channel takes a follow-up: a person has to see to it."""
    return None


def informs_nobody(information: Information) -> tuple[bytes, str] | None:  # noqa: ARG001
    """No channel takes what was asked for: a person has to tell the platform."""
    return None


OtherWay = Callable[[Notice], tuple[bytes, str] | None]
"""The notice as its platform's other channel takes it; pure. ``None``: it has none."""


def no_other_way(notice: Notice) -> tuple[bytes, str] | None:  # noqa: ARG001
    """The platform has one channel only."""
    return None


@dataclass(frozen=True, slots=True)
class Desk:
    """What a handler must know besides the casebook: agreements, wording and how to render."""

    platforms: Mapping[str, PlatformPolicy]
    sender: SenderPolicy
    law: Mapping[str, LegalBasis]
    render: Callable[[Notice], tuple[bytes, str]]
    """Body bytes and content type for the notice's platform; pure. Raises ``CannotWrite``."""
    translate: Callable[[Notice], Notice] = lambda notice: notice
    """The notice with its reasons in the platform's language too; pure. Raises ``CannotWrite``."""
    actor: str = "notices"
    follow_up: Callable[[FollowUp, str | None], tuple[bytes, str] | None] = carried_by_nobody
    """Body bytes and content type of a follow-up, to the platform's desk or to an address; pure.
    ``None``: no channel of the platform carries it."""
    information: Callable[[Information], tuple[bytes, str] | None] = informs_nobody
    """Body bytes and content type of what a platform asked for; pure. ``None``: no channel carries it. Raises
    ``CannotWrite``."""
    fallback: OtherWay = no_other_way
