"""What every handler must know besides the casebook."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schemas.notice import LegalBasis, Notice
from streams.notices.policy import PlatformPolicy, SenderPolicy


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
