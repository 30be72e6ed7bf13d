"""Tables of the desk: who may sign in, what they may use, and what personal data they were shown."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from streams.notices.casebook.tables import UtcInstant, metadata, serial

account = Table(
    "account",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("login", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("platform", Text),
    Column("password_hash", Text, nullable=False),
    # Encrypted with the desk's key; a one-time code is taken once, so the last step is kept.
    Column("totp_secret", Text),
    Column("totp_step", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("changed_at", UtcInstant, nullable=False),
    # Whom single sign-on knows them as; absent: they sign in with a password.
    Column("subject", Text),
    Index("ix_account_subject", "subject", unique=True),
)

session = Table(
    "desk_session",
    metadata,
    Column("token_sha256", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("account.account_id"), nullable=False),
    Column("csrf", Text, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("seen_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Index("ix_desk_session_account_id", "account_id"),
)

login_failure = Table(
    "login_failure",
    metadata,
    Column("failure_id", serial, primary_key=True, autoincrement=True),
    Column("at", UtcInstant, nullable=False),
    Column("login", Text, nullable=False),
    Column("address", Text, nullable=False),
    Index("ix_login_failure_login_at", "login", "at"),
    Index("ix_login_failure_address_at", "address", "at"),
)

api_token = Table(
    "api_token",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("token_sha256", Text, nullable=False),
    Column("account_id", Text, ForeignKey("account.account_id"), nullable=False),
    Column("platform", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("used_at", UtcInstant),
    Column("revoked_at", UtcInstant),
    UniqueConstraint("token_sha256"),
    Index("ix_api_token_platform", "platform"),
)

access = Table(
    "access",
    metadata,
    Column("access_id", serial, primary_key=True, autoincrement=True),
    Column("at", UtcInstant, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("login", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("platform", Text),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
)
