"""A post's record to a listing. Pure. Authors can write anything into a record: it must not hide the rest."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.atproto.frames import POSTS, blob_sha256
from connectors.mapping import Unusable, seal
from connectors.pages import moment
from schemas.listing import Listing

MOST_LINKS = 50
MOST_IMAGES = 20
LONGEST_TEXT = 100_000
_URI = re.compile(
    rf"at://(did:[a-z]+:[A-Za-z0-9._:%-]{{1,200}})/{re.escape(POSTS)}/([A-Za-z0-9._:~-]{{1,200}})"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_HANDLE = re.compile(r"([a-z0-9-]{1,63}\.)+[a-z0-9-]{1,63}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Network:
    """How this network's posts are called and found."""

    platform: str
    web: str
    images: str
    """Address of a picture, with ``{did}`` and ``{cid}``."""
    connector: str
    run_id: str

    def page(self, did: str, key: str) -> str:
        """Where people see a post; by DID, because a handle may move to another account."""
        return f"{self.web}/profile/{did}/post/{key}"


@dataclass(frozen=True, slots=True)
class Found:
    """A post as one of the servers handed it out."""

    did: str
    key: str
    cid: str | None
    record: Any
    handle: str | None = None


def post_uri(did: str, key: str) -> str:
    """The post's own id, which is the listing's."""
    return f"at://{did}/{POSTS}/{key}"


def split_uri(uri: str) -> tuple[str, str] | None:
    """Account and key of a post's id; ``None``: it is none."""
    found = _URI.fullmatch(uri)
    return (found[1], found[2]) if found else None


def post_listing(post: Found, network: Network, now: datetime) -> Listing:
    """A snapshot of the post.

    Raises:
        Unusable: the record is no post, or its address is none.
    """
    record = post.record
    if not isinstance(record, Mapping) or not isinstance(record.get("text", ""), str):
        raise Unusable("wrong_shape", "The record is no post: it has no text.")
    embeds = list(_embeds(record.get("embed")))
    handle = post.handle if post.handle and _HANDLE.fullmatch(post.handle) else None
    return seal(
        {
            **_about(post, network, now),
            "description": "\n".join(_texts(record, embeds))[:LONGEST_TEXT],
            "category": _self_labels(record.get("labels")),
            "seller": {
                "handle": handle,
                "account_id": post.did,
                "profile_url": f"{network.web}/profile/{post.did}",
            },
            "contacts": [{"kind": "url", "value": link} for link in _links(record, embeds)],
            "images": list(_images(embeds, post.did, network)),
            "language": _language(record.get("langs")),
            "posted_at": _posted_at(record.get("createdAt"), now),
            "revision": post.cid,
        },
        now=now,
    )


def gone_listing(did: str, key: str, network: Network, now: datetime) -> Listing:
    """The author deleted the post: what is left is its address.

    Raises:
        Unusable: its address is none.
    """
    return seal({**_about(Found(did, key, None, None), network, now), "gone": True}, now=now)


def _about(post: Found, network: Network, now: datetime) -> dict[str, Any]:
    uri = post_uri(post.did, post.key)
    if split_uri(uri) is None:
        raise Unusable("wrong_shape", "The post's account or key is none.")
    return {
        "platform": network.platform,
        "listing_id": uri,
        "url": network.page(post.did, post.key),
        "connector": network.connector,
        "run_id": network.run_id,
        "observed_at": now,
    }


def _embeds(embed: Any, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """What is attached, also where a quoted post stands beside it."""
    if not isinstance(embed, Mapping) or depth > 2:
        return
    yield embed
    yield from _embeds(embed.get("media"), depth + 1)


def _texts(record: Mapping[str, Any], embeds: list[Mapping[str, Any]]) -> Iterator[str]:
    """Everything a reader gets to read: the text, tags, what the pictures show, the card of a link."""
    yield record.get("text", "")
    tags = record.get("tags")
    for tag in tags[:20] if isinstance(tags, list) else ():
        if isinstance(tag, str) and tag:
            yield f"#{tag}"
    for embed in embeds:
        yield from (
            alt
            for one in (*_list(embed.get("images")), embed)
            if (alt := one.get("alt")) and isinstance(alt, str)
        )
        card = embed.get("external")
        if isinstance(card, Mapping):
            yield from (
                card[name]
                for name in ("title", "description")
                if isinstance(card.get(name), str) and card[name]
            )


def _links(record: Mapping[str, Any], embeds: list[Mapping[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for facet in _list(record.get("facets")):
        for feature in _list(facet.get("features")):
            found[feature["uri"] if isinstance(feature.get("uri"), str) else ""] = None
    for embed in embeds:
        card = embed.get("external")
        if isinstance(card, Mapping) and isinstance(card.get("uri"), str):
            found[card["uri"]] = None
    # Cut, not refused: one endless address must not take the others with it.
    return [link[:1_024] for link in found if link.strip()][:MOST_LINKS]


def _images(embeds: list[Mapping[str, Any]], did: str, network: Network) -> Iterator[dict[str, Any]]:
    shown = [image for embed in embeds for image in _list(embed.get("images"))][:MOST_IMAGES]
    for image in shown:
        blob = image.get("image")
        link = blob.get("ref") if isinstance(blob, Mapping) else None
        if isinstance(link, Mapping):  # as JSON writes a link
            link = link.get("$link")
        known = blob_sha256(link) if isinstance(link, bytes | str) else None
        if known is not None:
            cid, sha256 = known
            yield {"url": network.images.replace("{did}", did).replace("{cid}", cid), "sha256": sha256}


def _self_labels(labels: Any) -> str | None:
    """What the author says of the post."""
    values = _list(labels.get("values")) if isinstance(labels, Mapping) else []
    said = [one["val"][:128] for one in values[:10] if isinstance(one.get("val"), str) and one["val"]]
    return f"labelled by its author: {', '.join(said)}"[:1_000] if said else None


def _language(languages: Any) -> str | None:
    for one in languages[:10] if isinstance(languages, list) else ():
        if isinstance(one, str) and _LANGUAGE.fullmatch(one):
            return one
    return None


def _posted_at(said: Any, now: datetime) -> datetime | None:
    """The author's own date; one that cannot be true is left out, so that it hides nothing."""
    at = moment(said) if isinstance(said, str) else None
    if at is None or not datetime(2000, 1, 1, tzinfo=UTC) <= at <= now + timedelta(hours=1):
        return None
    return at


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value[:200] if isinstance(one, Mapping)] if isinstance(value, list) else []
