"""Where platforms are notified, as the desk shows it, changes it and tries it out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from pydantic import SecretStr

from streams.desk.keys import DeskKeys
from streams.notices import acts
from streams.notices.acts import webhooks as changes
from streams.notices.casebook import webhooks
from streams.notices.casebook.database import Casebook
from streams.notices.casebook.outbox import AttemptResult
from streams.notices.casebook.viewer import Viewer
from streams.notices.casebook.webhooks import Settings, Signing, Test
from streams.notices.ports import Way
from streams.notices.ways import opened

TEST_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Outlet:
    """A platform as the operator configured it."""

    address: str
    testable: bool
    """Its channel knows tests."""
    own: bool
    """Its people may change address and secret."""
    dev: bool = False
    """It is for development, and is spoken to also in test mode."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Every platform's, and the ways to the outside that belong to them."""

    platforms: Mapping[str, Outlet]
    read_address: Callable[[str, str], str]
    """Platform and what was typed, to the address as it is kept; raises :class:`acts.ActRefused`."""
    make_secret: Callable[[], tuple[SecretStr, str]]
    """A new secret, and the mark by which people tell it from others."""
    try_out: Callable[[str, Way, str, float], Awaitable[AttemptResult]]
    """Platform, way, an id and seconds: one signed test."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a platform's people see of their settings."""

    platform: str
    outlet: Outlet
    settings: Settings
    signing: Signing

    @property
    def address(self) -> str:
        """Where notices go now."""
        return self.settings.in_force.address if self.settings.in_force else self.outlet.address


WHAT = ("now", "next", "secret")
"""What can be tried out: the way in force; the proposed address; the new secret alone."""


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    """What pages and the API have in common. For a platform that is not the viewer's everything is ``None``,
    or refused as unknown."""

    casebook: Casebook
    keys: DeskKeys
    outlets: Outlets
    clock: Callable[[], datetime]

    async def standing(self, viewer: Viewer, platform: str) -> Standing | None:
        """The settings; ``None``: not theirs, or there is no such platform."""
        outlet = self.outlets.platforms.get(platform)
        found = await self.casebook.look(webhooks.settings, viewer, platform)
        if outlet is None or found is None:
            return None
        if not outlet.own:
            # What was set while it was allowed counts no more.
            found = Settings(None, None, found.before, ())
        return Standing(platform, outlet, found, webhooks.signing(found.secrets, self.clock()))

    async def propose(self, viewer: Viewer, platform: str, text: str) -> None:
        """Keep an address, to be tested next."""
        await self._change(platform)
        address = self.outlets.read_address(platform, text)
        if address == self.outlets.platforms[platform].address:
            raise acts.ActRefused("address", "That is the operator's address: it can be gone back to.")
        await self.casebook.run(changes.propose_address, platform, address, by=viewer, now=self.clock())

    async def make_secret(self, viewer: Viewer, platform: str, overlap: timedelta) -> SecretStr:
        """A new secret, which nobody is shown again."""
        await self._change(platform)
        secret, mark = self.outlets.make_secret()
        await self.casebook.run(
            changes.make_secret,
            platform,
            sealed=self.keys.seal(secret.get_secret_value()),
            mark=mark,
            overlap=overlap,
            by=viewer,
            now=self.clock(),
        )
        return secret

    async def act(self, viewer: Viewer, platform: str, act: Callable[..., None]) -> None:
        """One of the changes that need no more than who and when."""
        await self._change(platform)
        await self.casebook.run(act, platform, by=viewer, now=self.clock())

    async def try_out(self, viewer: Viewer, standing: Standing, what: str) -> Test:
        """One signed test, and what came of it; of an address or secret on its way it is written down.

        Raises:
            ActRefused: ``no_way`` (the channel knows no tests), ``unknown`` (nothing of the kind to be tried)
        """
        if not standing.outlet.testable:
            raise acts.ActRefused(
                "no_way", "Your notices do not come by the desk API, which alone knows tests."
            )
        settings, signing = standing.settings, standing.signing
        new, here = settings.new_secret, settings.in_force.address if settings.in_force else None
        way = Way(here, opened(signing.secrets, self.keys.open), signing.configured)
        if what == "next":
            if settings.next is None:
                raise acts.ActRefused("unknown", "No address is proposed.")
            way = Way(settings.next.address, way.secrets, way.configured)
        elif what == "secret":
            if new is None:
                raise acts.ActRefused("unknown", "There is no new secret.")
            way = Way(here, opened((new,), self.keys.open), False)
        found = await self.outlets.try_out(standing.platform, way, token_hex(12), TEST_WITHIN_S)
        result = "accepted" if found.result in ("accepted", "duplicate") else found.reason or found.result
        test = Test(self.clock(), result, found.http_status)
        if what == "next" and settings.next is not None:
            await self.casebook.run(changes.address_tested, settings.next.address_id, test, by=viewer)
        elif what == "secret" and new is not None:
            await self.casebook.run(changes.secret_tested, standing.platform, new.secret_id, test, by=viewer)
        return test

    async def _change(self, platform: str) -> None:
        outlet = self.outlets.platforms.get(platform)
        if outlet is None or not outlet.own:
            raise acts.ActRefused(
                "no_way",
                "These settings are the operator's: ask them to change it, or to write self_service: true "
                "for your platform.",
            )
