"""Who sends the notices: read from a YAML file, or the demonstration's own for sandboxes only."""

from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from schemas.errors import OperatorError, not_yaml, read_yaml
from schemas.notice import Party, TrustedFlagger
from schemas.order import Order, Preservation, Secrecy
from streams.notices.policy import OrderPolicy, SenderPolicy

GOOD_FAITH = (
    "We have a bona fide belief that the information and allegations "
    "in this notice are accurate and complete."
)
"""What Article 16(2)(d) of Regulation (EU) 2022/2065 asks for."""


class OrderFile(BaseModel):
    """What an authority's orders have in common; see :mod:`schemas.order`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["art9_order", "tco_order"]
    order: Order
    redress: str = Field(min_length=1, max_length=2_000)
    secrecy: Secrecy | None = None
    preservation: Preservation | None = None


class SenderFile(BaseModel):
    """The sender file.

    ::

        reporter: {organisation: …, email: …, contact_name: …, country: KE, domain: …}
        sender:   {organisation: …, email: …}        # absent: the reporter
        signed_by: Name of the person who answers for the notices
        trusted_flagger: {awarded_by: …, area: …, since: 2025-03-27}
        order:                                       # only an authority
          kind: art9_order
          order: {authority: {name: …, country: FR, contact: …}, reference: …, power: …, territory: [FR]}
          redress: Where and until when the order can be challenged.
          secrecy: {ground: …, until: 2026-12-31T00:00:00Z}
          preservation: {months: 6, data_kinds: [content, account]}
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reporter: Party
    sender: Party | None = None
    signed_by: str = Field(min_length=1, max_length=256)
    good_faith_text: str = Field(default=GOOD_FAITH, min_length=20, max_length=2_000)
    trusted_flagger: TrustedFlagger | None = None
    order: OrderFile | None = None
    test_mode: bool = False

    @field_validator("trusted_flagger")
    @classmethod
    def _since_a_day(cls, found: TrustedFlagger | None) -> TrustedFlagger | None:
        """Every platform is told that day; the message takes any eight digits."""
        try:
            if found is not None:
                date.fromisoformat(found.since)
        except ValueError as error:
            raise PydanticCustomError("no_day", "since: no such day, {why}", {"why": str(error)}) from None
        return found


def _dates_as_text(document: Any) -> Any:
    """YAML reads an unquoted 2025-03-27 as a date; the field is text."""
    flagger = document.get("trusted_flagger") if isinstance(document, dict) else None
    if not isinstance(flagger, dict) or not isinstance(flagger.get("since"), date):
        return document
    return {**document, "trusted_flagger": {**flagger, "since": f"{flagger['since']:%Y-%m-%d}"}}


def load_sender(path: Path, *, reply_base: str | None) -> SenderPolicy:
    """Read the sender file.

    Raises:
        OperatorError: it is missing or wrong, naming the field.
    """
    try:
        document = read_yaml(yaml.safe_load, path.read_text(encoding="utf-8"))
        found = SenderFile.model_validate(_dates_as_text(document))
    except FileNotFoundError as error:
        raise OperatorError(f"The sender file {path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"The sender file {path} cannot be read: {error}.") from error
    except ValidationError as error:  # kept from being the cause: its text has values
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "the whole file"
        raise OperatorError(f"The sender file {path}: {where}: {problem['msg']}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"The sender file {path} {not_yaml(error)}.") from None
    return SenderPolicy(
        reporter=found.reporter,
        sender=found.sender or found.reporter,
        good_faith_text=found.good_faith_text,
        signed_by=found.signed_by,
        trusted_flagger=found.trusted_flagger,
        order=OrderPolicy(**{name: getattr(found.order, name) for name in OrderFile.model_fields})
        if found.order
        else None,
        reply_base=reply_base,
        test_mode=found.test_mode,
    )


def demonstration_sender(*, reply_base: str | None) -> SenderPolicy:
    """A sender that nobody can mistake for a real one; for sandboxes."""
    party = Party(
        organisation="Takin demonstration",
        unit="no real organisation",
        contact_name="Demonstration",
        email="notices@takin.example",
        domain="takin.example",
    )
    return SenderPolicy(
        reporter=party,
        sender=party,
        good_faith_text=GOOD_FAITH,
        signed_by="Takin demonstration",
        reply_base=reply_base,
    )
