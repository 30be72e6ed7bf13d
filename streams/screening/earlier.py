"""What was in force before: read from the changes on record."""

from schemas.watchlist import RulePackRelease
from streams.notices.acts.people import ActRefused
from streams.notices.casebook import list_changes
from streams.notices.casebook.database import Casebook
from streams.screening import proposals
from streams.watchlist.records import unpacked

LOOKED_AT = 50
"""Changes of a name, the newest."""


async def release_before(casebook: Casebook, name: str, sha256: str) -> RulePackRelease | None:
    """The release in force before the one with this digest; ``None``: what comes with Takin, or nothing.

    Raises:
        ActRefused: ``unknown``: the one in force came by command, so that nothing is known before it.
    """
    past = await casebook.look(
        list_changes.listed, kinds=("pack",), states=("done",), subject=name, limit=LOOKED_AT
    )
    last = next((one for one in past if one.target == "active"), None)
    if last is None or last.sha256 != sha256:
        raise ActRefused(
            "unknown",
            f"What is in force of {name} was released by command: release the file of the version before.",
        )
    whole = await casebook.look(list_changes.one, last.change_id)
    assert whole is not None
    return proposals.replaced(name, unpacked(whole.replaces or b"[]"))
