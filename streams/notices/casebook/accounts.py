"""Rows of accounts, their sessions, failed logins, API tokens, and the access log."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import desk_tables as d
from streams.notices.casebook import sealing
from streams.notices.casebook.cases import insert_new
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Role, Viewer, record_of


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in."""

    account_id: str
    login: str
    name: str
    role: Role
    platform: str | None
    password_hash: str
    totp_secret: str | None
    totp_step: int
    state: str
    """``active`` or ``disabled``."""
    created_at: datetime

    @property
    def viewer(self) -> Viewer:
        """As queries see them."""
        return Viewer(self.account_id, self.login, self.name, self.role, self.platform)


_ACCOUNT = (
    d.account.c.account_id,
    d.account.c.login,
    d.account.c.name,
    d.account.c.role,
    d.account.c.platform,
    d.account.c.password_hash,
    d.account.c.totp_secret,
    d.account.c.totp_step,
    d.account.c.state,
    d.account.c.created_at,
)


def sha256(token: str) -> str:
    """How tokens of sessions and of the API are kept: they are random, so a plain hash is safe."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def add(
    tx: Transaction,
    *,
    login: str,
    name: str,
    role: Role,
    platform: str | None,
    password_hash: str,
    now: datetime,
) -> str | None:
    """A new account's id; ``None``: the login is taken."""
    account_id = f"a_{uuid_utils.uuid7().hex}"
    fresh = insert_new(
        tx,
        d.account,
        {
            "account_id": account_id,
            "login": login,
            "name": name,
            "role": role,
            "platform": platform,
            "password_hash": password_hash,
            "totp_step": 0,
            "state": "active",
            "created_at": now,
            "changed_at": now,
        },
    )
    return account_id if fresh else None


def by_login(tx: Transaction, login: str) -> Account | None:
    """The account with that login, of any state."""
    row = tx.execute(sa.select(*_ACCOUNT).where(d.account.c.login == login)).one_or_none()
    return Account(*tuple(row)) if row else None


def every(tx: Transaction) -> tuple[Account, ...]:
    """All accounts, by login."""
    return tuple(Account(*tuple(row)) for row in tx.execute(sa.select(*_ACCOUNT).order_by(d.account.c.login)))


def change(tx: Transaction, account_id: str, /, *, now: datetime, **values: Any) -> None:
    """Change columns of an account, and end its sessions: what it may do has changed."""
    tx.execute(
        sa.update(d.account).where(d.account.c.account_id == account_id).values(changed_at=now, **values)
    )
    tx.execute(sa.delete(d.session).where(d.session.c.account_id == account_id))


def use_code(tx: Transaction, account_id: str, step: int) -> bool:
    """Take a one-time code's time step; ``False``: it, or a later one, was taken before."""
    changed = tx.execute(
        sa.update(d.account)
        .where(d.account.c.account_id == account_id, d.account.c.totp_step < step)
        .values(totp_step=step)
    )
    return bool(changed.rowcount)


# ---------------------------------------------------------------------------- sessions


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    token_sha256: str
    csrf: str
    whole: bool
    """False: the password was right and the one-time code is still to come."""
    seen_at: datetime
    account: Account


def open_session(
    tx: Transaction, account_id: str, *, token: str, csrf: str, whole: bool, now: datetime, last_s: float
) -> None:
    """Keep a new session; those that ended are swept out."""
    tx.execute(sa.delete(d.session).where(d.session.c.expires_at <= now))
    tx.execute(
        sa.insert(d.session).values(
            token_sha256=sha256(token),
            account_id=account_id,
            csrf=csrf,
            whole=whole,
            created_at=now,
            seen_at=now,
            expires_at=now + timedelta(seconds=last_s),
        )
    )


def session(tx: Transaction, token: str, *, now: datetime, idle: timedelta) -> Session | None:
    """The live session of an active account behind a cookie."""
    s = d.session.c
    row = tx.execute(
        sa.select(s.token_sha256, s.csrf, s.whole, s.seen_at, *_ACCOUNT)
        .join(d.account, d.account.c.account_id == s.account_id)
        .where(
            s.token_sha256 == sha256(token),
            s.expires_at > now,
            s.seen_at > now - idle,
            d.account.c.state == "active",
        )
    ).one_or_none()
    if row is None:
        return None
    token_sha256, csrf, whole, seen_at, *account = row
    return Session(token_sha256, csrf, whole, seen_at, Account(*account))


def touch(tx: Transaction, token_sha256: str, *, now: datetime) -> None:
    """The session was used."""
    tx.execute(sa.update(d.session).where(d.session.c.token_sha256 == token_sha256).values(seen_at=now))


def end_session(tx: Transaction, token: str) -> None:
    """Sign out."""
    tx.execute(sa.delete(d.session).where(d.session.c.token_sha256 == sha256(token)))


# ---------------------------------------------------------------------------- failed logins


def failures(tx: Transaction, *, login: str, address: str, since: datetime) -> tuple[int, int]:
    """Failed logins since then: of that login, from that address."""
    f = d.login_failure.c

    def count(condition: sa.ColumnElement[bool]) -> int:
        found: int = tx.execute(
            sa.select(sa.func.count()).select_from(d.login_failure).where(condition, f.at >= since)
        ).scalar_one()
        return found

    return count(f.login == login), count(f.address == address)


def attempt(
    tx: Transaction,
    *,
    login: str,
    address: str,
    now: datetime,
    since: datetime,
    per_login: int,
    per_address: int,
) -> int | None:
    """Count a try to get in as a failure before it is looked at, so that many at once are no more than many
    one after the other, whichever processes they came to; ``None``: there were too many since then.

    Old failures are swept out. What proves right is taken back with :func:`not_failed` or :func:`forgive`.
    """
    if tx.dialect.name != "sqlite":  # SQLite has one writer at a time anyway
        for number, what in ((7248153, login), (7248154, address)):
            tx.execute(sa.select(sa.func.pg_advisory_xact_lock(number, sa.func.hashtext(what))))
    by_login, by_address = failures(tx, login=login, address=address, since=since)
    if by_login >= per_login or by_address >= per_address:
        return None
    tx.execute(sa.delete(d.login_failure).where(d.login_failure.c.at < now - timedelta(days=1)))
    done = tx.execute(sa.insert(d.login_failure).values(at=now, login=login, address=address))
    [failure_id] = done.inserted_primary_key or (None,)
    return failure_id


def not_failed(tx: Transaction, failure_id: int) -> None:
    """The try was right; those before it still count."""
    tx.execute(sa.delete(d.login_failure).where(d.login_failure.c.failure_id == failure_id))


def forgive(tx: Transaction, login: str) -> None:
    """Somebody got in: the login's failures count no longer."""
    tx.execute(sa.delete(d.login_failure).where(d.login_failure.c.login == login))


# ---------------------------------------------------------------------------- API tokens


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A platform's token, without what was given out."""

    token_id: str
    name: str
    platform: str
    created_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


_TOKEN = (
    d.api_token.c.token_id,
    d.api_token.c.name,
    d.api_token.c.platform,
    d.api_token.c.created_at,
    d.api_token.c.used_at,
    d.api_token.c.revoked_at,
)


def add_token(tx: Transaction, viewer: Viewer, *, token: str, name: str, now: datetime) -> str:
    """Keep a token of the viewer's own platform; returns its id."""
    token_id = f"t_{uuid_utils.uuid7().hex}"
    tx.execute(
        sa.insert(d.api_token).values(
            token_id=token_id,
            token_sha256=sha256(token),
            account_id=viewer.account_id,
            platform=viewer.platform,
            name=name,
            created_at=now,
        )
    )
    return token_id


def tokens(tx: Transaction, viewer: Viewer) -> tuple[ApiToken, ...]:
    """The tokens of the viewer's own platform, newest first."""
    rows = tx.execute(
        sa.select(*_TOKEN)
        .where(d.api_token.c.platform == viewer.platform)
        .order_by(d.api_token.c.created_at.desc())
    )
    return tuple(ApiToken(*tuple(row)) for row in rows)


def revoke_token(tx: Transaction, viewer: Viewer, token_id: str, *, now: datetime) -> bool:
    """End a token of the viewer's own platform; ``False``: there is none that lives."""
    changed = tx.execute(
        sa.update(d.api_token)
        .where(
            d.api_token.c.token_id == token_id,
            d.api_token.c.platform == viewer.platform,
            d.api_token.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return bool(changed.rowcount)


def by_token(tx: Transaction, token: str) -> tuple[ApiToken, Account] | None:
    """A living token and the active account that made it."""
    row = tx.execute(
        sa.select(*_TOKEN, *_ACCOUNT)
        .join(d.account, d.account.c.account_id == d.api_token.c.account_id)
        .where(
            d.api_token.c.token_sha256 == sha256(token),
            d.api_token.c.revoked_at.is_(None),
            d.account.c.state == "active",
            d.account.c.platform == d.api_token.c.platform,
        )
    ).one_or_none()
    return (ApiToken(*tuple(row)[:6]), Account(*tuple(row)[6:])) if row else None


def token_used(tx: Transaction, token_id: str, *, now: datetime) -> None:
    """Remember when a token was last used."""
    tx.execute(sa.update(d.api_token).where(d.api_token.c.token_id == token_id).values(used_at=now))


# ---------------------------------------------------------------------------- access log


@dataclass(frozen=True, slots=True)
class Access:
    """Somebody was shown personal data."""

    access_id: int
    at: datetime
    account_id: str
    login: str
    role: str
    platform: str | None
    act: str
    subject: str


def log_access(tx: Transaction, viewer: Viewer, *, act: str, subject: str, now: datetime) -> None:
    """Write down, and seal, what a viewer is about to be shown."""
    done = tx.execute(sa.insert(d.access).values(at=now, act=act, subject=subject[:512], **record_of(viewer)))
    [access_id] = done.inserted_primary_key or (None,)
    sealing.keep(tx, sealing.ACCESS, access_id, at=now, actor=viewer.actor, act="access")


def log_command(tx: Transaction, *, by: str, act: str, subject: str, now: datetime) -> None:
    """Write down, and seal, what a command is about to show to whoever runs it on the operator's machine."""
    who = {"account_id": "command", "login": by, "role": "operator", "platform": None}
    done = tx.execute(sa.insert(d.access).values(at=now, act=act, subject=subject[:512], **who))
    [access_id] = done.inserted_primary_key or (None,)
    sealing.keep(tx, sealing.ACCESS, access_id, at=now, actor=f"person:{by}", act="access")


def accesses(tx: Transaction, *, before: int | None = None, limit: int) -> tuple[Access, ...]:
    """The access log, newest first."""
    a = d.access.c
    query = sa.select(a.access_id, a.at, a.account_id, a.login, a.role, a.platform, a.act, a.subject)
    if before is not None:
        query = query.where(a.access_id < before)
    rows = tx.execute(query.order_by(a.access_id.desc()).limit(limit))
    return tuple(Access(*tuple(row)) for row in rows)
