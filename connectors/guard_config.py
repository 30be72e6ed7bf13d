"""What the platforms file may say of how a platform is pressed, spared, and reached another way."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Seconds = Annotated[float, Field(gt=0, le=10 * 365 * 86_400, allow_inf_nan=False)]
MailAddress = Annotated[
    str, Field(max_length=320, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}$")
]
StepName = Literal["reminder", "contact", "manager", "regulator"]


class LadderStep(_Config):
    """One step on silence."""

    step: StepName
    """``reminder`` goes to the desk by the platform's own channel; the others are letters."""
    at: float = Field(gt=0, le=100, allow_inf_nan=False)
    """Share of the time to decide: 0.5 is half of it, 3 three times as long."""
    to: MailAddress | None = None
    """Where the letter goes, by the platform's ``mail``. Absent: a person gets a task, nothing is sent."""

    @model_validator(mode="after")
    def _to_a_person(self) -> Self:
        if self.step == "reminder" and self.to is not None:
            raise ValueError("a reminder goes to the desk by its own channel: it has no address (to)")
        return self


LADDER = (
    LadderStep(step="reminder", at=0.5),
    LadderStep(step="contact", at=1.0),
    LadderStep(step="manager", at=1.5),
    LadderStep(step="regulator", at=3.0),
)
"""Where the platforms file and the regime say nothing."""


class BreakerConfig(_Config):
    """When a channel that does not answer is left alone."""

    failures: int = Field(default=5, ge=1, le=1_000)
    """In a row."""
    open_s: Seconds = 30.0
    """The first time; doubled with each trial that fails."""
    longest_s: Seconds = 600.0


class QualityConfig(_Config):
    """Where a rule's record with the platform stops its automatic notices."""

    least_success: float = Field(default=0.9, ge=0, le=1)
    most_overturned: float = Field(default=0.05, ge=0, le=1)
    least_n: int = Field(default=20, ge=1, le=100_000)
    """Decided notices below which nothing is judged."""
    days: int = Field(default=90, ge=1, le=3_660)


References = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(max_length=4),
]


class Fallback(_Config):
    """Another channel to the same platform, for when its own is closed or has not worked for long.

    Its fields are those of the platform itself and stand in their place; what is not said is as there.
    """

    kind: str = Field(min_length=1, max_length=64)
    base_url: str | None = Field(default=None, min_length=1, max_length=2_048)
    api_key: References | None = None
    secret: References | None = None
    folder: Path | None = None
    after_s: Seconds = 3_600.0
    """It is used when the platform's own channel has not worked for so long; at once when that is gone."""
