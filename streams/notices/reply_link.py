"""Links by which somebody answers one notice without signing in. Pure.

A link names one notice of one platform and a time after which it is dead; all of it is under an
HMAC, so nothing of it can be changed. Whoever has the link can answer that notice and see that
notice, nothing else.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.message import digest

LASTS = timedelta(days=60)
_TOKEN = re.compile(r"([0-9]{10,12})\.([0-9a-f-]{36})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ReplyLinks:
    """Makes links under one address with one key, and knows its own again."""

    base: str
    """Where the desk is seen from outside, without a final slash."""
    key: bytes

    def token(self, *, notice_id: str, platform: str, expires_at: datetime) -> str:
        """What stands at the end of a link. The same arguments give the same token."""
        stamp = int(expires_at.timestamp())
        return f"{stamp}.{notice_id}.{self._seal(stamp, notice_id, platform)}"

    def link(self, *, notice_id: str, platform: str, issued_at: datetime) -> str:
        """The link for a notice's letter."""
        expires_at = issued_at + LASTS
        return f"{self.base}/r/{self.token(notice_id=notice_id, platform=platform, expires_at=expires_at)}"

    def notice_of(self, token: str, *, now: datetime) -> str | None:
        """The notice that a token names, if it is ours in shape and still lives; its seal is not checked
        yet, because that needs the notice's platform: see :meth:`holds`."""
        found = _TOKEN.fullmatch(token)
        if found is None or datetime.fromtimestamp(int(found[1]), UTC) <= now:
            return None
        return found[2]

    def holds(self, token: str, *, platform: str) -> bool:
        """Whether the seal is ours, for a notice to this platform."""
        found = _TOKEN.fullmatch(token)
        return found is not None and hmac.compare_digest(
            found[3], self._seal(int(found[1]), found[2], platform)
        )

    def _seal(self, stamp: int, notice_id: str, platform: str) -> str:
        about = digest(["reply-link/1", str(stamp), notice_id, platform]).encode()
        raw = hmac.new(self.key, about, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")
