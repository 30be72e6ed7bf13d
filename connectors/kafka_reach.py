"""Why no Kafka broker could be used, in one sentence that says what to do."""

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import Iterator

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from schemas.errors import OperatorError
from schemas.kafka_access import KafkaAccess, kafka_at, read_access

TRY_WITHIN_S = 1.5
"""For all brokers together: whoever asks has waited for an answer already."""


@contextlib.contextmanager
def quiet_client() -> Iterator[None]:
    """Keep aiokafka's own log lines back while failing to connect is an expected answer."""
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


class NoBroker(OperatorError):
    """Nobody answers there: who may wait tries again."""


async def why_no_answer(bootstrap: str) -> OperatorError:
    """Knock at the brokers once more and say what the first one that said anything meant.

    aiokafka tells only that none could be used. Asked after a failure, never before a success.
    """
    try:
        options = kafka_at(bootstrap)
        access = read_access(os.environ)
    except OperatorError as error:
        return error
    until = asyncio.get_running_loop().time() + TRY_WITHIN_S
    for address in options.pop("bootstrap_servers"):
        host, _, port = address.rpartition(":")
        try:
            with quiet_client():
                async with asyncio.timeout_at(until):
                    connection = await create_conn(host.strip("[]"), int(port), **options)
                    try:
                        # A broker that asks for a login says so only when it is asked for something.
                        await connection.send(MetadataRequest([]))
                    finally:
                        connection.close()
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            if sentence := meaning(error, address, access):
                return OperatorError(sentence)
    return NoBroker(
        f"No Kafka broker answers at {bootstrap}: start one (takin kafka) or set "
        "KAFKA_BOOTSTRAP_SERVERS to where it listens."
    )


def meaning(error: Exception, address: str, access: KafkaAccess) -> str | None:
    """What a failed connection says about the settings; ``None``: nothing answered at all."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"The certificate of the Kafka broker at {address} is not trusted ({error.verify_message}): "
                "set KAFKA_SSL_CAFILE to who signed it, and KAFKA_BOOTSTRAP_SERVERS to a name that is in it."
            )
        case ssl.SSLError():
            reason = (error.reason or "no reason given").replace("_", " ").lower()
            return (
                f"The Kafka broker at {address} breaks off the encryption ({reason}): it may speak none on "
                "this port (KAFKA_SECURITY_PROTOCOL), or ask for a certificate (KAFKA_SSL_CERTFILE)."
            )
        case SaslAuthenticationFailed():
            return (
                f"The Kafka broker at {address} refuses the login of {access.username}: see "
                "KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE and KAFKA_SASL_MECHANISM."
            )
        case UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return (
                f"The Kafka broker at {address} takes no login by {access.mechanism} on this port: see "
                "KAFKA_SASL_MECHANISM and KAFKA_SECURITY_PROTOCOL."
            )
        case KafkaError():
            return (
                f"No Kafka broker answers at {address}: what listens there hangs up when spoken to with "
                f"{access.protocol}; set KAFKA_SECURITY_PROTOCOL to what the broker speaks on this port"
                + (", and KAFKA_SSL_CERTFILE if it asks for a certificate." if access.encrypted else ".")
            )
    return None
