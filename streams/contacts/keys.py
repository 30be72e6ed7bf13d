"""Reporters' contacts, encrypted where they stand: in Kafka's ``reports`` and in the casebook.

What is encrypted is the reporter's name and e-mail address; the kind of reporter, the organisation behind an
intake key and the country stay, as they decide who may ask what became of a report. Each value says with
which key it was made. The file of keys holds one secret a line, 64 hexadecimal digits: the first encrypts,
all of them decrypt. The report's id is inside, so that a value moved to another report does not pass.

Sources: Fernet (AES-128-CBC and HMAC-SHA256) and MultiFernet of the package ``cryptography``; Regulation (EU)
2016/679, Article 32(1)(a).
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schemas.errors import OperatorError
from schemas.report import Report
from streams.privacy.keys import HEX, make_file, write_durably

SETTING = "TAKIN_CONTACT_KEYS_FILE"
WHAT = "file of contact keys"


class ContactUnreadable(Exception):
    """A contact cannot be decrypted here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Contact:
    """How a reporter is reached."""

    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class ContactKeys:
    """One secret of 32 bytes or several, the one that encrypts first."""

    roots: tuple[bytes, ...] = field(repr=False)

    @property
    def ids(self) -> tuple[str, ...]:
        """A name for each that tells nothing of it, 16 hexadecimal digits."""
        return tuple(_derive(root, "id").hex()[:16] for root in self.roots)

    def seal(self, report: Report) -> Report:
        """The report with its contact encrypted; one without a contact, or encrypted already, as it is."""
        who = report.reporter
        if who.name is None and who.email is None:
            return report
        sealed = self.encrypt(report.report_id, Contact(who.name, who.email))
        hidden = who.model_copy(update={"name": None, "email": None, "sealed": sealed})
        return report.model_copy(update={"reporter": hidden})

    def encrypt(self, report_id: str, contact: Contact) -> str:
        """The contact of this report as it may be kept: the key's id, a dot and a Fernet token."""
        text = json.dumps([report_id, contact.name, contact.email], ensure_ascii=False)
        token = self._fernet.encrypt(text.encode("utf-8", "surrogatepass"))
        return f"{self.ids[0]}.{token.decode()}"

    def decrypt(self, report_id: str, sealed: str) -> Contact:
        """What :meth:`encrypt` was given.

        Raises:
            ContactUnreadable
        """
        key_id, _, token = sealed.partition(".")
        if key_id not in self.ids:
            raise ContactUnreadable(
                f"It is encrypted with the key {key_id}, which is not here: add that key's line to the "
                f"{WHAT} ({SETTING}) from where you keep it."
            )
        try:
            text = self._fernet.decrypt(token).decode("utf-8", "surrogatepass")
        except InvalidToken:
            raise ContactUnreadable("It was changed since it was encrypted.") from None
        whose, name, email = json.loads(text)
        if whose != report_id:
            raise ContactUnreadable(f"It belongs to the report {whose}: somebody moved it here.")
        return Contact(name, email)

    def again(self, report_id: str, sealed: str) -> str:
        """The same contact under the first key.

        Raises:
            ContactUnreadable
        """
        return self.encrypt(report_id, self.decrypt(report_id, sealed))

    @property
    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(one, "seal"))) for one in self.roots])


def no_contact_keys() -> ContactKeys | None:
    """There are none."""
    return None


def _derive(root: bytes, purpose: str) -> bytes:
    return hmac.new(root, f"takin/contacts/{purpose}".encode(), hashlib.sha256).digest()


def read_keys(path: Path) -> ContactKeys:
    """The keys of a file.

    Raises:
        OperatorError: it is not there, cannot be read, or a line is none; no line is repeated.
    """
    try:
        lines = path.read_text(encoding="ascii").split()
    except FileNotFoundError as error:
        raise OperatorError(
            f"There is no {WHAT} at {path}: put it back from where you keep it, or make the first one with "
            f"`takin keys make`; {SETTING} names another place."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise OperatorError(f"The {WHAT} {path} cannot be read: {why}.") from error
    wrong = [number for number, line in enumerate(lines, 1) if not HEX.fullmatch(line)]
    if wrong or not lines:
        where = f"line {wrong[0]} is not" if wrong else "there are none of"
        raise OperatorError(
            f"The {WHAT} {path}: {where} 64 hexadecimal digits: restore the file from where you keep it."
        )
    if len(set(map(str.lower, lines))) < len(lines):
        raise OperatorError(f"The {WHAT} {path} has a key twice: remove one of the two lines.")
    return ContactKeys(tuple(map(bytes.fromhex, lines)))


def make_keys(path: Path) -> bool:
    """Make the file with one key; ``False``: it is there already.

    Raises:
        OperatorError: the folder cannot be written.
    """
    return make_file(path, secrets.token_hex(32) + "\n", what=WHAT, setting=SETTING)


def add_key(path: Path) -> ContactKeys:
    """Put a new key before those that are there; from then on it encrypts. Returns the keys.

    Raises:
        OperatorError: as :func:`read_keys`; or the file cannot be replaced.
    """
    return _rewrite(path, lambda lines: [secrets.token_hex(32), *lines])


def drop_key(path: Path, key_id: str) -> ContactKeys:
    """Take a key out that does not encrypt any more. Returns the keys that are left.

    Raises:
        OperatorError: as :func:`add_key`; there is no such key, or it is the first.
    """
    ids = read_keys(path).ids
    if key_id not in ids:
        raise OperatorError(f"There is no key {key_id[:32]!r} in {path}: `takin keys list` names them.")
    if key_id == ids[0]:
        raise OperatorError(f"The key {key_id} encrypts: make another with `takin keys rotate` first.")
    return _rewrite(
        path, lambda lines: [one for one in lines if ContactKeys((bytes.fromhex(one),)).ids[0] != key_id]
    )


def _rewrite(path: Path, change: Callable[[list[str]], list[str]]) -> ContactKeys:
    """Replace the file whole or not at all; nobody else does so meanwhile."""
    unfinished = path.with_name(f".{path.name}.new")
    try:
        os.close(os.open(lock := path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise OperatorError(
            f"Somebody else is changing {path}, or was stopped while doing so: if nobody is, remove {lock}."
        ) from error
    except OSError as error:
        raise OperatorError(_not_replaced(path, error)) from error
    try:
        read_keys(path)
        unfinished.unlink(missing_ok=True)
        write_durably(unfinished, "\n".join(change(path.read_text(encoding="ascii").split())) + "\n")
        was = path.stat()
        # Whoever could read it still can, also when root has run the command.
        os.chown(unfinished, was.st_uid, was.st_gid)
        unfinished.chmod(stat.S_IMODE(was.st_mode))
        os.replace(unfinished, path)
    except OSError as error:
        raise OperatorError(_not_replaced(path, error)) from error
    finally:
        lock.unlink()
    return read_keys(path)


def _not_replaced(path: Path, error: OSError) -> str:
    return (
        f"The {WHAT} {path} cannot be replaced: {error.strerror}. Where it is mounted read-only, change it "
        "where it comes from: a new line of `openssl rand -hex 32` goes first."
    )


class ContactRing:
    """The keys of a process that runs on: read again when the file was changed."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            OperatorError: as :func:`read_keys`.
        """
        self._path = path
        self._stamp = _stamp(path)
        self._keys = read_keys(path)

    def __call__(self) -> ContactKeys:
        """The keys as they are now; while the file cannot be read, as they were."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            try:
                self._keys = read_keys(self._path)
                self._stamp = stamp
            except OperatorError:
                pass  # `takin doctor` says so; what was read before still serves
        return self._keys


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def too_open(path: Path) -> str | None:
    """Who may use the file and should not, in words; ``None``: nobody, or it is not there.

    A group may read it: that is how a pod's secrets are mounted.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if mode & 0o007:
        return "everybody on this machine"
    return "its group, which may change it" if mode & 0o020 else None
