"""The desk's one secret, kept in a file, and a key derived from it for each purpose."""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.fernet import Fernet, InvalidToken

from schemas.errors import OperatorError
from streams.notices.reply_link import ReplyLinks
from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class DeskKeys:
    """Keys by purpose: reply links, forms before a login, and the secrets of one-time codes."""

    root: bytes = field(repr=False)

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """Read the secret, or make it at the first start; several processes may do so at once.

        Raises:
            OperatorError: the file cannot be read, or is none.
        """
        try:
            # A secret that was put there is only read: its folder may be one that nobody can write to.
            if not path.exists():
                _make(path)
            text = path.read_text(encoding="ascii").strip()
            return cls(bytes.fromhex(text))
        except (ValueError, UnicodeDecodeError) as error:
            raise OperatorError(
                f"The desk's key {path} is not 64 hexadecimal digits: restore it, or remove it and every "
                "reply link and one-time code made with it is void."
            ) from error
        except OSError as error:
            raise OperatorError(f"The desk's key {path} cannot be used: {error.strerror}.") from error

    def purpose(self, name: str) -> bytes:
        """The key for one purpose; none tells anything of another."""
        return hmac.new(self.root, f"takin/desk/{name}".encode(), hashlib.sha256).digest()

    def seal(self, text: str) -> str:
        """Encrypt a secret that the casebook keeps."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """What :meth:`seal` encrypted; ``None``: with another key."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None

    @property
    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self.purpose("secrets")))

    def form_token(self, cookie: str) -> str:
        """What a form must carry beside this cookie when nobody is signed in yet."""
        return hmac.new(self.purpose("form"), cookie.encode(), hashlib.sha256).hexdigest()


def reply_links(settings: Settings) -> ReplyLinks | None:
    """What makes the links in notices; ``None``: nobody said where the desk is.

    Raises:
        OperatorError: the desk's key cannot be used.
    """
    if settings.desk_base is None:
        return None
    keys = DeskKeys.load_or_make(settings.desk_key)
    return ReplyLinks(settings.desk_base.rstrip("/"), keys.purpose(REPLY_LINK))


def unsealer(settings: Settings) -> Callable[[str], str | None]:
    """What reads the secrets that platforms made at the desk. The key is read when it is first needed, and
    not made here: only the desk seals anything.

    Raises:
        OperatorError: when called: the desk's key cannot be used.
    """
    keys: list[DeskKeys] = []

    def unseal(sealed: str) -> str | None:
        if not keys:
            if not settings.desk_key.exists():
                return None
            keys.append(DeskKeys.load_or_make(settings.desk_key))
        return keys[0].open(sealed)

    return unseal


REPLY_LINK = "reply-link"


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.parent / f".{secrets.token_hex(8)}"
    place = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(place, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    try:
        # A link is made whole or not at all: whoever comes second keeps the first one's secret.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
