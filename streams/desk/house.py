"""What the desk's routes are given: made once where the process is put together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from streams.contacts.keys import ContactKeys
from streams.desk.board import Board
from streams.desk.keys import DeskKeys
from streams.desk.limits import RateLimits
from streams.desk.lists import Lists
from streams.desk.metrics import DeskMetrics
from streams.desk.outlets import Outlets
from streams.desk.pages import Pages
from streams.desk.sso.provider import Provider
from streams.notices.casebook.database import Casebook
from streams.notices.evidence import EvidenceStore
from streams.notices.handlers import Desk
from streams.notices.reply_link import ReplyLinks
from streams.privacy.keys import PrivacyKeys


@dataclass(frozen=True, slots=True)
class House:
    """The parts that routes work with."""

    casebook: Casebook
    keys: DeskKeys
    privacy: Callable[[], PrivacyKeys]
    """Keys under which sellers are named in what is downloaded."""
    contacts: Callable[[], ContactKeys]
    """Encrypt and read reporters' contacts."""
    links: ReplyLinks
    pages: Pages
    board: Board
    metrics: DeskMetrics
    evidence: EvidenceStore | None
    acts: Desk | None
    """Agreements and wording, to approve a case; ``None``: no platforms file was given."""
    https: bool
    """Whether browsers come by https: then cookies say so."""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    lists: Lists | None = None
    """Watchlist and rule packs; ``None``: no Kafka was set."""
    limits: RateLimits = field(default_factory=RateLimits)
    sso: Provider | None = None
    """``None``: everybody signs in with a password."""
    outlets: Outlets | None = None
    """Where platforms are notified, and what of it they may change; ``None``: no platforms file was given."""
