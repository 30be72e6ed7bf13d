"""What a process is told from outside: environment variables, read once at its start."""

import json
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

USUAL = "127.0.0.1:9092"


def _kafka_of(data_dir: Path) -> str:
    """Where `takin up` has its own Kafka listen: the port is chosen once and kept in the folder."""
    try:
        return f"127.0.0.1:{int(json.loads((data_dir / 'ports.json').read_text())['kafka'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return USUAL


class Settings(BaseSettings):
    """Settings that more than one process needs. Every field can be set as ``TAKIN_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TAKIN_", frozen=True, extra="ignore", populate_by_name=True)

    data_dir: Path = Path(".takin")
    """Where local state is kept: embedded Kafka, SQLite, cursors, evidence."""
    kafka_bootstrap_servers: str = Field(
        default_factory=lambda known: _kafka_of(known["data_dir"]), validation_alias="KAFKA_BOOTSTRAP_SERVERS"
    )
    """``host:port`` of one or more brokers, separated by commas; absent: the one that `takin up` runs with
    this ``data_dir``, else the usual port of this machine."""
    database_url: str | None = Field(default=None, validation_alias="DATABASE_URL")
    """``postgresql://…`` or ``sqlite:///path``; absent: an SQLite file in ``data_dir``."""
    platforms_file: Path | None = None
    """YAML file that names the platforms, see ``connectors/registry.py``."""
    mailbox_file: Path | None = None
    """YAML file that says where answers by mail are read, see ``connectors/mailbox.py``; absent: nowhere."""
    audit_key_file: Path | None = None
    """Key that signs checkpoints of the audit chain (`takin audit key`); absent: ``audit-key.pem`` in
    ``data_dir``, and no checkpoints if that is not there."""
    checkpoints_file: Path | None = None
    """Where checkpoints are appended, best outside the reach of whoever runs the database; absent:
    ``checkpoints.jsonl`` in ``data_dir``."""
    checkpoint_every_s: float = Field(default=60.0, gt=0)
    """Longest time that new rows of the audit chain wait for their checkpoint."""
    checkpoint_rows: int = Field(default=1_000, ge=1)
    """So many new rows make a checkpoint at once."""
    desk_base: str | None = None
    """Where browsers see the desk, for example ``https://desk.example.org``: notices then carry a link by
    which they are answered without a login."""
    sso_file: Path | None = None
    """The single sign-on file of the desk, see ``streams/desk/sso/config.py``; absent: passwords only."""
    desk_key_file: Path | None = None
    """The desk's own secret, the same for every process that serves the desk or writes reply links;
    absent: ``desk.key`` in ``data_dir``, made at the first start."""
    privacy_key: str | None = None
    """Where the key is that hides persons: ``env:NAME`` or ``file:PATH``, several with commas while one is
    being replaced, the new one first; absent: ``privacy.key`` in ``data_dir``, made when it is first
    needed."""
    contact_keys_file: Path | None = None
    """Keys that encrypt reporters' contacts (`takin keys`), the same file for the intake, the notice service
    and the desk; absent: ``contact.keys`` in ``data_dir``, made at the first start beside an SQLite
    casebook."""
    retention_file: Path | None = None
    """YAML table of how long what is kept; absent: ``streams/privacy/retention.yaml``."""
    observability_host: str = "127.0.0.1"
    """Address of ``/metrics`` and ``/health``; loopback unless set."""
    log_level: str = "info"
    webhook_secret: SecretStr | None = None
    """Secret with which our outgoing notices are signed when a platform names none of its own."""

    rules_four_eyes: bool = False
    """Whether a rule pack is released, retired or rolled back by two people only: one proposes, a lead
    releases (`takin rules propose`, or the desk, where it is so anyhow)."""

    @property
    def kafka_named(self) -> str | None:
        """The brokers, if anybody named them; for a process that also works without Kafka."""
        return self.kafka_bootstrap_servers if "kafka_bootstrap_servers" in self.model_fields_set else None

    @property
    def casebook_url(self) -> str:
        """The casebook's address as given, or the default SQLite file."""
        return self.database_url or f"sqlite:///{self.data_dir / 'casebook.db'}"

    @property
    def audit_key(self) -> Path:
        """Where the audit key is, or would be."""
        return self.audit_key_file or self.data_dir / "audit-key.pem"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are, or would be."""
        return self.checkpoints_file or self.data_dir / "checkpoints.jsonl"

    @property
    def desk_key(self) -> Path:
        """Where the desk's own secret is, or will be made."""
        return self.desk_key_file or self.data_dir / "desk.key"

    @property
    def privacy_key_file(self) -> Path:
        """Where the privacy key is, or will be made, if none is named."""
        return self.data_dir / "privacy.key"

    @property
    def contact_keys(self) -> Path:
        """Where the keys of reporters' contacts are, or will be made."""
        return self.contact_keys_file or self.data_dir / "contact.keys"

    @property
    def evidence_dir(self) -> Path:
        """Where files of evidence are kept."""
        return self.data_dir / "evidence"
