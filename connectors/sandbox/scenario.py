"""How practice platforms behave: the scenario file.

A scenario is one YAML file. All times are seconds of the scenario; ``speed: 10`` runs it ten times
faster. Nothing is left to chance: shares and jitter come from a hash of the listing id and ``seed``.

::

    description: str                    one sentence, shown by takin sandbox --list-scenarios
    speed: float = 1                    seconds of the scenario per real second
    seed: int = 0                       another seed, other shares and jitter
    jitter: float = 0                   0..1: every time is moved by up to this share of itself
    platforms:                          at least one
      - name: str                       lower case, digits, hyphens; for example sandbox-prompt
        description: str
        port: int = 0                   0: a free one (kept by a --state folder)
        public_url: str                 address as others see it, when it is not http://host:port
        secret: whsec_<base64>          Standard Webhooks secret for both directions, or
        secret_in: whsec_… or a list    what requests to the desk are signed with
        secret_out: whsec_… or a list   what webhooks are signed with (a list: every one signs)
        keys: honours | ignores         ignores: the same key again takes effect again
        duplicates: refuses | accepts   refuses: 409 for a listing that an open notice covers
        max_items: int = 300
        temper: [rule]                  what becomes of a notice: the first rule that matches a
                                        listing; none matches: prompt
        trouble: [trouble]              what goes wrong on the wire; the first that strikes
        answers:                        how the desk answers
          by: webhook | poll            poll: no webhooks, GET shows the status (GET always works)
          first_words: [word]           said before the decision, for example RECEIVED, IN_REVIEW
          copies: int = 1               every webhook arrives this often
          late_s: float = 0             webhooks leave this much after the desk said it
          out_of_order_s: float = 0     words before a decision are held back this much longer
          forged: bool = false          a copy with a wrong signature goes first
          retry_after_s: [float]        waits between attempts; default: the schedule of Standard
                                        Webhooks (5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h)
          timeout_s: float = 15         real seconds for one attempt
        pages:
          after_removal: 404 | 410 | notice      notice: 200 with "has been removed"
          login_wall: page | redirect            visitors see a login instead of the listing …
          login_wall_when: when                  … for these listings; absent: all

    when:                               all that is given must hold
      share: float                      share of the listings that reach this rule, 0..1
      listing: str                      shell pattern on the listing id, for example "ivory-*"
      round: int                        the round of the notice

    rule:  {do: …, when: when, name: str} and
      prompt                after_s = 1,  word = REMOVED      removes the page and says so
      slow                  after_s = 15, word = REMOVED      the same, later
      refuses               because: lawful | insufficient | not_hosted; after_s = 2
      needs_information     ask_after_s = 1, question, then: removes | refuses, then_after_s = 2,
                            timeout_s = 60, at_timeout: refuses | removes | silent
      says_removed_and_isnt after_s = 2                       claims REMOVED, the page stays
      relists               after_s = 1, back_after_s = 10, rounds = 1, says_reinstated = false
                            removes; the page is back later, in the first ``rounds`` rounds
      silent                                                  202 and never a word
      rejects_422           codes = [policy_clause_missing]   finds every notice wanting
      says                  word, after_s = 2, page: stays | goes   any word, also an unknown one

    trouble:  {do: …} and
      throttles    tries = 1, retry_after_s = 1, form: seconds | date, when
                   429 for the first tries of a key; an early try is told to wait on, not counted
      limits_rate  per_s = 10, burst = 100, form: seconds | date
      down         from_s = 0, for_s, every_s, how: refuse | error | hang, status = 503,
                   retry_after_s, where: all | desk | pages
                   counted from the first start; refuse closes the port (and so is always ``all``)
      flaky        every: k or first: n, how, status = 500, delay_s = 2, retry_after_s, when
                   every k-th notice request of the platform, or the first n of a key:
                   reset_before, error_before   the notice is not stored
                   reset_after, error_after     it is stored and the sender cannot know
                   cut_after, trickle_after, late_after   stored; half a reply, a dripping one,
                   one after delay_s
"""

import base64
import binascii
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.message import PlatformName

Seconds = Annotated[float, Field(ge=0, le=31_536_000, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
RetryForm = Literal["seconds", "date"]
Measure = Literal["REMOVED", "DISABLED", "RESTRICTED_IN_TERRITORY", "DEMOTED", "SELLER_SUSPENDED"]
UnmetCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
StandardSchedule = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Waits after the first attempt, Standard Webhooks 1.0.0."""


def _whsec(secret: str) -> str:
    if not secret.startswith("whsec_"):
        raise ValueError("a secret starts with whsec_ and goes on with base64")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("what follows whsec_ must be base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"a secret has 24 to 64 bytes, this one has {len(key)}")
    return secret


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Secret = Annotated[str, AfterValidator(_whsec)]
Secrets = Annotated[tuple[Secret, ...], BeforeValidator(_as_list), Field(max_length=8)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class When(_Part):
    """Which listings a rule is for; all that is given must hold."""

    share: Share = 1.0
    listing: str | None = Field(default=None, min_length=1)
    round: Annotated[int, Field(ge=1)] | None = None


class _Rule(_Part):
    name: str | None = None
    when: When = When()


class Prompt(_Rule):
    """Removes at once."""

    do: Literal["prompt"] = "prompt"
    after_s: Seconds = 1.0
    word: Measure = "REMOVED"


class Slow(_Rule):
    """Removes in the end."""

    do: Literal["slow"]
    after_s: Seconds = 15.0
    word: Measure = "REMOVED"


class Refuses(_Rule):
    """Keeps the listing and says why."""

    do: Literal["refuses"]
    because: Literal["lawful", "insufficient", "not_hosted"] = "lawful"
    after_s: Seconds = 2.0


class NeedsInformation(_Rule):
    """Asks before it decides."""

    do: Literal["needs_information"]
    ask_after_s: Seconds = 1.0
    question: str = "Which of the pictures shows the specimen, and how was the species identified?"
    then: Literal["removes", "refuses"] = "removes"
    then_after_s: Seconds = 2.0
    timeout_s: Seconds = 60.0
    at_timeout: Literal["refuses", "removes", "silent"] = "refuses"


class SaysRemovedAndIsnt(_Rule):
    """Claims what is not so."""

    do: Literal["says_removed_and_isnt"]
    after_s: Seconds = 2.0


class Relists(_Rule):
    """Removes; later the listing is there again."""

    do: Literal["relists"]
    after_s: Seconds = 1.0
    back_after_s: Seconds = 10.0
    rounds: int = Field(default=1, ge=1)
    says_reinstated: bool = False


class Silent(_Rule):
    """Takes the notice and never says another word."""

    do: Literal["silent"]


class Rejects422(_Rule):
    """Finds every notice wanting."""

    do: Literal["rejects_422"]
    codes: tuple[UnmetCode, ...] = Field(default=("policy_clause_missing",), min_length=1)


class Says(_Rule):
    """Says any word, also one that nobody knows."""

    do: Literal["says"]
    word: str = Field(min_length=1, max_length=64)
    after_s: Seconds = 2.0
    page: Literal["stays", "goes"] = "stays"


Rule: TypeAlias = (
    Prompt | Slow | Refuses | NeedsInformation | SaysRemovedAndIsnt | Relists | Silent | Rejects422 | Says
)


class Throttles(_Part):
    """429 for the first tries of a key."""

    do: Literal["throttles"]
    tries: int = Field(default=1, ge=1)
    retry_after_s: Seconds = 1.0
    form: RetryForm = "seconds"
    when: When = When()


class LimitsRate(_Part):
    """429 above a rate of notices."""

    do: Literal["limits_rate"]
    per_s: float = Field(default=10.0, gt=0)
    burst: int = Field(default=100, ge=1)
    form: RetryForm = "seconds"


class Down(_Part):
    """Not there for a while."""

    do: Literal["down"]
    from_s: Seconds = 0.0
    for_s: Seconds
    every_s: Annotated[float, Field(gt=0)] | None = None
    how: Literal["refuse", "error", "hang"] = "error"
    status: Literal[500, 502, 503, 504] = 503
    retry_after_s: Seconds | None = None
    where: Literal["all", "desk", "pages"] = "all"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.how == "refuse" and self.where != "all":
            raise ValueError("a closed port closes the pages and the desk: leave out `where`")
        if self.every_s is not None and self.every_s <= self.for_s:
            raise ValueError("`every_s` must be longer than `for_s`, or the platform is never up")
        return self


FlakyHow = Literal[
    "reset_before",
    "error_before",
    "reset_after",
    "error_after",
    "cut_after",
    "trickle_after",
    "late_after",
]


class Flaky(_Part):
    """Fails now and then, before or after it stored the notice."""

    do: Literal["flaky"]
    every: Annotated[int, Field(ge=1)] | None = None
    first: Annotated[int, Field(ge=1)] | None = None
    how: FlakyHow = "reset_after"
    status: Literal[500, 502, 503, 504] = 500
    retry_after_s: Seconds | None = None
    delay_s: Seconds = 2.0
    when: When = When()

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if (self.every is None) == (self.first is None):
            raise ValueError("flaky needs either `every` (each k-th request) or `first` (of each key)")
        return self


Trouble: TypeAlias = Throttles | LimitsRate | Down | Flaky


class Answers(_Part):
    """How the desk's words reach the notifier."""

    by: Literal["webhook", "poll"] = "webhook"
    first_words: tuple[Literal["RECEIVED", "IN_REVIEW"], ...] = ()
    copies: int = Field(default=1, ge=1, le=10)
    late_s: Seconds = 0.0
    out_of_order_s: Seconds = 0.0
    forged: bool = False
    retry_after_s: tuple[Seconds, ...] = StandardSchedule
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 15.0


class Pages(_Part):
    """What visitors see."""

    after_removal: Literal[404, 410, "notice"] = 404
    login_wall: Literal["page", "redirect"] | None = None
    login_wall_when: When = When()


class PlatformScenario(_Part):
    """One practice platform."""

    name: PlatformName
    description: str = ""
    port: int = Field(default=0, ge=0, le=65_535)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/?#\s]+$")
    secret: Secret | None = None
    secret_in: Secrets = ()
    secret_out: Secrets = ()
    keys: Literal["honours", "ignores"] = "honours"
    duplicates: Literal["refuses", "accepts"] = "refuses"
    max_items: int = Field(default=300, ge=1, le=300)
    temper: tuple[Annotated[Rule, Field(discriminator="do")], ...] = ()
    trouble: tuple[Annotated[Trouble, Field(discriminator="do")], ...] = ()
    answers: Answers = Answers()
    pages: Pages = Pages()

    @model_validator(mode="after")
    def _has_secrets(self) -> Self:
        if self.secret is None and not (self.secret_in and self.secret_out):
            raise ValueError("give `secret`, or both `secret_in` and `secret_out`")
        return self

    @property
    def incoming_secrets(self) -> tuple[str, ...]:
        """Any of these may sign a request to the desk."""
        return self.secret_in or ((self.secret,) if self.secret else ())

    @property
    def outgoing_secrets(self) -> tuple[str, ...]:
        """All of these sign each webhook."""
        return self.secret_out or ((self.secret,) if self.secret else ())


class Scenario(_Part):
    """Several practice platforms in one process."""

    description: str = ""
    speed: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    seed: int = 0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    platforms: tuple[PlatformScenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [platform.name for platform in self.platforms]
        ports = [platform.port for platform in self.platforms if platform.port]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two platforms are called {twice}")
        for port in sorted({port for port in ports if ports.count(port) > 1}):
            raise ValueError(f"two platforms want port {port}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The platforms' names, in the file's order."""
        return tuple(platform.name for platform in self.platforms)
