"""Frames of a firehose, made by hand, for what a real server never sends."""

import hashlib
from typing import Any

import libipld

DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
POSTS = "app.bsky.feed.post"


def frame(kind: str, body: dict[str, Any], *, op: int = 1) -> bytes:
    """Header and body."""
    header = {"op": op, "t": kind} if op == 1 else {"op": op}
    return bytes(libipld.encode_dag_cbor(header)) + bytes(libipld.encode_dag_cbor(body))


def cid_of(block: bytes, codec: int = 0x71) -> bytes:
    """The CID (version 1, SHA-256) of a block."""
    return bytes([1, codec, 0x12, 0x20]) + hashlib.sha256(block).digest()


def car(*blocks: bytes) -> bytes:
    """A CAR file of these blocks; the first is its root."""
    header = libipld.encode_dag_cbor({"roots": [cid_of(blocks[0])], "version": 1})
    parts = [_length(len(header)) + header]
    parts += [_length(len(block) + 36) + cid_of(block) + block for block in blocks]
    return b"".join(parts)


def _length(number: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def commit(
    seq: int, /, *records: Any, did: str = DID, time: str = "2026-03-09T08:00:00.000Z", **more: Any
) -> bytes:
    """A commit that creates posts with these records."""
    blocks = [bytes(libipld.encode_dag_cbor(record)) for record in records]
    root = bytes(libipld.encode_dag_cbor({"root": seq}))
    operations = [
        {"action": "create", "path": f"{POSTS}/3k{seq}x{number}", "cid": cid_of(block)}
        for number, block in enumerate(blocks)
    ]
    body = {"seq": seq, "repo": did, "time": time, "ops": operations, "blocks": car(root, *blocks), **more}
    return frame("#commit", body)


def post(text: str = "Good morning", **more: Any) -> dict[str, Any]:
    """A record."""
    return {"$type": POSTS, "text": text, "createdAt": "2026-03-09T08:00:00.000Z", **more}
