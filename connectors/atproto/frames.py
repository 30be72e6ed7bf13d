"""The firehose's frames: bytes to what happened. Pure.

A frame is two DAG-CBOR values, header and body. A commit carries the records it writes as a CAR file. Records
are what an author's own software made of them: any shape may come. Signatures are not checked: we trust the
server that the operator named, and its TLS, to hand on what it verified.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from atproto_core.car import CAR
from atproto_core.cbor import decode_dag_multi
from atproto_core.cid import CID

POSTS = "app.bsky.feed.post"
"""The collection of records that can be offers."""
RAW = 0x55
SHA_256 = 0x12
LARGEST_SEQUENCE = 2**63 - 1

Action = Literal["create", "update", "delete"]


class BadFrame(Exception):
    """These bytes are no frame of a firehose; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one record."""

    action: Action
    path: str
    """Collection and key, with a slash between."""
    cid: str | None = None
    record: Any = None
    """As decoded; ``None`` for a deletion, and where the frame did not bring it."""


@dataclass(frozen=True, slots=True)
class Event:
    """One numbered frame."""

    seq: int
    kind: str
    """``commit``, ``identity``, ``account``, ``sync``, or one that is not known yet."""
    did: str = ""
    time: str = ""
    operations: tuple[Operation, ...] = ()
    """Of :data:`POSTS`; other collections are left out."""
    handle: str | None = None
    """Of an ``identity`` frame."""


@dataclass(frozen=True, slots=True)
class Note:
    """A frame without a number: the server tells us something about the stream."""

    name: str
    """``OutdatedCursor``, or an error: ``FutureCursor``, ``ConsumerTooSlow`` and others."""
    is_error: bool


def read_frame(data: bytes) -> Event | Note:
    """What one message of the firehose says.

    Raises:
        BadFrame
    """
    try:
        parts = decode_dag_multi(data)
    except Exception as error:  # the decoder's own errors have no common class
        raise BadFrame("it is not DAG-CBOR") from error
    if len(parts) != 2 or not all(isinstance(part, dict) for part in parts):
        raise BadFrame("it is not a header and a body")
    header, body = parts
    if header.get("op") == -1:
        return Note(_word(body.get("error")), True)
    kind = header.get("t")
    if header.get("op") != 1 or not isinstance(kind, str):
        raise BadFrame("its header names no message")
    if kind == "#info":
        return Note(_word(body.get("name")), False)
    seq = body.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq <= LARGEST_SEQUENCE:
        raise BadFrame("it has no sequence number")
    did = body.get("repo") if kind == "#commit" else body.get("did")
    if not isinstance(did, str) or not did.startswith("did:"):
        raise BadFrame("it names no account")
    handle = body.get("handle")
    return Event(
        seq,
        kind.removeprefix("#"),
        did,
        _word(body.get("time")),
        tuple(_operations(body)) if kind == "#commit" else (),
        handle if isinstance(handle, str) else None,
    )


def _operations(body: Mapping[str, Any]) -> Iterator[Operation]:
    changes = body.get("ops")
    if not isinstance(changes, list):
        raise BadFrame("its commit lists no operations")
    ours = [
        change
        for change in changes
        if isinstance(change, dict)
        and isinstance(change.get("path"), str)
        and change["path"].startswith(POSTS + "/")
        and change.get("action") in ("create", "update", "delete")
    ]
    if not ours:
        return
    blocks = _blocks(body.get("blocks"))
    for change in ours:
        link = change.get("cid")
        if change["action"] == "delete" or not isinstance(link, bytes):
            yield Operation(change["action"], change["path"])
        else:
            cid = cid_text(link)
            yield Operation(change["action"], change["path"], cid, blocks.get(cid) if cid else None)


def _blocks(data: Any) -> dict[str, Any]:
    if (
        not isinstance(data, bytes) or not data
    ):  # a commit of deletions needs none; a "tooBig" one brought none
        return {}
    try:
        return {cid.encode(): block for cid, block in CAR.from_bytes(data).blocks.items()}
    except Exception as error:  # as above
        raise BadFrame("the records of its commit cannot be read") from error


def cid_text(link: bytes) -> str | None:
    """A link as people write it."""
    try:
        return str(CID.decode(link).encode())
    except Exception:  # as above
        return None


def blob_sha256(link: Any) -> tuple[str, str | None] | None:
    """A blob's link as text, and the SHA-256 of its bytes, which the link itself says.

    >>> blob_sha256("no link")
    """
    try:
        cid = CID.decode(link)
    except Exception:  # as above
        return None
    plain = cid.codec == RAW and cid.hash.code == SHA_256 and len(cid.hash.digest) == 32
    return cid.encode(), bytes(cid.hash.digest).hex() if plain else None


def _word(value: Any) -> str:
    return value[:64] if isinstance(value, str) else ""
