"""A platform's own people, or who keeps accounts, change where notices go and what signs them."""

from datetime import datetime, timedelta

from streams.notices.acts.people import ActRefused
from streams.notices.casebook import webhooks
from streams.notices.casebook.database import Transaction
from streams.notices.casebook.viewer import Viewer
from streams.notices.casebook.webhooks import Settings, Test, may_set

PROOF_LASTS = timedelta(hours=24)
"""An address goes into force within this time of the test that it answered."""
OVERLAPS = (timedelta(hours=1), timedelta(hours=24), timedelta(days=7))
"""How long an old secret may go on signing once the new one is proven."""
MOST_SECRETS = 10
"""New secrets of one platform within a day."""
TAKEN = "accepted"


def _held(tx: Transaction, platform: str, by: Viewer) -> Settings:
    if not may_set(by, platform):
        raise ActRefused("unknown", "There is no such platform, or it is not yours.")
    return webhooks.hold(tx, platform)


def propose_address(tx: Transaction, platform: str, address: str, *, by: Viewer, now: datetime) -> None:
    """Keep an address that notices are to go to; nothing goes there before it is proven and put in force.

    One that was on its way is given up for it.

    Raises:
        ActRefused: ``unknown`` (not theirs), ``done`` (it is in force, or proposed, already).
    """
    found = _held(tx, platform, by)
    if found.in_force is not None and found.in_force.address == address:
        raise ActRefused("done", "That address is in force already.")
    if found.next is not None and found.next.address == address:
        raise ActRefused("done", "That address is proposed already: test it.")
    _give_up(tx, found, by=by, now=now)
    webhooks.propose(tx, platform, address, by=by, now=now)


def give_up_address(tx: Transaction, platform: str, *, by: Viewer, now: datetime) -> None:
    """Take back an address that is not in force yet.

    Raises:
        ActRefused: ``unknown``
    """
    if not _give_up(tx, _held(tx, platform, by), by=by, now=now):
        raise ActRefused("unknown", "No address is proposed.")


def _give_up(tx: Transaction, found: Settings, *, by: Viewer, now: datetime) -> bool:
    return found.next is not None and webhooks.change_address(
        tx, found.next.address_id, "webhook_given_up", by=by, now=now, ended_by=by.login, ended_at=now
    )


def address_tested(tx: Transaction, address_id: str, test: Test, *, by: Viewer) -> None:
    """Write down how a test of a proposed address ended; the last one says whether it is proven."""
    webhooks.change_address(
        tx,
        address_id,
        "webhook_tested",
        by=by,
        now=test.at,
        tested_at=test.at,
        test_result=test.result,
        test_status=test.status,
        proven_at=test.at if test.result == TAKEN else None,
    )


def use_address(tx: Transaction, platform: str, *, by: Viewer, now: datetime) -> None:
    """Put the proven address in force: every delivery from now on goes there, also of what waits already.

    Raises:
        ActRefused: ``unknown`` (none is proposed), ``not_proven``
    """
    found = _held(tx, platform, by)
    if found.next is None:
        raise ActRefused("unknown", "No address is proposed.")
    if found.next.proven_at is None:
        raise ActRefused("not_proven", "The address has not taken a test yet: test it first.")
    if now - found.next.proven_at > PROOF_LASTS:
        raise ActRefused("not_proven", "The last test is more than 24 hours old: test the address again.")
    _end_in_force(tx, found, by=by, now=now)
    webhooks.change_address(
        tx, found.next.address_id, "webhook_in_force", by=by, now=now, used_by=by.login, used_at=now
    )


def return_address(tx: Transaction, platform: str, *, by: Viewer, now: datetime) -> None:
    """Go back to the address that the operator configured.

    Raises:
        ActRefused: ``unknown`` (that one is in force)
    """
    if not _end_in_force(tx, _held(tx, platform, by), by=by, now=now):
        raise ActRefused("unknown", "Notices go to the operator's address already.")


def _end_in_force(tx: Transaction, found: Settings, *, by: Viewer, now: datetime) -> bool:
    return found.in_force is not None and webhooks.change_address(
        tx, found.in_force.address_id, "webhook_ended", by=by, now=now, ended_by=by.login, ended_at=now
    )


def make_secret(
    tx: Transaction,
    platform: str,
    *,
    sealed: str,
    mark: str,
    overlap: timedelta,
    by: Viewer,
    now: datetime,
) -> None:
    """Keep a new secret. It signs beside the old ones from now on; they stop some time after it is proven.

    One that was not proven yet is given up for it.

    Raises:
        ActRefused: ``unknown``, ``too_much``
    """
    found = _held(tx, platform, by)
    if overlap not in OVERLAPS:
        raise ActRefused("unknown", "Choose 1 hour, 24 hours or 7 days.")
    if webhooks.made_since(tx, platform, now - timedelta(days=1)) >= MOST_SECRETS:
        raise ActRefused("too_much", f"At most {MOST_SECRETS} secrets a day are made: try later.")
    _give_up_secret(tx, found, by=by, now=now)
    webhooks.add_secret(
        tx, platform, sealed=sealed, mark=mark, overlap_s=int(overlap.total_seconds()), by=by, now=now
    )


def give_up_secret(tx: Transaction, platform: str, *, by: Viewer, now: datetime) -> None:
    """Take back a secret that is not proven yet.

    Raises:
        ActRefused: ``unknown``
    """
    if not _give_up_secret(tx, _held(tx, platform, by), by=by, now=now):
        raise ActRefused("unknown", "There is no new secret.")


def _give_up_secret(tx: Transaction, found: Settings, *, by: Viewer, now: datetime) -> bool:
    new = found.new_secret
    return new is not None and webhooks.change_secret(
        tx, new.secret_id, "webhook_secret_given_up", by=by, now=now, ended_by=by.login, ended_at=now
    )


def secret_tested(tx: Transaction, platform: str, secret_id: str, test: Test, *, by: Viewer) -> None:
    """Write down how a test by the new secret alone ended; once it was taken, the old ones are on their way
    out."""
    new = _held(tx, platform, by).new_secret
    if new is None or new.secret_id != secret_id:
        return  # given up, or proven, meanwhile
    taken = test.result == TAKEN
    webhooks.change_secret(
        tx,
        secret_id,
        "webhook_secret_proven" if taken else "webhook_secret_tested",
        by=by,
        now=test.at,
        tested_at=test.at,
        test_result=test.result,
        test_status=test.status,
        **({"proven_at": test.at, "old_until": test.at + timedelta(seconds=new.overlap_s)} if taken else {}),
    )


def end_old_secrets(tx: Transaction, platform: str, *, by: Viewer, now: datetime) -> None:
    """Have the old secrets stop at once, as where one became known.

    Raises:
        ActRefused: ``unknown`` (none is on its way out)
    """
    found = _held(tx, platform, by)
    newest = next((one for one in found.secrets if one.old_until is not None), None)
    if newest is None or newest.old_until is None or newest.old_until <= now:
        raise ActRefused("unknown", "No old secret signs any more, or the new one is not proven yet.")
    webhooks.change_secret(tx, newest.secret_id, "webhook_old_secrets_ended", by=by, now=now, old_until=now)
