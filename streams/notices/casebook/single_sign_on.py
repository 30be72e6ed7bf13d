"""Accounts of people whom an identity provider knows: made when they first come, kept as it says."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from streams.notices.casebook import accounts
from streams.notices.casebook import desk_tables as d
from streams.notices.casebook.accounts import Account
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Role

NO_PASSWORD = "!single-sign-on"  # noqa: S105 - no hash of any password
"""In the place of a password's hash: nothing that is typed in holds."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came of it."""

    account: Account | None
    why_not: Literal["login_taken", "disabled"] | None = None


def admit(
    tx: Transaction,
    *,
    subject: str,
    login: str,
    name: str,
    role: Role,
    platform: str | None,
    now: datetime,
) -> Admitted:
    """The account of this person with this role, made or changed if need be.

    An account that signs in with a password is never taken over, whatever its login. One whose role is
    another now loses its other sessions.
    """
    found = _by_subject(tx, subject)
    if found is None:
        given = {"login": login, "name": name, "role": role, "platform": platform}
        account_id = accounts.add(tx, **given, password_hash=NO_PASSWORD, now=now)  # type: ignore[arg-type]
        if account_id is None:
            return Admitted(None, "login_taken")
        tx.execute(sa.update(d.account).where(d.account.c.account_id == account_id).values(subject=subject))
        return Admitted(_by_subject(tx, subject))
    if found.state != "active":
        return Admitted(None, "disabled")
    if (found.role, found.platform) != (role, platform):
        accounts.change(tx, found.account_id, now=now, role=role, platform=platform, name=name)
        return Admitted(_by_subject(tx, subject))
    return Admitted(found)


def turn_away(tx: Transaction, subject: str) -> None:
    """Whom the provider vouches for and no rule fits any more: their sessions end."""
    found = _by_subject(tx, subject)
    if found is not None:
        tx.execute(sa.delete(d.session).where(d.session.c.account_id == found.account_id))


def _by_subject(tx: Transaction, subject: str) -> Account | None:
    login = tx.execute(
        sa.select(d.account.c.login).where(d.account.c.subject == subject)
    ).scalar_one_or_none()
    return None if login is None else accounts.by_login(tx, login)
