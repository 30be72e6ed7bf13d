"""How Kafka is reached: encrypted or not, and as whom.

Read from the environment in one place, so that every client of ours is told the same:

    KAFKA_SECURITY_PROTOCOL    PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
    KAFKA_SSL_CAFILE           who signs the brokers' certificates (PEM); absent: who the system trusts
    KAFKA_SSL_CERTFILE         our own certificate (PEM), where brokers ask for one
    KAFKA_SSL_KEYFILE          its key (PEM); absent: it is in the certificate's file
    KAFKA_SASL_MECHANISM       SCRAM-SHA-512 (default), SCRAM-SHA-256 or PLAIN
    KAFKA_SASL_USERNAME        our account
    KAFKA_SASL_PASSWORD_FILE   file that holds its password; KAFKA_SASL_PASSWORD gives it directly
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from schemas.errors import OperatorError
from schemas.secret_reference import called

PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL = PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SETTINGS = (
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SSL_CAFILE",
    "KAFKA_SSL_CERTFILE",
    "KAFKA_SSL_KEYFILE",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD_FILE",
    "KAFKA_SASL_PASSWORD",
)
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """What a client needs to know beside the address. Holds a password: it is never shown."""

    protocol: str = PLAINTEXT
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    mechanism: str = MECHANISMS[0]
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.protocol in (SSL, SASL_SSL)

    @property
    def logs_in(self) -> bool:
        """Whether a user and a password are shown."""
        return self.protocol in (SASL_PLAINTEXT, SASL_SSL)

    def options(self) -> dict[str, Any]:
        """Arguments of every aiokafka client.

        Raises:
            OperatorError: a certificate or key cannot be read.
        """
        found: dict[str, Any] = {"security_protocol": self.protocol}
        if self.encrypted:
            found["ssl_context"] = self._context()
        if self.logs_in:
            found["sasl_mechanism"] = self.mechanism
            found["sasl_plain_username"] = self.username
            found["sasl_plain_password"] = self.password
        return found

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise _unreadable("KAFKA_SSL_CAFILE", self.ca_file, error) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate_file is not None:
            try:
                # Without a passphrase to ask for: a process has nobody at its keyboard.
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
            except (OSError, ssl.SSLError, ValueError) as error:
                raise _unreadable("KAFKA_SSL_CERTFILE", self.certificate_file, error) from error
        return context


def _unreadable(name: str, path: str | None, error: Exception) -> OperatorError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else "not PEM"
    return OperatorError(f"{name} {path} cannot be used ({why}): name a PEM file that this account may read.")


def read_access(environment: Mapping[str, str]) -> KafkaAccess:
    """What the environment says.

    Raises:
        OperatorError: a value is unknown, missing or contradicts another.
    """
    protocol = environment.get("KAFKA_SECURITY_PROTOCOL", "").upper() or PLAINTEXT
    if protocol not in PROTOCOLS:
        raise OperatorError(f"KAFKA_SECURITY_PROTOCOL is {protocol!r}: it must be {', '.join(PROTOCOLS)}.")
    mechanism = environment.get("KAFKA_SASL_MECHANISM", "").upper() or MECHANISMS[0]
    if mechanism not in MECHANISMS:
        raise OperatorError(f"KAFKA_SASL_MECHANISM is {mechanism!r}: it must be {', '.join(MECHANISMS)}.")
    access = KafkaAccess(
        protocol=protocol,
        ca_file=environment.get("KAFKA_SSL_CAFILE") or None,
        certificate_file=environment.get("KAFKA_SSL_CERTFILE") or None,
        key_file=environment.get("KAFKA_SSL_KEYFILE") or None,
        mechanism=mechanism,
        username=environment.get("KAFKA_SASL_USERNAME") or None,
        password=_password(environment),
    )
    if access.logs_in and not (access.username and access.password):
        raise OperatorError(
            f"KAFKA_SECURITY_PROTOCOL {protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE."
        )
    if (access.username or access.password) and not access.logs_in:
        raise OperatorError(
            f"KAFKA_SASL_USERNAME and a password are set, but KAFKA_SECURITY_PROTOCOL {protocol} never shows "
            "them: say SASL_SSL, or leave them out."
        )
    return access


def _password(environment: Mapping[str, str]) -> str | None:
    path = environment.get("KAFKA_SASL_PASSWORD_FILE")
    if not path:
        return environment.get("KAFKA_SASL_PASSWORD") or None
    try:
        return Path(path).read_text("utf-8").strip() or None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not text"
        raise OperatorError(f"KAFKA_SASL_PASSWORD_FILE {called(path)} cannot be read ({why}).") from None


def kafka_at(bootstrap: str, access: KafkaAccess | None = None) -> dict[str, Any]:
    """Arguments with which any aiokafka client reaches these brokers.

    ``bootstrap``: ``host:port``, several with commas between. ``access``: absent, what the environment says.

    Raises:
        OperatorError: the settings cannot be used, or would send everything unencrypted to another machine
            although nobody said so.
    """
    hosts = [host.strip() for host in bootstrap.split(",") if host.strip()]
    if access is None:
        access = read_access(os.environ)
        far = [host for host in hosts if not _is_loopback(host)]
        if far and not os.environ.get("KAFKA_SECURITY_PROTOCOL"):
            raise OperatorError(
                f"Kafka at {far[0]} is on another machine and nothing says how it is reached: set "
                "KAFKA_SECURITY_PROTOCOL to SASL_SSL or SSL (or to PLAINTEXT, if nobody else is on that "
                "network)."
            )
    return {"bootstrap_servers": hosts, **access.options()}


def is_here(bootstrap: str) -> bool:
    """Whether all of these brokers are on this machine."""
    return all(_is_loopback(host.strip()) for host in bootstrap.split(",") if host.strip())


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0].strip("[]")
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name in ("localhost", "")
