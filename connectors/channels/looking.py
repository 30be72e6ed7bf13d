"""What a look through a platform's API becomes, whatever came of it."""

import hashlib
from datetime import datetime

from connectors.errors import ConnectorError, PlatformUnavailable
from connectors.http import Reply
from connectors.platform import Observation
from connectors.probe import KEPT, State


def unseen(error: ConnectorError, at: datetime) -> Observation:
    """No answer came: nothing is known."""
    if not isinstance(error, PlatformUnavailable):
        return Observation(state="unknown", reason="other", at=at)
    reason = error.reason if error.reason in ("timeout", "throttled") else "unreachable"
    return Observation(state="unknown", reason=reason, at=at, http_status=error.http_status)


def observed(reply: Reply, state: State, reason: str, at: datetime) -> Observation:
    """An answer and what it was judged to say."""
    return Observation(
        state=state,
        reason=reason,
        at=at,
        http_status=reply.status,
        body_sha256=hashlib.sha256(reply.body).hexdigest(),
        body=reply.body[:KEPT],
        exchange=reply.exchange,
    )
