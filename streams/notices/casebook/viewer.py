"""Who looks at the casebook through the desk, and which rows they may see."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

Role = Literal["platform", "analyst", "lead", "officer", "auditor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

SEES_EVERY_PLATFORM: frozenset[str] = frozenset({"analyst", "lead", "officer", "auditor"})
"""Roles that see all tenants. A ``platform`` sees its own; ``admin`` keeps accounts and sees no case."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person or token behind a request. Every query of the desk takes it and filters by it."""

    account_id: str
    login: str
    name: str
    role: Role
    platform: str | None = None
    """Whose desk it is; present exactly with the role ``platform``."""

    @property
    def actor(self) -> str:
        """How the audit chain names them."""
        return f"platform:{self.platform}" if self.role == "platform" else f"person:{self.login}"


def visible_to(viewer: Viewer, platform: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The condition that keeps a query to what the viewer may see; nothing, for an unknown role."""
    if viewer.role == "platform" and viewer.platform:
        return platform == viewer.platform
    if viewer.role in SEES_EVERY_PLATFORM and viewer.platform is None:
        return sa.true()
    return sa.false()


def record_of(viewer: Viewer) -> dict[str, Any]:
    """The viewer as the access log keeps them."""
    return {
        "account_id": viewer.account_id,
        "login": viewer.login,
        "role": viewer.role,
        "platform": viewer.platform,
    }
