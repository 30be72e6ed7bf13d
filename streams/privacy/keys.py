"""The key behind marks of what was erased. Reporters' contacts have keys of their own, which are replaced
more often: :mod:`streams.contacts.keys`.

One secret of 32 bytes as 64 hexadecimal digits; a key for each purpose is derived from it. While a secret is
being replaced there are several: the new one first, which is used, and old ones, which are only understood.

Sources: RFC 2104 (HMAC); RFC 5869, whose idea of a key for each purpose is kept with HMAC alone, as the
secret is random already; NIST SP 800-188, section on keyed hashes of identifiers, which cannot be guessed
without the key.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import OperatorError
from schemas.message import digest
from schemas.secret_reference import read_secret

SETTING = "TAKIN_PRIVACY_KEY"
HEX = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class PrivacyKeys:
    """One secret or several, the one in use first."""

    roots: tuple[bytes, ...] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """A name for each secret that tells nothing of it, 16 hexadecimal digits."""
        return tuple(_derive(root, "id").hex()[:16] for root in self.roots)

    def marks(self, kind: str, *parts: str) -> tuple[str, ...]:
        """What stands for these parts where they must not stand themselves, under every secret, the newest
        first.

        The same parts give the same mark; without the secret nobody can try names.
        """
        message = digest([kind, *parts]).encode()
        return tuple(
            f"{kind}:{hmac.new(_derive(root, 'marks'), message, hashlib.sha256).hexdigest()}"
            for root in self.roots
        )

    def keyed(self, purpose: str, *parts: str) -> tuple[str, ...]:
        """These parts as ``hmac-sha256:KEY:DIGITS`` under every secret, the newest first.

        ``KEY`` is the secret's name of :attr:`ids`, ``DIGITS`` are 64 hexadecimal ones (HMAC-SHA-256 under a
        key of this purpose), so that who reads it can tell which secret to ask with.
        """
        message = digest(list(parts)).encode()
        return tuple(
            f"hmac-sha256:{name}:{hmac.new(_derive(root, purpose), message, hashlib.sha256).hexdigest()}"
            for name, root in zip(self.ids, self.roots, strict=True)
        )


class KeyRing:
    """The keys of a process that runs on: asked for again until there are some.

    The first erasure makes the file; a process that was there before then knows its marks without a restart.
    """

    def __init__(self, references: str | None, default: Path) -> None:
        self._references = references
        self._default = default
        self._keys: PrivacyKeys | None = None

    def __call__(self) -> PrivacyKeys | None:
        """The keys; ``None``: there are none yet.

        Raises:
            OperatorError: as :func:`load_keys`.
        """
        if self._keys is None:
            self._keys = load_keys(self._references, self._default)
        return self._keys


def no_keys() -> PrivacyKeys | None:
    """There are none."""
    return None


def _derive(root: bytes, purpose: str) -> bytes:
    return hmac.new(root, f"takin/privacy/{purpose}".encode(), hashlib.sha256).digest()


def exchange_keys(references: str) -> PrivacyKeys:
    """Secrets that are shared with another organisation; ``references`` as in :func:`load_keys`.

    Raises:
        OperatorError: as there.
    """
    return PrivacyKeys(
        tuple(_resolve(one.strip(), os.environ, "--exchange-key") for one in references.split(","))
    )


def load_keys(references: str | None, default: Path, *, make: bool = False) -> PrivacyKeys | None:
    """The secrets that ``references`` point at (``env:NAME`` or ``file:PATH``, commas between; newest first).

    Without references the file ``default`` counts; where it is not there, it is made if ``make`` is set, and
    else there is no key.

    Raises:
        OperatorError: a variable or file is missing or holds no such secret.
    """
    if not references:
        if not default.exists():
            if not make:
                return None
            make_file(default, secrets.token_hex(32) + "\n", what="privacy key", setting=SETTING)
        references = f"file:{default}"
    return PrivacyKeys(tuple(_resolve(one.strip(), os.environ) for one in references.split(",")))


def made_keys(references: str | None, default: Path) -> PrivacyKeys:
    """:func:`load_keys`, which makes them where there are none.

    Raises:
        OperatorError: as there.
    """
    keys = load_keys(references, default, make=True)
    assert keys is not None, "they were made"
    return keys


def _resolve(reference: str, environment: Mapping[str, str], setting: str = SETTING) -> bytes:
    if not reference.startswith(("env:", "file:")):
        raise OperatorError(f"{setting} names each key as env:NAME or file:PATH, with commas between.")
    text = read_secret(reference, setting, environment)
    if not HEX.fullmatch(text.strip()):
        raise OperatorError(
            f"{setting}: {reference} does not hold 64 hexadecimal digits: restore it from where you keep it, "
            "or make one with `openssl rand -hex 32` if there never was one."
        )
    return bytes.fromhex(text.strip())


def make_file(path: Path, text: str, *, what: str, setting: str) -> bool:
    """Write a file of mode 0400, whole or not at all; ``False``: somebody else was first, and theirs stays.

    Raises:
        OperatorError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.parent / f".{secrets.token_hex(8)}"
        write_durably(unfinished, text)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
        finally:
            unfinished.unlink()
    except OSError as error:
        raise OperatorError(
            f"The {what} {path} cannot be made: {error.strerror}. Name one with {setting}."
        ) from error
    return True


def write_durably(path: Path, text: str) -> None:
    """A new file of mode 0400, on the disk when this returns.

    Raises:
        OSError: also when it is there already.
    """
    place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(place, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
