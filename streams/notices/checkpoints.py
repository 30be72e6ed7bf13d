"""Signed checkpoints of the audit chain: the key, the statement, the log, and checking them.

The log is one JSON object a line, only ever appended to. It belongs outside the database's
administrative domain: whoever can rewrite the casebook must not be able to rewrite it.
"""

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError

from schemas.checkpoint import AuditCheckpoint
from schemas.errors import OperatorError
from schemas.message import canonical_json
from streams.notices.chain import GENESIS
from streams.notices.merkle import Frontier
from streams.notices.proof import Break

UNSIGNED = "A" * 86


def statement(checkpoint: AuditCheckpoint) -> bytes:
    """What is signed: the checkpoint without its signature, as JSON with sorted keys and no spaces."""
    return canonical_json(checkpoint.model_dump(mode="json", exclude={"signature"}))


def key_id(public: Ed25519PublicKey) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def public_pem(public: Ed25519PublicKey) -> str:
    """The public key as other tools read it (SubjectPublicKeyInfo, PEM)."""
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def make_key(path: Path) -> Ed25519PublicKey:
    """Make a signing key in a new file that only its owner reads (0400).

    Raises:
        OperatorError: the file is there already or cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    raw = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError as error:
        raise OperatorError(f"{path} is there already; a key is never overwritten.") from error
    except OSError as error:
        raise OperatorError(f"The key {path} cannot be written: {error.strerror}.") from error
    with os.fdopen(place, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    return key.public_key()


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read the signing key.

    Raises:
        OperatorError: it is missing, not an Ed25519 key, or readable by others.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(10_000)
    except OSError as error:
        raise OperatorError(
            f"The audit key {path} cannot be read: {error.strerror}. Make one with `takin audit key`."
        ) from error
    if mode & 0o077:
        raise OperatorError(f"Others can read the audit key {path}: run `chmod 400 {path}`.")
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError) as error:
        raise OperatorError(f"{path} holds no private key in PEM without a password.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{path} holds a key that is not Ed25519: make one with `takin audit key`.")
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        OperatorError: it is missing or not an Ed25519 public key in PEM.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"The public key {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise OperatorError(f"{path} holds no public key in PEM.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise OperatorError(f"{path} holds a key that is not Ed25519.")
    return key


def sign(
    key: Ed25519PrivateKey,
    tree: Frontier,
    *,
    head: str,
    at: datetime,
    after: AuditCheckpoint | None,
) -> AuditCheckpoint:
    """The checkpoint that follows ``after`` (``None``: the first of a log)."""
    unsigned = AuditCheckpoint(
        number=1 if after is None else after.number + 1,
        previous=GENESIS if after is None else hashlib.sha256(statement(after)).hexdigest(),
        at=at,
        size=tree.size,
        head=head,
        root=tree.root().hex(),
        frontier=tuple(peak.hex() for peak in tree.peaks),
        key_id=key_id(key.public_key()),
        signature=UNSIGNED,
    )
    signature = base64.b64encode(key.sign(statement(unsigned))).decode()
    return unsigned.model_copy(update={"signature": signature})


def is_signed(checkpoint: AuditCheckpoint, public: Ed25519PublicKey) -> bool:
    """Whether that key signed exactly this."""
    try:
        public.verify(base64.b64decode(checkpoint.signature, validate=True), statement(checkpoint))
    except (InvalidSignature, ValueError):
        return False
    return True


def tree_of(checkpoint: AuditCheckpoint) -> Frontier:
    """The tree to grow on.

    Raises:
        ValueError: its frontier is not that of its size and root.
    """
    tree = Frontier.resume(checkpoint.size, [bytes.fromhex(peak) for peak in checkpoint.frontier])
    if tree.root().hex() != checkpoint.root:
        raise ValueError(f"checkpoint {checkpoint.number} has another root than its frontier")
    return tree


def check_log(checkpoints: Sequence[AuditCheckpoint], public: Ed25519PublicKey) -> tuple[Break, ...]:
    """What is wrong with a log by itself: forged, changed, removed, inserted or moved checkpoints."""
    breaks: list[Break] = []
    before: AuditCheckpoint | None = None
    for one in checkpoints:
        name = f"checkpoint {one.number}"
        if not is_signed(one, public):
            breaks.append(Break(0, f"{name} is not signed with this key"))
        number = 1 if before is None else before.number + 1
        previous = GENESIS if before is None else hashlib.sha256(statement(before)).hexdigest()
        if one.number != number:
            breaks.append(Break(0, f"{name} stands where checkpoint {number} belongs"))
        elif one.previous != previous:
            breaks.append(Break(0, f"{name} does not follow from the one before it"))
        if before is not None and (one.size < before.size or one.at < before.at):
            breaks.append(Break(0, f"{name} goes back behind the one before it"))
        try:
            tree_of(one)
        except ValueError:
            breaks.append(Break(0, f"{name} has another root than its frontier"))
        before = one
    return tuple(breaks)


def read_lines(lines: Iterable[bytes]) -> tuple[tuple[AuditCheckpoint, ...], tuple[Break, ...]]:
    """The checkpoints of a log's lines, and the lines that are none.

    A line that only repeats the one before is left out: Kafka's copy may hold one twice.
    """
    found: list[AuditCheckpoint] = []
    breaks: list[Break] = []
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            breaks.append(Break(0, f"line {number} of the checkpoints is cut"))
            continue
        try:
            one = AuditCheckpoint.from_bytes(line)
        except ValidationError:
            breaks.append(Break(0, f"line {number} of the checkpoints is not a checkpoint"))
            continue
        if not found or one != found[-1]:
            found.append(one)
    return tuple(found), tuple(breaks)


class CheckpointLog:
    """The file of checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[tuple[AuditCheckpoint, ...], tuple[Break, ...]]:
        """Every checkpoint, and every line that is none.

        Raises:
            OperatorError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return read_lines(file)
        except OSError as error:
            raise OperatorError(f"The checkpoints {self.path} cannot be read: {error.strerror}.") from error

    def resume(self, public: Ed25519PublicKey) -> AuditCheckpoint | None:
        """The last checkpoint, to go on from; ``None``: the log is new.

        A last line that a crash cut short is removed: it was never published.

        Raises:
            OperatorError: the log does not hold, or another key signed it.
        """
        if not self.path.exists():
            return None
        self._drop_torn_line()
        found, breaks = self.read()
        breaks += check_log(found, public)
        if breaks:
            raise OperatorError(
                f"The checkpoints {self.path} cannot be continued: {breaks[0].what}. Keep the file as "
                "evidence and name a new one with TAKIN_CHECKPOINTS_FILE, also after a change of key."
            )
        return found[-1] if found else None

    def _drop_torn_line(self) -> None:
        with self.path.open("r+b") as file:
            content = file.read()
            end = content.rfind(b"\n") + 1
            if end < len(content):
                file.truncate(end)
                os.fsync(file.fileno())

    def append(self, checkpoint: AuditCheckpoint) -> None:
        """Write one checkpoint; returns when it is on the disk.

        Raises:
            OSError: it could not be written; nothing of it stays.
        """
        line = checkpoint.to_bytes() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = not self.path.exists()
        place = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(place).st_size
            try:
                if os.write(place, line) != len(line):
                    raise OSError(28, "the disk is full", str(self.path))
                os.fsync(place)
            except OSError:
                os.ftruncate(place, size)
                raise
        finally:
            os.close(place)
        if fresh:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
