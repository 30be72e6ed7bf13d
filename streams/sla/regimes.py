"""The regimes file: which limits hold for a notice, read, checked and chosen by data alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.detection import Severity
from schemas.errors import OperatorError, not_yaml, read_yaml
from schemas.message import PlatformName
from schemas.notice import NoticeKind
from streams.sla.calendar import LONGEST_DAYS, Calendar, Unit, check_region
from streams.sla.clock import Extension, Limit, NeedInfo
from streams.sla.zones import zone, zone_of_country

Duty = Literal["acknowledge", "decide", "remove"]
ADDRESSEE = "addressee"
NO_HOLIDAYS = "none"

_Amount = Annotated[float, Field(gt=0, le=LONGEST_DAYS * 24, allow_inf_nan=False)]
_REGION = r"^(addressee|none|[A-Z]{2}(-[A-Z0-9]{1,3})?)$"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ExtensionRow(_Row):
    """A documented ground on which a limit may be extended."""

    ground: str = Field(min_length=1, max_length=256)
    at_most: _Amount
    """In the row's unit, over all extensions on this ground."""


Rung = Literal["reminder", "contact", "manager", "regulator"]


class Regime(_Row):
    """One row: what holds for whom, since when and by which clause."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,63}$")
    regime: str = Field(min_length=1, max_length=128)
    platforms: tuple[PlatformName, ...] = ()
    """Empty: every platform."""
    severities: tuple[Severity, ...] = ()
    """Empty: every severity."""
    kinds: tuple[NoticeKind, ...] = ()
    """Empty: every kind of notice."""
    clock: Literal["wall", "business"]
    unit: Unit
    limits: Mapping[Duty, _Amount]
    zone: str = ADDRESSEE
    calendar: str = Field(default=ADDRESSEE, pattern=_REGION)
    need_info: NeedInfo
    extensions: tuple[ExtensionRow, ...] = ()
    escalation: Mapping[Rung, Annotated[float, Field(gt=0, le=100)]] | None = None
    """Steps on silence, each with its share of the time to decide; absent: the usual ones."""
    source: str = Field(min_length=1, max_length=512)
    valid_from: date
    valid_to: date | None = None
    """The last day on which it held."""
    checked: bool
    note: str = Field(default="", max_length=1_024)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if (self.clock == "business") != (self.unit == "working_days"):
            raise ValueError("clock business goes with unit working_days, clock wall with hours or days")
        if self.unit != "hours":
            amounts = (*self.limits.values(), *(one.at_most for one in self.extensions))
            if any(amount != int(amount) or amount > LONGEST_DAYS for amount in amounts):
                raise ValueError(f"limits in {self.unit} are whole numbers up to {LONGEST_DAYS}")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self

    def limit(self, duty: Duty) -> Limit | None:
        """The limit for one duty; ``None``: the regime sets no number for it."""
        amount = self.limits.get(duty)
        if amount is None:
            return None
        extensions = tuple(Extension(one.ground, one.at_most) for one in self.extensions)
        return Limit(amount, self.unit, self.need_info, extensions)

    def calendar_for(
        self, *, country: str | None, zone: str | None = None, calendar: str | None = None
    ) -> Calendar:
        """The calendar that counts for an addressee of that country; what is named outranks it.

        Raises:
            OperatorError: days are counted and the addressee's zone or country is not known.
        """
        named_zone = zone or (None if self.zone == ADDRESSEE else self.zone)
        named_region = calendar or (None if self.calendar == ADDRESSEE else self.calendar)
        return calendar_of(self.id, self.unit, country=country, zone=named_zone, region=named_region)

    def _fits(self, platform: str, severity: str, kind: str, on: date) -> bool:
        return (
            platform in (self.platforms or (platform,))
            and severity in (self.severities or (severity,))
            and kind in (self.kinds or (kind,))
            and self.valid_from <= on
            and (self.valid_to is None or on <= self.valid_to)
        )

    def _closeness(self) -> tuple[bool, bool, bool]:
        return bool(self.platforms), bool(self.kinds), bool(self.severities)


@dataclass(frozen=True, slots=True)
class Regimes:
    """All rows of a file."""

    rows: tuple[Regime, ...]

    def row(self, row_id: str, on: date) -> Regime:
        """The row with that id, where it holds on that day.

        Raises:
            OperatorError
        """
        found = next((row for row in self.rows if row.id == row_id), None)
        if found is None:
            known = ", ".join(row.id for row in self.rows)
            raise OperatorError(f"There is no regime {row_id!r}: name one of {known}.")
        if not (found.valid_from <= on and (found.valid_to is None or on <= found.valid_to)):
            raise OperatorError(
                f"The regime {row_id!r} does not hold on {on}: it is valid from {found.valid_from} "
                f"to {found.valid_to or 'today and after'}."
            )
        return found

    def find(
        self,
        regime: str,
        *,
        platform: str,
        severity: Severity,
        kind: NoticeKind,
        at: datetime,
    ) -> Regime | None:
        """The row of a regime that fits best and held on the (UTC) day of ``at``.

        A row for this platform outranks one for all; then one for this kind of notice, then one for
        this severity. Among equals the one that began last. Which regime binds a platform is never
        guessed: the caller names it.
        """
        on = at.date()
        fitting = [
            row for row in self.rows if row.regime == regime and row._fits(platform, severity, kind, on)
        ]
        return max(fitting, key=lambda row: (row._closeness(), row.valid_from), default=None)


def calendar_of(
    what: str, unit: Unit, *, country: str | None, zone: str | None, region: str | None
) -> Calendar:
    """The calendar of an addressee: as named, else by its country.

    Raises:
        OperatorError: days are counted and neither names the zone or the region; ``what`` is named.
    """
    if unit == "hours":
        return Calendar()
    where = zone or (zone_of_country(country) if country else None)
    if where is None:
        known = f"{country} has no single time zone" if country else "the addressee's country is not known"
        raise OperatorError(
            f"{what}: days are counted in the addressee's time zone, and {known}: name it as zone."
        )
    if unit == "working_days" and region is None and country is None:
        raise OperatorError(
            f"{what}: working days depend on the addressee's public holidays: name its country, or "
            "calendar (an ISO 3166 code such as DE-BY, or none for weekends only)."
        )
    _check_zone(what, where)
    place = None if region == NO_HOLIDAYS else region or country
    if unit == "working_days" and place is not None:
        _check_calendar(what, place)
    return Calendar(where, place)


def _check_zone(what: str, name: str) -> None:
    try:
        zone(name)
    except OperatorError as error:
        raise OperatorError(f"{what}, zone: {error}") from error


def _check_calendar(what: str, region: str) -> None:
    try:
        check_region(region)
    except OperatorError as error:
        raise OperatorError(f"{what}, calendar: {error}") from error


@lru_cache(maxsize=1)
def built_in() -> Regimes:
    """The rows that come with Takin."""
    return parse_regimes(
        files("streams.sla").joinpath("regimes.yaml").read_text(encoding="utf-8"), "regimes.yaml"
    )


def load_regimes(path: Path) -> Regimes:
    """An installation's own rows.

    Raises:
        OperatorError: the file cannot be read, or a row is wrong; row and field are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path} cannot be read: {error}.") from error
    return parse_regimes(text, str(path))


def parse_regimes(text: str, name: str) -> Regimes:
    """Rows from YAML text; ``name`` stands in what is said of errors.

    Raises:
        OperatorError
    """
    try:
        document = read_yaml(yaml.safe_load, text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise OperatorError(f"{name} {not_yaml(error)}.") from None
    if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
        raise OperatorError(f"{name} must hold a list named rows.")
    unknown = sorted(str(key) for key in document if key != "rows")
    if unknown:
        raise OperatorError(f"{name} has the unknown entry {unknown[0]!r}: only rows is known.")
    rows = [_row(raw, place, name) for place, raw in enumerate(document["rows"], start=1)]
    _no_twins(rows, name)
    return Regimes(tuple(rows))


def _row(raw: Any, place: int, name: str) -> Regime:
    called = f"row {place} ({raw['id']})" if isinstance(raw, dict) and "id" in raw else f"row {place}"
    try:
        row = Regime.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part != "[key]") or "the row as a whole"
        raise OperatorError(f"{name}, {called}, {field}: {first['msg']}.") from error
    what = f"{name}, {called}"
    if row.zone != ADDRESSEE:
        _check_zone(what, row.zone)
    if row.calendar not in (ADDRESSEE, NO_HOLIDAYS):
        _check_calendar(what, row.calendar)
    return row


def _no_twins(rows: Sequence[Regime], name: str) -> None:
    seen: set[str] = set()
    for place, row in enumerate(rows, start=1):
        if row.id in seen:
            raise OperatorError(f"{name}, row {place} ({row.id}), id: another row has it; give each its own.")
        seen.add(row.id)
