"""A broker with TLS, logins and rights, and certificates made for it on the spot."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.kafka_access import SASL_SSL, KafkaAccess
from schemas.rights import ACCOUNTS
from streams.local.kafka_config import Guard

ADMIN = "admin"


def password_of(account: str) -> str:
    return f"canary-{account}-9f31"


@dataclass(frozen=True)
class Authority:
    """Signs certificates; ``file`` is its own, for who shall trust it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path


def make_authority(folder: Path, name: str = "authority") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(name, key, name, key, authority=True)
    file = folder / f"{name}.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(key, certificate, file)


def make_certificate(folder: Path, authority: Authority, *, host: str = "127.0.0.1") -> Path:
    """Key, certificate and signer in one PEM file, as Kafka reads it."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    certificate = _certificate("broker", key, str(signer), authority.key, host=host)
    file = folder / "broker.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
        + authority.certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    signing: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
    host: str | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
    )
    if authority:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    if host is not None:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False
        )
    return builder.sign(signing, hashes.SHA256())


def make_guard(folder: Path) -> Guard:
    """An administrator, and an account for each row of :data:`schemas.rights.ACCOUNTS`."""
    authority = make_authority(folder)
    return Guard(
        certificate=make_certificate(folder, authority),
        authority=authority.file,
        access=access_as(ADMIN, authority.file),
        passwords={account: password_of(account) for account in ACCOUNTS},
    )


def access_as(account: str, authority: Path) -> KafkaAccess:
    return KafkaAccess(
        protocol=SASL_SSL, ca_file=str(authority), username=account, password=password_of(account)
    )


def environment(bootstrap: str, guard: Guard, account: str, folder: Path) -> dict[str, str]:
    """What a process of that account is told, its password in a file."""
    file = folder / f"{account}.password"
    file.write_text(password_of(account) + "\n")
    file.chmod(0o400)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "KAFKA_SECURITY_PROTOCOL": SASL_SSL,
        "KAFKA_SSL_CAFILE": str(guard.authority),
        "KAFKA_SASL_USERNAME": account,
        "KAFKA_SASL_PASSWORD_FILE": str(file),
    }
