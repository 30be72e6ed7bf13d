"""Passwords (argon2id) and one-time codes (TOTP, RFC 6238)."""

import secrets
from datetime import datetime

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
LONGEST = 256
STEP_S = 30

_HASHER = PasswordHasher()
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def hash_password(password: str) -> str:
    """Argon2id with the library's parameters (RFC 9106, low-memory profile)."""
    return _HASHER.hash(password)


def holds(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. Without an account the same work is done, so that the time taken
    does not tell which logins there are."""
    try:
        return _HASHER.verify(password_hash or _NOBODY, password[:LONGEST]) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def problem(password: str) -> str | None:
    """Why a chosen password is not taken."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"A password has {SHORTEST} to {LONGEST} characters; a sentence of your own is a good one."
    if len(set(password)) < 5:
        return "A password of so few different characters is soon guessed: choose another."
    return None


def random_password() -> str:
    """A password that can be read out: five groups of four."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(letters[place : place + 4] for place in range(0, 20, 4))


def new_secret() -> str:
    """A secret for an authenticator."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is, one step early or late at most; ``None``: no such code."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    current = int(now.timestamp()) // STEP_S
    totp = pyotp.TOTP(secret)
    found = [
        step
        for step in (current - 1, current, current + 1)
        if secrets.compare_digest(totp.generate_otp(step), digits)
    ]
    return found[0] if found else None


def address_for(secret: str, login: str) -> str:
    """The ``otpauth:`` address that an authenticator takes."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name="Takin")


_NOBODY = hash_password(secrets.token_hex(16))
