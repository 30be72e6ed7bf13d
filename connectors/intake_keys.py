"""Who may use the intake: API keys, of which only hashes are kept.

::

    keys:
      - id: example-market-2026
        sha256: 5e88…                     # of the key; `takin intake-key` makes one
        organisation: Example Market
        roles: [listings]                 # listings, reports
        platforms: [example-market]       # whose listings it may push
        reporters: [citizen]              # as whom it may report
        rate_per_s: 10
"""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import OperatorError, not_yaml, read_yaml
from schemas.message import PlatformName, Sha256

Role = Literal["listings", "reports"]
ReporterKind = Literal["citizen", "officer", "partner"]
KEY_SHAPE = re.compile(r"tk_[A-Za-z0-9_-]{32,128}")
"""A key as ``takin intake-key`` makes it: at least 192 random bits, so its plain hash is safe to keep."""


class IntakeKey(BaseModel):
    """One key and what it opens."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    sha256: Sha256
    """Of the whole key, as lower-case hexadecimal digits."""
    organisation: str = Field(min_length=1, max_length=256)
    roles: frozenset[Role] = Field(min_length=1)
    platforms: frozenset[PlatformName] = frozenset()
    """Platforms whose listings it may push."""
    reporters: frozenset[ReporterKind] = frozenset({"citizen"})
    """Kinds of reporter for whom it may file reports."""
    rate_per_s: float = Field(default=10.0, gt=0, le=10_000, allow_inf_nan=False)
    burst: int = Field(default=20, ge=1, le=10_000)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[IntakeKey, ...] = Field(min_length=1, max_length=10_000)


class KeyRing:
    """Finds the key that a request carries."""

    def __init__(self, keys: tuple[IntakeKey, ...]) -> None:
        self._keys = keys

    def find(self, authorization: str | None) -> IntakeKey | None:
        """The key of an ``Authorization: Bearer …`` header; every hash is compared in constant time."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not KEY_SHAPE.fullmatch(token):
            return None
        digest = hash_key(token)
        found: IntakeKey | None = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found


def hash_key(token: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(token.encode()).hexdigest()


def load_keys(path: Path) -> KeyRing:
    """Read the keys file.

    Raises:
        OperatorError: naming the file and the field.
    """
    try:
        document = read_yaml(yaml.safe_load, path.read_text(encoding="utf-8"))
        keys = _File.model_validate(document).keys
    except FileNotFoundError as error:
        raise OperatorError(
            f"The intake's keys file {path} does not exist: make a key with takin intake-key."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The intake's keys file {path} cannot be read: {error}.") from error
    except ValidationError as error:  # kept from being the cause: its text has values
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise OperatorError(f"The intake's keys file {path}: {where}: {problem['msg']}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"The intake's keys file {path} {not_yaml(error)}.") from None
    for field in ("id", "sha256"):
        values = [getattr(key, field) for key in keys]
        if len(set(values)) != len(values):
            raise OperatorError(f"The intake's keys file {path}: the same {field} stands there twice.")
    return KeyRing(keys)
