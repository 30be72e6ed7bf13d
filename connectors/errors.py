"""What a call to the outside can end with. Each error says what the caller does next.

``reason`` comes from a closed set per class and is a metric label.
"""

from dataclasses import dataclass


class ConnectorError(Exception):
    """Base of everything that goes wrong at this edge."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class PlatformUnavailable(ConnectorError):
    """Try again later, with the same key and the same bytes.

    ``reason`` is one of ``timeout``, ``connect``, ``reset``, ``server_error``, ``throttled``,
    ``bad_reply``, ``clock`` (our signature looked too old or too new to them), ``no_secret`` (what signs for
    this platform cannot be read here).
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        retry_after_s: float | None = None,
        http_status: int | None = None,
    ) -> None:
        super().__init__(reason, detail)
        self.retry_after_s = retry_after_s
        """Seconds the platform asked us to wait; ``None`` when it said nothing."""
        self.http_status = http_status


@dataclass(frozen=True, slots=True)
class UnmetRequirement:
    """Why a receiver cannot take a notice, in the shape of AWS's abuse API."""

    code: str
    """Stable; never renamed."""
    path: str
    """JSON Pointer (RFC 6901) into the notice."""
    message: str
    """One sentence."""


class PlatformRefused(ConnectorError):
    """A person should look; sending the same again is useless.

    ``reason`` is one of ``invalid``, ``unauthorised``, ``not_found``, ``conflict``, ``redirect``,
    ``refused``.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        *,
        http_status: int | None = None,
        unmet: tuple[UnmetRequirement, ...] = (),
    ) -> None:
        super().__init__(reason, detail)
        self.http_status = http_status
        self.unmet = unmet


class PlatformGone(PlatformRefused):
    """The endpoint says 410: disable it and use the fallback channel."""


class ForgedAnswer(ConnectorError):
    """An incoming answer whose signature, time stamp or sender does not hold; it is not stored.

    ``reason`` is one of ``no_signature``, ``bad_signature``, ``old``, ``wrong_platform``.
    """


class UnreadableAnswer(ConnectorError):
    """A genuine answer that the mapping cannot read; the raw bytes are kept and a person is told.

    ``reason`` is one of ``not_json``, ``wrong_shape``, ``unmapped``.
    """
