"""Where a platform's own people want its notices, and the secrets that sign them.

An address is proposed, proven by a signed test, and put in force; one at most is in force, one at most is on
its way there. A new secret signs beside the old ones from the start; once a test by it alone was taken, those
before it sign for a while longer and then no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
import uuid_utils

from streams.notices.casebook import sealing
from streams.notices.casebook import webhook_tables as w
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer


@dataclass(frozen=True, slots=True)
class Test:
    """How the last test ended."""

    __test__ = False

    at: datetime
    result: str
    """``accepted``, or the reason why not."""
    status: int | None
    """The HTTP status; absent: no answer came."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address of a platform's desk."""

    address_id: str
    platform: str
    address: str
    proposed_by: str
    proposed_at: datetime
    test: Test | None
    proven_at: datetime | None
    """Of the last test, if it was taken."""
    used_by: str | None
    used_at: datetime | None
    """Since when it is, or was, in force."""
    ended_by: str | None
    ended_at: datetime | None

    @property
    def state(self) -> Literal["proposed", "proven", "in_force", "ended"]:
        """Where it stands."""
        if self.ended_at is not None:
            return "ended"
        if self.used_at is not None:
            return "in_force"
        return "proposed" if self.proven_at is None else "proven"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that signs."""

    secret_id: str
    platform: str
    sealed: str = field(repr=False)
    mark: str
    made_by: str
    made_at: datetime
    overlap_s: int
    test: Test | None
    proven_at: datetime | None
    old_until: datetime | None
    """Until then those before it sign, too."""
    ended_by: str | None
    ended_at: datetime | None
    """It was taken back before it was proven."""


@dataclass(frozen=True, slots=True)
class Signing:
    """What signs at a moment."""

    secrets: tuple[Secret, ...]
    configured: bool
    """The operator's secrets sign, too."""
    until: datetime | None
    """When the old ones stop; absent: none is on its way out."""


def signing(secrets: Sequence[Secret], now: datetime) -> Signing:
    """Which secrets sign: the new one beside the old ones, until they stop. Pure.

    ``secrets`` are of one platform, the newest first.
    """
    found: list[Secret] = []
    until: datetime | None = None
    for one in secrets:
        if one.ended_at is not None:
            continue
        found.append(one)
        if one.old_until is None:
            continue
        if one.old_until <= now:
            return Signing(tuple(found), False, until)
        until = one.old_until if until is None else min(until, one.old_until)
    return Signing(tuple(found), True, until)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a platform's people set, of which nothing may be set yet."""

    in_force: Address | None
    """``None``: the operator's address."""
    next: Address | None
    """Proposed or proven."""
    before: tuple[Address, ...]
    """Those that ended, the latest first."""
    secrets: tuple[Secret, ...]
    """The newest first, without those that were taken back."""

    @property
    def new_secret(self) -> Secret | None:
        """The one that is not proven yet."""
        return next((one for one in self.secrets if one.proven_at is None), None)


def may_set(viewer: Viewer, platform: str) -> bool:
    """Whether a viewer may see and change a platform's settings: its own people, and who keeps accounts."""
    if viewer.role == "platform":
        return viewer.platform == platform
    return viewer.role == "admin" and viewer.platform is None


def settings(tx: Transaction, viewer: Viewer, platform: str, *, ended: int = 10) -> Settings | None:
    """A platform's settings; ``None``: the viewer may not see them."""
    return whole(tx, platform, ended=ended) if may_set(viewer, platform) else None


def whole(tx: Transaction, platform: str, *, ended: int = 0) -> Settings:
    """A platform's settings as the sender needs them, for no viewer."""
    a, s = w.webhook_address.c, w.webhook_secret.c
    living = tx.execute(sa.select(w.webhook_address).where(a.platform == platform, a.ended_at.is_(None)))
    addresses = [_address(row) for row in living]
    past = sa.select(w.webhook_address).where(a.platform == platform, a.ended_at.is_not(None))
    before = tx.execute(past.order_by(a.ended_at.desc()).limit(ended)) if ended else ()
    rows = sa.select(w.webhook_secret).where(s.platform == platform, s.ended_at.is_(None))
    secrets = tx.execute(rows.order_by(s.made_at.desc(), s.secret_id.desc()).limit(20))
    return Settings(
        next((one for one in addresses if one.used_at is not None), None),
        next((one for one in addresses if one.used_at is None), None),
        tuple(_address(row) for row in before),
        tuple(_secret(row) for row in secrets),
    )


def hold(tx: Transaction, platform: str) -> Settings:
    """The same, kept from others until the transaction ends."""
    if tx.dialect.name != "sqlite":  # SQLite has one writer at a time anyway
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(7248152, sa.func.hashtext(platform))))
    return whole(tx, platform)


def propose(tx: Transaction, platform: str, address: str, *, by: Viewer, now: datetime) -> str:
    """Keep an address; returns its id."""
    address_id = f"wa_{uuid_utils.uuid7().hex}"
    values = {"platform": platform, "address": address, "proposed_by": by.login, "proposed_at": now}
    tx.execute(sa.insert(w.webhook_address).values(address_id=address_id, **values))
    sealing.keep(tx, sealing.WEBHOOK_ADDRESS, address_id, at=now, actor=by.actor, act="webhook_proposed")
    return address_id


def change_address(
    tx: Transaction, address_id: str, act: str, *, by: Viewer, now: datetime, **values: Any
) -> bool:
    """Change an address that has not ended; ``act`` is how the audit chain names it. ``False``: it has."""
    a = w.webhook_address
    changed = tx.execute(
        sa.update(a).where(a.c.address_id == address_id, a.c.ended_at.is_(None)).values(**values)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.WEBHOOK_ADDRESS, address_id, at=now, actor=by.actor, act=act)
    return bool(changed.rowcount)


def add_secret(
    tx: Transaction, platform: str, *, sealed: str, mark: str, overlap_s: int, by: Viewer, now: datetime
) -> str:
    """Keep a secret; returns its id."""
    secret_id = f"ws_{uuid_utils.uuid7().hex}"
    tx.execute(
        sa.insert(w.webhook_secret).values(
            secret_id=secret_id,
            platform=platform,
            sealed=sealed,
            mark=mark,
            made_by=by.login,
            made_at=now,
            overlap_s=overlap_s,
        )
    )
    sealing.keep(tx, sealing.WEBHOOK_SECRET, secret_id, at=now, actor=by.actor, act="webhook_secret_made")
    return secret_id


def change_secret(
    tx: Transaction, secret_id: str, act: str, *, by: Viewer, now: datetime, **values: Any
) -> bool:
    """Change a secret that has not ended; ``False``: it has."""
    s = w.webhook_secret
    changed = tx.execute(
        sa.update(s).where(s.c.secret_id == secret_id, s.c.ended_at.is_(None)).values(**values)
    )
    if changed.rowcount:
        sealing.keep(tx, sealing.WEBHOOK_SECRET, secret_id, at=now, actor=by.actor, act=act)
    return bool(changed.rowcount)


def made_since(tx: Transaction, platform: str, since: datetime) -> int:
    """How many secrets were made for a platform, those that were taken back among them."""
    s = w.webhook_secret.c
    query = sa.select(sa.func.count()).where(s.platform == platform, s.made_at >= since)
    return int(tx.execute(query).scalar_one())


def _test(row: Any) -> Test | None:
    return None if row.tested_at is None else Test(row.tested_at, row.test_result, row.test_status)


def _address(row: Any) -> Address:
    return Address(
        row.address_id,
        row.platform,
        row.address,
        row.proposed_by,
        row.proposed_at,
        _test(row),
        row.proven_at,
        row.used_by,
        row.used_at,
        row.ended_by,
        row.ended_at,
    )


def _secret(row: Any) -> Secret:
    return Secret(
        row.secret_id,
        row.platform,
        row.sealed,
        row.mark,
        row.made_by,
        row.made_at,
        row.overlap_s,
        _test(row),
        row.proven_at,
        row.old_until,
        row.ended_by,
        row.ended_at,
    )
