"""One look at a post, through the app view that shows it to the public.

A post that the app view does not hand out is gone only if the app view knows its account, or says itself
that the account was taken down, deactivated or is no more. Whether the author or a moderator took a post
away cannot be told from here: the firehose tells the first (``Listing.gone``), the moderation service the
second.
A label leaves the post where it is: it is online, and the reason says ``labelled`` if our moderation service
put it. A takedown is a label too (``!takedown``), and counts where this app view obeys it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from connectors.atproto.posts import split_uri
from connectors.atproto.session import error_name
from connectors.errors import ConnectorError, PlatformRefused, PlatformUnavailable
from connectors.http import OutboundClient, Reply
from connectors.platform import Observation, ProbeTarget
from connectors.probe import KEPT, judge

State = Literal["online", "offline", "unknown"]
CAP = 512 * 1024
HIDDEN = "!takedown"
"""The label by which a moderation service has a post left out everywhere."""

_ACCOUNTS: Mapping[str, str] = {"AccountTakedown": "removed_notice", "AccountDeactivated": "gone"}


class Looker:
    """Looks at posts of one network."""

    def __init__(
        self, client: OutboundClient, app_view: str, moderation_did: str | None, now: Callable[[], datetime]
    ) -> None:
        self._client = client
        self._app_view = app_view
        self._moderation_did = moderation_did
        self._now = now

    async def look(self, target: ProbeTarget) -> Observation:
        """Look once. Never raises for what the outside does.

        What is kept as evidence is the reply in which the network says so.
        """
        parts = split_uri(target.listing_id)
        if parts is None:
            return Observation(state="unknown", reason="other", at=self._now())
        try:
            uri = {"uris": target.listing_id}
            reply = await self._ask("app.bsky.feed.getPosts", uri, self._moderation_did)
            state, reason = judge_posts(reply, target.listing_id, self._moderation_did)
            if reason == "removed_notice":
                # Our moderation service hides it; whether this app view obeys, a visitor's view tells.
                plain = await self._ask("app.bsky.feed.getPosts", uri)
                state, reason = _followed(judge_posts(plain, target.listing_id, None))
            if state == "offline" and reason == "not_found":
                reply = await self._ask("app.bsky.actor.getProfile", {"actor": parts[0]})
                state, reason = judge_account(reply, parts[0])
        except PlatformUnavailable as error:
            reason = "timeout" if error.reason == "timeout" else "unreachable"
            return Observation(state="unknown", reason=reason, at=self._now(), http_status=error.http_status)
        except PlatformRefused:  # an address that we do not fetch
            return Observation(state="unknown", reason="other", at=self._now())
        except ConnectorError:
            return Observation(state="unknown", reason="unreachable", at=self._now())
        return Observation(
            state=state,
            reason=reason,
            at=self._now(),
            http_status=reply.status,
            body_sha256=hashlib.sha256(reply.body).hexdigest(),
            body=reply.body[:KEPT],
            exchange=reply.exchange,
        )

    async def _ask(self, method: str, query: Mapping[str, str], labeler: str | None = None) -> Reply:
        url = f"{self._app_view}/xrpc/{method}?{urlencode(query)}"
        labels = {"atproto-accept-labelers": labeler} if labeler else {}
        return await self._client.request(
            "GET", url, headers={"Accept": "application/json", **labels}, cap=CAP
        )


def judge_posts(reply: Reply, uri: str, moderation_did: str | None) -> tuple[State, str]:
    """What the app view says of the post; ``offline`` is to be confirmed by its account."""
    if reply.status != 200:
        return _judge_status(reply)
    posts = _json(reply).get("posts")
    if not reply.complete or not isinstance(posts, list):
        return "unknown", "other"
    shown = [post for post in posts if isinstance(post, dict) and post.get("uri") == uri]
    if not shown:
        return ("offline", "not_found") if not posts else ("unknown", "other")
    labels = [one for one in shown[0].get("labels") or () if isinstance(one, dict)]
    put = {one.get("val") for one in labels if one.get("src") == moderation_did and not one.get("neg")}
    if HIDDEN in put:
        return "offline", "removed_notice"
    return "online", "labelled" if put else "page_shown"


def _followed(plain: tuple[State, str]) -> tuple[State, str]:
    """What a visitor's view makes of a post that our moderation service hides."""
    if plain == ("offline", "not_found"):
        return "offline", "removed_notice"
    return ("online", "labelled") if plain[0] == "online" else plain


def judge_account(reply: Reply, did: str) -> tuple[State, str]:
    """The same for the account of a post that is not handed out."""
    if reply.status == 200:
        known = reply.complete and _json(reply).get("did") == did
        return ("offline", "not_found") if known else ("unknown", "other")
    name = error_name(reply)
    if reply.status == 400 and name in _ACCOUNTS:
        return "offline", _ACCOUNTS[name]
    if (
        reply.status == 400
        and name == "InvalidRequest"
        and _json(reply).get("message") == "Profile not found"
    ):
        return "offline", "gone"
    return _judge_status(reply)


def _judge_status(reply: Reply) -> tuple[State, str]:
    # Nothing that is not the answer to our question says that a post is gone, whatever its status.
    state, reason = judge(reply.status, "", b"", ProbeTarget("", "", ""))
    return ("unknown", "other") if state == "offline" else (state, reason)


def _json(reply: Reply) -> dict[str, Any]:
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
