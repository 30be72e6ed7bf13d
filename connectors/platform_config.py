"""What a platform's configuration may say: one entry of the platforms file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.egress import LAST_PORT, is_hidden
from connectors.guard_config import (
    LADDER,
    BreakerConfig,
    Fallback,
    LadderStep,
    MailAddress,
    QualityConfig,
    Seconds,
)
from connectors.http import RESPONSE_CAP, USER_AGENT, HttpLimits
from schemas.message import LanguageTag, PlatformName
from schemas.response import Measure, ResponseKind, ResponseOutcome

ANSWER_PER_ITEM = 2_048
"""Bytes of an answer that are read for each further item of a notice."""


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


SecretReferences = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(max_length=4)]
"""One reference or several (the new secret first while an old one is being replaced): ``env:NAME``,
``file:PATH``, or ``whsec_…`` itself where ``dev_only`` is set."""


HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?$"


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Timeouts(_Config):
    """Bounds of one exchange, in seconds."""

    connect_s: Seconds = 5.0
    read_s: Seconds = 15.0
    write_s: Seconds = 10.0
    pool_s: Seconds = 5.0
    total_s: Seconds = 30.0


class Sla(_Config):
    """What was agreed with the platform, in seconds from receipt. Absent: no such promise."""

    regime: str | None = Field(default=None, max_length=64)
    """Id of a row of ``streams/sla/regimes.yaml`` that sets everything here but zone and calendar."""
    policy: str | None = Field(default=None, min_length=1, max_length=128)
    """Name of the agreement; needed where no regime is named."""
    source: str | None = Field(default=None, min_length=1, max_length=512)
    """The clause or agreement that sets the numbers; needed where no regime is named."""
    acknowledge_s: Seconds | None = None
    decide_s: Seconds | None = None
    remove_s: Seconds | None = None
    clock: Literal["wall", "business"] = "wall"
    """``business``: only the platform's working days count, each 86,400 s of the numbers above being
    one whole working day; the day of receipt is not counted."""
    zone: str | None = Field(default=None, max_length=64)
    """IANA name of the zone in which its days begin and end. Absent: its country's, if that has one."""
    calendar: str | None = Field(default=None, pattern=r"^(none|[A-Z]{2}(-[A-Z0-9]{1,3})?)$")
    """ISO 3166 code of the region whose public holidays are free (``DE-BY``), or ``none`` for weekends
    only. Absent: its country."""
    need_info: Literal["restart", "pause", "run"] = "run"
    """What its question to us does to the time to decide and to remove: they run anew once it has our
    information, stand still until then, or run on."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.regime is None:
            for name in ("policy", "source"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name} is needed (or a regime)")
        elif self.model_fields_set - {"regime", "zone", "calendar"}:
            raise ValueError("with regime only zone and calendar can be said; the row sets the others")
        return self

    @model_validator(mode="after")
    def _whole_days(self) -> Self:
        numbers = (self.acknowledge_s, self.decide_s, self.remove_s)
        if self.regime is not None:
            return self
        if self.clock == "business":
            if any(number is not None and number % 86_400 for number in numbers):
                raise ValueError("with clock: business every number is a multiple of 86400 (one working day)")
        elif self.zone or self.calendar:
            raise ValueError("zone and calendar are for clock: business")
        return self


class Probing(_Config):
    """How the listing itself is looked at after a notice."""

    schedule_s: tuple[Seconds, ...] = Field(
        default=(300.0, 900.0, 3_600.0, 21_600.0, 86_400.0), min_length=1, max_length=100
    )
    """Seconds after the notice was sent, rising; the last interval repeats."""
    gone_after_probes: int = Field(default=2, ge=1, le=100)
    """Looks in a row that must find it gone before it counts as removed."""
    gone_apart_s: float = Field(default=600.0, ge=0, le=86_400, allow_inf_nan=False)
    """Least distance between the first and the last of those looks."""
    unknown_again_s: Seconds = 300.0
    """Wait after a look that saw neither the listing nor its absence."""
    mismatch_after_s: float = Field(default=3_600.0, ge=0, le=30 * 86_400, allow_inf_nan=False)
    """A listing seen online this long after the platform said it was gone contradicts the claim."""
    quiet_s: Seconds = 7 * 86_400.0
    """Gone for this long: the removal is confirmed."""
    watch_s: Seconds = 30 * 86_400.0
    """Looks end this long after the notice."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if list(self.schedule_s) != sorted(set(self.schedule_s)):
            raise ValueError("schedule_s must rise")
        return self


class DeliveryPace(_Config):
    """When a failed delivery is tried again, and when an open notice's status is asked for."""

    retry_schedule_s: tuple[Seconds, ...] = Field(
        default=(5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 18_000.0, 36_000.0),
        min_length=1,
        max_length=50,
    )
    """Waits between attempts, each times a factor of 0.5 to 1; after the last one it is given up."""
    poll_first_s: Seconds = 60.0
    """Wait before the first poll; it doubles with each."""
    poll_longest_s: Seconds = 21_600.0


class NoticeDemands(_Config):
    """What the platform asks of a notice, checked before anything is sent."""

    policy_clause: bool = False
    """It looks at nothing that does not name one of its own clauses (``policy_clauses``)."""
    languages: tuple[LanguageTag, ...] = Field(default=(), max_length=50)
    """Languages it takes; empty: any."""
    max_reasons: int = Field(default=20_000, ge=100, le=20_000)
    """Characters of the reasons that it takes."""


class CoopOptions(_Config):
    """What a platform that runs Coop gave us: its ids, as its dashboards of item types and policies show."""

    item_type_id: str = Field(min_length=1, max_length=128)
    """Of a listing. The type must have the fields of :data:`connectors.channels.coop.DATA_FIELDS`."""
    reporter_type_id: str = Field(min_length=1, max_length=128)
    """Of a user; the only kind of reporter that Coop knows."""
    policy_id: str | None = Field(default=None, max_length=128)


class MastodonOptions(_Config):
    """How reports are filed on a server that speaks Mastodon's API."""

    category: Literal["legal", "violation", "spam", "other"] = "legal"
    """``legal`` needs a server of version 4.2 or later; with ``rule_ids`` it is ``violation``."""
    rule_ids: tuple[str, ...] = Field(default=(), max_length=20)
    """The server's own rules that such posts break, by the ids that ``/api/v1/instance/rules`` gives."""
    forward: bool = False
    """A report on an account of another server is passed on to that one."""

    @model_validator(mode="after")
    def _rules_are_violated(self) -> Self:
        if bool(self.rule_ids) != (self.category == "violation"):
            raise ValueError("rule_ids and category: violation are given together")
        return self


class RedditOptions(_Config):
    """Who reports on Reddit."""

    client_id: str = Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")
    """Of the registered application; its secret is the first ``api_key``."""
    api_url: str = Field(
        default="https://oauth.reddit.com", max_length=2_048, pattern=r"^https?://[^?#]+[^/?#]$"
    )
    token_url: str | None = Field(default=None, max_length=2_048, pattern=r"^https?://[^?#]+$")
    """Where tokens are given out; absent: ``/api/v1/access_token`` at ``base_url``."""


class MailAnswer(_Config):
    """One line that this platform's desk writes, and what it is for us."""

    says: str = Field(min_length=2, max_length=500)
    """A whole line of its mails, case and spaces aside."""
    kind: ResponseKind
    outcome: ResponseOutcome | None = None
    measures: tuple[Measure, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.outcome is not None) != (self.kind in ("decision", "status", "need_info")):
            raise ValueError("an outcome belongs to kind: decision, status or need_info, and only to these")
        if self.outcome == "unknown":
            raise ValueError("a line whose meaning is not known is left out of the table")
        return self


class MailAnswers(_Config):
    """The platform's table of answers by mail. A change of a row is a new ``version``."""

    version: str = Field(min_length=1, max_length=40)
    rows: tuple[MailAnswer, ...] = Field(min_length=1, max_length=500)


class MailOptions(_Config):
    """How mail reaches a platform. The password for ``username`` is the platform's ``api_key``."""

    to: tuple[MailAddress, ...] = Field(min_length=1, max_length=10)
    sender: MailAddress
    """``From`` and envelope sender: bounces come back to it."""
    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:-]+$")
    """Our own outgoing mail server: it is the operator's, and may be in a private network."""
    port: int = Field(default=587, ge=1, le=65_535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """``none`` only with ``private_address``."""
    username: str | None = Field(default=None, max_length=256)
    languages: tuple[LanguageTag, ...] = Field(default=(), max_length=5)
    """Of the human text, one after the other; empty: the platform's language and English."""
    answers: MailAnswers | None = None
    """What its desk's own lines mean; the words that our letter asks for are always read."""
    answer_domains: tuple[str, ...] = Field(default=(), max_length=20)
    """Domains from which its desk writes (and below); empty: any, the secret address being proof enough."""
    templates: Path | None = None
    """The older name of the platform's ``templates``."""


class AtprotoOptions(_Config):
    """Where a network of the AT Protocol is read, looked at and reported to. The reporter's app password is
    the platform's ``api_key``, and ``base_url`` is the reporter's own server (PDS)."""

    firehose: str = Field(min_length=1, max_length=2_048, pattern=r"^wss?://[^/?#]+$")
    """Relay or PDS whose firehose is read."""
    app_view: str = Field(min_length=1, max_length=2_048, pattern=r"^https?://[^/?#]+$")
    """Shows posts to the public: what it no longer shows is gone."""
    identifier: str | None = Field(default=None, min_length=3, max_length=512)
    """Handle or DID of the account that reports. Absent: the network is only read."""
    moderation_did: str | None = Field(default=None, pattern=r"^did:[a-z]+:[A-Za-z0-9._:%-]{1,200}$")
    """The moderation service that reports go to. Needed with ``identifier``."""
    team_member: bool = False
    """The account is on that service's team, so it may ask what became of its reports."""
    reason_type: str = Field(
        default="tools.ozone.report.defs#reasonRuleProhibitedSales",
        max_length=256,
        pattern=r"^[A-Za-z.]+#[A-Za-z]+$",
    )
    """What reports are filed under; the service's profile says which it takes."""
    web: str = Field(default="https://bsky.app", max_length=2_048, pattern=r"^https?://[^?#]+[^/?#]$")
    """Where people see posts."""
    images: str | None = Field(default=None, max_length=2_048, pattern=r"^https?://")
    """Address of a post's picture, with ``{did}`` and ``{cid}``. Absent: the blob at ``base_url``."""
    start: Literal["now", "oldest"] = "now"
    """Where the firehose is entered the first time."""

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.identifier is None) != (self.moderation_did is None):
            raise ValueError("identifier and moderation_did are given together")
        if self.team_member and self.identifier is None:
            raise ValueError("team_member needs identifier")
        return self


class ReadsOptions(_Config):
    """By which public API a platform's listings are read; see ``connectors/shelves/``. Nothing is read where
    this is absent."""

    api: str = Field(min_length=1, max_length=64)
    """A name from :func:`connectors.registry.readable`."""
    base_url: str | None = Field(default=None, max_length=2_048, pattern=r"^https?://[^?#]+$")
    """Where the API is; absent: at the platform's ``base_url``."""
    words: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(default=(), max_length=200)
    """What is searched for, one search each; hashtags on a social network."""
    market: str | None = Field(default=None, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")
    """Which of several marketplaces, as the API calls it."""
    key: SecretReferences = ()
    """Key, token or client id: ``env:NAME`` or ``file:PATH``."""
    secret: SecretReferences = ()
    """The client's secret that belongs to ``key``."""
    token_url: str | None = Field(default=None, max_length=2_048, pattern=r"^https?://[^?#]+$")
    """Where tokens are given out; absent: where the API's documentation says, on the API's own host."""
    token_file: Path | None = None
    """File with the refresh token, where an API gives a new one for each: it is kept here, so the file is
    ours to write and nobody else's to read (mode 0600)."""
    rate_per_s: float = Field(default=1.0, gt=0, le=1_000, allow_inf_nan=False)
    """Requests a second."""
    calls_a_day: int = Field(default=5_000, ge=1, le=10_000_000)
    """Requests a day (UTC), or units where the API counts those; when they are spent, reading goes on the
    next day."""
    whole_every_s: Seconds = 86_400.0
    """How often all of it is walked through, where an API shows the newest first: that finds what changed."""

    @model_validator(mode="after")
    def _by_reference(self) -> Self:
        for reference in (*self.key, *self.secret):
            scheme, _, rest = reference.partition(":")
            if scheme not in ("env", "file") or not rest:
                raise ValueError("reads.key and reads.secret are given as env:NAME or file:PATH")
        return self


class CrawlOptions(_Config):
    """How a site without an API is read: by its sitemaps; see ``connectors/sources/crawl.py``."""

    sitemaps: tuple[Annotated[str, Field(pattern=r"^https?://", max_length=2_048)], ...] = Field(
        default=(), max_length=50
    )
    """Absent: those that robots.txt names, else ``/sitemap.xml``."""
    pages: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field(
        default=("*",), min_length=1, max_length=50
    )
    """Paths of listings' pages, with ``*`` for anything: ``/d/ad/*``."""
    delay_s: float = Field(default=2.0, ge=0.0001, le=86_400, allow_inf_nan=False)
    """Least seconds between two requests; the site's own Crawl-delay where that is longer."""
    calls_a_day: int = Field(default=5_000, ge=1, le=10_000_000)
    """Requests a day (UTC); when they are spent, reading goes on the next day."""
    again_s: Seconds = 7 * 86_400.0
    """How often a page is looked at again whose sitemap does not say when it was changed."""


class PicturesOptions(_Config):
    """Whether ``takin pictures`` fetches the pictures that this platform's listings name, to know them again
    by their hashes. The pictures themselves are not kept."""

    fetch: bool = False
    hosts: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(default=(), max_length=100)
    """Hosts beside that of ``base_url`` that they are fetched from, and no other; absent: any host with
    public addresses."""
    most: int = Field(default=8, ge=1, le=50)
    """Pictures of one listing, the first ones."""
    most_bytes: int = Field(default=10 * 1024 * 1024, ge=1_024, le=50 * 1024 * 1024)
    """Of one picture; a longer one has no hashes."""
    within_s: Seconds = 15.0
    """For one picture, from the first look-up to the last byte."""
    rate_per_s: float = Field(default=2.0, gt=0, le=1_000, allow_inf_nan=False)
    """Pictures a second from one host."""


NEEDS: Mapping[str, tuple[str, ...]] = {
    "xarf": ("api_key",),
    "coop": ("api_key", "coop"),
    "mastodon": ("api_key",),
    "reddit": ("api_key", "reddit"),
    "email": ("mail",),
    "csv": ("folder",),
    "desk": ("folder",),
    "atproto": ("atproto",),
}
"""Fields without which a kind cannot be spoken to."""


class PlatformConfig(_Config):
    """One platform as configured."""

    name: PlatformName
    kind: str = Field(min_length=1, max_length=64)
    """Who speaks to it: a module under ``connectors/platforms/``, or a channel under
    ``connectors/channels/`` where it is only notified and looked at."""
    base_url: str = Field(min_length=1, max_length=2_048)
    """Where its API starts; https, unless ``private_address``. Its server is also asked what time it is."""
    listing_hosts: tuple[str, ...] = Field(default=(), max_length=100)
    """Further hosts on which its listings are shown; the prober goes nowhere else."""
    private_address: bool = False
    """The host of ``base_url`` may be on loopback or in a private network, and without TLS."""
    socks: str | None = Field(default=None, max_length=300, pattern=r"^socks5://[A-Za-z0-9.-]+:[0-9]{1,5}$")
    """A SOCKS5 proxy (``socks5://127.0.0.1:9050`` for Tor) through which this platform is read, notified and
    looked at over HTTP; it looks names up. Needed for hidden services (``.onion``). Mail does not go through
    it, and ``kind: atproto`` cannot."""
    dev_only: bool = False
    """A sandbox for development: secrets may stand in this file."""
    secret: SecretReferences = ()
    """Signs our notices; with ``kind: email`` it makes the address to which answers come. Empty: the
    installation's own secret is used."""
    webhook_secret: SecretReferences = ()
    """The platform signs its answers with it. Empty: no webhooks are accepted from it."""
    self_service: bool = False
    """With ``kind: sandbox``: its own people may change, at the desk, where notices go and what signs them. A
    new address takes effect once it has answered a signed test."""
    self_service_hosts: tuple[Annotated[str, Field(pattern=HOST)], ...] = Field(default=(), max_length=50)
    """The hosts they may choose from, ``HOST`` or ``HOST:PORT``; empty: any public one, on port 443. With
    ``private_address`` these may be on loopback or in a private network, and without TLS."""
    api_key: SecretReferences = ()
    """Says who we are to an API that gives out keys, or to our mail server: ``env:NAME`` or ``file:PATH``.
    ``kind: reddit`` takes two, its application's secret and the account's refresh token."""
    coop: CoopOptions | None = None
    mail: MailOptions | None = None
    mastodon: MastodonOptions = MastodonOptions()
    reddit: RedditOptions | None = None
    templates: Path | None = None
    """Folder with the operator's own ``notice.LANGUAGE.txt.j2`` and ``reasons.LANGUAGE.txt.j2`` for this
    platform, looked at first; tried once at the start."""
    atproto: AtprotoOptions | None = None
    reads: ReadsOptions | None = None
    """How its listings are read, where ``kind`` only brings notices to it."""
    crawl: CrawlOptions | None = None
    """The same for a site without an API."""
    pictures: PicturesOptions = PicturesOptions()
    folder: Path | None = None
    """Where ``kind: csv`` puts its batches and ``kind: desk`` its notices."""
    rate_per_s: float = Field(default=5.0, gt=0, le=10_000, allow_inf_nan=False)
    """Requests a second, notices and probes each."""
    concurrency: int = Field(default=4, ge=1, le=64)
    timeouts: Timeouts = Timeouts()
    probe_cap_bytes: int = Field(default=512 * 1024, ge=1_024, le=8 * 1024 * 1024)
    """What is read of a listing's page."""
    legal_entity: str | None = Field(default=None, max_length=256)
    contact_point: str | None = Field(default=None, max_length=512)
    country: str | None = Field(default=None, pattern=r"^[A-Z]{2}$")
    """Main establishment, ISO 3166-1 alpha-2."""
    language: LanguageTag = "en"
    """Notices are written in it."""
    policy_clauses: tuple[str, ...] = Field(default=(), max_length=50)
    """The platform's own rules that such listings break, as it numbers them."""
    sellers: Literal["clear", "keyed"] = "clear"
    """``keyed``: it is not the seller's platform (a host, a coalition's portal), so a notice has a keyed name
    where it would name the seller."""
    max_items: int = Field(default=1, ge=1, le=300)
    """Items the platform takes in one notice."""
    demands: NoticeDemands = NoticeDemands()
    sla: Sla | None = None
    probe: Probing = Probing()
    delivery: DeliveryPace = DeliveryPace()
    escalation: tuple[LadderStep, ...] = Field(default=LADDER, max_length=4)
    """What is done when the platform does not decide. Empty: nothing."""
    breaker: BreakerConfig = BreakerConfig()
    fallback: Fallback | None = None
    daily_notices: int | None = Field(default=None, ge=0, le=1_000_000)
    """Most new notices a day (UTC); two people can approve more (`takin notices approve-excess`)."""
    daily_requests: int | None = Field(default=None, ge=0, le=10_000_000)
    """Most tries of every kind a day (UTC)."""
    repeat_window_s: Seconds = 86_400.0
    """Least time between two notices on one appearance of a listing."""
    quality: QualityConfig = QualityConfig()
    user_agent: str = Field(default=USER_AGENT, min_length=1, max_length=256, pattern=r"^[ -~]+$")
    ca_file: Path | None = None
    """Certificate authority of a platform that does not use a public one."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL as error:  # its own words may repeat a password
            raise ValueError("base_url cannot be read: write https://host:port/path") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("base_url must start with https:// or http:// and name a host")
        if url.userinfo or url.query or url.fragment:
            raise ValueError("base_url must carry no password, query or fragment")
        if url.port is not None and url.port > LAST_PORT:
            raise ValueError(f"base_url names a port above {LAST_PORT}")
        if self.proxy is None and is_hidden(url.host):
            raise ValueError("base_url is a hidden service: name the proxy that reaches it (socks)")
        if self.proxy is not None and self.kind == "atproto":
            raise ValueError("kind: atproto does not go through a proxy (socks)")
        if url.scheme == "http" and not self.private_address and not is_hidden(url.host):
            raise ValueError("base_url must be https (http only with private_address: true)")
        for reference in (*self.secret, *self.webhook_secret):
            self._check_reference(reference)
        for reference in self.api_key:
            scheme, _, rest = reference.partition(":")
            if scheme not in ("env", "file") or not rest:
                raise ValueError("an api_key is given as env:NAME or file:PATH")
        return self

    @model_validator(mode="after")
    def _sellers_named(self) -> Self:
        if self.sellers == "keyed" and self.kind in ("mastodon", "reddit", "atproto"):
            raise ValueError(f"sellers cannot be keyed with kind: {self.kind}, whose server knows them")
        return self

    @model_validator(mode="after")
    def _self_served(self) -> Self:
        if self.self_service and self.kind != "sandbox":
            raise ValueError("self_service is for kind: sandbox, whose receivers know tests")
        return self

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for needed in NEEDS.get(self.kind, ()):
            if not getattr(self, needed):
                raise ValueError(f"kind: {self.kind} needs {needed}")
        if self.atproto is not None:
            self._check_atproto(self.atproto)
        if self.reads is not None:
            self._check_reads(self.reads)
        if self.kind == "reddit" and self.reddit is not None:
            self._check_reddit(self.reddit)
        if self.reads is not None and self.crawl is not None:
            raise ValueError("a platform is read in one way: by reads or by crawl")
        if self.mail is not None:
            if self.mail.tls == "none" and not self.private_address:
                raise ValueError("mail.tls may be none only with private_address: true")
            if self.mail.username and not self.api_key:
                raise ValueError("mail.username needs api_key, which holds its password")
        if len({one.step for one in self.escalation}) < len(self.escalation):
            raise ValueError("escalation names a step twice")
        if self.mail is None and any(one.to for one in self.escalation):
            raise ValueError("escalation has an address (to), so the platform needs mail to write to it")
        if self.fallback is not None:
            self.by_fallback()
        return self

    def _check_reads(self, options: ReadsOptions) -> None:
        for name in ("base_url", "token_url"):
            if (getattr(options, name) or "").startswith("http:") and not self.private_address:
                raise ValueError(f"reads.{name} must be https (http only with private_address: true)")

    def _check_reddit(self, options: RedditOptions) -> None:
        if len(self.api_key) != 2:
            raise ValueError("kind: reddit needs two api_key: the application's secret and a refresh token")
        for name in ("api_url", "token_url"):
            if (getattr(options, name) or "").startswith("http:") and not self.private_address:
                raise ValueError(f"reddit.{name} must be https (http only with private_address: true)")

    def _check_atproto(self, options: AtprotoOptions) -> None:
        if options.identifier and not self.api_key:
            raise ValueError("atproto.identifier needs api_key, which holds its app password")
        for name, plain in (("firehose", "ws:"), ("app_view", "http:")):
            if getattr(options, name).startswith(plain) and not self.private_address:
                raise ValueError(
                    f"atproto.{name} must be {plain[:-1]}s (without TLS only with private_address: true)"
                )

    def _check_reference(self, reference: str) -> None:
        scheme, colon, rest = reference.partition(":")
        if colon and scheme in ("env", "file") and rest:
            return
        if not reference.startswith("whsec_"):
            raise ValueError("a secret is given as env:NAME or file:PATH")
        if not (self.dev_only and self.kind == "sandbox"):
            raise ValueError(
                "a secret may stand in this file only for kind: sandbox with dev_only: true; "
                "use env:NAME or file:PATH"
            )

    def by_fallback(self) -> "PlatformConfig":
        """The platform as its fallback channel reaches it.

        Raises:
            ValueError: what that channel needs is not there.
        """
        assert self.fallback is not None, "asked only where there is one"
        theirs = self.fallback.model_dump(exclude={"after_s"}, exclude_none=True)
        # Nobody answers by it with a signature, and a mailbox needs none from us.
        unused = {"fallback", "webhook_secret"} | ({"secret"} if self.fallback.kind != self.kind else set())
        own = self.model_dump(exclude={*unused, *theirs}, exclude_unset=True)
        return PlatformConfig.model_validate({**own, **theirs})

    @property
    def proxy(self) -> tuple[str, int] | None:
        """Host and port of ``socks``."""
        host, _, port = (self.socks or "").removeprefix("socks5://").rpartition(":")
        return (host, int(port)) if host else None

    @property
    def own_templates(self) -> Path | None:
        """The operator's own texts for this platform."""
        return self.templates or (self.mail.templates if self.mail else None)

    @property
    def base(self) -> str:
        """``base_url`` without a final slash."""
        return self.base_url.rstrip("/")

    @property
    def limits(self) -> HttpLimits:
        """Bounds for the HTTP client."""
        return HttpLimits(
            connect_s=self.timeouts.connect_s,
            read_s=self.timeouts.read_s,
            write_s=self.timeouts.write_s,
            pool_s=self.timeouts.pool_s,
            total_s=self.timeouts.total_s,
            connections=self.concurrency,
            # The status of a notice tells of each of its items.
            response_cap=RESPONSE_CAP + ANSWER_PER_ITEM * (self.max_items - 1),
        )

    @property
    def page_limits(self) -> HttpLimits:
        """The same for reading pages."""
        return replace(self.limits, response_cap=self.probe_cap_bytes)
