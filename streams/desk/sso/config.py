"""The single sign-on file: which provider, and which of its claims give which role."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from schemas.errors import OperatorError, not_yaml, read_yaml
from schemas.secret_reference import read_secret
from streams.notices.casebook.viewer import Role

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class RoleRule(BaseModel):
    """Who has this value in this claim has this role."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    claim: str = Field(min_length=1, max_length=200)
    """A claim of the ID token, or a way into it: ``groups``, ``realm_access.roles``."""
    value: str = Field(min_length=1, max_length=500)
    """What it is, or one of what it lists."""
    role: Role
    platform: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    """Whose desk; with ``role: platform``, and only with it."""

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if (self.role == "platform") != (self.platform is not None):
            raise ValueError("platform is named with role: platform, and with no other role")
        return self


class SsoConfig(BaseModel):
    """The file.

    ::

        issuer: https://login.example.org/realms/desk
        name: Example Customs                  # on the button
        client_id: takin
        client_secret: env:TAKIN_SSO_SECRET    # or file:PATH; leave out for a public client
        roles:                                 # the first that fits; who fits none is not let in
          - {claim: groups, value: wildlife-officers, role: officer}
          - {claim: groups, value: example-market, role: platform, platform: example-market}
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    issuer: str = Field(max_length=500)
    """Exactly as the provider writes it; ``http`` only on this machine."""
    name: str = Field(default="single sign-on", min_length=1, max_length=60)
    client_id: str = Field(min_length=1, max_length=200)
    client_secret: str | None = Field(default=None, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    login_claim: str = Field(default="email", min_length=1, max_length=200)
    """What becomes the login. ``email`` counts only where the provider says that it is verified."""
    trust_mfa: bool = False
    """True: who signed in there with several factors (``amr`` has ``mfa``) is asked for no one-time code."""
    hosts: tuple[str, ...] = ()
    """Other hosts on which the provider has its addresses."""
    private_address: bool = False
    """True: the provider is in our own network, so that its name may lead to a private address."""
    ca_file: Path | None = None
    roles: tuple[RoleRule, ...] = Field(min_length=1, max_length=500)

    @field_validator("issuer")
    @classmethod
    def _address(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local) or parts.query or parts.fragment:
            raise ValueError("an issuer is an https address without query and fragment")
        return issuer

    @field_validator("scopes")
    @classmethod
    def _openid(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in scopes:
            raise ValueError("scopes must have openid")
        return scopes

    @property
    def local(self) -> bool:
        """Whether the provider is on this machine and spoken to without TLS."""
        return self.issuer.startswith("http://")


def load_sso(path: Path) -> SsoConfig:
    """Read the file.

    Raises:
        OperatorError: it is missing or wrong, naming the field.
    """
    try:
        return SsoConfig.model_validate(read_yaml(yaml.safe_load, path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise OperatorError(f"The single sign-on file {path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The single sign-on file {path} cannot be read: {error}.") from error
    except ValidationError as error:  # kept from being the cause: its text has values
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        why = problem["msg"].removeprefix("Value error, ")
        raise OperatorError(f"The single sign-on file {path}: {where}: {why}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"The single sign-on file {path} {not_yaml(error)}.") from None


def client_secret(config: SsoConfig, environment: Mapping[str, str] = os.environ) -> SecretStr | None:
    """What the file points at; ``None``: a public client, which PKCE alone protects.

    Raises:
        OperatorError: the variable or file is missing.
    """
    if config.client_secret is None:
        return None
    return SecretStr(read_secret(config.client_secret, "client_secret", environment).strip())
